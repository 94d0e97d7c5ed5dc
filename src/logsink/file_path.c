/* file_path.c - names and folders of an attempt's files. */
#include "logsink/file_path.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "logsink/disk.h"

#define PREFIX_SIZE 8   /* "log/XX" */

static unsigned last_byte(const struct log_key *key)
{
    return key->task.b[sizeof(key->task.b) - 1];
}

void file_folder(const struct log_key *key, char out[FILE_PATH_SIZE])
{
    char task[UUID_TEXT_SIZE];
    uuid_format(&key->task, task);
    snprintf(out, FILE_PATH_SIZE, "log/%02x/%s", last_byte(key), task);
}

void file_path(const struct log_key *key, const char *suffix, char out[FILE_PATH_SIZE])
{
    char task[UUID_TEXT_SIZE];
    uuid_format(&key->task, task);
    snprintf(out, FILE_PATH_SIZE, "log/%02x/%s/%u.%s", last_byte(key), task, key->attempt, suffix);
}

static int make(int dir_fd, const char *path, struct err *e)
{
    return mkdirat(dir_fd, path, 0750) == 0 || errno == EEXIST ? 0 : disk_error(e, "cannot make", path);
}

int file_make_folder(int dir_fd, const struct log_key *key, struct err *e)
{
    char prefix[PREFIX_SIZE], folder[FILE_PATH_SIZE];
    snprintf(prefix, sizeof(prefix), "log/%02x", last_byte(key));
    file_folder(key, folder);
    return make(dir_fd, prefix, e) || make(dir_fd, folder, e) ? -1 : 0;
}

int file_sync_folder(int dir_fd, const struct log_key *key, struct err *e)
{
    char prefix[PREFIX_SIZE], folder[FILE_PATH_SIZE];
    snprintf(prefix, sizeof(prefix), "log/%02x", last_byte(key));
    file_folder(key, folder);
    return disk_sync_dir(dir_fd, folder, e) || disk_sync_dir(dir_fd, prefix, e) || disk_sync_dir(dir_fd, "log", e)
               ? -1
               : 0;
}
