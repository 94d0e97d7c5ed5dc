/* saved.c - the record of an attempt (record.h) in its folder: written beside its place and moved there whole, before
 * anybody is told what it says.
 *
 * It has to outlive this process, and the page cache does. When the host dies, the runner died with it, and what is
 * asked of the attempt then is its result and its log: with them the record is made durable, by the runner at the end of
 * the build (runner/keep.c) and by `sync` before the result is told. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/attempts.h"
#include "lib/log.h"
#include "lib/mem.h"

static int whole_write(int fd, const struct buf *text)
{
    size_t done = 0;
    ssize_t n = 1;

    while (done < text->len && n > 0) {
        n = write(fd, text->data + done, text->len - done);
        done += n > 0 ? (size_t)n : 0;
    }
    return done == text->len ? 0 : -1;
}

static int text_replace(const char *dir, const struct buf *text, bool sync, struct err *e)
{
    const int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int fd =
        folder < 0 ? -1 : openat(folder, "record.new", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = fd < 0 || whole_write(fd, text) || (sync && fsync(fd) < 0) ||
             renameat(folder, "record.new", folder, "record") < 0 || (sync && fsync(folder) < 0);

    if (rc)
        err_sys(e, "cannot write %s/record", dir);
    if (fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    return rc ? -1 : 0;
}

int attempt_save(struct attempt *a, bool sync, struct err *e)
{
    const struct msg_task_result verdict = { .task_id = a->order.task_id,
                                             .attempt = a->order.attempt,
                                             .outcome = a->verdict.outcome,
                                             .cause = a->verdict.cause,
                                             .message = a->verdict.message };
    const struct record r = {
        .stage = a->stage,
        .order = a->order,
        .boot = a->boot,
        .began_ms = a->began_ms,
        .commit = a->commit,
        .driver = a->driver,
        .verdict = a->verdict.outcome ? &verdict : NULL,
        .result = a->is_decided || a->stage == RECORD_FINISHED ? &a->result : NULL,
        .base = a->base,
    };
    struct buf text = { 0 };
    int rc = mkdir(a->spool, 0700) < 0 && errno != EEXIST ? err_sys(e, "cannot make the folder %s", a->spool) : 0;

    if (!rc) {
        record_encode(&r, &text);
        rc = text_replace(a->spool, &text, sync, e);
    }
    buf_fini(&text);
    return rc;
}

void attempt_keep(struct attempt *a, enum record_stage stage, bool sync)
{
    struct err e = { 0 };

    a->stage = stage;
    if (attempt_save(a, sync, &e))
        log_error("the next agent process will not know this", log_str("attempt", a->name), log_err(&e));
}

int saved_load(const char *spool, struct arena *a, struct record *r_r, struct err *e)
{
    char *path = mem_printf("%s/record", spool);
    FILE *f = fopen(path, "re");
    struct buf text = { 0 };
    size_t n;
    int rc = f ? 0 : err_sys(e, "cannot read %s", path);

    while (f && text.len <= RECORD_MAX && (n = fread(buf_reserve(&text, 65536), 1, 65536, f)) > 0)
        buf_commit(&text, n);
    if (!rc)
        rc = record_decode(text.data ? text.data : "", text.len, a, r_r, e);
    if (rc && f)
        err_prefix(e, "%s", path);
    if (f)
        fclose(f);
    buf_fini(&text);
    mem_free(&path);
    return rc;
}
