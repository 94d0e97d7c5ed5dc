/* service_impl.h - what the service_*.c files share; nobody else includes it.
 *
 *   service.c         main, the life of one serving process, readiness, the end
 *   service_config.c  common and own settings together
 *   service_master.c  the prefork master
 *   service_worker.c  the first steps of a worker after fork */
#ifndef ORION_LIB_SERVICE_IMPL_H
#define ORION_LIB_SERVICE_IMPL_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/service.h"

/* The settings that every daemon has. */
struct service_common {
    char *config;
    char *log_levels;
    char *log_format;
    bool is_print, is_help, is_version;
};

struct service_config {
    struct conf_row *rows;         /* common ones, then the service's */
    struct service_common *common; /* start of one block that ends with the settings */
    void *settings;
    struct conf *conf;
};

struct service {
    const struct service_spec *spec;
    int argc;
    char **argv;           /* as given: reloading reads it again */
    struct service_config config;
    struct loop *loop;
    void *state;
    struct timer *deadline, *beat;
    int ready_fd;          /* of ORION_READY_FD; -1: none, or already told */
    int report_fd;         /* worker: the pipe to the master; else -1 */
    bool is_ready, is_draining;
};

/* A worker reports to its master: one byte each, and a last one that is followed by text until the end. */
enum service_report { REPORT_READY = 'r', REPORT_BEAT = 'b', REPORT_FAILED = 'f' };
enum { REPORT_INTERVAL_MS = 1000, REPORT_MISSING_MS = 10000 };

/* Flags that end the program at once are looked for before the settings are read: a broken file must not
 * stand in the way of --help. */
bool service_config_has_flag(int argc, char **argv, const char *flag);
int service_config_load(struct service_config *c, const struct service_spec *spec, int argc, char **argv,
                        struct err *e);
void service_config_fini(struct service_config *c);
struct conf_row *service_config_rows(const struct service_spec *spec); /* the caller frees them */

int service_log_init(const struct service_config *c, const char *process, struct err *e);
void service_tell_ready(struct service *s);       /* to the service manager and the lab */
void service_tell_stopping(void);

/* Runs the service in this process until it is told to stop; its exit code. e is set when it did not start. */
int service_serve(struct service *s, void *shared, unsigned slot, struct err *e);
int service_master_run(struct service *s, struct err *e);

/* Descriptors that workers inherit: those that are open when they are noted. */
struct service_fds {
    int *at;
    size_t n;
};
int service_fds_note(struct service_fds *fds, int except, struct err *e);
void service_fds_fini(struct service_fds *fds);

/* What a worker is given in person. */
struct service_seat {
    void *shared;
    unsigned slot;
    int report_fd;
    pid_t master_pid;
};
_Noreturn void service_worker_main(struct service *s, const struct service_fds *fds, const struct service_seat *seat);

#endif
