/* uploads.c - what is on its way to the archive. Given logs and the archive's answers; changes the mark in N.seal. */
#include "logsink/uploads.h"

#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "logsink/file_keep.h"
#include "logsink/key_ring.h"
#include "logsink/lru.h"

#define UPLOADS_MAX 64
#define GIVEN_UP_MAX 64

struct upload {
    struct lru_node node;
};

struct uploads {
    struct files *files;
    struct archive *archive;
    struct lru under_way;
    struct key_ring given_up;
};

struct uploads *uploads_new(struct files *fs, struct archive *a)
{
    struct uploads *u = mem_zalloc(sizeof(*u));
    u->files = fs;
    u->archive = a;
    lru_init(&u->under_way);
    key_ring_init(&u->given_up, GIVEN_UP_MAX);
    return u;
}

static void remove_one(struct uploads *u, struct lru_node *n)
{
    struct upload *one = (struct upload *)n;
    lru_remove(&u->under_way, n);
    mem_free(&one);
}

void uploads_free(struct uploads **u)
{
    if (!*u)
        return;
    while ((*u)->under_way.oldest)
        remove_one(*u, (*u)->under_way.oldest);
    lru_fini(&(*u)->under_way);
    key_ring_fini(&(*u)->given_up);
    mem_free(u);
}

static void push(struct uploads *u, enum archive_verb verb, const struct log_key *key, const struct seal *s)
{
    if (u->under_way.count >= UPLOADS_MAX || lru_get(&u->under_way, key) || key_ring_has(&u->given_up, key))
        return;
    struct upload *one = mem_zalloc(sizeof(*one));
    one->node.key = *key;
    lru_add(&u->under_way, &one->node);
    struct archive_job *j = mem_zalloc(sizeof(*j));
    *j = (struct archive_job){ .job.kind = JOB_ARCHIVE, .verb = verb, .key = *key, .seal = *s };
    archive_push(u->archive, j);
}

void uploads_put(struct uploads *u, const struct log_key *key, const struct seal *s)
{
    push(u, ARCHIVE_PUT, key, s);
}

void uploads_delete(struct uploads *u, const struct log_key *key, const struct seal *s)
{
    push(u, ARCHIVE_DELETE, key, s);
}

static bool is_same_log(const struct seal *a, const struct seal *b)
{
    return a->state == b->state && a->chunks == b->chunks && a->bytes == b->bytes &&
           memcmp(&a->head, &b->head, sizeof(a->head)) == 0;
}

/* Only the log that was sent is marked: one that was sealed again meanwhile is sent again. One that was removed
 * meanwhile is marked, so that the walk deletes it there. */
static int mark(struct uploads *u, const struct archive_job *j, struct err *e)
{
    struct seal seal;
    if (files_seal_get(u->files, &j->key, &seal, e))
        return -1;
    if (j->verb == ARCHIVE_DELETE)
        seal.flags &= (uint8_t)~SEAL_ARCHIVED;
    else if (is_same_log(&seal, &j->seal))
        seal.flags |= SEAL_ARCHIVED;
    else
        return 0;
    return files_seal_put(u->files, &j->key, &seal, e);
}

void uploads_done(struct uploads *u, const struct archive_job *j)
{
    struct err e = j->why;
    struct lru_node *n = lru_get(&u->under_way, &j->key);
    char task[UUID_TEXT_SIZE];
    uuid_format(&j->key.task, task);
    if (n)
        remove_one(u, n);
    if (e.kind == ERR_NONE && mark(u, j, &e))
        log_error("log cannot be marked as archived", log_str("task", task), log_int("attempt", j->key.attempt),
                  log_err(&e));
    if (j->why.kind == ERR_TOO_LARGE || j->why.kind == ERR_SYSTEM) {
        log_error("log cannot be archived; it stays here", log_str("task", task), log_int("attempt", j->key.attempt),
                  log_err(&j->why));
        key_ring_force(&u->given_up, &j->key);
    }
}
