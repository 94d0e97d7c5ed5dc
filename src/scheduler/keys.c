/* keys.c - Idempotency-Keys: the same key and body within 24 hours get the first answer again.
 *
 * Keys live here and in orion.idempotency, written and deleted in the same transactions. */
#include <stdlib.h>
#include <string.h>

#include "scheduler/core_impl.h"

struct idem_key *key_find(const struct core *core, const char *project, const char *key)
{
    struct uuid place = table_key_text(project, key);

    return table_get(&core->keys, &place);
}

struct idem_key *key_add(struct core *core, const struct row_key *row)
{
    struct idem_key *k = mem_zalloc(sizeof *k);
    struct task *t = table_get(&core->tasks, &row->task_id);

    k->place = table_key_text(row->project, row->key);
    k->project = mem_strdup(row->project);
    k->key = mem_strdup(row->key);
    k->body = row->body;
    k->task_id = row->task_id;
    k->created_ms = row->created_ms;
    k->end_state = row->end_state;
    k->is_joined = row->is_joined;
    k->task = t;
    if (t)
        LIST_INSERT_HEAD(&t->keys, k, of_task);
    table_put(&core->keys, &k->place, k);
    TAILQ_INSERT_TAIL(&core->keys_by_age, k, by_age);
    return k;
}

void key_free(struct core *core, struct idem_key **k)
{
    struct idem_key *gone = *k;

    *k = NULL;
    if (gone->task)
        LIST_REMOVE(gone, of_task);
    table_remove(&core->keys, &gone->place);
    TAILQ_REMOVE(&core->keys_by_age, gone, by_age);
    mem_free(&gone->project);
    mem_free(&gone->key);
    mem_free(&gone);
}

bool key_has_body(const struct idem_key *k, struct msg_bytes body)
{
    return body.len == sizeof k->body.b && memcmp(k->body.b, body.data, sizeof k->body.b) == 0;
}

void key_keep(struct step *s, const struct idem_use *use, const struct uuid *task_id)
{
    struct row_key *row;

    if (!use->key || !*use->key)
        return;
    row = effects_key(s->fx);
    row->project = step_text(s, use->project);
    row->key = step_text(s, use->key);
    if (use->body.len)
        memcpy(row->body.b, use->body.data, use->body.len < sizeof row->body.b ? use->body.len : sizeof row->body.b);
    row->task_id = *task_id;
    row->created_ms = s->at_ms;
    row->end_state = -1;
    row->is_joined = use->is_joined;
    key_add(s->core, row);
}

static int by_age(const void *x, const void *y)
{
    const struct idem_key *a = *(struct idem_key *const *)x, *b = *(struct idem_key *const *)y;

    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    return uuid_cmp(&a->place, &b->place);
}

/* Pages of keys come in the order of the keys. */
void keys_sort(struct core *core)
{
    struct idem_key **all = mem_array(core->keys.used + 1, sizeof *all), *k;
    size_t n = 0;

    TAILQ_FOREACH(k, &core->keys_by_age, by_age)
        all[n++] = k;
    qsort(all, n, sizeof *all, by_age);
    TAILQ_INIT(&core->keys_by_age);
    for (size_t i = 0; i < n; i++)
        TAILQ_INSERT_TAIL(&core->keys_by_age, all[i], by_age);
    mem_free(&all);
}

/* It was made in this batch (the clock jumped since): its row is never written. */
static bool key_take_back(struct effects *fx, const struct idem_key *k)
{
    for (size_t i = 0; i < fx->keys.n; i++) {
        if (strcmp(fx->keys.v[i].key, k->key) != 0 || strcmp(fx->keys.v[i].project, k->project) != 0)
            continue;
        fx->keys.v[i] = fx->keys.v[--fx->keys.n];
        return true;
    }
    return false;
}

/* At most two at a time, so that no step pays for a busy day; the oldest first. */
void keys_expire(struct step *s)
{
    for (int i = 0; i < 2; i++) {
        struct idem_key *k = TAILQ_FIRST(&s->core->keys_by_age);
        struct row_key *row;
        if (!k || k->created_ms + CORE_KEY_MS > s->core->now_ms)
            return;
        if (!key_take_back(s->fx, k)) {
            row = effects_old_key(s->fx);
            row->project = step_text(s, k->project);
            row->key = step_text(s, k->key);
        }
        key_free(s->core, &k);
    }
}
