/* shell.c - the simulated shell: inputs into the core, one batch in flight, one filling, messages out after the commit.
 *
 * After every commit the core made from the rows must equal the live one as it was when the batch was closed. A commit
 * is three steps, and anything may happen between them: the batch is sent, the database applies it, the answer
 * comes. */
#include "tests/sim/shell.h"

#include <stddef.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

enum { LATE_MS = 1000 };

bool shell_is_asleep(const struct world *w, const struct sim_shell *sh)
{
    return sh->state != SHELL_DOWN && sh->wakes_ms > w->now_ms;
}

bool shell_leads(const struct world *w, const struct sim_shell *sh)
{
    return sh->state == SHELL_LEADING && !shell_is_asleep(w, sh);
}

/* --- inputs ------------------------------------------------------------------------------------------------------ */

struct kept *shell_keep(struct world *w, enum input_kind kind, struct route from, const void *data, size_t len)
{
    struct kept *k = arena_alloc(&w->arena, sizeof *k + len);

    k->kind = kind;
    k->from = from;
    k->len = len;
    memcpy(k->data, data, len);
    w->counts.inputs++;
    return k;
}

static bool is_message(enum input_kind kind)
{
    return kind != INPUT_LEAD && kind != INPUT_GONE && kind != INPUT_LEASE_OUT && kind != INPUT_ACCEPT_OUT &&
           kind != INPUT_GIVE_UP && kind != INPUT_TIMER && kind != INPUT_LOADED && kind != INPUT_SINK &&
           kind != INPUT_SEALED;
}

struct input input_of(const struct kept *k, struct arena *arena)
{
    struct input in = { k->kind, k->at_ms, k->from, k->data };
    struct msg_head head;
    void *message;

    if (is_message(k->kind) && msg_from_bin(k->data, k->len, arena, &head, &message, NULL) == 0)
        in.message = message;
    return in;
}

void input_run(struct core *core, const struct kept *k, struct effects *fx)
{
    struct arena arena = { 0 };
    struct input in = input_of(k, &arena);

    core_step(core, &in, fx);
    arena_fini(&arena);
}

static bool needs_all(const struct sim_shell *sh, const struct kept *k)
{
    struct arena arena = { 0 };
    struct input in = input_of(k, &arena);
    bool is = core_needs_all(sh->core, &in);

    arena_fini(&arena);
    return is;
}

void shell_run(struct world *w, struct sim_shell *sh, struct kept *k)
{
    if (!sh->is_whole && needs_all(sh, k)) {
        kept_add(&sh->held, k);
        return;
    }
    if (!k->is_recalled && recall_is_needed(sh, k)) {
        recall_add(w, sh, k);
        return;
    }
    if (!sh->filling_inputs.n)
        sh->fills_whole = sh->is_whole && k->kind != INPUT_LOADED;
    kept_add(&sh->filling_inputs, k);
    journal_add(&sh->journal, (struct journal_entry){ .input = k });
    input_run(sh->core, k, &sh->filling);
}

void shell_take(struct world *w, struct sim_shell *sh, struct kept *k)
{
    if (sh->core && !sh->waiting.n)
        shell_run(w, sh, k);
    else
        kept_add(&sh->waiting, k);
    shell_pump(w, sh);
}

static int64_t wall_ms(const struct world *w, const struct sim_shell *sh)
{
    return START_MS + w->now_ms + sh->skew_ms;
}

void shell_clock(struct world *w, struct sim_shell *sh, enum input_kind kind, const void *data, size_t len)
{
    struct kept *k = shell_keep(w, kind, (struct route){ 0 }, data, len);

    k->at_ms = wall_ms(w, sh);
    shell_take(w, sh, k);
}

/* Goes before everything that waits; behind the last rows, what was held back for them is the first that waits. */
void shell_loaded(struct world *w, struct sim_shell *sh, bool is_all)
{
    const struct input_loaded loaded = { .is_all = is_all };
    struct kept *k = shell_keep(w, INPUT_LOADED, (struct route){ 0 }, &loaded, sizeof loaded);

    k->at_ms = wall_ms(w, sh);
    sh->is_whole = is_all;
    shell_run(w, sh, k);
    if (is_all) {
        kept_move(&sh->held, &sh->waiting);
        kept_move(&sh->waiting, &sh->held);
    }
    shell_pump(w, sh);
}

