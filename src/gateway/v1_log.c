/* v1_log.c - GET /v1/tasks/{id}/log: which form of the log was asked for, and from where. viewer.c does the rest.
 *
 *   text/event-stream   all attempts in order; Last-Event-ID or ?last_event_id=ATTEMPT.OFFSET resumes
 *   text/plain          raw bytes of one attempt; ?attempt= ?offset= ?limit= ?follow=1
 * By ?format=sse|text, else by Accept; text when anything will do. application/jsonl does not exist yet. */
#include <string.h>
#include <strings.h>

#include "gateway/gateway.h"
#include "gateway/request.h"
#include "gateway/viewer.h"

enum { ATTEMPTS_MAX = 1000000 };

static const struct form {
    const char *name;     /* of ?format= */
    const char *type;     /* of Accept */
    enum viewer_kind kind;
} forms[] = {
    { "text", "text/plain", VIEWER_RAW },
    { "sse", "text/event-stream", VIEWER_V1 },
    { "text", "text/*", VIEWER_RAW },
    { "text", "*/*", VIEWER_RAW },
};

/* The first type of an Accept header that there is; -1: none. Weights are not looked at. */
static int form_by_accept(const char *accept)
{
    if (!accept)
        return VIEWER_RAW;
    while (*accept) {
        accept += strspn(accept, " \t,");
        size_t len = strcspn(accept, " \t,;");
        for (size_t i = 0; i < ARRAY_LEN(forms); i++)
            if (len > 0 && strlen(forms[i].type) == len && strncasecmp(forms[i].type, accept, len) == 0)
                return (int)forms[i].kind;
        accept += strcspn(accept, ",");
    }
    return -1;
}

static int form_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (strcmp(forms[i].name, name) == 0)
            return (int)forms[i].kind;
    return -1;
}

static int read_place(struct request *r, struct viewer_spec *spec, struct err *e)
{
    static const char *const known[] = { "format", "last_event_id", NULL };
    const char *last = request_header(r, "Last-Event-ID");
    int64_t offset;

    spec->limit = UINT64_MAX;
    if (query_check(&r->query, known, e) < 0)
        return -1;
    if (!last)
        last = query_get(&r->query, "last_event_id");
    if (!last || !last[0])
        return 0;
    if (query_position(last, &spec->attempt, &offset) < 0)
        return err_field(e, "last_event_id", "the last event's id must be <attempt>.<offset>");
    spec->offset = (uint64_t)offset;
    spec->is_resumed = true;
    return 0;
}

static int read_range(struct request *r, struct viewer_spec *spec, struct err *e)
{
    static const char *const known[] = { "format", "attempt", "offset", "limit", "follow", NULL };
    int64_t offset, limit, follow;

    if (query_check(&r->query, known, e) < 0 ||
        query_number(&r->query, "attempt", ATTEMPTS_MAX, 0, &spec->attempt, e) < 0 ||
        query_number(&r->query, "offset", INT64_MAX, 0, &offset, e) < 0 ||
        query_number(&r->query, "limit", INT64_MAX, INT64_MAX, &limit, e) < 0 ||
        query_number(&r->query, "follow", 1, 0, &follow, e) < 0)
        return -1;
    spec->offset = (uint64_t)offset;
    spec->limit = spec->offset + (uint64_t)limit;
    spec->is_following = follow == 1;
    return 0;
}

void v1_get_log(struct gateway *g, struct request *r)
{
    const char *format = query_get(&r->query, "format");
    int kind = format ? form_by_name(format) : form_by_accept(request_header(r, "Accept"));
    struct viewer_spec spec = { 0 };
    struct err e = { 0 };

    if (kind < 0) {
        reply_error(r, 406, "a log comes as text/event-stream (format=sse) or text/plain (format=text)");
        return;
    }
    spec.kind = (enum viewer_kind)kind;
    if (uuid_parse(r->param, strlen(r->param), &spec.id) < 0)
        reply_error(r, 400, "a task's id is a UUID, such as 01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90");
    else if ((spec.kind == VIEWER_RAW ? read_range(r, &spec, &e) : read_place(r, &spec, &e)) < 0)
        reply_err(r, 400, &e);
    else
        viewer_open(g->viewers, r, &spec);
}
