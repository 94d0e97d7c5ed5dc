/* v1_log.c - GET /v1/tasks/{id}/log: in which form the log was asked for (log_query.c), and who makes it: viewer.c the
 * stream of events, download.c everything else. docs/LOGS.md has the forms and their parameters. */
#include <string.h>

#include "gateway/download.h"
#include "gateway/gateway.h"
#include "gateway/request.h"
#include "gateway/viewer.h"
#include "lib/clock.h"

static int read_place(struct request *r, struct viewer_spec *spec, struct err *e)
{
    static const char *const known[] = { "format", "last_event_id", NULL };
    const char *last = request_header(r, "Last-Event-ID");
    int64_t offset;

    spec->kind = VIEWER_V1;
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

static void view(struct gateway *g, struct request *r, const struct uuid *id)
{
    struct viewer_spec spec = { .id = *id };
    struct err e = { 0 };

    if (read_place(r, &spec, &e) < 0)
        reply_err(r, 400, &e);
    else
        viewer_open(g->viewers, r, &spec);
}

void v1_get_log(struct gateway *g, struct request *r)
{
    struct log_query query;
    struct uuid id;
    struct err e = { 0 };

    if (uuid_parse(r->param, strlen(r->param), &id) < 0)
        reply_error(r, 400, "a task's id is a UUID, such as 01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90");
    else if (log_query_form(&r->query, request_header(r, "Accept"), &query, &e) < 0)
        reply_err(r, e.field[0] ? 400 : 406, &e);
    else if (query.form == FORM_SSE)
        view(g, r, &id);
    else if (log_query_read(&r->query, clock_wall_ms(), &query, &e) < 0)
        reply_err(r, 400, &e);
    else
        download_open(g->downloads, r, &id, &query);
}