static const struct {
    enum msg_type type;
    enum input_kind kind;
} kinds[] = {
    { MSG_TASK_SUBMIT, INPUT_SUBMIT },     { MSG_AGENT_HELLO, INPUT_HELLO },     { MSG_TASK_ACCEPT, INPUT_ACCEPT },
    { MSG_TASK_DECLINE, INPUT_DECLINE },   { MSG_TASK_PREPARED, INPUT_PREPARED }, { MSG_TASK_RESULT, INPUT_RESULT },
    { MSG_LOG_MOVED, INPUT_MOVED },        { MSG_TASK_CANCEL, INPUT_CANCEL },    { MSG_AGENT_SET, INPUT_AGENT_SET },
    { MSG_PROJECT_SET, INPUT_PROJECT_SET }, { MSG_GROUP_SET, INPUT_GROUP_SET },  { MSG_QUEUE_SET, INPUT_QUEUE_SET },
    { MSG_TASK_WHY, INPUT_WHY },
};

static int kind_of(enum msg_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].type == type)
            return (int)kinds[i].kind;
    return -1;
}

void shell_frame(struct world *w, struct sim_shell *sh, struct route from, const uint8_t *frame, size_t len)
{
    bool is_late = sh->is_in_flight && w->now_ms - sh->sent_ms > LATE_MS;
    struct arena arena = { 0 };
    struct msg_head head;
    struct err e = { 0 };
    struct kept *k;
    void *message;

    if (sh->state != SHELL_LEADING && sh->state != SHELL_LOADING)
        return;
    if (msg_from_bin(frame, len, &arena, &head, &message, &e) < 0) {
        world_fail(w, "a message of the world cannot be read: %s", e.text);
    } else if (head.type == MSG_AGENT_ALIVE) {
        clocks_heard(w, sh, message, from.peer);
    } else if (head.type == MSG_AGENT_GONE) {
        clocks_gone(w, sh, ((const struct msg_agent_gone *)message)->session);
    } else if (!is_late && kind_of(head.type) >= 0) {   /* whoever was not answered says it again */
        k = shell_keep(w, (enum input_kind)kind_of(head.type), from, frame, len);
        k->at_ms = wall_ms(w, sh);
        shell_take(w, sh, k);
    }
    arena_fini(&arena);
}

/* --- messages ---------------------------------------------------------------------------------------------------- */

/* --bug early-moved: this acknowledgement has left already. */
static bool is_told_early(const struct world *w, const struct core_message *m)
{
    return w->bug == BUG_EARLY_MOVED && m->type == MSG_TASK_ACK &&
           strcmp(((const struct msg_task_ack *)m->message)->fact, "moved") == 0;
}

static void tell_early(struct world *w, struct sim_shell *sh)
{
    for (size_t i = 0; i < sh->flight.messages.n; i++)
        if (is_told_early(w, &sh->flight.messages.v[i]))
            net_down(w, sh, &sh->flight.messages.v[i]);
}

/* --bug move-again: what was asked once is asked for another sink, whatever has become of it. */
static void move_again(struct world *w, struct sim_shell *sh)
{
    for (size_t i = 0; w->bug == BUG_MOVE_AGAIN && i < sh->flight.segments.n; i++) {
        const struct row_segment *row = &sh->flight.segments.v[i];
        const struct row_attempt *at = db_attempt(w, &row->task_id, row->attempt);
        const struct msg_log_move m = { .epoch = sh->epoch, .task_id = row->task_id, .attempt = row->attempt,
                                        .sink = at->sink };
        check_move(w, &(struct effects){ 0 }, &m);
    }
}

