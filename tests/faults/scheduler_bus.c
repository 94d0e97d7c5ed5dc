/* scheduler_bus.c - a gateway, an agent and a log sink in one small program, for tests of the real scheduler.
 *
 *   scheduler_bus ENDPOINT TASKS SLOTS SECONDS [--may-refuse]
 *
 * Submits TASKS tasks, keeps 64 of them asked for, sends everything again until it is answered, accepts and ends what
 * is assigned, answers seals, says hello again to every new leader. Prints `kept N done N sealed N epochs N` and
 * latencies; exits 0 when every task was kept, done and sealed within SECONDS. One task in ten carries labels, an
 * environment and awkward texts. With --may-refuse a refusal is an answer, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/table.h"
#include "proto/msg.h"

enum { ASKED_MAX = 64, TICK_MS = 100, REPEAT_MS = 1500, CONN = 7 };

enum phase { PHASE_NEW, PHASE_ASKED, PHASE_KEPT };

struct job {
    struct uuid id;
    enum phase phase;
    bool is_sealed, is_done, is_held;
    int64_t attempt;
    uint64_t asked_ms, told_ms;   /* last time */
    uint64_t first_ns, assigned_ns;
};

struct rig {
    struct loop *loop;
    struct bus *bus;
    struct bus_socket *gateway, *sink;
    struct timer *timer;
    struct job *jobs;
    size_t n, next, asked, kept, done, sealed, assigned;
    struct table by_id;
    struct uuid agent, instance;
    int64_t slots, session, epochs;
    uint64_t epoch, hello_ms, bus_hello_ms, deadline_ms, alive_ms, begun_ms;
    uint64_t *waits_ns;
    bool is_leading, may_refuse;
    size_t refused;
};

static void send_as(struct bus_socket *to, enum msg_type type, uint64_t conn, const void *message)
{
    const struct msg_head head = { .type = type, .conn = conn };
    struct buf out = { 0 };

    msg_to_bin(&head, message, MSG_MINOR, &out);
    bus_send(to, NULL, out.data, out.len);
    buf_fini(&out);
}

static void say_bus_hello(struct bus_socket *to, const char *role, const char *name)
{
    const struct msg_bus_hello m = { .role = role, .name = name, .major = MSG_MAJOR, .minor = MSG_MINOR };

    send_as(to, MSG_BUS_HELLO, 0, &m);
}

/* --- the agent ----------------------------------------------------------------------------------------------- */

static void say_agent_hello(struct rig *r)
{
    static const char *const labels[] = { "linux", "a \"quoted\" {label}, \\ and more" };
    struct msg_held *held = mem_array(r->n + 1, sizeof *held);
    struct msg_agent_hello m = { .major = MSG_MAJOR, .minor = MSG_MINOR, .agent_id = r->agent, .instance = r->instance,
                                 .name = "bus-agent", .labels = { labels, 2 }, .slots = r->slots, .version = "test" };
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        if (r->jobs[i].is_held && n < 4096)
            held[n++] = (struct msg_held){ .task_id = r->jobs[i].id, .attempt = r->jobs[i].attempt, .state = "finished" };
    m.held = (struct msg_held_list){ held, n };
    r->hello_ms = clock_boot_ms();
    send_as(r->gateway, MSG_AGENT_HELLO, CONN, &m);
    mem_free(&held);
}

static void tell(struct rig *r, struct job *j)
{
    const struct msg_task_accept accept = { .session = r->session, .task_id = j->id, .attempt = j->attempt };
    const struct msg_task_prepared prepared = { .session = r->session, .task_id = j->id, .attempt = j->attempt,
                                                .commit = "0123456789abcdef0123456789abcdef01234567", .driver = "make",
                                                .workspace = "/w/{x},\"y\"\\" };
    const struct msg_task_result result = { .session = r->session, .task_id = j->id, .attempt = j->attempt,
                                            .outcome = "succeeded", .cause = "build", .exit_code = 0,
                                            .has = { .exit_code = true }, .log_bytes = 10, .log_lines = 1, .log_chunks = 1,
                                            .log_head = { (const uint8_t *)"fedcba9876543210fedcba9876543210", 32 } };

    j->told_ms = clock_boot_ms();
    send_as(r->gateway, MSG_TASK_ACCEPT, CONN, &accept);
    send_as(r->gateway, MSG_TASK_PREPARED, CONN, &prepared);
    send_as(r->gateway, MSG_TASK_RESULT, CONN, &result);
}

static void on_assign(struct rig *r, const struct msg_task_assign *m)
{
    struct job *j = table_get(&r->by_id, &m->task_id);

    if (!j || m->session != r->session)
        return;
    if (!j->assigned_ns) {
        j->assigned_ns = clock_boot_ns();
        r->waits_ns[r->assigned++] = j->assigned_ns - j->first_ns;
    }
    j->attempt = m->attempt;
    j->is_held = true;
    tell(r, j);
}

