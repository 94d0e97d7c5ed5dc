/* dump.c - the core as canonical text: two cores with the same dump will do the same from now on.
 *
 * What no row says is left out: connections, free slots of connected agents, tasks that may be forgotten at any time. */
#include <stdlib.h>
#include <string.h>

#include "scheduler/core_impl.h"

static int by_id(const void *x, const void *y)
{
    /* everything in a table begins with its key */
    return uuid_cmp(*(const struct uuid *const *)x, *(const struct uuid *const *)y);
}

static void *sorted_values(const struct table *table, size_t *n_r)
{
    void **all = mem_array(table->used + 1, sizeof *all), *value;
    size_t n = 0;

    for (size_t at = 0; (value = table_next(table, &at));)
        all[n++] = value;
    qsort(all, n, sizeof *all, by_id);
    *n_r = n;
    return all;
}

static void put_id(struct buf *out, const char *name, const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    uuid_format(id, text);
    buf_printf(out, "%s=%s ", name, text);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    if (text)
        buf_printf(out, "%s=%zu:%s ", name, strlen(text), text);
}

static void put_strs(struct buf *out, const char *name, struct msg_strs list)
{
    for (size_t i = 0; i < list.n; i++)
        put_text(out, name, list.v[i]);
}

static void put_int(struct buf *out, const char *name, int64_t number)
{
    buf_printf(out, "%s=%lld ", name, (long long)number);
}

static void dump_policy(struct buf *out, const struct policy *p)
{
    put_text(out, "group", p->group);
    for (size_t i = 0; i < p->n_after; i++)
        put_id(out, "after", &p->after[i]);
    buf_printf(out, "condition=%d timeouts=%lld %lld %lld tries=%lld retry=%u ", (int)p->condition, (long long)p->timeout_ms,
               (long long)p->silence_timeout_ms, (long long)p->queue_timeout_ms, (long long)p->tries, p->retry_on);
    for (size_t i = 0; i < p->retry_exit_codes.n; i++)
        put_int(out, "code", p->retry_exit_codes.v[i]);
    put_id(out, "retry_of", &p->retry_of);
}

static void dump_spec(struct buf *out, const struct spec *s)
{
    put_text(out, "repo", s->repo);
    put_text(out, "target", s->target);
    put_text(out, "ref", s->ref);
    put_text(out, "mr", s->mr);
    put_text(out, "driver", s->driver);
    put_strs(out, "arg", s->args);
    put_strs(out, "label", s->labels);
    for (size_t i = 0; i < s->env.n; i++) {
        put_text(out, "env", s->env.v[i].key);
        put_text(out, "value", s->env.v[i].value);
    }
    put_int(out, "separate", s->separate_streams);
    put_int(out, "priority", s->priority);
    if (s->policy)
        dump_policy(out, s->policy);
}

static void dump_segment(struct buf *out, const struct attempt *at)
{
    char head[HASH_TEXT_SIZE];

    if (!at->segment)
        return;
    hash_format(&at->segment->head, head);
    put_text(out, "moved", at->segment->sink->name);
    put_int(out, "from", at->segment->offset);
    put_int(out, "behind", at->segment->chunk);
    put_text(out, "head", head);
}

static void dump_attempt(struct buf *out, const struct attempt *at)
{
    char head[HASH_TEXT_SIZE] = "";

    if (at->has_head)
        hash_format(&at->log_head, head);
    buf_printf(out, "  attempt %lld %s ", (long long)at->number, attempt_state_name(at->state));
    put_id(out, "agent", &at->agent->id);
    put_text(out, "sink", at->sink->name);
    dump_segment(out, at);
    put_int(out, "session", at->session);
    put_int(out, "late", at->late_state);
    put_text(out, "cause", at->cause);
    put_text(out, "message", at->message);
    put_text(out, "commit", at->commit);
    put_text(out, "driver", at->driver);
    put_text(out, "workspace", at->workspace);
    put_text(out, "stop", stop_name(at->stop));
    buf_printf(out, "exit=%lld signal=%lld log=%d %lld %lld %lld %s at=%lld %lld %lld\n", (long long)at->exit_code,
               (long long)at->signal, (int)at->log_state + 4 * at->is_wanted, (long long)at->log_bytes, (long long)at->log_lines,
               (long long)at->log_chunks, head, (long long)at->assigned_ms, (long long)at->started_ms,
               (long long)at->ended_ms);
}

/* Whom it still waits for, in the order of its policy. */
static void dump_after(struct buf *out, const struct task *t)
{
    const struct policy *policy = task_policy(t);
    const struct edge *e;

    for (size_t i = 0; i < policy->n_after; i++)
        LIST_FOREACH(e, &t->after, of_task)
            if (uuid_cmp(&e->on->id, &policy->after[i]) == 0)
                put_id(out, "waits_for", &e->on->id);
}

static void dump_task(struct buf *out, const struct task *t)
{
    const struct attempt *at;

    put_id(out, "task", &t->id);
    buf_printf(out, "%s ", task_state_name(t->state));
    put_text(out, "project", t->project->name);
    put_text(out, "commit", t->commit);
    put_text(out, "cause", t->cause);
    put_text(out, "message", t->message);
    buf_printf(out, "exit=%lld attempt=%lld at=%lld %lld %lld %lld ", (long long)t->exit_code, (long long)t->number,
               (long long)t->created_ms, (long long)t->started_ms, (long long)t->ended_ms, (long long)t->not_before_ms);
    if (!t->ended_ms) {
        dump_spec(out, t->spec);
        dump_after(out, t);
    }
    buf_putc(out, '\n');
    for (int64_t number = t->number; number > 0; number--)
        LIST_FOREACH(at, &t->attempts, of_task)
            if (at->number == number)
                dump_attempt(out, at);
}

