/* uploads.h - which logs are at the archive's thread to be put or deleted there. Part of the store's thread. */
#ifndef ORION_LOGSINK_UPLOADS_H
#define ORION_LOGSINK_UPLOADS_H

#include "logsink/archive.h"
#include "logsink/files.h"

struct uploads;
struct uploads *uploads_new(struct files *fs, struct archive *a);
void uploads_free(struct uploads **u);

/* The log is sent, or deleted there; nothing happens while it is on its way already, when too many are, or when it
 * failed before by its own fault: the walk offers it again. */
void uploads_put(struct uploads *u, const struct log_key *key, const struct seal *s);
void uploads_delete(struct uploads *u, const struct log_key *key, const struct seal *s);
void uploads_done(struct uploads *u, const struct archive_job *j);   /* sets the mark on the seal, or takes it off */

#endif
