/* attempts.c - the table of attempts held, and the life of each: assigned -> preparing -> running -> finished -> gone.
 *
 * An assignment counts only in the session it names; its record is on the disk before it is answered, and it is answered
 * before anything else is done about it. The inventory tells the scheduler what is here. An attempt is forgotten when
 * its result and its log are acknowledged, or when the scheduler wants no more of it; not when this process ends. */
#include "agent/attempts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agent/trash.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { LOOK_MS = 250, DROP_MS = 10000 };

/* Which state may follow which. */
static const unsigned may_follow[] = {
    [HOLD_PREPARING] = 1u << HOLD_RUNNING | 1u << HOLD_FINISHED | 1u << HOLD_DROPPED | 1u << HOLD_GONE,
    [HOLD_RUNNING] = 1u << HOLD_FINISHED | 1u << HOLD_DROPPED,
    [HOLD_FINISHED] = 1u << HOLD_GONE,
    [HOLD_DROPPED] = 1u << HOLD_GONE,
    [HOLD_GONE] = 0,
};

void attempt_hold(struct attempt *a, enum hold hold)
{
    assert(may_follow[a->hold] & 1u << hold);
    a->hold = hold;
}

/* --- the table ------------------------------------------------------------------------------------- */

struct attempt *attempts_find(const struct attempts *t, const struct uuid *task, int64_t number)
{
    for (struct attempt *a = t->head; a; a = a->next) {
        if (a->hold != HOLD_GONE && a->order.attempt == number && uuid_cmp(&a->order.task_id, task) == 0)
            return a;
    }
    return NULL;
}

static bool is_busy(const struct attempt *a)
{
    return a->hold == HOLD_PREPARING || a->hold == HOLD_RUNNING || a->hold == HOLD_DROPPED;
}

bool attempts_is_used(const struct attempts *t, const char *name)
{
    for (const struct attempt *a = t->head; a; a = a->next) {
        if (is_busy(a) && strcmp(a->name, name) == 0)
            return true;
    }
    return false;
}

unsigned attempts_busy(const struct attempts *t)
{
    unsigned n = 0;

    for (const struct attempt *a = t->head; a; a = a->next)
        n += is_busy(a);
    return n;
}

bool attempts_are_told(const struct attempts *t)
{
    for (const struct attempt *a = t->head; a; a = a->next) {
        if (a->hold == HOLD_FINISHED)
            return false;
    }
    return true;
}

/* The word of the inventory; NULL: it is not in it. */
static const char *held_word(const struct attempt *a)
{
    switch (a->hold) {
    case HOLD_PREPARING:
        return "accepted";
    case HOLD_RUNNING:
        return "running";
    case HOLD_FINISHED:
        return a->facts.is_open[FACT_RESULT] ? "finished" : "log";
    case HOLD_DROPPED:
    case HOLD_GONE:
        break;
    }
    return NULL;
}

struct msg_held_list attempts_inventory(const struct attempts *t, struct arena *arena)
{
    struct msg_held *v;
    size_t n = 0;

    for (const struct attempt *a = t->head; a; a = a->next)
        n++;
    v = arena_alloc(arena, (n + 1) * sizeof(*v));
    n = 0;
    for (const struct attempt *a = t->head; a; a = a->next) {
        const char *word = held_word(a);

        if (word)
            v[n++] = (struct msg_held){ .task_id = a->order.task_id, .attempt = a->order.attempt, .state = word };
    }
    return (struct msg_held_list){ v, n };
}

/* --- one attempt ----------------------------------------------------------------------------------- */

/* The order of an attempt outlives the message it came in. */
static void order_copy(struct attempt *a, const struct msg_task_assign *m)
{
    const struct msg_head head = { .type = MSG_TASK_ASSIGN };
    struct buf packet = { 0 };
    struct msg_head same;
    struct err e = { 0 };
    void *copy;
    int rc;

    msg_to_bin(&head, m, MSG_MINOR, &packet);
    rc = msg_from_bin((const uint8_t *)packet.data, packet.len, &a->arena, &same, &copy, &e);
    assert(!rc);
    a->order = *(struct msg_task_assign *)copy;
    buf_fini(&packet);
}

struct attempt *attempt_new(struct attempts *t, const struct msg_task_assign *m)
{
    struct attempt *a = mem_zalloc(sizeof(*a));
    const char *dir = t->agent->identity.dir;
    char task[UUID_TEXT_SIZE];

    a->all = t;
    a->is_waiting = true;
    a->next = t->head;
    t->head = a;
    order_copy(a, m);
    uuid_format(&m->task_id, task);
    snprintf(a->name, sizeof(a->name), "%s.%lld", task, (long long)m->attempt);
    a->workspace = arena_printf(&a->arena, "%s/work/%s", dir, a->name);
    a->spool = arena_printf(&a->arena, "%s/spool/%s", dir, a->name);
    a->tmp = arena_printf(&a->arena, "%s/tmp/%s", dir, a->name);
    a->boot = t->agent->identity.boot;
    a->began_ms = clock_boot_ms();
    a->result.task_id = m->task_id;
    a->result.attempt = m->attempt;
    return a;
}

static void attempt_free(struct attempt *a)
{
    prepare_cancel(a);
    timer_free(&a->limit);
    run_free(&a->run);
    ship_fini(a);
    arena_fini(&a->arena);
    mem_free(&a);
}

