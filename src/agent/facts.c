/* facts.c - what the agent tells the scheduler: accept, decline, prepared, result, and that a log was moved. A fact is
 * told at once, again every two seconds and after every welcome, until a task.ack names it. PROTOCOL "task.accept" and
 * following, "log.moved". */
#include <stdio.h>
#include <string.h>

#include "agent/attempts.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { AGAIN_MS = 2000, DECLINED_MAX = 1024 };

/* A refused assignment: nothing else is held of it. */
struct declined {
    struct declined *next;
    struct uuid task;
    int64_t number;
    uint64_t sent_ms;
    char reason[128];
};

static const char *const names[FACTS] = {
    [FACT_ACCEPT] = "accept",
    [FACT_PREPARED] = "prepared",
    [FACT_RESULT] = "result",
    [FACT_MOVED] = "moved",
};

/* --- sending --------------------------------------------------------------------------------------- */

static void send_accept(struct attempt *a, struct session *s)
{
    const struct msg_task_accept m = {
        .session = session_number(s), .task_id = a->order.task_id, .attempt = a->order.attempt
    };

    session_send(s, MSG_TASK_ACCEPT, &m);
}

static void send_prepared(struct attempt *a, struct session *s)
{
    const struct msg_task_prepared m = { .session = session_number(s),
                                         .task_id = a->order.task_id,
                                         .attempt = a->order.attempt,
                                         .commit = a->commit,
                                         .driver = a->driver,
                                         .workspace = a->workspace };

    session_send(s, MSG_TASK_PREPARED, &m);
}

static void send_result(struct attempt *a, struct session *s)
{
    a->result.session = session_number(s);
    session_send(s, MSG_TASK_RESULT, &a->result);
}

static void send_moved(struct attempt *a, struct session *s)
{
    const struct msg_log_moved m = { .session = session_number(s),
                                     .task_id = a->order.task_id,
                                     .attempt = a->order.attempt,
                                     .sink = a->base->sink,
                                     .seq = a->base->seq,
                                     .offset = a->base->offset,
                                     .head = a->base->head };

    session_send(s, MSG_LOG_MOVED, &m);
}

static void (*const senders[FACTS])(struct attempt *a, struct session *s) = {
    [FACT_ACCEPT] = send_accept,
    [FACT_PREPARED] = send_prepared,
    [FACT_RESULT] = send_result,
    [FACT_MOVED] = send_moved,
};

static void fact_send(struct attempt *a, enum fact fact)
{
    struct session *s = a->all->agent->session;

    if (!session_is_welcome(s))
        return;
    a->facts.sent_ms[fact] = clock_boot_ms();
    senders[fact](a, s);
}

static void declined_send(struct attempts *t, struct declined *d)
{
    struct session *s = t->agent->session;
    const struct msg_task_decline m = {
        .session = session_number(s), .task_id = d->task, .attempt = d->number, .reason = d->reason
    };

    if (!session_is_welcome(s))
        return;
    d->sent_ms = clock_boot_ms();
    session_send(s, MSG_TASK_DECLINE, &m);
}

/* --- telling --------------------------------------------------------------------------------------- */

void facts_tell(struct attempt *a, enum fact fact)
{
    a->facts.is_open[fact] = true;
    fact_send(a, fact);
}

bool facts_are_open(const struct attempt *a)
{
    for (int f = 0; f < FACTS; f++) {
        if (a->facts.is_open[f])
            return true;
    }
    return false;
}

static struct declined **declined_find(struct attempts *t, const struct uuid *task, int64_t number)
{
    struct declined **at = &t->declined;

    while (*at && ((*at)->number != number || uuid_cmp(&(*at)->task, task) != 0))
        at = &(*at)->next;
    return at;
}

static void declined_drop(struct declined **at)
{
    struct declined *d = *at;

    *at = d->next;
    mem_free(&d);
}

/* The list is bounded: what is forgotten is decided by the inventory of the next hello. */
void facts_decline(struct attempts *t, const struct msg_task_assign *m, const char *reason)
{
    struct declined **at = declined_find(t, &m->task_id, m->attempt), *d = *at;
    size_t n = 0;

    if (!d) {
        d = mem_zalloc(sizeof(*d));
        *d = (struct declined){ .next = t->declined, .task = m->task_id, .number = m->attempt };
        t->declined = d;
        for (at = &t->declined; *at && n < DECLINED_MAX; n++)
            at = &(*at)->next;
        if (*at)
            declined_drop(at);
    }
    snprintf(d->reason, sizeof(d->reason), "%s", reason);
    declined_send(t, d);
}

void facts_ack(struct attempts *t, const struct msg_task_ack *m)
{
    struct attempt *a = attempts_find(t, &m->task_id, m->attempt);
    struct declined **declined = declined_find(t, &m->task_id, m->attempt);

    if (strcmp(m->fact, "decline") == 0 && *declined)
        declined_drop(declined);
    for (int f = 0; a && f < FACTS; f++) {
        if (strcmp(m->fact, names[f]) == 0)
            a->facts.is_open[f] = false;
    }
    if (a && strcmp(m->fact, names[FACT_RESULT]) == 0) /* who knows the end needs no word about the beginning */
        a->facts.is_open[FACT_ACCEPT] = a->facts.is_open[FACT_PREPARED] = false;
    if (a)
        attempt_settle(a);
}

void facts_repeat(struct attempts *t, bool all)
{
    const uint64_t now = clock_boot_ms();

    for (struct attempt *a = t->head; a; a = a->next) {
        for (int f = 0; f < FACTS; f++) {
            if (a->facts.is_open[f] && (all || now - a->facts.sent_ms[f] >= AGAIN_MS))
                fact_send(a, (enum fact)f);
        }
    }
    for (struct declined *d = t->declined; d; d = d->next) {
        if (all || now - d->sent_ms >= AGAIN_MS)
            declined_send(t, d);
    }
}

void facts_fini(struct attempts *t)
{
    while (t->declined)
        declined_drop(&t->declined);
}
