/* refusal.c - inputs that are not taken, and a batch that SQL refused: one bad input must never stop the farm.
 *
 * The core ran ahead of the rows: it is made from them again, and the inputs run one per transaction. The one that
 * fails alone is answered storage_refused, logged whole, never tried again. ARCHITECTURE "Who may write". */
#include <stddef.h>
#include <string.h>

#include "lib/log.h"
#include "lib/service.h"
#include "scheduler/db.h"
#include "scheduler/shell_impl.h"

static void log_whole(const struct kept *k, const char *sqlstate, const char *error)
{
    struct arena arena = { 0 };
    struct buf text = { 0 };
    struct msg_head head;
    void *message;

    if (!kept_is_own(k) && msg_from_bin(k->data, k->len, &arena, &head, &message, NULL) == 0)
        msg_to_json(head.type, message, true, &text);
    log_error("storage refused an input", log_str("sqlstate", sqlstate), log_str("reason", error),
              log_int("kind", k->kind), log_str("input", text.data));
    buf_fini(&text);
    arena_fini(&arena);
}

/* --- whoever waits for an answer --------------------------------------------------------------------------------- */

/* Messages that change something: where their request_id is. */
static const struct {
    bool is_change;
    size_t request_id;
} changes[INPUT_KINDS] = {
    [INPUT_CANCEL] = { true, offsetof(struct msg_task_cancel, request_id) },
    [INPUT_AGENT_SET] = { true, offsetof(struct msg_agent_set, request_id) },
    [INPUT_PROJECT_SET] = { true, offsetof(struct msg_project_set, request_id) },
    [INPUT_GROUP_SET] = { true, offsetof(struct msg_group_set, request_id) },
    [INPUT_QUEUE_SET] = { true, offsetof(struct msg_queue_set, request_id) },
};

static const struct uuid *uuid_at(const void *message, size_t offset)
{
    return (const struct uuid *)(const void *)((const char *)message + offset);
}

static void refuse_submit(struct scheduler *s, struct route to, const struct uuid *task_id, const char *reason,
                          const char *text)
{
    const struct msg_task_refused no = { .request_id = *task_id, .reason = reason, .message = text };

    peers_send(s->peers, to, MSG_TASK_REFUSED, &no);
}

static void refuse_change(struct scheduler *s, struct route to, const struct uuid *request_id, const char *reason,
                          const char *text)
{
    const struct msg_change_refused no = { .request_id = *request_id, .reason = reason, .message = text };

    peers_send(s->peers, to, MSG_CHANGE_REFUSED, &no);
}

void shell_refuse(struct shell *sh, enum input_kind kind, struct route to, const void *message, const char *reason)
{
    if (kind == INPUT_SUBMIT)
        refuse_submit(sh->s, to, &((const struct msg_task_submit *)message)->task_id, reason, NULL);
    else if (changes[kind].is_change)
        refuse_change(sh->s, to, uuid_at(message, changes[kind].request_id), reason, NULL);
}

/* --- submissions ------------------------------------------------------------------------------------------------ */

#define NOT_STORED "the database refuses to store this"

struct lookup {
    struct scheduler *s;
    struct route from;
    struct uuid task_id;
};

static void on_found(void *arg, const struct pg_result *r)
{
    struct lookup *l = arg;
    struct msg_task_submitted yes = { .request_id = l->task_id, .task_id = l->task_id, .existed = true,
                                      .has = { .existed = true } };

    if (r->ok && r->rows) {
        yes.state = pg_text(r, 0, 0);
        peers_send(l->s->peers, l->from, MSG_TASK_SUBMITTED, &yes);
    } else if (!r->lost) {
        refuse_submit(l->s, l->from, &l->task_id, "storage_refused", NOT_STORED);
    }
    mem_free(&l);
}

/* An id that exists is answered from its row, even if the core has forgotten the task. */
static void answer_existing(struct shell *sh, struct route from, const struct uuid *task_id)
{
    struct lookup *l = mem_zalloc(sizeof *l);
    char id[UUID_TEXT_SIZE];

    *l = (struct lookup){ sh->s, from, *task_id };
    uuid_format(task_id, id);
    pg_call(sh->s->pg, DB_TASK_FIND, (const char *const[]){ id }, 1, on_found, l);
    pg_sync(sh->s->pg, NULL, NULL);
}

/* --- facts ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;        /* in its task.ack; NULL: not a fact about an attempt */
    size_t task_id, attempt;
} facts[INPUT_KINDS] = {
#define FACT(type, name) { name, offsetof(struct type, task_id), offsetof(struct type, attempt) }
    [INPUT_ACCEPT] = FACT(msg_task_accept, "accept"),
    [INPUT_DECLINE] = FACT(msg_task_decline, "decline"),
    [INPUT_PREPARED] = FACT(msg_task_prepared, "prepared"),
    [INPUT_RESULT] = FACT(msg_task_result, "result"),
    [INPUT_MOVED] = FACT(msg_log_moved, "moved"),
#undef FACT
};

