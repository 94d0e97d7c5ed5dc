/* files_impl.h - what files.c and file_data.c share; nobody else includes it. */
#ifndef ORION_LOGSINK_FILES_IMPL_H
#define ORION_LOGSINK_FILES_IMPL_H

#include "logsink/files.h"

struct files {
    int dir_fd;
    unsigned open_max;
    struct lru open;      /* with descriptors, in the order of use */
    struct lru closed;    /* dirty ones whose descriptors were given back */
    struct file *dirty, **dirty_end;
};

void files_mark_dirty(struct files *fs, struct file *f, uint64_t segment);
/* Sets f->bytes from the last record; when that is damaged, from the size of N.log. */
int files_measure_bytes(struct file *f, struct err *e);

#endif
