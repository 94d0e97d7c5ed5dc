/* fake_farm.c - see fake_farm.h. Its sink keeps only chunks that fit the chain, acknowledges like the real one, and
 * can be told to lose some on the way. */
#include "tests/unit/fake_farm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/proc.h"
#include "lib/ws.h"

enum { LIMIT_MS = 60000, HEARTBEAT_MS = 1000 };

struct farm_conn {
    struct farm *farm;
    int fd;
    struct watch *watch;
    struct buf head;        /* of the handshake */
    struct ws *ws;
    bool is_closed;
};

static void farm_look(struct farm *f)
{
    if (f->until && f->until(f))
        loop_stop(f->loop, 0);
}

static struct farm_task *task_find(struct farm *f, const struct uuid *id)
{
    for (unsigned i = 0; i < f->n_tasks; i++) {
        if (uuid_cmp(&f->tasks[i].id, id) == 0)
            return &f->tasks[i];
    }
    fail_msg("the agent speaks of an unknown task");
    return NULL;
}

/* --- sending --------------------------------------------------------------------------------------- */

static void conn_flush(struct farm_conn *c)
{
    if (ws_wants_write(c->ws) && ws_writable(c->ws) == WS_CLOSED)
        c->is_closed = true;
    if (!c->is_closed)
        watch_events(c->watch, ws_wants_write(c->ws) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void farm_send(struct farm *f, enum msg_type type, const void *message)
{
    struct buf text = { 0 };

    if (!f->conn)
        return;
    msg_to_json(type, message, true, &text);
    ws_text(f->conn->ws, text.data, text.len);
    buf_fini(&text);
    conn_flush(f->conn);
}

static void ack(struct farm *f, const struct uuid *task, int64_t attempt, const char *fact)
{
    const struct msg_task_ack m = { .epoch = f->epoch, .task_id = *task, .attempt = attempt, .fact = fact };

    if (f->acks_facts)
        farm_send(f, MSG_TASK_ACK, &m);
}

/* --- hearing --------------------------------------------------------------------------------------- */

static void hear_hello(struct farm *f, const void *message)
{
    const struct msg_agent_hello *m = message;
    const struct msg_agent_welcome w = { .epoch = f->epoch, .session = ++f->session, .agent_id = m->agent_id,
                                         .lease_ms = 4 * f->heartbeat_ms, .heartbeat_ms = f->heartbeat_ms };

    f->hellos++;
    assert_true(m->has.count && m->count > f->hello_count);
    f->hello_count = m->count;
    f->hello_slots = m->slots;
    f->agent_id = m->agent_id;
    f->n_held = (unsigned)m->held.n;
    for (size_t i = 0; i < m->held.n && i < FARM_TASKS; i++)
        snprintf(f->held[i], sizeof(f->held[i]), "%s", m->held.v[i].state);
    if (!f->is_leaderless)
        farm_send(f, MSG_AGENT_WELCOME, &w);
}

static void hear_accept(struct farm *f, const void *message)
{
    const struct msg_task_accept *m = message;

    assert_int_equal(m->session, f->session);
    task_find(f, &m->task_id)->accepts++;
    ack(f, &m->task_id, m->attempt, "accept");
}

static void hear_decline(struct farm *f, const void *message)
{
    const struct msg_task_decline *m = message;
    struct farm_task *t = task_find(f, &m->task_id);

    t->declines++;
    t->reason = arena_strdup(&f->arena, m->reason);
    ack(f, &m->task_id, m->attempt, "decline");
}

static void hear_prepared(struct farm *f, const void *message)
{
    const struct msg_task_prepared *m = message;
    struct farm_task *t = task_find(f, &m->task_id);

    t->prepareds++;
    t->commit = arena_strdup(&f->arena, m->commit);
    t->driver = arena_strdup(&f->arena, m->driver);
    t->workspace = arena_strdup(&f->arena, m->workspace);
    ack(f, &m->task_id, m->attempt, "prepared");
}

static void hear_result(struct farm *f, const void *message)
{
    const struct msg_task_result *m = message;
    struct farm_task *t = task_find(f, &m->task_id);

    t->results++;
    t->outcome = arena_strdup(&f->arena, m->outcome);
    t->cause = arena_strdup(&f->arena, m->cause);
    t->message = arena_strdup(&f->arena, m->message);
    t->has_exit_code = m->has.exit_code;
    t->exit_code = m->exit_code;
    t->signal = m->signal;
    t->log_bytes = m->log_bytes;
    t->log_lines = m->log_lines;
    t->log_chunks = m->log_chunks;
    memcpy(t->log_head.b, m->log_head.data, sizeof(t->log_head.b));
    ack(f, &m->task_id, m->attempt, "result");
}

static const struct {
    enum msg_type type;
    void (*hear)(struct farm *f, const void *message);
} ears[] = {
    { MSG_AGENT_HELLO, hear_hello },       { MSG_TASK_ACCEPT, hear_accept }, { MSG_TASK_DECLINE, hear_decline },
    { MSG_TASK_PREPARED, hear_prepared },  { MSG_TASK_RESULT, hear_result },
};

static void hear_text(struct farm *f, const char *data, size_t len)
{
    struct err e = { 0 };
    enum msg_type type = msg_json_type(data, len, &e);

    if (type == MSG_AGENT_HEARTBEAT)
        return;
    for (size_t i = 0; i < ARRAY_LEN(ears); i++) {
        struct arena a = { 0 };
        void *m;

        if (ears[i].type != type)
            continue;
        m = arena_alloc(&a, msg_struct_size(type));
        if (msg_from_json(type, data, len, &a, m, &e))
            fail_msg("%s", e.text);
        ears[i].hear(f, m);
        arena_fini(&a);
        return;
    }
    fail_msg("not for this farm: %.*s (%s)", (int)len, data, e.text);
}

static void hear_chunk(struct farm *f, const struct msg_log_chunk *m)
{
    struct farm_task *t = task_find(f, &m->task_id);
    const struct chain_chunk c = { .seq = (uint64_t)m->seq, .offset = (uint64_t)m->offset,
                                   .length = (uint32_t)m->data.len, .stream = (uint8_t)m->stream,
                                   .flags = (uint16_t)m->flags, .time_ns = (uint64_t)m->time_ns };
    struct msg_log_ack a = { .task_id = m->task_id, .attempt = m->attempt };

    assert_string_equal(m->sink, "sink-1");
    /* by chance, not by counting: a window of just that many chunks would lose the same one for ever */
    if (f->is_sink_silent || (f->drop_every && (unsigned)rand_r(&f->seed) % f->drop_every == 0))
        return;
    if (c.seq == t->seq + 1) {
        chain_next(&t->head, &c, m->data.data);
        assert_memory_equal(t->head.b, m->head.data, sizeof(t->head.b));
        assert_int_equal(c.offset, t->offset);
        buf_append(&t->log, m->data.data, m->data.len);
        t->seq++;
        t->offset += c.length;
    }
    a.has.rewind = a.rewind = c.seq > t->seq;
    a.seq = (int64_t)t->seq;
    a.offset = (int64_t)t->offset;
    farm_send(f, MSG_LOG_ACK, &a);
}

static void on_message(void *arg, bool binary, const uint8_t *data, size_t len)
{
    struct farm_conn *c = arg;
    struct msg_head head;
    struct arena a = { 0 };
    struct err e = { 0 };
    void *m;

    if (!binary) {
        hear_text(c->farm, (const char *)data, len);
    } else {
        if (msg_from_bin(data, len, &a, &head, &m, &e))
            fail_msg("%s", e.text);
        assert_int_equal(head.type, MSG_LOG_CHUNK);
        hear_chunk(c->farm, m);
    }
    arena_fini(&a);
    farm_look(c->farm);
}

/* --- the connection -------------------------------------------------------------------------------- */

static ssize_t conn_recv(void *arg, void *data, size_t len)
{
    struct farm_conn *c = arg;

    return recv(c->fd, data, len, MSG_DONTWAIT);
}

static ssize_t conn_send(void *arg, const void *data, size_t len)
{
    struct farm_conn *c = arg;

    return send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static const struct ws_hooks hooks = { conn_recv, conn_send, on_message, NULL };

void farm_drop_connection(struct farm *f)
{
    struct farm_conn *c = f->conn;

    if (!c)
        return;
    f->conn = NULL;
    watch_free(&c->watch);
    ws_free(&c->ws);
    close(c->fd);
    buf_fini(&c->head);
    mem_free(&c);
}

static void handshake(struct farm_conn *c)
{
    char accept[WS_ACCEPT_SIZE], key[64], block[2048];
    ssize_t n = recv(c->fd, block, sizeof(block), MSG_DONTWAIT);
    const char *at;

    if (n <= 0)
        return;
    buf_append(&c->head, block, (size_t)n);
    if (!strstr(c->head.data, "\r\n\r\n"))
        return;
    at = strcasestr(c->head.data, "Sec-WebSocket-Key: ");
    assert_non_null(at);
    assert_non_null(strstr(c->head.data, "GET /ws HTTP/1.1"));
    assert_non_null(strstr(c->head.data, "orion.agent.v1"));
    sscanf(at + 19, "%63s", key);
    ws_accept(key, accept);
    dprintf(c->fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Protocol: orion.agent.v1\r\nSec-WebSocket-Accept: %s\r\n\r\n",
            accept);
    c->ws = ws_new(true, 1 << 21, &hooks, c);
}

static void on_conn(void *arg, uint32_t events)
{
    struct farm_conn *c = arg;
    struct farm *f = c->farm;

    if (!c->ws) {
        handshake(c);
        return;
    }
    if (events & EPOLLOUT)
        conn_flush(c);
    if (ws_readable(c->ws) == WS_CLOSED)
        c->is_closed = true;
    if (f->conn && !c->is_closed)
        conn_flush(c);
    if (c->is_closed) {
        f->closes++;
        f->close_code = ws_close_code(c->ws);
        farm_drop_connection(f);
        farm_look(f);
    }
}

static void on_accept(void *arg, uint32_t events)
{
    struct farm *f = arg;
    struct farm_conn *c = mem_zalloc(sizeof(*c));

    (void)events;
    farm_drop_connection(f);
    *c = (struct farm_conn){ .farm = f, .fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) };
    assert_true(c->fd >= 0);
    c->watch = loop_watch(f->loop, c->fd, EPOLLIN, on_conn, c);
    f->conn = c;
}

/* --- orders ---------------------------------------------------------------------------------------- */

struct farm_task *farm_assign(struct farm *f, const char *repo, struct msg_task_assign m)
{
    struct farm_task *t = &f->tasks[f->n_tasks++];

    uuid_v7(&t->id, clock_wall_ms());
    chain_start(&t->id, 1, &t->head);
    m.epoch = f->epoch;
    m.session = f->session;
    m.task_id = t->id;
    m.attempt = 1;
    m.project = "default";
    m.repo = repo;
    m.sink = "sink-1";
    m.has.separate_streams = m.separate_streams;
    m.has.timeout_ms = m.timeout_ms > 0;
    m.has.silence_timeout_ms = m.silence_timeout_ms > 0;
    farm_send(f, MSG_TASK_ASSIGN, &m);
    return t;
}

void farm_assign_again(struct farm *f, const struct farm_task *t, int64_t session)
{
    const struct msg_task_assign m = { .epoch = f->epoch, .session = session, .task_id = t->id, .attempt = 1,
                                       .project = "default", .repo = "x", .sink = "sink-1" };

    farm_send(f, MSG_TASK_ASSIGN, &m);
}

void farm_stop(struct farm *f, const struct farm_task *t, const char *outcome, const char *reason)
{
    const struct msg_task_stop m = { .epoch = f->epoch, .task_id = t->id, .attempt = 1, .reason = reason,
                                     .outcome = outcome };

    farm_send(f, MSG_TASK_STOP, &m);
}

void farm_wait(struct farm *f, bool (*until)(struct farm *f))
{
    if (until(f))
        return;
    f->until = until;
    timer_in(f->limit, LIMIT_MS);
    loop_run(f->loop);
    timer_off(f->limit);
    f->until = NULL;
}

/* --- the agent ------------------------------------------------------------------------------------- */

static const char *program(const char *variable, const char *built)
{
    const char *build = getenv("ORION_BUILD");
    static char path[2][4096];
    char *p = path[variable[6] == 'R'];

    snprintf(p, 4096, "%s/%s", build ? build : ".", built);
    return getenv(variable) ? getenv(variable) : p;
}

static void on_agent_left(void *arg, pid_t pid, int wstatus)
{
    struct farm *f = arg;

    (void)pid;
    f->has_left = true;
    f->wstatus = wstatus;
    farm_look(f);
}

void farm_agent_start(struct farm *f)
{
    char *url = arena_printf(&f->arena, "http://127.0.0.1:%d", f->port);
    char *dir = arena_printf(&f->arena, "%s/agent", f->dir), *table = arena_printf(&f->arena, "%s/agent.yaml", f->dir);
    char *path = arena_printf(&f->arena, "%s/bin", f->dir);
    const char *argv[] = { program("ORION_AGENT", "src/agent/orion-agent"),
                           "--url", url, "--dir", dir, "--name", "tester", "--slots", f->slots, "--agent-config", table,
                           "--path", path, "--runner", program("ORION_RUNNER", "src/agent/runner/orion-runner"),
                           "--log", getenv("ORION_TEST_LOG") ? getenv("ORION_TEST_LOG") : "error", "--spool-max", "1M",
                           NULL };
    const struct proc_fd fds[] = { { 2, 2 } };
    const struct proc_spec spec = { .argv = argv, .fds = fds, .n_fds = 1, .new_session = true };
    struct err e = { 0 };

    if (proc_spawn(&spec, &f->agent, &e))
        fail_msg("%s", e.text);
    f->has_left = false;
    f->child = loop_child(f->loop, f->agent, on_agent_left, f);
}

static bool has_left(struct farm *f)
{
    return f->has_left;
}

void farm_agent_wait(struct farm *f)
{
    farm_wait(f, has_left);
    child_free(&f->child);
    f->agent = 0;
}

char *farm_shell(struct farm *f, const char *script)
{
    const char *argv[] = { "sh", "-ec", script, NULL };
    int fds[2];
    struct buf out = { 0 };
    siginfo_t info;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    const struct proc_fd child[] = { { 1, fds[1] }, { 2, 2 } };
    const struct proc_spec spec = { .argv = argv, .cwd = f->dir, .fds = child, .n_fds = 2 };
    assert_int_equal(proc_spawn(&spec, &pid, NULL), 0);
    close(fds[1]);
    while ((n = read(fds[0], buf_reserve(&out, 4096), 4096)) > 0)
        buf_commit(&out, (size_t)n);
    close(fds[0]);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
    assert_int_equal(info.si_status, 0);
    if (out.len && out.data[out.len - 1] == '\n')
        out.data[out.len - 1] = '\0';
    char *text = arena_strdup(&f->arena, out.len ? out.data : "");
    buf_fini(&out);
    return text;
}

/* --- life ------------------------------------------------------------------------------------------ */

static void tick_limit(void *arg)
{
    (void)arg;
    fail_msg("the agent did not do it in time");
}

void farm_init(struct farm *f)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    *f = (struct farm){ .epoch = 7, .heartbeat_ms = HEARTBEAT_MS, .acks_facts = true, .slots = "2" };
    strcpy(f->dir, "/tmp/orion-agent-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->loop = loop_new();
    f->limit = loop_timer(f->loop, tick_limit, f);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(listen(f->listener, 4), 0);
    f->port = ntohs(at.sin_port);
    f->accepting = loop_watch(f->loop, f->listener, EPOLLIN, on_accept, f);
}

/* Runners outlive their agent, and builds stand in their workspaces. */
static void runners_end(struct farm *f)
{
    farm_shell(f, "for i in 1 2 3; do for p in /proc/[0-9]*; do\n"
                  "case $(readlink $p/cwd) in $PWD/agent*) kill -9 ${p#/proc/} || true ;; esac; done; done 2>/dev/null");
}

void farm_fini(struct farm *f)
{
    child_free(&f->child); /* not by the loop: a test that failed left it where it was */
    if (f->agent) {
        kill(f->agent, SIGKILL);
        waitpid(f->agent, NULL, 0);
    }
    runners_end(f);
    farm_drop_connection(f);
    watch_free(&f->accepting);
    close(f->listener);
    timer_free(&f->limit);
    loop_free(&f->loop);
    for (unsigned i = 0; i < FARM_TASKS; i++)
        buf_fini(&f->tasks[i].log);
    f->loop = NULL;
    farm_shell(f, arena_printf(&f->arena, "rm -rf %s", f->dir));
    arena_fini(&f->arena);
}