/* Acknowledged, or the agent would repeat it for ever; its attempt cannot be trusted to end by itself any more. */
static void give_up(struct shell *sh, const struct kept *fact, const void *message)
{
    const struct input_clock attempt = {
        .id = *uuid_at(message, facts[fact->kind].task_id),
        .attempt = *(const int64_t *)(const void *)((const char *)message + facts[fact->kind].attempt),
    };
    const struct msg_task_ack ack = { .epoch = sh->epoch, .task_id = attempt.id, .attempt = attempt.attempt,
                                      .fact = facts[fact->kind].name };
    struct kept *k = mem_zalloc(sizeof *k + sizeof attempt);

    peers_send(sh->s->peers, fact->from, MSG_TASK_ACK, &ack);
    k->kind = INPUT_GIVE_UP;
    k->at_ms = fact->at_ms;
    k->len = sizeof attempt;
    memcpy(k->data, &attempt, sizeof attempt);
    k->is_alone = true;
    TAILQ_INSERT_HEAD(&sh->waiting, k, order);
    sh->n_waiting++;
}

static void reject(struct shell *sh, const struct kept *k, const char *sqlstate)
{
    struct arena arena = { 0 };
    struct msg_head head;
    void *message;

    if (k->kind == INPUT_SEALED)   /* or the sink would be asked for ever */
        seals_done(sh->s->seals, &((const struct input_sealed *)(const void *)k->data)->task_id,
                   ((const struct input_sealed *)(const void *)k->data)->attempt);
    if (kept_is_own(k) || msg_from_bin(k->data, k->len, &arena, &head, &message, NULL) < 0) {
        arena_fini(&arena);
        return;
    }
    if (k->kind == INPUT_SUBMIT && strcmp(sqlstate, "23505") == 0)
        answer_existing(sh, k->from, &((const struct msg_task_submit *)message)->task_id);
    else if (k->kind == INPUT_SUBMIT)
        refuse_submit(sh->s, k->from, &((const struct msg_task_submit *)message)->task_id, "storage_refused",
                      NOT_STORED);
    else if (changes[k->kind].is_change)
        refuse_change(sh->s, k->from, uuid_at(message, changes[k->kind].request_id), "storage_refused", NOT_STORED);
    else if (facts[k->kind].name)
        give_up(sh, k, message);
    arena_fini(&arena);
}

/* --- the batch --------------------------------------------------------------------------------------------------- */

/* The new core begins with what is urgent and is told anew what was added to it: what is kept of that is void. */
static void forget_loaded(struct kept_list *list)
{
    struct kept *k, *next;

    for (k = TAILQ_FIRST(list); k; k = next) {
        next = TAILQ_NEXT(k, order);
        if (k->kind != INPUT_LOADED)
            continue;
        TAILQ_REMOVE(list, k, order);
        mem_free(&k);
    }
}

static size_t count(const struct kept_list *list)
{
    const struct kept *k;
    size_t n = 0;

    TAILQ_FOREACH(k, list, order)
        n++;
    return n;
}

/* Everything that was not committed waits for the new core, in its order; what was held back goes last. */
static void run_again(struct shell *sh)
{
    struct kept *k;

    TAILQ_FOREACH(k, &sh->flight_inputs, order)
        k->is_alone = true;
    TAILQ_CONCAT(&sh->flight_inputs, &sh->filling_inputs, order);
    TAILQ_CONCAT(&sh->flight_inputs, &sh->waiting, order);
    TAILQ_CONCAT(&sh->flight_inputs, &sh->held, order);
    TAILQ_CONCAT(&sh->flight_inputs, &sh->recalling, order);
    TAILQ_FOREACH(k, &sh->flight_inputs, order)
        k->is_recalled = false;   /* what was fetched went into the core that is no more */
    forget_loaded(&sh->flight_inputs);
    TAILQ_CONCAT(&sh->waiting, &sh->flight_inputs, order);
    sh->n_waiting = count(&sh->waiting);
    sh->n_filling = sh->n_held = 0;
    recall_stop(sh);
}

void shell_refused(struct shell *sh, const char *sqlstate, const char *error)
{
    size_t n = count(&sh->flight_inputs);
    struct kept *only = n == 1 ? TAILQ_FIRST(&sh->flight_inputs) : NULL;

    if (n == 0) {   /* the leader's own first event: there is nothing to leave out */
        struct err e = { 0 };
        err_set(&e, ERR_SYSTEM, "the database refuses the scheduler's own rows: %s", error);
        service_fail(sh->s->service, &e);
        return;
    }
    log_warn("batch refused", log_str("sqlstate", sqlstate), log_int("inputs", (int64_t)n));
    if (only)
        TAILQ_REMOVE(&sh->flight_inputs, only, order);
    run_again(sh);
    if (only) {
        log_whole(only, sqlstate, error);
        reject(sh, only, sqlstate);
        mem_free(&only);
    }
    effects_fini(&sh->flight);
    effects_fini(&sh->filling);
    sh->is_in_flight = false;
    sh->replaced = sh->core;
    sh->core = NULL;
    lead_rebuild(sh->s->lead);
}
