/* core_fixture.c - inputs made from numbers, effects read back. */
#include "tests/unit/core_fixture.h"

#include <string.h>

static const char *const sinks[] = { "sink-1", "sink-2", "sink-3" };

struct uuid rig_id(unsigned n)
{
    return (struct uuid){ { 1, 2, 3, 4, 5, 6, 0x70, 0, 0x80, [14] = (uint8_t)(n >> 8), [15] = (uint8_t)n } };
}

static unsigned id_number(const struct uuid *id)
{
    return (unsigned)id->b[14] << 8 | id->b[15];
}

static void step(struct rig *r, enum input_kind kind, struct route from, const void *message)
{
    effects_fini(&r->fx);
    core_step(r->core, &(struct input){ kind, ++r->now_ms, from, message }, &r->fx);
    core_collect(r->core, &r->fx);
    for (size_t i = 0; i < r->fx.messages.n; i++) {
        const struct msg_task_assign *assign = r->fx.messages.v[i].message;
        const struct msg_agent_welcome *welcome = r->fx.messages.v[i].message;
        if (r->fx.messages.v[i].type == MSG_AGENT_WELCOME)
            r->session = welcome->session;
        if (r->fx.messages.v[i].type == MSG_TASK_ASSIGN)
            r->sessions[id_number(&assign->task_id)] = assign->session;
    }
}

void rig_open(struct rig *r)
{
    rig_open_sinks(r, 1);
}

void rig_open_sinks(struct rig *r, size_t n)
{
    const struct input_lead lead = { 1, "test", "0" };

    *r = (struct rig){ .config = { .tries = 3, .killed_agents = 3, .lease_ms = 30000,
                        .heartbeat_ms = 7500, .ageing_ms = 600000, .retry_max_ms = 300000, .stop_ms = 30000,
                        .sinks = sinks, .n_sinks = n }, .now_ms = 1700000000000 };
    r->core = core_new(&r->config);
    step(r, INPUT_LEAD, (struct route){ 0 }, &lead);
}

void rig_close(struct rig *r)
{
    effects_fini(&r->fx);
    core_free(&r->core);
}

void rig_submit_message(struct rig *r, struct msg_task_submit *m)
{
    m->project = m->project ? m->project : "default";
    m->repo = m->repo ? m->repo : "repo";
    step(r, INPUT_SUBMIT, (struct route){ 1000, 0 }, m);
}

void rig_submit(struct rig *r, unsigned task, const char *label)
{
    struct msg_task_submit m = { .task_id = rig_id(task), .labels = { &label, label != NULL } };

    rig_submit_message(r, &m);
}

static void hello(struct rig *r, unsigned agent, uint64_t conn, const struct msg_agent_hello *rest)
{
    struct msg_agent_hello m = *rest;

    m.major = MSG_MAJOR;
    m.agent_id = rig_id(agent);
    m.instance = rig_id(agent + 100);
    m.name = "agent";
    m.version = "1";
    step(r, INPUT_HELLO, (struct route){ agent, conn }, &m);
}

void rig_hello(struct rig *r, unsigned agent, int64_t slots, const char *label)
{
    hello(r, agent, 1, &(struct msg_agent_hello){ .slots = slots, .labels = { &label, label != NULL } });
}

void rig_hello_holding(struct rig *r, unsigned agent, uint64_t conn, unsigned task, int64_t attempt)
{
    const struct msg_held held = { .task_id = rig_id(task), .attempt = attempt, .state = "running" };

    hello(r, agent, conn, &(struct msg_agent_hello){ .slots = 1, .held = { &held, task != 0 } });
}

void rig_accept(struct rig *r, unsigned task, int64_t attempt)
{
    step(r, INPUT_ACCEPT, (struct route){ 1, 1 },
         &(struct msg_task_accept){ .session = r->sessions[task], .task_id = rig_id(task), .attempt = attempt });
}

void rig_decline(struct rig *r, unsigned task, int64_t attempt, int64_t session)
{
    step(r, INPUT_DECLINE, (struct route){ 1, 1 },
         &(struct msg_task_decline){ .session = session, .task_id = rig_id(task), .attempt = attempt, .reason = "no disk" });
}

void rig_prepared(struct rig *r, unsigned task, int64_t attempt, const char *commit)
{
    step(r, INPUT_PREPARED, (struct route){ 1, 1 },
         &(struct msg_task_prepared){ .session = r->sessions[task], .task_id = rig_id(task), .attempt = attempt, .commit = commit, .driver = "make",
                                      .workspace = "/w" });
}

void rig_result(struct rig *r, unsigned task, int64_t attempt, const char *outcome, const char *cause)
{
    step(r, INPUT_RESULT, (struct route){ 1, 1 },
         &(struct msg_task_result){ .task_id = rig_id(task), .attempt = attempt, .outcome = outcome, .cause = cause,
                                    .exit_code = 2, .has = { .exit_code = true }, .message = "said", .log_bytes = 5,
                                    .log_chunks = 1,
                                    .log_head = { (const uint8_t *)"0123456789abcdef0123456789abcdef", 32 } });
}

