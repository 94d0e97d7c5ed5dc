/* files_impl.h - what files.c and its sisters share; nobody else includes it. */
#ifndef ORION_LOGSINK_FILES_IMPL_H
#define ORION_LOGSINK_FILES_IMPL_H

#include "logsink/files.h"

struct files {
    int dir_fd;
    unsigned open_max;
    struct lru open;      /* with descriptors, in the order of use */
    struct lru closed;    /* dirty ones whose descriptors were given back */
    struct file *dirty, **dirty_end;
    struct unpacker *unpacker;
};

void files_close(struct file *f);   /* its descriptors */
int files_sync_file(struct files *fs, struct file *f, struct err *e);

void files_mark_dirty(struct files *fs, struct file *f, uint64_t segment);
/* Sets last_seq and bytes from the last good record and, when damaged ones follow it, from the size of N.log. */
int files_measure_end(struct file *f, struct err *e);
/* Only the first `records` records stay, which end at `bytes` with chunk `seq`. */
int files_cut(struct file *f, uint64_t records, uint64_t seq, uint64_t bytes, struct err *e);
/* A chunk, as record `index`. */
int files_put_chunk(struct file *f, uint64_t index, const struct journal_record *r, struct err *e);
/* A base, where it belongs; *index_r and *n_r: its records. What stands there and is not the same base ends there: it
 * is damaged, or the agent would go on behind it. */
int files_put_base(struct file *f, const struct journal_record *r, uint64_t *index_r, size_t *n_r, struct err *e);
int files_seal(struct files *fs, const struct log_key *key, const uint8_t *bytes, uint64_t segment, struct err *e);

#endif
