/* archive.c - the archive's thread. Given jobs from the store; changes objects in the archive, and on a get the files of
 * that log, which nobody else touches meanwhile. Manual: orion-logsink(8). */
#include "logsink/archive.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fetch_s3.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/disk.h"
#include "logsink/file_path.h"
#include "logsink/thread.h"

#define TRIES 3
#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 60000
#define STALL_MS 20000
#define SECRET_MAX 1024
#define OBJECT_KEY_SIZE (FILE_PATH_SIZE + 64)

struct list {
    struct mail *first, **end;
};

struct archive {
    pthread_t thread;
    int dir_fd;
    const char *name;
    struct mailbox *in, *done;
    struct s3_settings s3_settings;
    struct s3 *s3;
    char *secret;
    atomic_bool is_stopped;
    struct list gets, rest;
    uint64_t paused_until_ms, pause_ms;   /* of puts and deletes; 0: the last one worked */
};

/* --- one object ------------------------------------------------------------------------------------------- */

static void object_key(const struct archive *a, const struct log_key *key, const char *suffix,
                       char out[OBJECT_KEY_SIZE])
{
    char path[FILE_PATH_SIZE];
    file_path(key, suffix, path);
    snprintf(out, OBJECT_KEY_SIZE, "%s/%s", a->name, path + strlen("log/"));
}

