/* submit.c - submissions on their way to the leader, until they are answered or their deadline has passed.
 *
 * The worker makes the task's id; it is the key of this hop, so an unanswered submission is sent again unchanged to
 * whichever leader appears (ARCHITECTURE "The life of a task", 1). 503 means certainly not kept: nobody got it, or
 * the only one who did refused it. A deadline that passes while somebody may have kept it is 504 with the id. */
#include <string.h>
#include <sys/queue.h>

#include "gateway/gateway.h"
#include "gateway/request.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/table.h"

enum { PENDING_MAX = 4096, TICK_MS = 100 };

struct submit {
    TAILQ_ENTRY(submit) entry;
    struct uuid id;
    struct msg_task_submit task;  /* its texts live in the request's arena or here */
    struct ticket *ticket;
    submit_fn *fn;
    uint64_t deadline_ms;
    bool is_sent;                 /* to the present leader, unanswered */
    bool is_doubtful;             /* an earlier leader got it and did not answer */
};

struct submits {
    struct gateway *g;
    struct timer *timer;
    TAILQ_HEAD(, submit) list;    /* oldest first, so by deadline */
    struct table by_id;
};

/* Takes it off the list; the request, or NULL when nobody waits any more. */
static struct request *submit_end(struct submits *s, struct submit *p)
{
    struct request *r = ticket_request(&p->ticket);

    TAILQ_REMOVE(&s->list, p, entry);
    table_remove(&s->by_id, &p->id);
    mem_free(&p);
    return r;
}

static void submit_send(struct submits *s, struct submit *p)
{
    p->is_sent = scheds_send(s->g->scheds, MSG_TASK_SUBMIT, 0, &p->task) == 0;
}

static void submit_expire(struct submits *s, struct submit *p)
{
    struct uuid id = p->id;
    bool may_be_kept = p->is_sent || p->is_doubtful;
    struct request *r = submit_end(s, p);

    if (!r)
        return;
    if (may_be_kept)
        reply_task_error(r, 504, &id,
                         "the scheduler did not answer in time: the task may have been kept under this id");
    else
        reply_error(r, 503, "no scheduler leads at the moment; the task was not kept, try again");
}

/* Deadlines, and what a full queue has refused. On only while something is pending. */
static void on_timer(void *arg)
{
    struct submits *s = arg;
    uint64_t now_ms = clock_boot_ms();
    struct submit *p;

    while ((p = TAILQ_FIRST(&s->list)) && p->deadline_ms <= now_ms)
        submit_expire(s, p);
    TAILQ_FOREACH(p, &s->list, entry)
        if (!p->is_sent)
            submit_send(s, p);
    if (!TAILQ_EMPTY(&s->list))
        timer_in(s->timer, TICK_MS);
}

void submit_start(struct submits *s, struct request *r, struct msg_task_submit *task, submit_fn *fn)
{
    if (s->by_id.used >= PENDING_MAX) {
        reply_error(r, 503, "too many submissions are waiting for the scheduler; the task was not kept, try again");
        return;
    }
    struct submit *p = mem_zalloc(sizeof(*p));
    uuid_v7(&p->id, scheds_wall_ms(s->g->scheds));
    task->task_id = p->id;
    p->task = *task;
    p->fn = fn;
    p->deadline_ms = clock_boot_ms() + (uint64_t)s->g->settings->submit_deadline_ms;
    p->ticket = request_wait(r);
    TAILQ_INSERT_TAIL(&s->list, p, entry);
    table_put(&s->by_id, &p->id, p);
    submit_send(s, p);
    if (!timer_is_on(s->timer))
        timer_in(s->timer, TICK_MS);
}

void submit_leader_up(struct submits *s)
{
    struct submit *p;

    TAILQ_FOREACH(p, &s->list, entry) {
        p->is_doubtful |= p->is_sent;
        submit_send(s, p);
    }
}

void submit_leader_down(struct submits *s)
{
    struct submit *p;

    TAILQ_FOREACH(p, &s->list, entry) {
        p->is_doubtful |= p->is_sent;
        p->is_sent = false;
    }
}

void submit_kept(struct submits *s, const struct msg_task_submitted *answer)
{
    struct submit *p = table_get(&s->by_id, &answer->request_id);

    if (!p)
        return;
    submit_fn *fn = p->fn;
    struct request *r = submit_end(s, p);
    if (r)
        fn(s->g, r, answer);
}

/* What a refusal means to the client. */
static const struct refusal {
    const char *reason;
    unsigned status;
    bool is_final;       /* whoever else may have got it would have been found by this leader */
    const char *text;    /* NULL: the scheduler's */
} refusals[] = {
    { "no_agent", 503, true, "No clients connected" },
    { "overloaded", 503, false, "the scheduler has too much to do; the task was not kept, try again" },
    { "storage_refused", 500, true, NULL },
    { "key_reused", 422, true, "this Idempotency-Key was used with another body" },
    { "not_leader", 503, false, NULL },
};

static const struct refusal *refusal_find(const char *reason)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (strcmp(refusals[i].reason, reason) == 0)
            return &refusals[i];
    return NULL;
}

void submit_refused(struct submits *s, const struct msg_task_refused *answer)
{
    struct submit *p = table_get(&s->by_id, &answer->request_id);
    const struct refusal *why = refusal_find(answer->reason);

    if (!p)
        return;
    if (strcmp(answer->reason, "not_leader") == 0 || (why && !why->is_final && p->is_doubtful)) {
        p->is_sent = false;   /* asked again until the deadline */
        return;
    }
    struct request *r = submit_end(s, p);
    if (!r)
        return;
    const char *text = why && why->text ? why->text : answer->message;
    reply_error(r, why ? why->status : 500, "%s", text ? text : answer->reason);
}

struct submits *submits_new(struct gateway *g)
{
    struct submits *s = mem_zalloc(sizeof(*s));

    s->g = g;
    TAILQ_INIT(&s->list);
    s->timer = loop_timer(g->loop, on_timer, s);
    return s;
}

void submits_free(struct submits **sp)
{
    struct submits *s = *sp;

    if (!s)
        return;
    while (!TAILQ_EMPTY(&s->list))
        submit_expire(s, TAILQ_FIRST(&s->list));
    table_fini(&s->by_id);
    timer_free(&s->timer);
    mem_free(sp);
}