void attempt_settle(struct attempt *a)
{
    if (a->hold == HOLD_FINISHED && !facts_are_open(a) && ship_is_done(a))
        attempt_hold(a, HOLD_GONE);
}

/* --- assignments ----------------------------------------------------------------------------------- */

struct former {
    struct former *next;
    char name[];
};

void attempts_begun_before(struct attempts *t, const char *name)
{
    struct former *f = mem_zalloc(sizeof(*f) + strlen(name) + 1);

    memcpy(f->name, name, strlen(name));
    f->next = t->former;
    t->former = f;
}

/* Its acceptance may have been lost with a scheduler, but some of its output may be in the log already. */
static bool is_begun_before(const struct attempts *t, const struct msg_task_assign *m)
{
    char task[UUID_TEXT_SIZE], name[UUID_TEXT_SIZE + 24];

    uuid_format(&m->task_id, task);
    snprintf(name, sizeof(name), "%s.%lld", task, (long long)m->attempt);
    for (const struct former *f = t->former; f; f = f->next)
        if (strcmp(f->name, name) == 0)
            return true;
    return false;
}

/* The farm counts those that it wants: an attempt that it dropped is none of its business, while its processes end. */
static unsigned attempts_wanted(const struct attempts *t)
{
    unsigned n = 0;

    for (const struct attempt *a = t->head; a; a = a->next)
        n += a->hold == HOLD_PREPARING || a->hold == HOLD_RUNNING;
    return n;
}

/* Is there a slot for one that waits? Processes that do not even end when they are killed do not block it for ever. */
static bool has_room(const struct attempts *t)
{
    const uint64_t now = clock_boot_ms();
    unsigned n = 0;

    for (const struct attempt *a = t->head; a; a = a->next)
        n += is_busy(a) && !a->is_waiting && !(a->hold == HOLD_DROPPED && now - a->dropped_ms >= DROP_MS);
    return n < t->agent->identity.slots;
}

static const char *refusal(const struct attempts *t, const struct msg_task_assign *m)
{
    if (is_begun_before(t, m))
        return "it was begun before the agent started again, and cannot be gone on with";
    if (t->is_draining)
        return "the agent is stopping";
    if (attempts_wanted(t) >= t->agent->identity.slots)
        return "no slot is free";
    return NULL;
}

void attempts_assign(struct attempts *t, const struct msg_task_assign *m)
{
    struct attempt *a = attempts_find(t, &m->task_id, m->attempt);
    struct err e = { 0 };
    const char *why;

    if (!session_is_current(t->agent->session, m->session)) {
        log_warn("an assignment of another session", log_int("session", m->session));
        return;
    }
    if (a && a->hold != HOLD_DROPPED) {
        facts_tell(a, FACT_ACCEPT);
        return;
    }
    timer_in(t->repeat, LOOK_MS);
    why = a ? "it is being stopped" : refusal(t, m);
    if (why) {
        facts_decline(t, m, why);
        return;
    }
    a = attempt_new(t, m);
    stop_limit(a);
    if (attempt_save(a, false, &e)) {
        facts_decline(t, m, e.text);
        attempt_hold(a, HOLD_GONE);
        return;
    }
    log_info("assigned", log_str("attempt", a->name), log_str("repo", m->repo));
    facts_tell(a, FACT_ACCEPT);
}

/* --- life ------------------------------------------------------------------------------------------ */

static void tick_repeat(void *arg)
{
    struct attempts *t = arg;

    if (session_is_welcome(t->agent->session)) {
        facts_repeat(t, false);
        ship_repeat(t, false);
    }
    if (t->head || t->declined)
        timer_in(t->repeat, LOOK_MS);
}

/* Here, and not where they end: somebody up the stack may still hold them. */
static void gone_bury(struct attempts *t)
{
    for (struct attempt **at = &t->head; *at;) {
        struct attempt *a = *at;

        if (a->hold != HOLD_GONE) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        trash_put(t->agent->trash, a->spool);
        trash_put(t->agent->trash, a->tmp);
        attempt_free(a);
    }
}

/* Here, and not where they come: the acceptance has been written by now. */
static bool waiting_begin(struct attempts *t)
{
    bool has_begun = false;

    for (struct attempt *a = t->head; a; a = a->next) {
        if (a->hold != HOLD_PREPARING || !a->is_waiting || !has_room(t))
            continue;
        a->is_waiting = false;
        has_begun = true;
        prepare_start(a);
    }
    return has_begun;
}

/* The session wrote its frames before this: what is said here is not to wait for the next event. */
static bool before_sleep(void *arg)
{
    struct attempts *t = arg;

    gone_bury(t);
    return waiting_begin(t);
}

struct attempts *attempts_new(struct agent *agent)
{
    struct attempts *t = mem_zalloc(sizeof(*t));

    t->agent = agent;
    t->repeat = loop_timer(agent->loop, tick_repeat, t);
    t->hook = loop_hook(agent->loop, before_sleep, t);
    return t;
}

void attempts_free(struct attempts **t)
{
    if (*t)
        gone_bury(*t);
    while (*t && (*t)->head) {
        struct attempt *a = (*t)->head;

        (*t)->head = a->next;
        attempt_free(a);
    }
    while (*t && (*t)->former) {
        struct former *f = (*t)->former;

        (*t)->former = f->next;
        mem_free(&f);
    }
    if (*t) {
        facts_fini(*t);
        buf_fini(&(*t)->frame);
        timer_free(&(*t)->repeat);
        hook_free(&(*t)->hook);
    }
    mem_free(t);
}
