/* logsink_rig.h - a real orion-logsink in a folder of its own, and the other ends of its sockets: a gateway's worker
 * (chunks, reads, live bytes) and a scheduler (seals). */
#ifndef ORION_TESTS_FAULTS_LOGSINK_RIG_H
#define ORION_TESTS_FAULTS_LOGSINK_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/loop.h"
#include "proto/msg.h"

struct rig;

struct rig_hooks {
    void (*on_up)(void *arg);        /* the sink welcomed the gateway: it is there (again) */
    void (*on_ack)(void *arg, const struct msg_log_ack *m);
    void (*on_data)(void *arg, const struct msg_log_data *m, bool is_live);
    void (*on_sealed)(void *arg, const struct msg_log_sealed *m);
    void (*on_items)(void *arg, const struct msg_log_items *m);     /* NULL: none are asked for */
    void (*on_state)(void *arg, const struct msg_sink_state *m);    /* NULL: not wanted */
};

/* The program is ORION_LOGSINK, else ./src/logsink/orion-logsink. */
struct rig *rig_new(struct loop *l, const struct rig_hooks *hooks, void *arg);
void rig_free(struct rig **r);                       /* the sink must have ended; removes the folder */
const char *rig_dir(const struct rig *r);            /* the sink's */

void rig_start(struct rig *r);
void rig_kill(struct rig *r, loop_fn *gone, void *arg);       /* kill -9; gone is called when it is reaped */
/* SIGTERM. */
void rig_stop(struct rig *r, void (*gone)(void *arg, int wstatus), void *arg);

/* As the gateway; false: dropped. */
bool rig_send(struct rig *r, enum msg_type type, uint64_t conn, const void *message);
void rig_order(struct rig *r, enum msg_type type, const void *message);               /* as the scheduler */
void rig_follow(struct rig *r, const struct uuid *task, uint32_t attempt);

#endif
