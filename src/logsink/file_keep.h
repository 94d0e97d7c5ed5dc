/* file_keep.h - the files of one log, for housekeeping. */
#ifndef ORION_LOGSINK_FILE_KEEP_H
#define ORION_LOGSINK_FILE_KEEP_H

#include "logsink/files.h"
#include "logsink/frames.h"

int files_sync_one(struct files *fs, const struct log_key *key, struct err *e);   /* whatever of it is not synced */
void files_drop_log(struct files *fs, const struct log_key *key);   /* N.log is not needed: nor synced any more */
void files_forget(struct files *fs, const struct log_key *key);   /* closes it; what is not synced is not any more */
/* Durable at once, and not through the journal: marks on a seal that is there already, or the seal of an abandoned log. */
int files_seal_put(struct files *fs, const struct log_key *key, const struct seal *s, struct err *e);
int files_delete(struct files *fs, const struct log_key *key, const char *suffix, struct err *e);
int files_delete_data(struct files *fs, const struct log_key *key, struct err *e);   /* everything but the seal */
struct unpacker *files_unpacker(const struct files *fs);

#endif
