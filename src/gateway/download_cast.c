/* download_cast.c - a log as an asciicast, version 2 (docs.asciinema.org/manual/asciicast/v2): a header with the
 * terminal's size, the time and what was built, then an event per chunk. */
#include "gateway/download_impl.h"

#include <stdio.h>

#include "proto/msg.h"

enum { ROWS = 24 };

static void put_header(struct download *d, const struct log_state *s, const struct log_attempt *a)
{
    static const struct msg_pair env[] = { { "TERM", "xterm-256color" }, { "SHELL", "/bin/sh" } };
    char *title = arena_printf(&d->arena, "%s%s%s", s->repo ? s->repo : "", s->target ? " " : "",
                               s->target ? s->target : "");
    struct msg_cast_header m = { .version = 2, .width = d->query.cols, .height = ROWS, .title = title,
                                 .env = { env, ARRAY_LEN(env) } };

    m.has.timestamp = a && a->started_ms != 0;
    m.timestamp = m.has.timestamp ? a->started_ms / 1000 : 0;
    msg_to_json(MSG_CAST_HEADER, &m, false, &d->made);
    buf_putc(&d->made, '\n');
}

static void put_event(struct download *d, const struct piece *p)
{
    cast_put(&d->cast, p->stream, p->time_ns, p->data, p->len, &d->made);
}

static void put_gap(struct download *d, const struct follow_gap *gap)
{
    char text[GAP_REASON_SIZE + 96], line[sizeof(text) + 2];
    struct follow_gap rest = *gap;

    rest.from = d->offset;
    download_gap_text(&rest, text, sizeof(text));
    int n = snprintf(line, sizeof(line), "\n%s\n", text);
    cast_end(&d->cast, &d->made);
    cast_put(&d->cast, 0, d->time_ns, (const uint8_t *)line, (size_t)n, &d->made);
}

static void put_rest(struct download *d)
{
    cast_end(&d->cast, &d->made);
}

const struct download_form download_form_cast = {
    .has_chunks = true, .piece_max = 16384, .begin = put_header, .bytes = put_event, .gap = put_gap, .end = put_rest,
};
