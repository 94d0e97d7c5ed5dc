/* segment.h - the journal's files: appending to the newest, reading the old ones at start, deleting.
 *
 * A write is durable after segment_sync. One that failed is taken back with segment_cut. */
#ifndef ORION_LOGSINK_SEGMENT_H
#define ORION_LOGSINK_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/err.h"
#include "logsink/journal_record.h"

struct segment {
    int fd;             /* -1: closed */
    uint64_t number;    /* from 1 */
    uint64_t size;
};

/* dir_fd: the sink's folder. */
int segment_create(struct segment *s, int dir_fd, uint64_t number, struct err *e); /* durable, its name included */
void segment_close(struct segment *s);
/* ERR_UNAVAILABLE: the disk is full; anything else: the file cannot be trusted any more. */
int segment_append(struct segment *s, struct iovec *iov, int n, size_t len, struct err *e);
int segment_cut(struct segment *s, uint64_t size);   /* take back what was appended since; -1: the disk said no */
int segment_sync(struct segment *s, struct err *e);

/* Numbers of the segments there are, ascending; the caller frees them. */
int segment_list(int dir_fd, uint64_t **numbers_r, size_t *n_r, struct err *e);
int segment_delete(int dir_fd, uint64_t number, struct err *e);   /* one that is not there is deleted already */

struct segment_end {
    uint64_t good;        /* the records end here */
    uint64_t size;        /* of the file; more than `good`: what follows is no whole good record */
    bool is_header_bad;   /* the records were read all the same */
};
/* -1: unreadable, of a newer format (both with the file's name), or what fn said. */
typedef int segment_fn(void *arg, const struct journal_record *r, struct err *e);
int segment_read(int dir_fd, uint64_t number, segment_fn *fn, void *arg, struct segment_end *end_r, struct err *e);

#endif
