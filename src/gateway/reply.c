/* reply.c - what answers look like: JSON bodies from the message table, and errors in the route's own form.
 *
 * The seed's routes say {"message": ...}; /v1 says application/problem+json (RFC 9457). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/request.h"

#define TYPE_JSON "application/json"
#define TYPE_PROBLEM "application/problem+json"

static const struct {
    unsigned status;
    const char *title;
} titles[] = {
    { 400, "Bad Request" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 406, "Not Acceptable" },
    { 409, "Conflict" },
    { 410, "Gone" },
    { 413, "Content Too Large" },
    { 415, "Unsupported Media Type" },
    { 416, "Range Not Satisfiable" },
    { 422, "Unprocessable Content" },
    { 426, "Upgrade Required" },
    { 500, "Internal Server Error" },
    { 503, "Service Unavailable" },
    { 504, "Gateway Timeout" },
};

static const char *title_of(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

static void answer_json(struct request *r, unsigned status, const char *content_type, enum msg_type type,
                        const void *message)
{
    struct buf body = { 0 };

    msg_to_json(type, message, false, &body);
    buf_putc(&body, '\n');
    request_answer(r, status, content_type, &body);
}

void reply_message(struct request *r, unsigned status, enum msg_type type, const void *message)
{
    answer_json(r, status, TYPE_JSON, type, message);
}

void reply_text(struct request *r, unsigned status, const char *text)
{
    struct buf body = { 0 };

    buf_puts(&body, text);
    request_answer(r, status, "text/plain; charset=utf-8", &body);
}

/* The one place where an error gets its form. `field` and `task_id` may be NULL. */
static void answer_error(struct request *r, unsigned status, const char *text, const char *field,
                         const struct uuid *task_id)
{
    if (status == 503)
        request_add_header(r, "Retry-After", "1");
    if (r->is_v1) {
        struct msg_problem problem = { .type = "about:blank", .title = title_of(status), .status = status,
                                       .detail = text, .field = field };
        if (task_id) {
            problem.task_id = *task_id;
            problem.has.task_id = true;
        }
        answer_json(r, status, TYPE_PROBLEM, MSG_PROBLEM, &problem);
        return;
    }
    struct msg_seed_message message = { .message = text };
    if (task_id) {
        message.task_id = *task_id;
        message.has.task_id = true;
    }
    answer_json(r, status, TYPE_JSON, MSG_SEED_MESSAGE, &message);
}

void reply_error(struct request *r, unsigned status, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    answer_error(r, status, text, NULL, NULL);
}

void reply_err(struct request *r, unsigned status, const struct err *e)
{
    answer_error(r, status, e->text, e->field[0] ? e->field : NULL, NULL);
}

void reply_task_error(struct request *r, unsigned status, const struct uuid *task_id, const char *text)
{
    answer_error(r, status, text, NULL, task_id);
}

/* Broken JSON is 400 everywhere. A field that is missing or wrong is the seed's 422 and /v1's 400. */
void reply_undecodable(struct request *r, const struct err *e)
{
    unsigned status = 400;

    if (e->field[0] && !r->is_v1)
        status = 422;
    else if (!e->field[0] && e->kind == ERR_TOO_LARGE)
        status = 413;
    reply_err(r, status, e);
}
