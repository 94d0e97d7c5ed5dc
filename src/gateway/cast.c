/* cast.c - the bytes of a log as events of an asciicast. Given pieces of it with their stream and time. Pure. */
#include "gateway/cast.h"

#include <inttypes.h>
#include <string.h>

#include "lib/text.h"
#include "proto/msg.h"

/* Bytes at the end that begin a character and do not finish it. */
static size_t unfinished(const char *text, size_t len)
{
    for (size_t back = 1; back < 4 && back <= len; back++)
        if (text_step(text + len - back, back) < 0)
            return back;
    return 0;
}

static void append_terminal(struct buf *text, const uint8_t *data, size_t len)
{
    const uint8_t *newline;

    while ((newline = memchr(data, '\n', len))) {
        size_t n = (size_t)(newline - data);
        buf_append(text, data, n);
        buf_puts(text, "\r\n");
        data += n + 1;
        len -= n + 1;
    }
    buf_append(text, data, len);
}

static void put_event(struct cast *c, struct buf *out)
{
    if (c->text.len == 0)
        return;
    buf_printf(out, "[%" PRIu64 ".%06" PRIu64 ",\"o\",", c->last_ns / 1000000000, c->last_ns % 1000000000 / 1000);
    msg_json_text(c->text.data, c->text.len, out);
    buf_puts(out, "]\n");
}

void cast_put(struct cast *c, unsigned stream, uint64_t time_ns, const uint8_t *data, size_t len, struct buf *out)
{
    struct cast_held *held = &c->held[stream];

    if (time_ns > c->last_ns)
        c->last_ns = time_ns;
    buf_reset(&c->text);
    buf_append(&c->text, held->data, held->len);
    append_terminal(&c->text, data, len);
    held->len = unfinished(c->text.data, c->text.len);
    c->text.len -= held->len;
    memcpy(held->data, c->text.data + c->text.len, held->len);
    put_event(c, out);
}

void cast_end(struct cast *c, struct buf *out)
{
    for (size_t i = 0; i < CAST_STREAMS; i++) {
        buf_reset(&c->text);
        buf_append(&c->text, c->held[i].data, c->held[i].len);
        c->held[i].len = 0;
        put_event(c, out);
    }
}

void cast_fini(struct cast *c)
{
    buf_fini(&c->text);
}