/* 1: there is no such file. */
static int put_file(struct archive *a, const struct log_key *key, const char *suffix, struct err *e)
{
    char path[FILE_PATH_SIZE], object[OBJECT_KEY_SIZE];
    struct stat st;
    file_path(key, suffix, path);
    object_key(a, key, suffix, object);
    int fd = openat(a->dir_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 1 : disk_error(e, "cannot open", path);
    int rc = fstat(fd, &st) == 0 ? s3_put(a->s3, object, fd, (uint64_t)st.st_size, e)
                                 : disk_error(e, "cannot examine", path);
    close(fd);
    return rc;
}

/* The whole object, durable under its name, or nothing. */
static int get_file(struct archive *a, struct archive_job *j, const char *suffix, struct err *e)
{
    char path[FILE_PATH_SIZE], made[FILE_PATH_SIZE], object[OBJECT_KEY_SIZE], suffix_new[16];
    struct stat st;
    snprintf(suffix_new, sizeof(suffix_new), "%s-new", suffix);
    file_path(&j->key, suffix, path);
    file_path(&j->key, suffix_new, made);
    object_key(a, &j->key, suffix, object);
    int fd = openat(a->dir_fd, made, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return disk_error(e, "cannot make", made);
    int rc = s3_get(a->s3, object, fd, j->max_bytes - j->bytes, e);
    if (rc == 0 && (fsync(fd) != 0 || fstat(fd, &st) != 0))
        rc = disk_error(e, "cannot sync", made);
    if (rc == 0 && renameat(a->dir_fd, made, a->dir_fd, path) != 0)
        rc = disk_error(e, "cannot rename", made);
    if (rc)
        (void)unlinkat(a->dir_fd, made, 0);
    else
        j->bytes += (uint64_t)st.st_size;
    close(fd);
    return rc;
}

/* --- one job ------------------------------------------------------------------------------------------------ */

/* The seal goes last: with it in the archive, all is. */
static int put(struct archive *a, struct archive_job *j, struct err *e)
{
    char object[OBJECT_KEY_SIZE];
    uint8_t seal[SEAL_SIZE];
    int rc = put_file(a, &j->key, "zst", e);
    if (rc == 1)
        rc = put_file(a, &j->key, "log", e);
    if (rc == 0)
        rc = put_file(a, &j->key, "chunks", e);
    if (rc == 1)
        return err_set(e, ERR_CONFLICT, "the log's files are not here any more");
    if (rc)
        return -1;
    j->seal.flags |= SEAL_ARCHIVED;
    seal_encode(&j->seal, &j->key, seal);
    object_key(a, &j->key, "seal", object);
    return s3_put_bytes(a->s3, object, seal, sizeof(seal), e);
}

/* N.chunks goes last: with it on the disk, all is. */
static int get(struct archive *a, struct archive_job *j, struct err *e)
{
    struct err why = { 0 };
    int rc = get_file(a, j, "zst", &why);
    if (rc && why.kind == ERR_NOT_FOUND)
        rc = get_file(a, j, "log", e);
    else if (rc)
        return err_set(e, why.kind, "%s", why.text);
    if (rc || file_sync_folder(a->dir_fd, &j->key, e) || get_file(a, j, "chunks", e))
        return -1;
    return file_sync_folder(a->dir_fd, &j->key, e);
}

static int delete(struct archive *a, struct archive_job *j, struct err *e)
{
    static const char *const suffixes[] = { "zst", "log", "chunks", "seal" };
    char object[OBJECT_KEY_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        object_key(a, &j->key, suffixes[i], object);
        if (s3_delete(a->s3, object, e))
            return -1;
    }
    return 0;
}

static int run(struct archive *a, struct archive_job *j)
{
    static int (*const verbs[])(struct archive *a, struct archive_job *j, struct err *e) = {
        [ARCHIVE_PUT] = put, [ARCHIVE_GET] = get, [ARCHIVE_DELETE] = delete,
    };
    j->why = (struct err){ 0 };
    j->bytes = 0;
    return verbs[j->verb](a, j, &j->why);
}

/* --- the thread ------------------------------------------------------------------------------------------- */

static void list_add(struct list *l, struct mail *m)
{
    m->next = NULL;
    *l->end = m;
    l->end = &m->next;
}

static struct mail *list_pop(struct list *l)
{
    struct mail *m = l->first;
    if (m) {
        l->first = m->next;
        if (!l->first)
            l->end = &l->first;
    }
    return m;
}

static void list_free(struct list *l)
{
    for (struct job *j; (j = (struct job *)list_pop(l));)
        job_free(&j);
}

/* Told once when it begins and once when it is over, not for every log. */
static void note_trouble(struct archive *a, const struct archive_job *j)
{
    if (a->pause_ms == 0)
        log_error("the archive does not take logs; they stay here meanwhile", log_err(&j->why));
    a->pause_ms = a->pause_ms ? a->pause_ms * 2 : PAUSE_MIN_MS;
    if (a->pause_ms > PAUSE_MAX_MS)
        a->pause_ms = PAUSE_MAX_MS;
    a->paused_until_ms = clock_boot_ms() + a->pause_ms;
}

static void note_success(struct archive *a)
{
    if (a->pause_ms)
        log_info("the archive takes logs again");
    a->pause_ms = a->paused_until_ms = 0;
}

/* What only this one log has wrong stops no other. */
static bool is_its_own(const struct archive_job *j)
{
    return j->why.kind == ERR_TOO_LARGE || j->why.kind == ERR_SYSTEM || j->why.kind == ERR_CONFLICT;
}

static void run_rest(struct archive *a)
{
    struct archive_job *j = (struct archive_job *)list_pop(&a->rest);
    if (run(a, j) == 0) {
        note_success(a);
    } else if (!is_its_own(j)) {
        note_trouble(a, j);
        if (++j->tries < TRIES) {
            list_add(&a->rest, &j->job.item);
            return;
        }
    }
    mailbox_push(a->done, &j->job.item);
}

static void take(struct archive *a)
{
    uint64_t now_ms = clock_boot_ms();
    int64_t wait_ms = -1;
    if (a->gets.first || (a->rest.first && now_ms >= a->paused_until_ms))
        wait_ms = 0;
    else if (a->rest.first)
        wait_ms = (int64_t)(a->paused_until_ms - now_ms);
    struct mail *m = mailbox_wait(a->in, wait_ms);
    while (m) {
        struct mail *next = m->next;
        list_add(((struct archive_job *)m)->verb == ARCHIVE_GET ? &a->gets : &a->rest, m);
        m = next;
    }
}

static void *archive_main(void *arg)
{
    struct archive *a = arg;
    while (!atomic_load(&a->is_stopped)) {
        take(a);
        struct archive_job *j = (struct archive_job *)list_pop(&a->gets);
        if (j) {
            (void)run(a, j);
            mailbox_push(a->done, &j->job.item);
        } else if (a->rest.first && clock_boot_ms() >= a->paused_until_ms && !atomic_load(&a->is_stopped)) {
            run_rest(a);
        }
    }
    return NULL;
}

/* --- start and stop --------------------------------------------------------------------------------------- */

static bool is_set(const char *text)
{
    return text && *text;
}

bool archive_is_on(const struct archive_settings *set)
{
    return is_set(set->url);
}

int archive_check(const struct archive_settings *set, const char *sink_name, struct err *e)
{
    if (!archive_is_on(set))
        return 0;
    if (s3_url_check(set->url, "ORION_ARCHIVE_URL", e))
        return -1;
    if (!is_set(set->key_id))
        return err_field(e, "ORION_ARCHIVE_KEY_ID", "ORION_ARCHIVE_KEY_ID: the archive needs a key");
    if (!is_set(set->secret) && !is_set(set->secret_file))
        return err_field(e, "ORION_ARCHIVE_SECRET", "ORION_ARCHIVE_SECRET or ORION_ARCHIVE_SECRET_FILE: the archive "
                         "needs the key's secret");
    for (const char *c = sink_name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-", *c))
            return err_field(e, "ORION_SINK_NAME", "ORION_SINK_NAME: with an archive only letters, digits, - and _");
    return 0;
}

/* The file's first line; the caller frees it. */
static char *read_secret(const char *path, struct err *e)
{
    char line[SECRET_MAX];
    FILE *f = fopen(path, "re");
    if (!f) {
        err_sys(e, "cannot read %s", path);
        return NULL;
    }
    bool is_read = fgets(line, sizeof(line), f);
    fclose(f);
    if (is_read)
        line[strcspn(line, "\r\n")] = '\0';
    if (!is_read || !*line) {
        err_field(e, "ORION_ARCHIVE_SECRET_FILE", "%s is empty", path);
        return NULL;
    }
    return mem_strdup(line);
}

struct archive *archive_open(int dir_fd, const struct archive_settings *set, const char *sink_name,
                             struct mailbox *done, struct err *e)
{
    char *secret = is_set(set->secret) ? mem_strdup(set->secret) : read_secret(set->secret_file, e);
    if (!secret)
        return NULL;
    struct archive *a = mem_zalloc(sizeof(*a));
    a->secret = secret;
    a->dir_fd = dir_fd;
    a->name = sink_name;
    a->in = mailbox_new(false);
    a->done = done;
    a->gets.end = &a->gets.first;
    a->rest.end = &a->rest.first;
    atomic_init(&a->is_stopped, false);
    a->s3_settings = (struct s3_settings){ .url = set->url, .region = set->region, .key_id = set->key_id,
                                           .secret = secret, .stall_ms = STALL_MS, .is_stopped = &a->is_stopped };
    a->s3 = s3_new(&a->s3_settings);
    thread_start(&a->thread, archive_main, a);
    return a;
}

void archive_push(struct archive *a, struct archive_job *j)
{
    mailbox_push(a->in, &j->job.item);
}

void archive_close(struct archive **ap)
{
    struct archive *a = *ap;
    if (!a)
        return;
    atomic_store(&a->is_stopped, true);
    mailbox_close(a->in);
    pthread_join(a->thread, NULL);
    for (struct mail *m = mailbox_take(a->in), *next; m; m = next) {
        next = m->next;
        list_add(&a->rest, m);
    }
    list_free(&a->gets);
    list_free(&a->rest);
    s3_free(&a->s3);
    mem_free(&a->secret);
    mailbox_free(&a->in);
    mem_free(ap);
}