static void release(struct world *w, struct sim_shell *sh, struct effects *fx)
{
    for (size_t i = 0; i < fx->messages.n; i++) {
        const struct core_message *m = &fx->messages.v[i];
        clocks_message(w, sh, m);
        if (m->sink)
            seal_begin(w, sh, m->sink, m->message);
        else if (is_told_early(w, m))
            continue;
        else
            net_down(w, sh, m);
    }
    for (size_t i = 0; i < fx->timers.n; i++)
        clocks_timer(w, sh, &fx->timers.v[i]);
    for (size_t i = 0; i < fx->attempts.n; i++)
        seal_done(sh, &fx->attempts.v[i]);
    fx->messages.n = fx->timers.n = 0;
}

/* --- batches ----------------------------------------------------------------------------------------------------- */

static void compare(struct world *w, struct sim_shell *sh)
{
    struct core *rebuilt;
    struct arena arena = { 0 };
    struct buf text = { 0 };
    struct err e = { 0 };

    if (!sh->was_whole)
        return;
    rebuilt = core_new(&w->config);
    if (core_load(rebuilt, db_rows(w, &arena, PAGE_ALL, NULL), &e) < 0)
        world_fail(w, "the rows cannot be loaded: %s", e.text);
    core_dump(rebuilt, &text);
    if (strcmp(text.data, sh->dump.data) != 0) {
        world_trace(w, "live core:\n%s\nfrom the rows:\n%s", sh->dump.data, text.data);
        world_fail(w, "after commit %lld the core made from the rows differs from the live one",
                   (long long)w->counts.commits);
    }
    buf_fini(&text);
    core_free(&rebuilt);
    arena_fini(&arena);
}

static bool is_of_batch(const struct sim_shell *sh, const struct packet *p)
{
    return sh->life == p->life && sh->is_in_flight && sh->next_batch == p->number;
}

static void answer(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];

    if (!is_of_batch(sh, p) || sh->is_cut)
        return;
    if (shell_is_asleep(w, sh)) {
        world_in(w, sh->wakes_ms - w->now_ms, answer, p);
        return;
    }
    switch (p->answer) {
    case DB_DONE:
        shell_committed(w, sh);
        break;
    case DB_FENCED:
        w->counts.fenced++;
        world_trace(w, "scheduler %d learns that it was replaced", sh->index);
        shell_end(w, sh, SHELL_STANDBY);
        break;
    case DB_REFUSED:
    case DB_EXISTS:
        refusal_begin(w, sh, p->answer == DB_EXISTS);
        break;
    }
}

enum db_answer shell_apply(struct world *w, struct sim_shell *sh)
{
    enum db_answer a = db_commit(w, sh);

    if (a != DB_DONE)
        return a;
    sh->is_applied = true;
    w->counts.commits++;
    check_commit(w, sh);
    compare(w, sh);
    return a;
}

static void sent(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];
    struct packet back = *p;

    if (!is_of_batch(sh, p) || sh->is_cut || sh->is_applied)
        return;
    if (shell_is_asleep(w, sh) && world_random(w, 2)) {   /* the rest of it is still in the process */
        world_in(w, sh->wakes_ms - w->now_ms, sent, p);
        return;
    }
    if (world_chance(w, FAULT_CRASH, 2)) {
        lead_crash(w, sh);
        return;
    }
    if (world_chance(w, FAULT_DATABASE, 2)) {
        lead_disconnected(w, sh);
        return;
    }
    if (world_chance(w, FAULT_PAUSE, 1))
        lead_sleep(w, sh);
    back.answer = shell_apply(w, sh);
    if (*w->failure)
        return;
    if (world_chance(w, FAULT_CRASH, 2))
        lead_crash(w, sh);
    else if (world_chance(w, FAULT_DATABASE, 2))
        lead_disconnected(w, sh);
    else
        world_in(w, world_ms(w, 0, 4), answer, &back);
}

void shell_committed(struct world *w, struct sim_shell *sh)
{
    sh->is_in_flight = false;
    sh->next_batch++;
    check_reasons(w, sh);
    check_logs(w, sh);
    move_again(w, sh);
    release(w, sh, &sh->flight);
    effects_fini(&sh->flight);
    kept_fini(&sh->flight_inputs);
    shell_pump(w, sh);
}

