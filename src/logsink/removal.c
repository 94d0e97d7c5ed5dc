/* removal.c - removes logs. Given the decision; changes N.seal and deletes the log's other files. */
#include "logsink/removal.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "logsink/file_keep.h"

static void note(const struct log_key *key, const struct seal *s)
{
    char task[UUID_TEXT_SIZE];
    uuid_format(&key->task, task);
    log_info("log removed", log_str("task", task), log_int("attempt", key->attempt),
             log_int("bytes", (int64_t)s->bytes), log_str("reason", seal_removed_reason(s->removed)));
}

int removal_of(struct files *fs, const struct log_key *key, struct seal *seal, enum seal_removed reason,
               struct err *e)
{
    seal->removed = reason;
    seal->removed_at_ms = (uint64_t)clock_wall_ms();
    if (files_seal_put(fs, key, seal, e) || files_delete_data(fs, key, e))
        return -1;
    note(key, seal);
    return 0;
}

int removal_of_abandoned(struct files *fs, const struct log_key *key, struct err *e)
{
    const struct file *f = files_get(fs, key, false, e);
    if (!f)
        return -1;
    struct seal seal = { .state = SEAL_GAP, .chunks = f->last_seq, .bytes = f->bytes,
                         .sealed_at_ms = (uint64_t)clock_wall_ms() };
    return removal_of(fs, key, &seal, SEAL_ABANDONED, e);
}
