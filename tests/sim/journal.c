/* journal.c - what a core was made from and told, run again through another core: the decisions must be the same.
 *
 * Compared are the digest of every batch (rows, events, messages, timers) and, at the end, the dump. */
#include <stddef.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

/* --- lists ------------------------------------------------------------------------------------------------------- */

void kept_add(struct kept_list *list, struct kept *k)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->v = mem_resize(list->v, list->cap, sizeof *list->v);
    }
    list->v[list->n++] = k;
}

void kept_move(struct kept_list *to, struct kept_list *from)
{
    for (size_t i = 0; i < from->n; i++)
        kept_add(to, from->v[i]);
    from->n = 0;
}

void kept_fini(struct kept_list *list)
{
    mem_free(&list->v);
    *list = (struct kept_list){ 0 };
}

void journal_add(struct journal *j, struct journal_entry entry)
{
    if (j->n == j->cap) {
        j->cap = j->cap ? j->cap * 2 : 64;
        j->v = mem_resize(j->v, j->cap, sizeof *j->v);
    }
    j->v[j->n++] = entry;
}

void journal_fini(struct journal *j)
{
    mem_free(&j->v);
    *j = (struct journal){ 0 };
}

/* --- digests ----------------------------------------------------------------------------------------------------- */

/* FNV-1a, eight bytes at a time. */
static void add_int(uint64_t *d, int64_t n)
{
    *d = (*d ^ (uint64_t)n) * 0x100000001B3u;
    *d ^= *d >> 29;
}

static void add_bytes(uint64_t *d, const void *data, size_t len)
{
    const uint8_t *b = data;

    for (size_t i = 0; i < len; i++)
        *d = (*d ^ b[i]) * 0x100000001B3u;
}

static void add_text(uint64_t *d, const char *text)
{
    add_int(d, text ? (int64_t)strlen(text) : -1);
    if (text)
        add_bytes(d, text, strlen(text));
}

static void add_tasks(uint64_t *d, const struct effects *fx)
{
    for (size_t i = 0; i < fx->tasks.n; i++) {
        const struct row_task *t = &fx->tasks.v[i];
        add_bytes(d, &t->id, sizeof t->id);
        add_int(d, t->is_new);
        add_int(d, t->state);
        add_int(d, t->attempt);
        add_int(d, t->ended_ms);
        add_int(d, t->not_before_ms);
        add_text(d, t->cause);
        add_text(d, t->message);
    }
}

static void add_attempts(uint64_t *d, const struct effects *fx)
{
    for (size_t i = 0; i < fx->attempts.n; i++) {
        const struct row_attempt *at = &fx->attempts.v[i];
        add_bytes(d, &at->task_id, sizeof at->task_id);
        add_bytes(d, &at->agent_id, sizeof at->agent_id);
        add_int(d, at->number);
        add_int(d, at->session);
        add_int(d, at->state);
        add_int(d, at->late_state);
        add_int(d, at->stop);
        add_int(d, at->log_state);
        add_int(d, at->is_wanted);
        add_int(d, at->log_bytes);
        add_text(d, at->sink);
        add_text(d, at->message);
    }
}

static void add_events(uint64_t *d, const struct effects *fx)
{
    for (size_t i = 0; i < fx->events.n; i++) {
        const struct row_event *ev = &fx->events.v[i];
        add_int(d, ev->seq);
        add_int(d, ev->at_ms);
        add_int(d, ev->attempt);
        add_text(d, ev->kind);
        add_bytes(d, &ev->task_id, sizeof ev->task_id);
        add_bytes(d, &ev->agent_id, sizeof ev->agent_id);
        for (size_t k = 0; k < ev->n_data; k++) {
            add_text(d, ev->data[k].key);
            add_text(d, ev->data[k].value);
        }
    }
}

static void add_logs(uint64_t *d, const struct effects *fx)
{
    for (size_t i = 0; i < fx->sinks.n; i++) {
        add_text(d, fx->sinks.v[i].name);
        add_int(d, fx->sinks.v[i].state);
        add_int(d, fx->sinks.v[i].since_ms);
    }
    for (size_t i = 0; i < fx->segments.n; i++) {
        add_bytes(d, &fx->segments.v[i].task_id, sizeof fx->segments.v[i].task_id);
        add_int(d, fx->segments.v[i].attempt);
        add_int(d, fx->segments.v[i].offset);
        add_text(d, fx->segments.v[i].sink);
    }
}

