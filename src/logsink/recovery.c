/* recovery.c - replays the journal. Changes DIR/log, empties DIR/journal.
 *
 * Implements ARCHITECTURE "When something dies".
 *
 * A record that is cut short at the end of the last segment was never acknowledged: it is cut. Damage anywhere else
 * loses the rest of that segment; what the files have of it (each chunk has its own checksum) is kept, what they do
 * not have is a hole in that log, said in the log of the process and told to its viewers. */
#include "logsink/recovery.h"

#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/disk.h"
#include "logsink/segment.h"

struct replay {
    struct files *files;
    uint64_t segment;
    uint64_t records;
    bool is_damaged;   /* something was skipped: which files it was for is not known */
};

static int replay_record(void *arg, const struct journal_record *r, struct err *e)
{
    struct replay *p = arg;
    p->records++;
    int rc = files_replay(p->files, r, p->segment, e);
    p->is_damaged |= rc > 0;
    return rc < 0 ? -1 : 0;
}

static int replay_segment(int dir_fd, struct replay *p, bool is_last, struct err *e)
{
    struct segment_end end;
    if (segment_read(dir_fd, p->segment, replay_record, p, &end, e))
        return -1;
    if (end.is_header_bad && !(is_last && end.size == end.good))
        log_error("journal segment has a damaged header", log_int("segment", (int64_t)p->segment));
    if (end.good == end.size)
        return 0;
    p->is_damaged = true;
    if (is_last)
        log_info("journal's torn end cut", log_int("segment", (int64_t)p->segment), log_int("at", (int64_t)end.good),
                 log_int("bytes", (int64_t)(end.size - end.good)));
    else
        log_error("journal segment is damaged; its rest is skipped", log_int("segment", (int64_t)p->segment),
                  log_int("at", (int64_t)end.good), log_int("bytes", (int64_t)(end.size - end.good)));
    return 0;
}

static int settle_all(int dir_fd, struct replay *p, struct err *e)
{
    for (struct file *f = files_dirty(p->files); f; f = f->next_dirty) {
        if (files_reopen(p->files, f, true, e) || files_settle(f, e))
            return -1;
    }
    if (files_sync(p->files, p->segment, UINT32_MAX, e))
        return -1;
    return p->is_damaged && syncfs(dir_fd) != 0 ? err_sys(e, "cannot sync the file system") : 0;
}

int recovery_run(int dir_fd, struct files *files, uint64_t *next_segment_r, struct err *e)
{
    uint64_t *numbers;
    size_t n;
    struct replay p = { .files = files };
    if (segment_list(dir_fd, &numbers, &n, e))
        return -1;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        p.segment = numbers[i];
        rc = replay_segment(dir_fd, &p, i == n - 1, e);
    }
    if (rc == 0)
        rc = settle_all(dir_fd, &p, e);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = segment_delete(dir_fd, numbers[i], e);
    if (rc == 0 && n > 0)
        rc = disk_sync_dir(dir_fd, "journal", e);
    mem_free(&numbers);
    *next_segment_r = p.segment + 1;
    if (rc == 0)
        log_info("journal replayed", log_int("segments", (int64_t)n), log_int("records", (int64_t)p.records));
    return rc;
}