static void dump_agent(struct buf *out, const struct agent *a)
{
    put_id(out, "agent", &a->id);
    put_id(out, "instance", &a->instance);
    put_text(out, "name", a->name);
    put_text(out, "version", a->version);
    put_strs(out, "label", a->texts->labels);
    buf_printf(out, "slots=%lld session=%lld hello=%lld up=%d draining=%d seen=%lld busy=%lld\n", (long long)a->slots,
               (long long)a->session, (long long)a->hello, a->is_up, a->is_draining, (long long)a->seen_ms, (long long)a->busy);
}

static void dump_key(struct core *core, struct buf *out, const struct idem_key *k)
{
    const struct task *t = table_get(&core->tasks, &k->task_id);
    char body[HASH_TEXT_SIZE];

    hash_format(&k->body, body);
    put_text(out, "key", k->key);
    put_text(out, "project", k->project);
    put_id(out, "task", &k->task_id);
    buf_printf(out, "body=%s at=%lld joined=%d %s\n", body, (long long)k->created_ms, k->is_joined,
               t ? task_state_name(t->state) : k->end_state < 0 ? "none" : task_state_name((enum task_state)k->end_state));
}

static int in_queue_order(const void *x, const void *y)
{
    return task_before(*(struct task *const *)x, *(struct task *const *)y) ? -1 : 1;
}

static void dump_queue(struct buf *out, const char *name, const struct heap *queue)
{
    struct task **all = mem_array(queue->n + 1, sizeof *all);

    for (size_t i = 0; i < queue->n; i++)
        all[i] = HEAP_OWNER(queue->nodes[i], struct task, place);
    qsort(all, queue->n, sizeof *all, in_queue_order);
    for (size_t i = 0; i < queue->n; i++)
        put_id(out, name, &all[i]->id);
    if (queue->n)
        buf_putc(out, '\n');
    mem_free(&all);
}

static void dump_lane(struct buf *out, const struct lane *l)
{
    put_text(out, "lane", l->project->name);
    put_text(out, "group", l->group ? l->group->name : NULL);
    put_strs(out, "label", l->demand->labels);
    buf_printf(out, "open=%zu ready=%d\n", l->open_tasks, heap_has(&l->node));
    dump_queue(out, "retry", &l->retries);
    dump_queue(out, "fresh", &l->fresh);
}

static void dump_project(struct buf *out, const struct project *p)
{
    put_text(out, "project", p->name);
    buf_printf(out, "weight=%lld paused=%d supersede=%d log=%lld %lld held=%lld queued=%zu\n", (long long)p->weight,
               p->is_paused, (int)p->supersede, (long long)p->log_max, (long long)p->log_keep_ms, (long long)p->held, p->queued);
}

static void dump_sink(struct buf *out, const struct sink *k)
{
    put_text(out, "sink", k->name);
    buf_printf(out, "%s since=%lld\n", sink_state_name(k->state), (long long)k->since_ms);
}

/* One that ended tasks alone still point to is as good as gone. */
static void dump_group(struct buf *out, const struct group *g)
{
    if (g->capacity == GROUP_DEFAULT && LIST_EMPTY(&g->lanes) && g->held == 0)
        return;
    put_text(out, "group", g->name);
    buf_printf(out, "capacity=%lld held=%lld\n", (long long)g->capacity, (long long)g->held);
}

static void dump_shares(struct core *core, struct buf *out)
{
    struct project **projects;
    struct group **groups;
    struct lane **lanes;
    struct sink **sinks;
    size_t n;

    projects = sorted_values(&core->projects, &n);
    for (size_t i = 0; i < n; i++)
        dump_project(out, projects[i]);
    mem_free(&projects);
    groups = sorted_values(&core->groups, &n);
    for (size_t i = 0; i < n; i++)
        dump_group(out, groups[i]);
    mem_free(&groups);
    sinks = sorted_values(&core->sinks, &n);
    for (size_t i = 0; i < n; i++)
        if (sinks[i]->since_ms)   /* else nobody has said how it is */
            dump_sink(out, sinks[i]);
    mem_free(&sinks);
    lanes = sorted_values(&core->lanes, &n);
    for (size_t i = 0; i < n; i++)
        dump_lane(out, lanes[i]);
    mem_free(&lanes);
}

void core_dump(struct core *core, struct buf *out)
{
    struct idem_key **keys;
    struct agent **agents;
    struct task **tasks;
    size_t n;

    buf_printf(out, "epoch=%lld seq=%lld now=%lld session=%lld up=%zu queued=%zu paused=%d\n", (long long)core->epoch,
               (long long)core->seq, (long long)core->now_ms, (long long)core->session, core->agents_up, core->queued,
               core->is_paused);
    agents = sorted_values(&core->agents, &n);
    for (size_t i = 0; i < n; i++)
        dump_agent(out, agents[i]);
    mem_free(&agents);
    tasks = sorted_values(&core->tasks, &n);
    for (size_t i = 0; i < n; i++)
        if (!task_is_forgettable(core, tasks[i]))
            dump_task(out, tasks[i]);
    mem_free(&tasks);
    keys = sorted_values(&core->keys, &n);
    for (size_t i = 0; i < n; i++)
        dump_key(core, out, keys[i]);
    mem_free(&keys);
    dump_shares(core, out);
}