void shell_send(struct world *w, struct sim_shell *sh)
{
    struct packet p = { .shell = sh->index, .life = sh->life, .number = sh->next_batch };

    sh->is_selected = w->db.epoch == sh->epoch;
    world_in(w, 1 + (int64_t)world_random(w, world_chance(w, FAULT_DELAY, 4) ? 1500 : 20), sent, &p);
}

static void batch_close(struct world *w, struct sim_shell *sh)
{
    core_collect(sh->core, &sh->filling);
    journal_add(&sh->journal, (struct journal_entry){ .digest = effects_digest(&sh->filling) });
    sh->flight = sh->filling;
    sh->filling = (struct effects){ 0 };
    kept_move(&sh->flight_inputs, &sh->filling_inputs);
    sh->was_whole = sh->is_whole;
    sh->began_whole = sh->fills_whole;
    if (!effects_have_rows(&sh->flight)) {   /* answers only: everything they say is committed */
        check_reasons(w, sh);
        check_logs(w, sh);
        release(w, sh, &sh->flight);
        effects_fini(&sh->flight);
        kept_fini(&sh->flight_inputs);
        return;
    }
    sh->is_in_flight = true;
    sh->is_applied = false;
    sh->sent_ms = w->now_ms;
    buf_reset(&sh->dump);
    if (sh->was_whole)
        core_dump(sh->core, &sh->dump);
    if (w->bug == BUG_EARLY_MESSAGES)
        release(w, sh, &sh->flight);
    tell_early(w, sh);
    shell_send(w, sh);
}

static struct kept *next_waiting(struct sim_shell *sh)
{
    struct kept *k = sh->waiting.v[0];

    memmove(sh->waiting.v, sh->waiting.v + 1, --sh->waiting.n * sizeof *sh->waiting.v);
    return k;
}

void shell_pump(struct world *w, struct sim_shell *sh)
{
    bool is_alone = false;

    if (!sh->core || sh->is_in_flight || sh->is_cut)
        return;
    while (!is_alone && sh->waiting.n && !(sh->waiting.v[0]->is_alone && sh->filling_inputs.n)) {
        struct kept *k = next_waiting(sh);
        is_alone = k->is_alone;
        shell_run(w, sh, k);
    }
    if (sh->filling.messages.n || sh->filling_inputs.n || effects_have_rows(&sh->filling))
        batch_close(w, sh);
    if (sh->waiting.n && !sh->is_in_flight)
        shell_pump(w, sh);
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

void shell_drop_core(struct world *w, struct sim_shell *sh)
{
    if (sh->core)
        journal_replay(w, sh);
    core_free(&sh->replaced);
    sh->replaced = sh->core;
    sh->core = NULL;
    effects_fini(&sh->flight);
    effects_fini(&sh->filling);
    sh->is_in_flight = false;
    sh->life++;
    sh->clocks++;
}

void shell_end(struct world *w, struct sim_shell *sh, enum shell_state state)
{
    shell_drop_core(w, sh);
    core_free(&sh->replaced);
    kept_fini(&sh->flight_inputs);
    kept_fini(&sh->filling_inputs);
    kept_fini(&sh->waiting);
    kept_fini(&sh->held);
    kept_fini(&sh->recalling);
    table_fini(&sh->seals);
    sh->is_cut = false;
    sh->epoch = 0;
    sh->state = state;
    world_trouble(w, w->now_ms);
}

void shell_fini(struct sim_shell *sh)
{
    core_free(&sh->core);
    core_free(&sh->replaced);
    effects_fini(&sh->flight);
    effects_fini(&sh->filling);
    kept_fini(&sh->flight_inputs);
    kept_fini(&sh->filling_inputs);
    kept_fini(&sh->waiting);
    kept_fini(&sh->held);
    kept_fini(&sh->recalling);
    buf_fini(&sh->dump);
    journal_fini(&sh->journal);
    table_fini(&sh->seals);
}
