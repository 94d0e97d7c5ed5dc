/* refusal.c - a batch that SQL refused: the core is made from the rows again, and the inputs run one per transaction.
 * The one that fails alone is answered and never tried again; all others must be kept. */
#include <stddef.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

/* --- the bad input ----------------------------------------------------------------------------------------------- */

static void say(struct world *w, struct sim_shell *sh, const struct kept *k, enum msg_type type, const void *message)
{
    const struct core_message m = { .type = type, .to = k->from, .message = message };

    net_down(w, sh, &m);
}

static void refuse_submit(struct world *w, struct sim_shell *sh, const struct kept *k, const struct uuid *id,
                          bool exists)
{
    const struct row_task *t = db_task(w, id);
    const struct msg_task_refused no = { .request_id = *id, .reason = "storage_refused" };
    struct msg_task_submitted yes = { .request_id = *id, .task_id = *id, .existed = true, .has = { .existed = true } };

    if (exists && t) {
        yes.state = task_state_name(t->state);
        say(w, sh, k, MSG_TASK_SUBMITTED, &yes);
    } else {
        say(w, sh, k, MSG_TASK_REFUSED, &no);
    }
}

/* Acknowledged, or the agent would repeat it for ever; then the attempt ends without it. */
static void give_up(struct world *w, struct sim_shell *sh, const struct kept *k, const struct msg_task_ack *ack)
{
    const struct input_clock clock = { ack->task_id, ack->attempt, 0 };
    struct kept *end = shell_keep(w, INPUT_GIVE_UP, (struct route){ 0 }, &clock, sizeof clock);
    struct kept_list list = { 0 };

    say(w, sh, k, MSG_TASK_ACK, ack);
    end->at_ms = k->at_ms;
    end->is_alone = true;
    kept_add(&list, end);
    kept_move(&list, &sh->waiting);
    kept_move(&sh->waiting, &list);
    kept_fini(&list);
}

static void refuse_change(struct world *w, struct sim_shell *sh, const struct kept *k, const struct uuid *id)
{
    const struct msg_change_refused no = { .request_id = *id, .reason = "storage_refused" };

    say(w, sh, k, MSG_CHANGE_REFUSED, &no);
}

static void reject(struct world *w, struct sim_shell *sh, const struct kept *k, bool exists)
{
    struct arena arena = { 0 };
    struct msg_head head;
    void *message;

    if (msg_from_bin(k->data, k->len, &arena, &head, &message, NULL) < 0) {
        world_fail(w, "an input of the shell's own is refused by SQL: kind %d", (int)k->kind);
    } else if (k->kind == INPUT_SUBMIT) {
        refuse_submit(w, sh, k, &((const struct msg_task_submit *)message)->task_id, exists);
    } else if (k->kind == INPUT_PREPARED) {
        const struct msg_task_prepared *m = message;
        give_up(w, sh, k, &(struct msg_task_ack){ .epoch = sh->epoch, .task_id = m->task_id, .attempt = m->attempt,
                                                  .fact = "prepared" });
    } else if (k->kind == INPUT_RESULT) {
        const struct msg_task_result *m = message;
        give_up(w, sh, k, &(struct msg_task_ack){ .epoch = sh->epoch, .task_id = m->task_id, .attempt = m->attempt,
                                                  .fact = "result" });
    } else if (k->kind == INPUT_GROUP_SET) {
        refuse_change(w, sh, k, &((const struct msg_group_set *)message)->request_id);
    } else {
        world_fail(w, "a good input is refused by SQL: %s", msg_wire_name(head.type));
    }
    arena_fini(&arena);
}

/* --- the batch --------------------------------------------------------------------------------------------------- */

/* The core that is made now is loaded from the beginning. */
static void forget_loaded(struct kept_list *list)
{
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++)
        if (list->v[i]->kind != INPUT_LOADED)
            list->v[n++] = list->v[i];
    list->n = n;
}

static void run_again(struct sim_shell *sh)
{
    for (size_t i = 0; i < sh->flight_inputs.n; i++)
        sh->flight_inputs.v[i]->is_alone = true;
    kept_move(&sh->flight_inputs, &sh->filling_inputs);
    kept_move(&sh->flight_inputs, &sh->waiting);
    kept_move(&sh->flight_inputs, &sh->held);
    kept_move(&sh->flight_inputs, &sh->recalling);
    for (size_t i = 0; i < sh->flight_inputs.n; i++)
        sh->flight_inputs.v[i]->is_recalled = false;   /* what was fetched went into the core that is no more */
    forget_loaded(&sh->flight_inputs);
    kept_move(&sh->waiting, &sh->flight_inputs);
}

void refusal_begin(struct world *w, struct sim_shell *sh, bool exists)
{
    const struct kept *only = NULL;

    w->counts.refused++;
    forget_loaded(&sh->flight_inputs);
    world_trace(w, "SQL refuses a batch of %zu inputs", sh->flight_inputs.n);
    if (w->bug == BUG_DROPPED_BATCH) {
        sh->is_in_flight = false;
        effects_fini(&sh->flight);
        kept_fini(&sh->flight_inputs);
        shell_pump(w, sh);
        return;
    }
    if (!sh->flight_inputs.n) {
        world_fail(w, "SQL refuses the scheduler's own rows");
        return;
    }
    if (sh->flight_inputs.n == 1 && w->bug != BUG_ENDLESS_REFUSAL) {
        only = sh->flight_inputs.v[0];
        sh->flight_inputs.n = 0;
    }
    run_again(sh);
    if (only)
        reject(w, sh, only, exists);
    lead_rebuild(w, sh);
}