static void on_ack(struct rig *r, const struct msg_task_ack *m)
{
    struct job *j = table_get(&r->by_id, &m->task_id);

    if (!j || strcmp(m->fact, "result") != 0 || !j->is_held)
        return;
    j->is_held = false;
    r->done += !j->is_done;
    j->is_done = true;
}

/* --- the gateway -------------------------------------------------------------------------------------------------- */

static void ask(struct rig *r, struct job *j)
{
    static const char *const args[] = { "-j4", "NAME=a \"b\" \\ {c},d", "", "NULL" };
    static const char *const labels[] = { "linux", "a \"quoted\" {label}, \\ and more" };
    static const struct msg_pair env[] = { { "B_SECOND", "x,\"y\"\\{}" }, { "A_FIRST", "" } };
    bool is_awkward = j->id.b[15] % 10 == 0;
    struct msg_task_submit m = { .task_id = j->id, .project = "default", .repo = "repo", .target = "all" };
    char key[UUID_TEXT_SIZE], mr[UUID_TEXT_SIZE + 8];

    if (is_awkward) {
        uuid_format(&j->id, key);
        snprintf(mr, sizeof mr, "it's %s", key);   /* of its own: newer ones supersede */
        m.args = (struct msg_strs){ args, 4 };
        m.labels = (struct msg_strs){ labels, 2 };
        m.env = (struct msg_pairs){ env, 2 };
        m.mr = mr;
        m.idempotency_key = key;
        m.body_hash = (struct msg_bytes){ (const uint8_t *)"0123456789abcdef0123456789abcdef", 32 };
    }
    j->asked_ms = clock_boot_ms();
    if (!j->first_ns)
        j->first_ns = clock_boot_ns();
    send_as(r->gateway, MSG_TASK_SUBMIT, 0, &m);
}

static void ask_more(struct rig *r)
{
    while (r->is_leading && r->next < r->n && r->asked < ASKED_MAX) {
        struct job *j = &r->jobs[r->next++];
        j->phase = PHASE_ASKED;
        r->asked++;
        ask(r, j);
    }
}

static void on_submitted(struct rig *r, const struct msg_task_submitted *m)
{
    struct job *j = table_get(&r->by_id, &m->request_id);

    if (!j || j->phase != PHASE_ASKED)
        return;
    if (uuid_cmp(&m->request_id, &m->task_id) != 0) {
        fprintf(stderr, "scheduler_bus: a task got another id\n");
        exit(1);
    }
    j->phase = PHASE_KEPT;
    r->asked--;
    r->kept++;
    ask_more(r);
}

static void on_refused(struct rig *r, const struct msg_task_refused *m)
{
    struct job *j = table_get(&r->by_id, &m->request_id);

    if (!j || j->phase != PHASE_ASKED || !r->may_refuse || strcmp(m->reason, "storage_refused") != 0)
        return;   /* asked again later */
    j->phase = PHASE_KEPT;
    r->asked--;
    r->refused++;
    ask_more(r);
}

static void on_welcome(struct rig *r, const struct msg_head *head, const struct msg_bus_welcome *m)
{
    bool is_new = m->leader && head->epoch > r->epoch;

    r->is_leading = m->leader && head->epoch >= r->epoch;
    if (!is_new)
        return;
    r->epoch = head->epoch;
    r->epochs++;
    say_agent_hello(r);
    ask_more(r);
}

static void gateway_frame(void *arg, const struct bus_frame *frame)
{
    struct rig *r = arg;
    struct arena arena = { 0 };
    struct msg_head head;
    struct err e = { 0 };
    void *m;

    if (msg_from_bin(frame->data, frame->len, &arena, &head, &m, &e) < 0) {
        fprintf(stderr, "scheduler_bus: %s\n", e.text);
        exit(1);
    }
    if (head.epoch < r->epoch) {
        arena_fini(&arena);
        return;
    }
    if (head.type == MSG_BUS_WELCOME)
        on_welcome(r, &head, m);
    else if (head.type == MSG_TASK_SUBMITTED)
        on_submitted(r, m);
    else if (head.type == MSG_TASK_REFUSED)
        on_refused(r, m);
    else if (head.type == MSG_AGENT_WELCOME)
        r->session = ((const struct msg_agent_welcome *)m)->session;
    else if (head.type == MSG_AGENT_REFUSED)
        r->session = 0;
    else if (head.type == MSG_TASK_ASSIGN)
        on_assign(r, m);
    else if (head.type == MSG_TASK_ACK)
        on_ack(r, m);
    arena_fini(&arena);
}

/* --- the sink --------------------------------------------------------------------------------------------------------- */

