/* notes.c - the journal read as history: what the events say of tasks must be what the rows say, batch by batch.
 *
 * Every state is reached by an event that leads there, every attempt begins with one, every task ends with one. */
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

struct sim_note *note_of(struct world *w, const struct uuid *task)
{
    struct sim_note *note = table_get(&w->notes, task);

    if (note)
        return note;
    note = arena_alloc(&w->arena, sizeof *note);
    note->task = *task;
    note->kept_ms = note->cancel_ms = note->accepted_ms = -1;
    table_put(&w->notes, task, note);
    return note;
}

const char *event_says(const struct row_event *ev, const char *key)
{
    for (size_t i = 0; i < ev->n_data; i++)
        if (strcmp(ev->data[i].key, key) == 0)
            return ev->data[i].value;
    return "";
}

/* The event must find the task in one of these states; bits. */
#define IN(state) (1u << (state))

static void expect(struct world *w, const struct row_event *ev, const struct sim_note *note, unsigned states)
{
    char id[16];

    if (!(states & IN(note->state)))
        world_fail(w, "event %lld: %s of task %s, which is %s", (long long)ev->seq, ev->kind,
                   id_short(&ev->task_id, id), task_state_name(note->state));
}

static void begin_attempt(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    char id[16];

    if (ev->attempt != ++note->attempts)
        world_fail(w, "event %lld: attempt %s.%lld follows %lld", (long long)ev->seq, id_short(&ev->task_id, id),
                   (long long)ev->attempt, (long long)note->attempts - 1);
    note->state = TASK_ASSIGNED;
    note->stop_seq = 0;
    note->accepted_ms = -1;
    check_assigned(w, ev);
}

/* --- one function per kind --------------------------------------------------------------------------------------- */

static void on_submitted(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    const struct row_task *t = db_task(w, &ev->task_id);

    if (note->submit_seq || !t) {
        world_fail(w, "event %lld: a task is submitted twice, or without a row", (long long)ev->seq);
        return;
    }
    note->submit_seq = ev->seq;
    note->kept_ms = w->now_ms;
    note->state = t->spec->policy && t->spec->policy->n_after ? TASK_WAITING : TASK_QUEUED;
    check_submitted(w, ev);
    if (ev->attempt)
        begin_attempt(w, ev, note);
}

static void on_assigned(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    expect(w, ev, note, IN(TASK_QUEUED));
    begin_attempt(w, ev, note);
}

static void on_ready(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    expect(w, ev, note, IN(TASK_WAITING));
    note->state = TASK_QUEUED;
}

static void on_accepted(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    note->accepted_ms = w->now_ms;
    if (note->end_seq)   /* its stop deadline was first; the attempt still stands */
        return;
    expect(w, ev, note, IN(TASK_ASSIGNED));
    note->state = TASK_RUNNING;
}

static void on_stopping(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    expect(w, ev, note, IN(TASK_ASSIGNED) | IN(TASK_RUNNING));
    note->stop_seq = ev->seq;
    note->cancel_ms = w->now_ms;
}

static void on_requeued(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    expect(w, ev, note, IN(TASK_ASSIGNED) | IN(TASK_RUNNING));
    note->state = strcmp(event_says(ev, "delay_ms"), "0") == 0 ? TASK_QUEUED : TASK_WAITING;
    check_ended(w, note);
    note->accepted_ms = -1;
}

static void on_ended(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    int state = task_state_by_name(event_says(ev, "state"));

    expect(w, ev, note, IN(TASK_WAITING) | IN(TASK_QUEUED) | IN(TASK_ASSIGNED) | IN(TASK_RUNNING));
    note->n_ends++;
    note->end_seq = ev->seq;
    note->state = state >= 0 ? (enum task_state)state : TASK_WAITING;
    check_ended(w, note);
}

static void on_project(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    struct uuid key = table_key_text("project", ev->project);
    struct row_project *row = arena_alloc(&w->arena, sizeof *row);

    (void)note;
    row->is_paused = strcmp(event_says(ev, "paused"), "true") == 0;
    row->supersede = strcmp(event_says(ev, "supersede"), "off") == 0 ? SUPERSEDE_OFF :
                     strcmp(event_says(ev, "supersede"), "running") == 0 ? SUPERSEDE_RUNNING : SUPERSEDE_QUEUED;
    table_put(&w->projects_said, &key, row);
}

static void on_agent(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    (void)note;
    if (strcmp(event_says(ev, "draining"), "true") == 0)
        table_put(&w->drained, &ev->agent_id, w);
    else
        table_remove(&w->drained, &ev->agent_id);
}

static void on_queue(struct world *w, const struct row_event *ev, struct sim_note *note)
{
    (void)note;
    w->is_paused = strcmp(event_says(ev, "paused"), "true") == 0;
}

static const struct {
    const char *kind;
    void (*fn)(struct world *w, const struct row_event *ev, struct sim_note *note);
} kinds[] = {
    { "task.submitted", on_submitted }, { "task.assigned", on_assigned },     { "task.ready", on_ready },
    { "task.requeued", on_requeued },   { "task.ended", on_ended },           { "attempt.accepted", on_accepted },
    { "attempt.stopping", on_stopping }, { "project.set", on_project },       { "agent.set", on_agent },
    { "queue.set", on_queue },
};

/* --- a batch ----------------------------------------------------------------------------------------------------- */

static void compare(struct world *w, const struct uuid *task)
{
    const struct row_task *t = db_task(w, task);
    const struct sim_note *note = note_of(w, task);
    char id[16];

    if (!t)
        world_fail(w, "task %s has events and no row", id_short(task, id));
    else if (t->state != note->state || t->attempt != note->attempts)
        world_fail(w, "task %s is %s in its row, %s in its events; attempts %lld and %lld", id_short(task, id),
                   task_state_name(t->state), task_state_name(note->state), (long long)t->attempt,
                   (long long)note->attempts);
}

void notes_read(struct world *w, const struct sim_shell *sh)
{
    const struct effects *fx = &sh->flight;

    for (size_t i = 0; i < fx->events.n; i++) {
        const struct row_event *ev = &fx->events.v[i];
        char id[16];
        if (!uuid_is_nil(&ev->task_id))
            world_trace(w, "  event %lld %s %s.%lld %s", (long long)ev->seq, ev->kind, id_short(&ev->task_id, id),
                        (long long)ev->attempt, event_says(ev, "state"));
        else
            world_trace(w, "  event %lld %s", (long long)ev->seq, ev->kind);
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
            if (strcmp(kinds[k].kind, ev->kind) == 0)
                kinds[k].fn(w, ev, uuid_is_nil(&ev->task_id) ? NULL : note_of(w, &ev->task_id));
    }
    for (size_t i = 0; i < fx->events.n; i++)
        if (!uuid_is_nil(&fx->events.v[i].task_id))
            compare(w, &fx->events.v[i].task_id);
    for (size_t i = 0; i < fx->tasks.n; i++)
        compare(w, &fx->tasks.v[i].id);
}
