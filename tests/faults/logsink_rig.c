/* logsink_rig.c - starts, kills and talks to an orion-logsink. */
#include "tests/faults/logsink_rig.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/proc.h"
#include "proto/chain.h"
#include "proto/dispatch.h"

struct rig {
    struct loop *loop;
    const struct rig_hooks *hooks;
    void *arg;
    char *dir;
    char *sink_dir, *control, *live, *scheduler;
    struct bus *bus;
    struct bus_socket *gateway, *follower, *orders;
    struct bus_peer sink;       /* as the scheduler's ROUTER knows it */
    bool has_sink;
    struct timer *ping;
    bool is_up;
    unsigned unanswered;
    pid_t pid;
    struct child *child;
    loop_fn *killed;
    void (*stopped)(void *arg, int wstatus);
    void *gone_arg;
};

static void give_up(const char *what, const struct err *e)
{
    printf("Bail out! %s: %s\n", what, e->text);
    exit(1);
}

/* --- the gateway's side ------------------------------------------------------------------------------------ */

bool rig_send(struct rig *r, enum msg_type type, uint64_t conn, const void *message)
{
    const struct msg_head head = { .type = type, .conn = conn };
    struct buf out = { 0 };
    msg_to_bin(&head, message, MSG_MINOR, &out);
    int rc = bus_send(r->gateway, NULL, out.data, out.len);
    buf_fini(&out);
    return rc == 0;
}

static void tick_ping(void *arg)
{
    struct rig *r = arg;
    const struct msg_bus_ping ping = { .token = 1 };
    const struct msg_bus_hello hello = { .role = "gateway", .name = "gateway-0", .major = MSG_MAJOR,
                                         .minor = MSG_MINOR };
    if (r->is_up && ++r->unanswered <= 3)
        rig_send(r, MSG_BUS_PING, 0, &ping);
    else
        rig_send(r, MSG_BUS_HELLO, 0, &hello);
    timer_in(r->ping, r->is_up ? 1000 : 50);
}

static int handle_bus_welcome(void *arg, const struct msg_from *from, const void *m, struct err *e)
{
    struct rig *r = arg;
    (void)from, (void)m, (void)e;
    r->is_up = true;
    r->unanswered = 0;
    r->hooks->on_up(r->arg);
    return 0;
}

static int handle_bus_pong(void *arg, const struct msg_from *from, const void *m, struct err *e)
{
    (void)from, (void)m, (void)e;
    ((struct rig *)arg)->unanswered = 0;
    return 0;
}

static int handle_log_ack(void *arg, const struct msg_from *from, const void *m, struct err *e)
{
    struct rig *r = arg;
    (void)e;
    if (from->head.conn != 42)
        give_up("an acknowledgement for another connection", &(struct err){ 0 });
    r->hooks->on_ack(r->arg, m);
    return 0;
}

static int handle_log_data(void *arg, const struct msg_from *from, const void *m, struct err *e)
{
    struct rig *r = arg;
    (void)e;
    r->hooks->on_data(r->arg, m, from->peer != NULL);
    return 0;
}

static int handle_log_items(void *arg, const struct msg_from *from, const void *m, struct err *e)
{
    struct rig *r = arg;
    (void)from, (void)e;
    r->hooks->on_items(r->arg, m);
    return 0;
}

static const struct msg_handler from_sink[] = {
    { MSG_BUS_WELCOME, FROM_LOGSINK, handle_bus_welcome },
    { MSG_BUS_PONG, FROM_LOGSINK, handle_bus_pong },
    { MSG_LOG_ACK, FROM_LOGSINK, handle_log_ack },
    { MSG_LOG_DATA, FROM_LOGSINK, handle_log_data },
    { MSG_LOG_ITEMS, FROM_LOGSINK, handle_log_items },
};

/* `peer` of the dispatcher says which socket it came from: not NULL is the live one. */
static void dispatch(struct rig *r, const struct bus_frame *f, const void *peer)
{
    struct err e = { 0 };
    if (msg_dispatch_bin(from_sink, ARRAY_LEN(from_sink), r, FROM_LOGSINK, peer, f->data, f->len, &e))
        give_up("message from the sink", &e);
}

static void on_gateway(void *arg, const struct bus_frame *f)
{
    dispatch(arg, f, NULL);
}

static void on_live(void *arg, const struct bus_frame *f)
{
    dispatch(arg, f, arg);
}

void rig_follow(struct rig *r, const struct uuid *task, uint32_t attempt)
{
    uint8_t topic[CHAIN_TOPIC_SIZE];
    chain_topic(task, attempt, topic);
    bus_subscribe(r->follower, topic, sizeof(topic));
}

/* --- the scheduler's side ---------------------------------------------------------------------------------- */

void rig_order(struct rig *r, enum msg_type type, const void *message)
{
    const struct msg_head head = { .type = type, .epoch = 1 };
    struct buf out = { 0 };
    if (!r->has_sink)
        return;
    msg_to_bin(&head, message, MSG_MINOR, &out);
    (void)bus_send(r->orders, &r->sink, out.data, out.len);
    buf_fini(&out);
}

static int handle_bus_hello(void *arg, const struct msg_from *from, const void *m, struct err *e)
{
    struct rig *r = arg;
    const struct msg_bus_welcome welcome = { .role = "scheduler", .name = "scheduler", .major = MSG_MAJOR,
                                             .minor = MSG_MINOR, .leader = true, .has.leader = true };
    (void)m, (void)e;
    r->sink = *(const struct bus_peer *)from->peer;
    r->has_sink = true;
    rig_order(r, MSG_BUS_WELCOME, &welcome);
    return 0;
}