static void sink_frame(void *arg, const struct bus_frame *frame)
{
    struct rig *r = arg;
    struct arena arena = { 0 };
    struct msg_head head;
    void *m;

    if (msg_from_bin(frame->data, frame->len, &arena, &head, &m, NULL) == 0 && head.type == MSG_LOG_SEAL) {
        const struct msg_log_seal *seal = m;
        const struct msg_log_sealed sealed = { .task_id = seal->task_id, .attempt = seal->attempt, .state = "complete",
                                               .bytes = 10, .lines = 1 };
        struct job *j = table_get(&r->by_id, &seal->task_id);
        send_as(r->sink, MSG_LOG_SEALED, 0, &sealed);
        if (j && !j->is_sealed) {
            j->is_sealed = true;
            r->sealed++;
        }
    }
    arena_fini(&arena);
}

/* --- time ---------------------------------------------------------------------------------------------------------------- */

static void repeat(struct rig *r, uint64_t now)
{
    for (size_t i = 0; i < r->next; i++) {
        struct job *j = &r->jobs[i];
        if (j->phase == PHASE_ASKED && now - j->asked_ms >= REPEAT_MS)
            ask(r, j);
        if (j->is_held && r->session && now - j->told_ms >= REPEAT_MS)
            tell(r, j);
    }
    if (r->is_leading && !r->session && now - r->hello_ms >= REPEAT_MS)
        say_agent_hello(r);
}

static void on_tick(void *arg)
{
    struct rig *r = arg;
    uint64_t now = clock_boot_ms();
    const struct msg_bus_ping ping = { .token = (int64_t)now };
    const struct msg_agent_alive alive = { .sessions = { &r->session, r->session ? 1 : 0 } };

    if (now - r->bus_hello_ms >= 1000) {   /* a scheduler that was started again knows nobody */
        r->bus_hello_ms = now;
        say_bus_hello(r->gateway, "gateway", "bus");
        say_bus_hello(r->sink, "logsink", "sink-1");
        send_as(r->gateway, MSG_BUS_PING, 0, &ping);
        send_as(r->gateway, MSG_AGENT_ALIVE, 0, &alive);
    }
    repeat(r, now);
    ask_more(r);
    if (r->kept + r->refused == r->n && r->done == r->kept && r->sealed == r->kept)
        loop_stop(r->loop, 0);
    else if (now >= r->deadline_ms)
        loop_stop(r->loop, 1);
    else
        timer_in(r->timer, TICK_MS);
}

static int by_size(const void *x, const void *y)
{
    const uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

    return a < b ? -1 : a > b;
}

static void report(struct rig *r)
{
    double seconds = (double)(clock_boot_ms() - r->begun_ms) / 1000;

    printf("kept %zu done %zu sealed %zu epochs %lld\n", r->kept, r->done, r->sealed, (long long)r->epochs);
    printf("refused %zu\n", r->refused);
    if (!r->assigned)
        return;
    qsort(r->waits_ns, r->assigned, sizeof *r->waits_ns, by_size);
    printf("seconds %.2f tasks/s %.0f submit-to-assignment ms p50 %.2f p99 %.2f\n", seconds, (double)r->done / seconds,
           (double)r->waits_ns[r->assigned / 2] / 1e6, (double)r->waits_ns[r->assigned * 99 / 100] / 1e6);
}

int main(int argc, char **argv)
{
    struct rig r = { .agent = { { 0xA6 } }, .instance = { { 0x11 } } };
    struct err e = { 0 };
    int code;

    if (argc < 5)
        return 2;
    r.may_refuse = argc > 5;
    log_init("scheduler_bus", "warn", "text", NULL);
    r.n = strtoul(argv[2], NULL, 10);
    r.slots = strtol(argv[3], NULL, 10);
    r.begun_ms = clock_boot_ms();
    r.deadline_ms = r.begun_ms + strtoul(argv[4], NULL, 10) * 1000;
    r.jobs = mem_array(r.n + 1, sizeof *r.jobs);
    r.waits_ns = mem_array(r.n + 1, sizeof *r.waits_ns);
    for (size_t i = 0; i < r.n; i++) {
        uuid_v7(&r.jobs[i].id, clock_wall_ms());
        table_put(&r.by_id, &r.jobs[i].id, &r.jobs[i]);
    }
    r.loop = loop_new();
    r.bus = bus_new(r.loop);
    r.gateway = bus_connect(r.bus, BUS_DEALER, argv[1], 100000, gateway_frame, &r, &e);
    r.sink = bus_connect(r.bus, BUS_DEALER, argv[1], 100000, sink_frame, &r, &e);
    if (!r.gateway || !r.sink) {
        fprintf(stderr, "scheduler_bus: %s\n", e.text);
        return 1;
    }
    r.timer = loop_timer(r.loop, on_tick, &r);
    timer_in(r.timer, 0);
    code = loop_run(r.loop);
    report(&r);
    timer_free(&r.timer);
    bus_close(&r.gateway);
    bus_close(&r.sink);
    bus_free(&r.bus);
    loop_free(&r.loop);
    table_fini(&r.by_id);
    mem_free(&r.jobs);
    mem_free(&r.waits_ns);
    return code;
}
