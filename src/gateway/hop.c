/* hop.c - what waits for the leading scheduler's answer, from the first send to the answer or the deadline.
 *
 * The id that the worker gave the question is the key of this hop: unanswered, it is sent again unchanged to whichever
 * leader appears (ARCHITECTURE "The life of a task", 1). A question that only a former leader got is in doubt: that
 * one may have committed it and died. Bounded: what does not fit is refused at once. */
#include "gateway/hop.h"

#include <string.h>
#include <sys/queue.h>

#include "gateway/gateway.h"
#include "gateway/request.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/table.h"

enum { PENDING_MAX = 4096, TICK_MS = 100 };

struct hop {
    TAILQ_ENTRY(hop) entry;
    const struct hop_kind *kind;
    const void *message;          /* in the request's arena, like all that it points to */
    struct uuid id;
    struct ticket *ticket;
    uint64_t deadline_ms;
    bool is_sent;                 /* to the present leader, unanswered */
    bool is_doubtful;             /* an earlier leader got it and did not answer */
};

struct hops {
    struct gateway *g;
    struct timer *timer;
    TAILQ_HEAD(, hop) list;
    struct table by_id;
};

/* Takes it off the list; the request, or NULL when nobody waits any more. */
static struct request *hop_end(struct hops *h, struct hop *p)
{
    struct request *r = ticket_request(&p->ticket);

    TAILQ_REMOVE(&h->list, p, entry);
    table_remove(&h->by_id, &p->id);
    mem_free(&p);
    return r;
}

static void hop_fail(struct hops *h, struct hop *p, struct hop_end end)
{
    const struct hop_kind *kind = p->kind;
    struct uuid id = p->id;
    struct request *r = hop_end(h, p);

    end.id = &id;
    if (r)
        kind->failed(h->g, r, &end);
}

static void hop_expire(struct hops *h, struct hop *p)
{
    hop_fail(h, p, (struct hop_end){ .failure = p->is_sent || p->is_doubtful ? HOP_DOUBTFUL : HOP_UNSENT });
}

static void hop_send(struct hops *h, struct hop *p)
{
    p->is_sent = scheds_send(h->g->scheds, p->kind->question, 0, p->message) == 0;
}

/* Deadlines, and what a full queue has refused. On only while something is pending. */
static void on_timer(void *arg)
{
    struct hops *h = arg;
    uint64_t now_ms = clock_boot_ms();
    struct hop *next;

    for (struct hop *p = TAILQ_FIRST(&h->list); p; p = next) {
        next = TAILQ_NEXT(p, entry);
        if (p->deadline_ms <= now_ms)
            hop_expire(h, p);
        else if (!p->is_sent)
            hop_send(h, p);
    }
    if (!TAILQ_EMPTY(&h->list))
        timer_in(h->timer, TICK_MS);
}

void hop_start(struct hops *h, struct request *r, const struct hop_kind *kind, const struct uuid *id,
               const void *message)
{
    int64_t wait_ms = kind->deadline_ms ? kind->deadline_ms : h->g->settings->submit_deadline_ms;

    if (h->by_id.used >= PENDING_MAX) {
        kind->failed(h->g, r, &(struct hop_end){ .failure = HOP_FULL, .id = id });
        return;
    }
    struct hop *p = mem_zalloc(sizeof(*p));
    p->kind = kind;
    p->message = message;
    p->id = *id;
    p->ticket = request_wait(r);
    p->deadline_ms = clock_boot_ms() + (uint64_t)wait_ms;
    TAILQ_INSERT_TAIL(&h->list, p, entry);
    table_put(&h->by_id, &p->id, p);
    hop_send(h, p);
    if (!p->is_sent && kind->is_optional)
        hop_expire(h, p);
    else if (!timer_is_on(h->timer))
        timer_in(h->timer, TICK_MS);
}

void hops_leader_up(struct hops *h)
{
    struct hop *p;

    TAILQ_FOREACH(p, &h->list, entry) {
        p->is_doubtful |= p->is_sent;
        hop_send(h, p);
    }
}

void hops_leader_down(struct hops *h)
{
    struct hop *p;

    TAILQ_FOREACH(p, &h->list, entry) {
        p->is_doubtful |= p->is_sent;
        p->is_sent = false;
    }
}

void hop_answer(struct hops *h, enum msg_type type, const struct uuid *id, const void *answer)
{
    struct hop *p = table_get(&h->by_id, id);

    if (!p || p->kind->answer != type)
        return;
    const struct hop_kind *kind = p->kind;
    struct request *r = hop_end(h, p);
    if (r)
        kind->answered(h->g, r, answer);
}

/* Any other refusal is final: what a former leader had kept, this one would have found. */
static bool is_asked_again(const struct hop *p, const char *reason)
{
    return strcmp(reason, "not_leader") == 0 || (p->is_doubtful && strcmp(reason, "overloaded") == 0);
}

void hop_refuse(struct hops *h, const struct uuid *id, const char *reason, const char *message)
{
    struct hop *p = table_get(&h->by_id, id);

    if (!p)
        return;
    if (is_asked_again(p, reason))
        p->is_sent = false;   /* until the deadline */
    else
        hop_fail(h, p, (struct hop_end){ .failure = HOP_REFUSED, .reason = reason, .message = message });
}

struct hops *hops_new(struct gateway *g)
{
    struct hops *h = mem_zalloc(sizeof(*h));

    h->g = g;
    TAILQ_INIT(&h->list);
    h->timer = loop_timer(g->loop, on_timer, h);
    return h;
}

void hops_free(struct hops **hp)
{
    struct hops *h = *hp;

    if (!h)
        return;
    while (!TAILQ_EMPTY(&h->list))
        hop_expire(h, TAILQ_FIRST(&h->list));
    table_fini(&h->by_id);
    timer_free(&h->timer);
    mem_free(hp);
}