static void add_others(uint64_t *d, const struct effects *fx)
{
    for (size_t i = 0; i < fx->agents.n; i++) {
        add_bytes(d, &fx->agents.v[i].id, sizeof fx->agents.v[i].id);
        add_int(d, fx->agents.v[i].session);
        add_int(d, fx->agents.v[i].is_up);
        add_int(d, fx->agents.v[i].is_draining);
    }
    for (size_t i = 0; i < fx->projects.n; i++) {
        add_text(d, fx->projects.v[i].name);
        add_int(d, fx->projects.v[i].weight);
        add_int(d, fx->projects.v[i].is_paused);
        add_int(d, fx->projects.v[i].log_max);
        add_int(d, fx->projects.v[i].log_keep_ms);
    }
    for (size_t i = 0; i < fx->groups.n; i++) {
        add_text(d, fx->groups.v[i].name);
        add_int(d, fx->groups.v[i].capacity);
    }
    for (size_t i = 0; i < fx->keys.n; i++)
        add_text(d, fx->keys.v[i].key);
    for (size_t i = 0; i < fx->old_keys.n; i++)
        add_text(d, fx->old_keys.v[i].key);
}

static void add_messages(uint64_t *d, const struct effects *fx)
{
    struct buf frame = { 0 };

    for (size_t i = 0; i < fx->messages.n; i++) {
        const struct core_message *m = &fx->messages.v[i];
        const struct msg_head head = { .type = m->type, .conn = m->to.conn };
        buf_reset(&frame);
        msg_to_bin(&head, m->message, MSG_MINOR, &frame);
        add_bytes(d, frame.data, frame.len);
        add_int(d, (int64_t)m->to.peer);
        add_text(d, m->sink);
    }
    buf_fini(&frame);
    for (size_t i = 0; i < fx->timers.n; i++) {
        add_int(d, fx->timers.v[i].kind);
        add_bytes(d, &fx->timers.v[i].task_id, sizeof fx->timers.v[i].task_id);
        add_int(d, fx->timers.v[i].in_ms);
    }
}

uint64_t effects_digest(const struct effects *fx)
{
    uint64_t d = 0xCBF29CE484222325u;

    add_tasks(&d, fx);
    add_attempts(&d, fx);
    add_events(&d, fx);
    add_logs(&d, fx);
    add_others(&d, fx);
    add_messages(&d, fx);
    return d;
}

/* --- running it again -------------------------------------------------------------------------------------------- */

static struct core *load(struct world *w, const struct core_rows *rows)
{
    struct core *core = core_new(&w->config);
    struct err e = { 0 };

    if (core_load(core, rows, &e) < 0)
        world_fail(w, "the journal's rows cannot be loaded: %s", e.text);
    return core;
}

static void replay_entry(struct world *w, struct core *core, const struct journal_entry *entry, struct effects *fx)
{
    struct err e = { 0 };

    if (entry->rows) {
        if (core_load_more(core, entry->rows, &e) < 0)
            world_fail(w, "the journal's page cannot be loaded: %s", e.text);
    } else if (entry->input) {
        input_run(core, entry->input, fx);
    } else if (entry->attached) {
        core_attach(core, &entry->attached->agent, entry->attached->session, entry->attached->to);
    } else {
        core_collect(core, fx);
        if (effects_digest(fx) != entry->digest)
            world_fail(w, "a journal that is run again leads to other decisions");
        effects_fini(fx);
    }
}

void journal_replay(struct world *w, struct sim_shell *sh)
{
    struct core *core = load(w, sh->journal.v[0].rows);
    struct effects fx = { 0 };
    struct buf before = { 0 }, after = { 0 };

    for (size_t i = 1; i < sh->journal.n && !*w->failure; i++)
        replay_entry(w, core, &sh->journal.v[i], &fx);
    core_dump(sh->core, &before);
    core_dump(core, &after);
    if (!*w->failure && strcmp(before.data, after.data) != 0) {
        world_trace(w, "the core:\n%s\nrun again:\n%s", before.data, after.data);
        world_fail(w, "a journal that is run again leads to another state");
    }
    w->counts.replays++;
    buf_fini(&before);
    buf_fini(&after);
    effects_fini(&fx);
    core_free(&core);
}