static int handle_bus_ping(void *arg, const struct msg_from *from, const void *m, struct err *e)
{
    const struct msg_bus_pong pong = { .token = ((const struct msg_bus_ping *)m)->token };
    (void)from, (void)e;
    rig_order(arg, MSG_BUS_PONG, &pong);
    return 0;
}

static int handle_log_sealed(void *arg, const struct msg_from *from, const void *m, struct err *e)
{
    struct rig *r = arg;
    (void)from, (void)e;
    r->hooks->on_sealed(r->arg, m);
    return 0;
}

static int handle_sink_state(void *arg, const struct msg_from *from, const void *m, struct err *e)
{
    struct rig *r = arg;
    (void)from, (void)e;
    if (r->hooks->on_state)
        r->hooks->on_state(r->arg, m);
    return 0;
}

static const struct msg_handler to_scheduler[] = {
    { MSG_BUS_HELLO, FROM_LOGSINK, handle_bus_hello },
    { MSG_BUS_PING, FROM_LOGSINK, handle_bus_ping },
    { MSG_LOG_SEALED, FROM_LOGSINK, handle_log_sealed },
    { MSG_SINK_STATE, FROM_LOGSINK, handle_sink_state },
};

static void on_scheduler(void *arg, const struct bus_frame *f)
{
    struct err e = { 0 };
    if (msg_dispatch_bin(to_scheduler, ARRAY_LEN(to_scheduler), arg, FROM_LOGSINK, f->peer, f->data, f->len, &e))
        give_up("message to the scheduler", &e);
}

/* --- the process --------------------------------------------------------------------------------------------- */

static pid_t spawn(struct rig *r)
{
    const char *program = getenv("ORION_LOGSINK");
    const char *const argv[] = {
        program ? program : "./src/logsink/orion-logsink", "--name", "sink-1", "--dir", r->sink_dir, "--listen",
        r->control, "--live", r->live, "--schedulers", r->scheduler, "--log", "warn",
        "--compress", "0", NULL, /* N.log is looked at */
    };
    const struct proc_fd fds[] = { { 2, 2 } };
    const struct proc_spec spec = { .argv = argv, .path = getenv("PATH"), .fds = fds, .n_fds = 1 };
    struct err e = { 0 };
    pid_t pid;
    if (proc_spawn(&spec, &pid, &e))
        give_up("orion-logsink", &e);
    return pid;
}

static void on_ended(void *arg, pid_t pid, int wstatus)
{
    struct rig *r = arg;
    (void)pid;
    child_free(&r->child);
    r->pid = 0;
    r->is_up = false;
    r->has_sink = false;
    if (r->killed)
        r->killed(r->gone_arg);
    else if (r->stopped)
        r->stopped(r->gone_arg, wstatus);
    else
        give_up("orion-logsink ended by itself", &(struct err){ 0 });
}

void rig_start(struct rig *r)
{
    r->killed = NULL;
    r->stopped = NULL;
    r->pid = spawn(r);
    r->child = loop_child(r->loop, r->pid, on_ended, r);
    timer_in(r->ping, 20);
}

void rig_kill(struct rig *r, loop_fn *gone, void *arg)
{
    r->killed = gone;
    r->gone_arg = arg;
    kill(r->pid, SIGKILL);
}

void rig_stop(struct rig *r, void (*gone)(void *arg, int wstatus), void *arg)
{
    r->stopped = gone;
    r->gone_arg = arg;
    kill(r->pid, SIGTERM);
}

/* --- all of it ------------------------------------------------------------------------------------------------ */

struct rig *rig_new(struct loop *l, const struct rig_hooks *hooks, void *arg)
{
    struct rig *r = mem_zalloc(sizeof(*r));
    struct err e = { 0 };
    *r = (struct rig){ .loop = l, .hooks = hooks, .arg = arg };
    r->dir = mem_printf("%s/orion-logsink-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(r->dir))
        give_up("mkdtemp", &e);
    r->sink_dir = mem_printf("%s/sink-1", r->dir);
    r->control = mem_printf("ipc://%s/sink.sock", r->dir);
    r->live = mem_printf("ipc://%s/sink.live", r->dir);
    r->scheduler = mem_printf("ipc://%s/scheduler.sock", r->dir);
    r->bus = bus_new(l);
    r->orders = bus_bind(r->bus, BUS_ROUTER, r->scheduler, 10000, on_scheduler, r, &e);
    r->gateway = bus_connect(r->bus, BUS_DEALER, r->control, 10000, on_gateway, r, &e);
    r->follower = bus_connect(r->bus, BUS_SUB, r->live, 10000, on_live, r, &e);
    if (!r->orders || !r->gateway || !r->follower)
        give_up("sockets", &e);
    r->ping = loop_timer(l, tick_ping, r);
    return r;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

void rig_free(struct rig **rp)
{
    struct rig *r = *rp;
    timer_free(&r->ping);
    bus_free(&r->bus);
    nftw(r->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    mem_free(&r->dir);
    mem_free(&r->sink_dir);
    mem_free(&r->control);
    mem_free(&r->live);
    mem_free(&r->scheduler);
    mem_free(rp);
}

const char *rig_dir(const struct rig *r)
{
    return r->sink_dir;
}
