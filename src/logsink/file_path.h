/* file_path.h - where an attempt's files are, relative to the sink's folder. */
#ifndef ORION_LOGSINK_FILE_PATH_H
#define ORION_LOGSINK_FILE_PATH_H

#include "lib/err.h"
#include "logsink/key.h"

#define FILE_PATH_SIZE 80

/* log/XX/TASK/N.SUFFIX; XX: the task id's last byte, which is random. */
void file_path(const struct log_key *key, const char *suffix, char out[FILE_PATH_SIZE]);
void file_folder(const struct log_key *key, char out[FILE_PATH_SIZE]);   /* log/XX/TASK */
int file_make_folder(int dir_fd, const struct log_key *key, struct err *e);
int file_sync_folder(int dir_fd, const struct log_key *key, struct err *e);  /* and the ones above it */

#endif
