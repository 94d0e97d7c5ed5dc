/* sink.c - one log sink: the start (lock, recovery, threads, sockets), the jobs that come back, the stop.
 *
 * Given the settings. Changes only its folder. Implements ARCHITECTURE "Processes" (orion-logsink). */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bus.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/service.h"
#include "logsink/disk.h"
#include "logsink/files.h"
#include "logsink/journal.h"
#include "logsink/logsink.h"
#include "logsink/recovery.h"
#include "logsink/store.h"

/* --- the folder ---------------------------------------------------------------------------------------------- */

static int make_folder(int dir_fd, const char *path, const char *shown, struct err *e)
{
    if (mkdirat(dir_fd, path, 0750) == 0 || errno == EEXIST)
        return 0;
    err_sys(e, "cannot make %s", shown);
    return -1;
}

static int open_folder(struct sink *s, struct err *e)
{
    const char *dir = s->settings->dir;
    if (make_folder(AT_FDCWD, dir, dir, e))
        return -1;
    s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0)
        return err_sys(e, "cannot open %s", dir);
    if (disk_check_local(s->dir_fd, dir, e) || disk_lock(s->dir_fd, dir, &s->lock_fd, e) ||
        make_folder(s->dir_fd, "journal", "the folder journal", e) ||
        make_folder(s->dir_fd, "log", "the folder log", e))
        return -1;
    return disk_sync_dir(s->dir_fd, ".", e);
}

/* --- jobs that come back --------------------------------------------------------------------------------------- */

static void take_job(struct sink *s, struct job *j)
{
    switch (j->kind) {
    case JOB_BATCH:
        intake_batch(s, (struct batch *)j);
        break;
    case JOB_LOAD:
        intake_loaded(s, (struct load *)j);
        break;
    case JOB_READ:
        follow_answer(s, (struct read *)j);
        break;
    case JOB_ARCHIVE: /* only between store and archive */
        break;
    case JOB_FAULT:
        service_fail(s->service, &((struct fault *)j)->why);
        break;
    }
}

static void on_done(void *arg, uint32_t events)
{
    struct sink *s = arg;
    (void)events;
    for (struct mail *i = mailbox_take(s->done), *next; i; i = next) {
        next = i->next;
        take_job(s, (struct job *)i);
    }
    if (s->is_draining && s->held_bytes == 0)
        service_drained(s->service);
}

/* --- start and stop -------------------------------------------------------------------------------------------- */

/* After this the files are right and the other two threads run. */
static int start_disk(struct sink *s, struct err *e)
{
    uint64_t segment;
    if (open_folder(s, e))
        return -1;
    struct files *files = files_new(s->dir_fd, STORE_OPEN_MAX);
    if (recovery_run(s->dir_fd, files, &segment, e) == 0)
        s->journal = journal_open(s->dir_fd, segment, JOURNAL_SEGMENT_BYTES, s->done, e);
    if (!s->journal) {
        files_free(&files);
        return err_prefix(e, "%s", s->settings->dir);
    }
    const struct store_spec spec = { .dir_fd = s->dir_fd, .files = files, .first_segment = segment, .done = s->done,
                                     .keep = &s->settings->keep, .sink_name = s->settings->name };
    s->store = store_open(&spec, e);
    return s->store ? 0 : -1;
}

int sink_start(struct service *service, const struct sink_settings *set, struct sink **sink_r, struct err *e)
{
    struct sink *s = mem_zalloc(sizeof(*s));
    *s = (struct sink){ .service = service, .settings = set, .loop = service_loop(service), .dir_fd = -1,
                        .lock_fd = -1, .round = 1, .done = mailbox_new(true) };
    attempts_init(&s->attempts, SINK_ATTEMPTS_MAX);
    if (start_disk(s, e) == 0) {
        s->done_watch = loop_watch(s->loop, mailbox_fd(s->done), EPOLLIN, on_done, s);
        s->bus = bus_new(s->loop);
        if (follow_open(s, e) == 0 && control_open(s, e) == 0 && upstream_open(s, e) == 0) {
            *sink_r = s;
            return 0;
        }
    }
    sink_stop(&s);
    return -1;
}

void sink_drain(struct sink *s)
{
    s->is_draining = true;
    control_pause(s->control);
    if (s->held_bytes == 0)
        service_drained(s->service);
}

void sink_stop(struct sink **sp)
{
    struct sink *s = *sp;
    if (!s)
        return;
    journal_close(&s->journal);
    store_close(&s->store);
    if (s->done_watch)
        watch_free(&s->done_watch);
    for (struct mail *i = mailbox_take(s->done), *next; i; i = next) {
        next = i->next;
        struct job *j = (struct job *)i;
        job_free(&j);
    }
    mailbox_free(&s->done);
    upstream_close(&s->upstream);
    control_close(&s->control);
    follow_close(&s->follow);
    if (s->bus)
        bus_free(&s->bus);
    attempts_fini(&s->attempts);
    buf_fini(&s->out);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->dir_fd >= 0)
        close(s->dir_fd);
    mem_free(sp);
}
