/* logs_form.c - forms of a log that the server makes: written as they come. A form that cannot be resumed by offset is
 * asked for again after a break and what was written already is passed over; events are resumed behind the last whole
 * one. Rules: man/orion.1, docs/ARCHITECTURE.md "The life of a task", point 5. */
#include <stdio.h>
#include <string.h>

#include "cli/events.h"
#include "cli/logs.h"
#include "lib/fetch.h"

enum { STREAM_MS = 60000, STATUS_NO_CONTENT = 204 };

/* One GET of the task's log; 0 with an answer that is all there, 1 when `on_data` wanted no more, or -1. */
static int get(const struct logs *l, const char *query, const char *const *headers, struct fetch_request *q, long *status_r,
               struct err *e)
{
    struct fetch_response r = { 0 };
    char *url = mem_printf("%s/v1/tasks/%s/log?%s", l->api.url, l->id, query);

    q->url = url;
    q->headers = headers;
    q->ca_file = l->api.ca_file;
    q->timeout_ms = STREAM_MS;
    int rc = fetch_http(q, &r, e);
    if (rc == 0 && !r.stopped && (r.status < 200 || r.status > 299))
        rc = api_problem(r.status, &r.body, e);
    if (r.stopped)
        rc = 1;
    *status_r = r.status;
    fetch_response_fini(&r);
    mem_free(&url);
    return rc;
}

/* --- asked for again as a whole ---------------------------------------------------------------------------------- */

struct again {
    struct logs *logs;
    size_t written;
    size_t to_skip;   /* of this answer */
};

static bool on_form(void *arg, const char *data, size_t len)
{
    struct again *a = arg;
    size_t skip = len < a->to_skip ? len : a->to_skip;

    a->to_skip -= skip;
    a->written += len - skip;
    return len == skip || outlet_write(&a->logs->out, data + skip, len - skip);
}

int logs_form(struct logs *l, const char *query)
{
    struct again again = { .logs = l };
    int64_t away_since_ms = 0;
    long status;
    char *whole = mem_printf("%s&attempt=%lld", query, (long long)l->attempt->number);
    struct err e;
    int rc;

    do {
        struct fetch_request q = { .on_data = on_form, .arg = &again };
        size_t before = again.written;
        e = (struct err){ 0 };
        again.to_skip = before;
        rc = get(l, whole, NULL, &q, &status, &e);
        if (again.written > before)
            away_since_ms = 0;
    } while (rc < 0 && source_is_patient(&e, &away_since_ms));
    mem_free(&whole);
    return rc < 0 ? cli_fail(&e) : rc > 0 ? CLI_FAILED : CLI_OK;
}

/* --- events ------------------------------------------------------------------------------------------------------ */

struct event_stream {
    struct logs *logs;
    struct events events;
    bool is_endless;    /* an event that does not end: no such server */
};

static bool on_events(void *arg, const char *data, size_t len)
{
    struct event_stream *s = arg;
    struct buf out = { 0 };

    s->is_endless = !events_feed(&s->events, data, len, &out);
    bool is_put = out.len == 0 || outlet_write(&s->logs->out, out.data, out.len);
    buf_fini(&out);
    return is_put && !s->is_endless;
}

/* One connection. The server ends it behind `end`, and when it is told to stop. */
static int events_once(struct event_stream *s, long *status_r, struct err *e)
{
    char *last = mem_printf("Last-Event-ID: %s", s->events.last_id);
    const char *const headers[] = { s->events.last_id[0] ? last : NULL, NULL };
    struct fetch_request q = { .on_data = on_events, .arg = s };
    int rc = get(s->logs, "format=sse", headers, &q, status_r, e);

    events_break(&s->events);
    mem_free(&last);
    return rc;
}

int logs_events(struct logs *l)
{
    struct event_stream s = { .logs = l };
    int64_t away_since_ms = 0;
    long status = 0;
    struct err e;
    int rc;

    if (l->o->attempt.is_given)
        snprintf(s.events.last_id, sizeof(s.events.last_id), "%lld.0", (long long)l->o->attempt.value);
    cli_on_interrupt(arena_printf(l->call->arena, "\norion: the task goes on; to see it again: orion logs -f %s\n",
                                  l->id));
    do {
        char before[EVENTS_ID_SIZE];
        snprintf(before, sizeof(before), "%s", s.events.last_id);
        e = (struct err){ 0 };
        rc = events_once(&s, &status, &e);
        if (rc == 0)
            err_set(&e, ERR_UNAVAILABLE, "the server ends the events before their end");
        if (rc == 0 || strcmp(before, s.events.last_id) != 0)
            away_since_ms = 0;
    } while (rc <= 0 && !s.events.has_ended && status != STATUS_NO_CONTENT && source_is_patient(&e, &away_since_ms));
    cli_on_interrupt(NULL);
    events_fini(&s.events);
    if (s.is_endless)
        fprintf(stderr, "orion: the server's event does not end\n");
    if (s.events.has_ended || status == STATUS_NO_CONTENT)
        return CLI_OK;
    return rc > 0 ? CLI_FAILED : cli_fail(&e);
}
