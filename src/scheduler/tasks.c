/* tasks.c - the core's objects: made, found, marked as changed, forgotten when nobody can ask for them any more. */
#include <string.h>

#include "scheduler/core_impl.h"

void text_set(char **text, const char *value)
{
    char *copy = value && *value ? mem_strdup(value) : NULL;

    mem_free(text);
    *text = copy;
}

const struct policy *task_policy(const struct task *t)
{
    static const struct policy defaults = { .retry_on = RETRY_AGENT | RETRY_INFRASTRUCTURE };

    return t->spec && t->spec->policy ? t->spec->policy : &defaults;
}

struct task *task_new(struct core *core, const struct uuid *id, const struct spec *spec)
{
    struct task *t = mem_zalloc(sizeof *t);

    t->id = *id;
    t->exit_code = -1;
    t->project = project_get(core, spec->project);
    if (spec->policy && spec->policy->group) {
        t->group = group_get(core, spec->policy->group);
        t->group->tasks++;
    }
    table_put(&core->tasks, id, t);
    return t;
}

void task_open(struct core *core, struct task *t)
{
    t->rank_ms = t->created_ms - ((int64_t)t->spec->priority - PRIORITY_NORMAL) * core->config->ageing_ms;
    queue_open(core, t);
    kin_add(core, t);
}

/* What its project and group hold has changed by one slot. */
static void shares_hold(struct core *core, struct task *t, int64_t more)
{
    t->project->held += more;
    queue_project_moved(t->project);
    if (!t->group)
        return;
    t->group->held += more;
    queue_group_moved(core, t->group);
}

struct attempt *attempt_new(struct core *core, struct task *t, int64_t number, struct agent *a)
{
    struct attempt *at = mem_zalloc(sizeof *at);

    at->task = t;
    at->agent = a;
    at->number = number;
    at->late_state = -1;
    at->exit_code = at->signal = at->log_bytes = at->log_lines = at->log_chunks = -1;
    LIST_INSERT_HEAD(&t->attempts, at, of_task);
    LIST_INSERT_HEAD(&a->open, at, of_agent);
    a->busy++;
    queue_agent_moved(a);
    shares_hold(core, t, 1);
    return at;
}

void attempt_detach(struct core *core, struct attempt *at)
{
    LIST_REMOVE(at, of_agent);
    at->agent->busy--;
    shares_hold(core, at->task, -1);
    queue_agent_freed(core, at->agent);
}

static void attempt_free(struct core *core, struct attempt *at)
{
    if (!attempt_is_terminal(at->state))
        attempt_detach(core, at);
    if (at->is_dirty)
        TAILQ_REMOVE(&core->dirty_attempts, at, dirty);
    LIST_REMOVE(at, of_task);
    log_close(at);
    mem_free(&at->message);
    mem_free(&at->commit);
    mem_free(&at->driver);
    mem_free(&at->workspace);
    mem_free(&at);
}

void task_close(struct core *core, struct task *t)
{
    kin_remove(core, t);
    queue_close(core, t);
    if (!t->is_new)    /* else its row is still to be written */
        mem_free(&t->spec);
}

/* `placing` serves three lists; a task is in one of them at most. */
void task_leave_list(struct core *core, struct task *t)
{
    if (t->is_placing)
        TAILQ_REMOVE(&core->placing, t, placing);
    else if (t->is_settling)
        TAILQ_REMOVE(&core->settling, t, placing);
    else if (t->is_hanging)
        TAILQ_REMOVE(&core->hanging, t, placing);
    t->is_placing = t->is_settling = t->is_hanging = false;
}

void task_free(struct core *core, struct task **t)
{
    struct task *gone = *t;
    struct idem_key *k;

    *t = NULL;
    if (heap_has(&gone->place))
        queue_remove(core, gone);
    while (!LIST_EMPTY(&gone->attempts))
        attempt_free(core, LIST_FIRST(&gone->attempts));
    after_free(gone);
    gone->is_new = false;
    task_close(core, gone);
    if (gone->is_dirty)
        TAILQ_REMOVE(&core->dirty_tasks, gone, dirty);
    if (gone->is_waiting_out)
        TAILQ_REMOVE(&core->ended, gone, ended);
    task_leave_list(core, gone);
    while ((k = LIST_FIRST(&gone->keys))) {
        k->end_state = (int)gone->state;
        k->task = NULL;
        LIST_REMOVE(k, of_task);
    }
    if (gone->group)
        group_release(core, gone->group);
    table_remove(&core->tasks, &gone->id);
    mem_free(&gone->commit);
    mem_free(&gone->message);
    mem_free(&gone);
}

struct attempt *attempt_find(const struct core *core, const struct uuid *task_id, int64_t number)
{
    struct task *t = table_get(&core->tasks, task_id);
    struct attempt *at;

    if (!t)
        return NULL;
    LIST_FOREACH(at, &t->attempts, of_task)
        if (at->number == number)
            return at;
    return NULL;
}

bool task_is_forgettable(const struct core *core, const struct task *t)
{
    const struct attempt *at;

    if (!t->ended_ms || t->ended_ms + CORE_RECENT_MS > core->now_ms)
        return false;
    LIST_FOREACH(at, &t->attempts, of_task)
        if (at->log_state == LOG_OPEN || at->is_wanted)
            return false;
    return true;
}

static bool task_has_marks(const struct task *t)
{
    const struct attempt *at;

    LIST_FOREACH(at, &t->attempts, of_task)
        if (at->is_dirty)
            return true;
    return t->is_dirty;
}

void tasks_forget(struct core *core)
{
    struct task *t;

    if (core->is_partial)   /* somebody who waits for one of them may still be loaded */
        return;
    while ((t = TAILQ_FIRST(&core->ended)) && t->ended_ms + CORE_RECENT_MS <= core->now_ms && !task_has_marks(t)) {
        TAILQ_REMOVE(&core->ended, t, ended);
        t->is_waiting_out = false;
        if (task_is_forgettable(core, t))   /* else a seal is asked for: it comes back when that is answered */
            task_free(core, &t);
    }
}

void task_waits_out(struct core *core, struct task *t)
{
    if (!t->ended_ms || t->is_waiting_out)
        return;
    TAILQ_INSERT_HEAD(&core->ended, t, ended);
    t->is_waiting_out = true;
}

void task_mark(struct core *core, struct task *t)
{
    if (!t->is_dirty)
        TAILQ_INSERT_TAIL(&core->dirty_tasks, t, dirty);
    t->is_dirty = true;
}

void attempt_mark(struct core *core, struct attempt *at)
{
    if (!at->is_dirty)
        TAILQ_INSERT_TAIL(&core->dirty_attempts, at, dirty);
    at->is_dirty = true;
}

void agent_mark(struct core *core, struct agent *a)
{
    if (!a->is_dirty)
        TAILQ_INSERT_TAIL(&core->dirty_agents, a, dirty);
    a->is_dirty = true;
}
