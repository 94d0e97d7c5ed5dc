/* file_index.h - finding one's way in N.chunks. Records are counted from 1; what is damaged is passed over.
 *
 * Numbers and offsets ascend from record to record, so a bisection finds either, with any of the records damaged. */
#ifndef ORION_LOGSINK_FILE_INDEX_H
#define ORION_LOGSINK_FILE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "logsink/base.h"
#include "logsink/files.h"

#define CURSOR_RECORDS 64   /* read at once: a page of the file */

struct file_cursor {
    const struct file *f;
    uint64_t next, until;     /* records [next, until) are still to come */
    uint64_t index;           /* of the record that came last */
    bool is_skipped;          /* damaged ones stand between it and the one before */
    uint64_t first;           /* of those in raw; 0: none */
    unsigned n;
    uint8_t raw[CURSOR_RECORDS * CHUNK_RECORD_SIZE];
};

void file_cursor_start(struct file_cursor *c, const struct file *f, uint64_t index);
bool file_cursor_next(struct file_cursor *c, struct chunk_record *r_r);   /* false: that was all; is_skipped says how */

enum file_by {
    FILE_BY_SEQ,      /* the first whose number is `value` or more */
    FILE_BY_OFFSET,   /* the first that ends behind `value` */
    FILE_BY_TIME,     /* the first chunk not before `value` */
};
/* That record's number; f->records + 1: there is none. */
uint64_t file_find(const struct file *f, enum file_by by, uint64_t value);
/* The last good record in front of `index`; 0: there is none. */
uint64_t file_before(const struct file *f, uint64_t index, struct chunk_record *r_r);
/* Where chunk `seq` stands or belongs, by its nearest good neighbours; 0: others stand there. */
uint64_t file_place(const struct file *f, uint64_t seq);
/* The same for a base; *is_there_r: it is there already (a part of it at least). */
uint64_t file_place_base(const struct file *f, uint64_t seq, bool *is_there_r);
/* The base whose first record c read last, with the records that follow; moves c behind them. */
int file_base(struct file_cursor *c, const struct chunk_record *first, struct base *b_r);

#endif
