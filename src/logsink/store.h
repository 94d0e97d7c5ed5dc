/* store.h - the thread that keeps the attempts' files: durable chunks go in, checks and reads come out.
 *
 * What the journal has is written to the files in order; when a journal segment is complete and every file it touched
 * is synced, it is deleted. Writes come before checks and reads, a bounded number of which run between them. A full
 * disk stops the writes, tried again each second, while reads go on; any other write error is a fault. Between writes a
 * little housekeeping is done (keep.h). */
#ifndef ORION_LOGSINK_STORE_H
#define ORION_LOGSINK_STORE_H

#include <stdint.h>

#include "logsink/files.h"
#include "logsink/job.h"
#include "logsink/keep.h"

#define STORE_OPEN_MAX 256   /* attempts with open files */

struct store;

struct store_spec {
    int dir_fd;
    struct files *files;                 /* taken over */
    uint64_t first_segment;              /* the oldest the journal writes in this process */
    struct mailbox *done;                /* batches (BATCH_STORED), loads, reads and faults come back on it */
    const struct keep_settings *keep;    /* must live as long as the store */
    const char *sink_name;
};

/* NULL: the archive's secret cannot be read. */
struct store *store_open(const struct store_spec *spec, struct err *e);
void store_push(struct store *s, struct job *j);   /* a durable batch, a load or a read; consumed */
void store_close(struct store **s);                /* writes what was pushed, drops the rest, ends the thread */

#endif