void rig_sealed(struct rig *r, unsigned task, int64_t attempt)
{
    step(r, INPUT_SEALED, (struct route){ 0 },
         &(struct input_sealed){ .sink = "sink-1", .task_id = rig_id(task), .attempt = attempt, .state = LOG_COMPLETE,
                                 .bytes = 5, .lines = 1 });
}

void rig_sealed_by(struct rig *r, unsigned task, const struct input_sealed *m)
{
    struct input_sealed in = *m;

    in.task_id = rig_id(task);
    in.attempt = 1;
    step(r, INPUT_SEALED, (struct route){ 0 }, &in);
}

void rig_sink(struct rig *r, const char *name, enum sink_state state, bool is_leaving)
{
    struct input_sink in = { .state = state, .is_leaving = is_leaving };

    strcpy(in.name, name);
    step(r, INPUT_SINK, (struct route){ 0 }, &in);
}

void rig_moved(struct rig *r, unsigned task, const char *sink, int64_t chunk, int64_t offset)
{
    step(r, INPUT_MOVED, (struct route){ 1, 1 },
         &(struct msg_log_moved){ .session = r->session, .task_id = rig_id(task), .attempt = 1, .sink = sink, .seq = chunk,
                                  .offset = offset, .head = { (const uint8_t *)"fedcba9876543210fedcba9876543210", 32 } });
}

void rig_step(struct rig *r, enum input_kind kind, const void *message)
{
    step(r, kind, (struct route){ 1000, 0 }, message);
}

void rig_timer(struct rig *r, enum timer_kind kind, unsigned task, int64_t attempt)
{
    rig_step(r, INPUT_TIMER, &(struct core_timer){ kind, rig_id(task), attempt, 0 });
}

void rig_cancel(struct rig *r, unsigned task)
{
    rig_step(r, INPUT_CANCEL, &(struct msg_task_cancel){ .request_id = rig_id(9999), .task_id = rig_id(task), .reason = "not needed" });
}

void rig_pause(struct rig *r, const char *project, bool is_paused)
{
    const struct msg_project_set one = { .name = project, .paused = is_paused, .has = { .paused = true } };
    const struct msg_queue_set all = { .paused = is_paused, .has = { .paused = true } };

    if (project)
        rig_step(r, INPUT_PROJECT_SET, &one);
    else
        rig_step(r, INPUT_QUEUE_SET, &all);
}

const char *rig_why(struct rig *r, unsigned task)
{
    const struct msg_task_reason *answer;

    rig_step(r, INPUT_WHY, &(struct msg_task_why){ .task_id = rig_id(task) });
    answer = rig_message(r, MSG_TASK_REASON, 0);
    return answer->reason ? answer->reason : "";
}

void rig_clock(struct rig *r, enum input_kind kind, unsigned id, int64_t attempt, int64_t session)
{
    step(r, kind, (struct route){ 0 }, &(struct input_clock){ rig_id(id), attempt, session });
}

/* --- effects ----------------------------------------------------------------------------------------------- */

const void *rig_message(const struct rig *r, enum msg_type type, size_t n)
{
    for (size_t i = 0; i < r->fx.messages.n; i++)
        if (r->fx.messages.v[i].type == type && n-- == 0)
            return r->fx.messages.v[i].message;
    return NULL;
}

size_t rig_count(const struct rig *r, enum msg_type type)
{
    size_t n = 0;

    while (rig_message(r, type, n))
        n++;
    return n;
}

const struct row_task *rig_task(const struct rig *r, unsigned task)
{
    for (size_t i = 0; i < r->fx.tasks.n; i++)
        if (id_number(&r->fx.tasks.v[i].id) == task)
            return &r->fx.tasks.v[i];
    return NULL;
}

const struct row_attempt *rig_attempt(const struct rig *r, unsigned task, int64_t number)
{
    for (size_t i = 0; i < r->fx.attempts.n; i++)
        if (id_number(&r->fx.attempts.v[i].task_id) == task && r->fx.attempts.v[i].number == number)
            return &r->fx.attempts.v[i];
    return NULL;
}

const struct core_timer *rig_armed(const struct rig *r, enum timer_kind kind)
{
    for (size_t i = 0; i < r->fx.timers.n; i++)
        if (r->fx.timers.v[i].kind == kind)
            return &r->fx.timers.v[i];
    return NULL;
}

bool rig_event(const struct rig *r, const char *kind)
{
    for (size_t i = 0; i < r->fx.events.n; i++)
        if (strcmp(r->fx.events.v[i].kind, kind) == 0)
            return true;
    return false;
}

unsigned rig_assigned(const struct rig *r, unsigned task)
{
    for (size_t i = 0; i < r->fx.messages.n; i++) {
        const struct core_message *m = &r->fx.messages.v[i];
        const struct msg_task_assign *assign = m->message;
        if (m->type == MSG_TASK_ASSIGN && id_number(&assign->task_id) == task)
            return (unsigned)m->to.peer;
    }
    return 0;
}
