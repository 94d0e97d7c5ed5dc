/* keys.c - Idempotency-Keys: the same key and body within 24 hours get the first answer again.
 *
 * Keys live here and in orion.idempotency, written and deleted in the same transactions. */
#include "scheduler/model.h"

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
    if (t)
        t->key = k;
    table_put(&core->keys, &k->place, k);
    TAILQ_INSERT_TAIL(&core->keys_by_age, k, by_age);
    return k;
}

void key_free(struct core *core, struct idem_key **k)
{
    struct idem_key *gone = *k;
    struct task *t = table_get(&core->tasks, &gone->task_id);

    *k = NULL;
    if (t)
        t->key = NULL;
    table_remove(&core->keys, &gone->place);
    TAILQ_REMOVE(&core->keys_by_age, gone, by_age);
    mem_free(&gone->project);
    mem_free(&gone->key);
    mem_free(&gone);
}

/* At most two at a time, so that no step pays for a busy day; the oldest first. */
void keys_expire(struct step *s)
{
    for (int i = 0; i < 2; i++) {
        struct idem_key *k = TAILQ_FIRST(&s->core->keys_by_age);
        struct row_key *row;
        if (!k || k->created_ms + CORE_KEY_MS > s->core->now_ms)
            return;
        row = effects_old_key(s->fx);
        row->project = step_text(s, k->project);
        row->key = step_text(s, k->key);
        key_free(s->core, &k);
    }
}
