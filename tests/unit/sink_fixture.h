/* sink_fixture.h - what the log sink's unit tests share: a folder of their own, and logs with right hash chains. */
#ifndef ORION_TESTS_UNIT_SINK_FIXTURE_H
#define ORION_TESTS_UNIT_SINK_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "logsink/job.h"

struct sink_dir {
    char path[64];
    int fd;
};

void sink_dir_make(struct sink_dir *d);                       /* with journal/ and log/ in it */
void sink_dir_remove(struct sink_dir *d);                     /* everything */

/* The whole file; the caller frees it. NULL: it is not there. */
char *sink_file(const struct sink_dir *d, const char *path, size_t *len_r);
void sink_file_write(const struct sink_dir *d, const char *path, const void *data, size_t len);
void sink_file_flip(const struct sink_dir *d, const char *path, size_t offset);  /* one bit */
int sink_file_cut(const struct sink_dir *d, const char *path, size_t len);      /* 0, or errno is set */
size_t sink_count_segments(const struct sink_dir *d);

/* A log that grows by chunks whose bytes follow from `seed` and their place. */
struct sink_log {
    struct log_key key;
    struct position at;
    struct buf bytes;     /* all so far */
};
void sink_log_start(struct sink_log *l, uint8_t seed);
struct chunk *sink_log_chunk(struct sink_log *l, size_t len);  /* the next one; the caller owns it */
/* log.base behind `chunks` chunks of `bytes` bytes in all that nobody has; the log goes on there. */
struct chunk *sink_log_base(struct sink_log *l, uint64_t chunks, uint64_t bytes, const char *reason);
void sink_log_fini(struct sink_log *l);
bool sink_is_same(const struct position *a, const struct position *b);

#endif
