/* sqlfloor_orion.c - the same lives through the scheduler's own statements: the effects that its core would give. */
#include "bench/sqlfloor.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "scheduler/db.h"

/* The list has room. */
static void add_event(struct effects *fx, struct floor_place *place, const char *kind, const struct uuid *task)
{
    fx->events.v[fx->events.n++] = (struct row_event){
        .seq = ++place->seq, .at_ms = clock_wall_ms(), .epoch = place->epoch, .kind = kind, .project = "default",
        .task_id = *task, .agent_id = { { 1 } }, .attempt = 1,
    };
}

static void add_task(struct effects *fx, const struct uuid *id, enum task_state state)
{
    static const struct spec spec = { .project = "default", .repo = "monorepo", .target = "//some/package:target",
                                      .priority = PRIORITY_NORMAL };
    int64_t now = clock_wall_ms();
    bool is_ended = state == TASK_SUCCEEDED;

    fx->tasks.v[fx->tasks.n++] = (struct row_task){
        .is_new = state == TASK_ASSIGNED, .id = *id, .spec = state == TASK_ASSIGNED ? &spec : NULL, .state = state,
        .cause = is_ended ? "build" : NULL, .exit_code = is_ended ? 0 : -1, .attempt = 1, .created_ms = now,
        .started_ms = state == TASK_ASSIGNED ? 0 : now, .ended_ms = is_ended ? now : 0,
    };
}

static void add_attempt(struct effects *fx, const struct uuid *id, enum attempt_state state)
{
    int64_t now = clock_wall_ms();
    bool is_ended = state == ATTEMPT_SUCCEEDED;

    fx->attempts.v[fx->attempts.n++] = (struct row_attempt){
        .is_new = state == ATTEMPT_ASSIGNED, .task_id = *id, .number = 1, .agent_id = { { 1 } }, .session = 1,
        .state = state, .late_state = -1, .cause = is_ended ? "build" : NULL, .sink = "sink-1",
        .exit_code = is_ended ? 0 : -1, .signal = -1, .log_state = is_ended ? LOG_COMPLETE : LOG_OPEN,
        .log_bytes = is_ended ? 0 : -1, .log_lines = is_ended ? 0 : -1, .log_chunks = is_ended ? 0 : -1,
        .assigned_ms = now, .started_ms = state == ATTEMPT_ASSIGNED ? 0 : now, .ended_ms = is_ended ? now : 0,
    };
}

struct phase {
    const struct uuid *ids;
    size_t n;
    enum task_state task;
    enum attempt_state attempt;
    const char *event;
};

static void orion_write(struct pg *pg, const struct floor_turn *t, struct floor_place *place)
{
    const struct phase phases[] = {
        { t->fresh, t->n_fresh, TASK_ASSIGNED, ATTEMPT_ASSIGNED, "task.submitted" },
        { t->accepted, t->n_accepted, TASK_RUNNING, ATTEMPT_RUNNING, "attempt.accepted" },
        { t->ended, t->n_ended, TASK_SUCCEEDED, ATTEMPT_SUCCEEDED, "task.ended" },
    };
    const struct db_batch b = { place->epoch, place->batch, place->month, NULL, t->done, t->arg };
    size_t n = t->n_fresh + t->n_accepted + t->n_ended;
    struct effects fx = { 0 };

    fx.tasks.v = mem_array(n, sizeof *fx.tasks.v);
    fx.attempts.v = mem_array(n, sizeof *fx.attempts.v);
    fx.events.v = mem_array(n, sizeof *fx.events.v);
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        for (size_t j = 0; j < phases[i].n; j++) {
            add_task(&fx, &phases[i].ids[j], phases[i].task);
            add_attempt(&fx, &phases[i].ids[j], phases[i].attempt);
            add_event(&fx, place, phases[i].event, &phases[i].ids[j]);
        }
    }
    db_write(pg, &fx, &b);
    mem_free(&fx.tasks.v);
    mem_free(&fx.attempts.v);
    mem_free(&fx.events.v);
}

static void orion_set_up(struct pg *pg, struct floor_place *place)
{
    place->month = mem_zalloc(sizeof *place->month);
    db_month_find(place->month, pg);
}

const struct floor_kind floor_orion = {
    .name = "orion", .prepare = "UPDATE orion.leader SET epoch = epoch + 1, batch = 0",
    .place = "SELECT epoch FROM orion.leader", .events = "SELECT COALESCE(max(seq), 0) FROM orion.event",
    .stmts = db_stmts, .n_stmts = DB_STMTS, .stmt_setup = DB_SESSION_SETUP,
    .set_up = orion_set_up, .write = orion_write,
};
