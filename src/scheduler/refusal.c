/* refusal.c - a batch that SQL refused: one bad input must never stop the farm.
 *
 * The core ran ahead of the rows: it is made from them again, and the inputs run one per transaction. The one that
 * fails alone is answered storage_refused, logged whole, never tried again. ARCHITECTURE "Who may write". */
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

    if (!kept_is_clock(k) && msg_from_bin(k->data, k->len, &arena, &head, &message, NULL) == 0)
        msg_to_json(head.type, message, true, &text);
    log_error("storage refused an input", log_str("sqlstate", sqlstate), log_str("reason", error),
              log_int("kind", k->kind), log_str("input", text.data));
    buf_fini(&text);
    arena_fini(&arena);
}

/* --- submissions ------------------------------------------------------------------------------------------------ */

struct lookup {
    struct scheduler *s;
    struct route from;
    struct uuid task_id;
};

static void refuse(struct scheduler *s, struct route to, const struct uuid *task_id)
{
    const struct msg_task_refused no = { .request_id = *task_id, .reason = "storage_refused",
                                         .message = "the database refuses to store this submission" };

    peers_send(s->peers, to, MSG_TASK_REFUSED, &no);
}

static void on_found(void *arg, const struct pg_result *r)
{
    struct lookup *l = arg;
    struct msg_task_submitted yes = { .request_id = l->task_id, .task_id = l->task_id, .existed = true,
                                      .has = { .existed = true } };

    if (r->ok && r->rows) {
        yes.state = pg_text(r, 0, 0);
        peers_send(l->s->peers, l->from, MSG_TASK_SUBMITTED, &yes);
    } else if (!r->lost) {
        refuse(l->s, l->from, &l->task_id);
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

/* --- facts --------------------------------------------------------------------------------------------------------- */

/* Acknowledged, or the agent would repeat it for ever; its attempt cannot be trusted to end by itself any more. */
static void give_up(struct shell *sh, const struct kept *fact, const struct input_clock *attempt, const char *name)
{
    const struct msg_task_ack ack = { .epoch = sh->epoch, .task_id = attempt->id, .attempt = attempt->attempt, .fact = name };
    struct kept *k = mem_zalloc(sizeof *k + sizeof *attempt);

    peers_send(sh->s->peers, fact->from, MSG_TASK_ACK, &ack);
    k->kind = INPUT_GIVE_UP;
    k->at_ms = fact->at_ms;
    k->len = sizeof *attempt;
    memcpy(k->data, attempt, sizeof *attempt);
    TAILQ_INSERT_HEAD(&sh->waiting, k, order);
    sh->n_waiting++;
    sh->singles++;
}

static void reject(struct shell *sh, const struct kept *k, const char *sqlstate)
{
    struct arena arena = { 0 };
    struct msg_head head;
    void *message;

    if (kept_is_clock(k) || msg_from_bin(k->data, k->len, &arena, &head, &message, NULL) < 0) {
        arena_fini(&arena);
        return;
    }
    if (k->kind == INPUT_SUBMIT) {
        const struct msg_task_submit *m = message;
        if (strcmp(sqlstate, "23505") == 0)
            answer_existing(sh, k->from, &m->task_id);
        else
            refuse(sh->s, k->from, &m->task_id);
    } else if (k->kind == INPUT_ACCEPT) {
        const struct msg_task_accept *m = message;
        give_up(sh, k, &(struct input_clock){ m->task_id, m->attempt, 0 }, "accept");
    } else if (k->kind == INPUT_DECLINE) {
        const struct msg_task_decline *m = message;
        give_up(sh, k, &(struct input_clock){ m->task_id, m->attempt, 0 }, "decline");
    } else if (k->kind == INPUT_PREPARED) {
        const struct msg_task_prepared *m = message;
        give_up(sh, k, &(struct input_clock){ m->task_id, m->attempt, 0 }, "prepared");
    } else if (k->kind == INPUT_RESULT) {
        const struct msg_task_result *m = message;
        give_up(sh, k, &(struct input_clock){ m->task_id, m->attempt, 0 }, "result");
    }
    arena_fini(&arena);
}

/* --- the batch ------------------------------------------------------------------------------------------------------ */

static size_t count(const struct kept_list *list)
{
    const struct kept *k;
    size_t n = 0;

    TAILQ_FOREACH(k, list, order)
        n++;
    return n;
}

void shell_refused(struct shell *sh, const char *sqlstate, const char *error)
{
    size_t n = count(&sh->flight_inputs), behind = sh->n_filling;
    struct kept *only = n == 1 ? TAILQ_FIRST(&sh->flight_inputs) : NULL;

    if (n == 0) {   /* the leader's own first event: there is nothing to leave out */
        struct err e = { 0 };
        err_set(&e, ERR_SYSTEM, "the database refuses the scheduler's own rows: %s", error);
        service_fail(sh->s->service, &e);
        return;
    }
    log_warn("batch refused", log_str("sqlstate", sqlstate), log_int("inputs", (int64_t)n));
    if (only) {
        TAILQ_REMOVE(&sh->flight_inputs, only, order);
        n = 0;
    }
    TAILQ_CONCAT(&sh->flight_inputs, &sh->filling_inputs, order);
    TAILQ_CONCAT(&sh->flight_inputs, &sh->waiting, order);
    TAILQ_CONCAT(&sh->waiting, &sh->flight_inputs, order);
    sh->n_waiting += n + behind;
    sh->singles += n;
    sh->n_filling = 0;
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
