/* dispatch_agents.c - agents of the real protocol (PROTOCOL "agent.*", "task.*") that build nothing: whatever is
 * assigned is accepted and ended at once, with an empty log.
 *
 * Facts are told again until they are acknowledged, as real agents do. Messages to the farm are made by the codec;
 * those from it are only searched for the fields that matter here, so that the load client costs little of the machine
 * that it shares with the farm. A quote inside a text is written \", so `"name":` can only be a field. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bench/dispatch.h"
#include "lib/clock.h"
#include "lib/fetch.h"
#include "lib/mem.h"
#include "lib/ws.h"
#include "proto/chain.h"
#include "proto/msg.h"

#define SUBPROTOCOL "orion.agent.v1"
enum { DIAL_MS = 10000, TICK_MS = 1000, AGAIN_MS = 2000, MESSAGE_MAX = 1 << 20 };

struct held {
    struct uuid task_id;
    int64_t attempt;
    uint64_t told_ms;
    bool is_accepted;          /* acknowledged */
};

struct agent {
    struct agents *all;
    struct uuid id;
    size_t number;
    struct fetch_upgrade *upgrade;
    struct fetch_conn *conn;
    struct ws *ws;
    struct watch *watch;
    int64_t session;           /* 0: not welcomed */
    bool is_quiet;             /* nothing was said since the last tick */
    struct held *held;
    size_t n_held, max_held;
};

struct agents {
    struct bench *bench;
    struct hook *hook;
    struct timer *tick;
    struct agent *v;
    size_t welcomed;
};

/* --- saying --------------------------------------------------------------------------------------------------- */

static void say(struct agent *a, enum msg_type type, const void *message)
{
    struct buf text = { 0 };

    msg_to_json(type, message, true, &text);
    ws_text(a->ws, text.data, text.len);
    a->is_quiet = false;
    buf_fini(&text);
}

static void say_hello(struct agent *a)
{
    char name[32];
    struct msg_held *held = mem_array(a->n_held + 1, sizeof(*held));
    const struct msg_agent_hello m = { .major = MSG_MAJOR, .minor = MSG_MINOR, .agent_id = a->id, .instance = a->id,
                                       .name = name, .slots = (int64_t)a->all->bench->settings->slots,
                                       .version = "bench", .held = { held, a->n_held } };

    for (size_t i = 0; i < a->n_held; i++)
        held[i] = (struct msg_held){ .task_id = a->held[i].task_id, .attempt = a->held[i].attempt,
                                     .state = "finished" };
    snprintf(name, sizeof(name), "bench-%zu", a->number);
    say(a, MSG_AGENT_HELLO, &m);
    mem_free(&held);
}

static void tell_accept(struct agent *a, const struct held *h)
{
    const struct msg_task_accept m = { .session = a->session, .task_id = h->task_id, .attempt = h->attempt };

    say(a, MSG_TASK_ACCEPT, &m);
}

static void tell_result(struct agent *a, const struct held *h)
{
    struct hash head;
    const struct msg_task_result m = { .session = a->session, .task_id = h->task_id, .attempt = h->attempt,
                                       .outcome = "succeeded", .cause = "build", .has = { .exit_code = true },
                                       .log_head = { head.b, sizeof(head.b) } };

    chain_start(&h->task_id, (uint32_t)h->attempt, &head);
    say(a, MSG_TASK_RESULT, &m);
}

static void tell(struct agent *a, struct held *h)
{
    h->told_ms = clock_boot_ms();
    if (!h->is_accepted)
        tell_accept(a, h);
    if (h->is_accepted || !a->all->bench->settings->is_stepwise)
        tell_result(a, h);
}

/* --- hearing -------------------------------------------------------------------------------------------------- */

static const char *field(const char *text, size_t len, const char *key)
{
    const char *at = memmem(text, len, key, strlen(key));

    if (!at)
        bench_die("no %s in %.*s", key, (int)len, text);
    return at + strlen(key);
}

static bool is_kind(const char *text, size_t len, const char *start)
{
    return len > strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

static void read_attempt(const char *text, size_t len, struct held *h_r)
{
    const char *id = field(text, len, "\"task_id\":\"");

    if (uuid_parse(id, UUID_TEXT_SIZE - 1, &h_r->task_id) < 0)
        bench_die("no task id in %.*s", (int)len, text);
    h_r->attempt = strtoll(field(text, len, "\"attempt\":"), NULL, 10);
}

static void count_start(struct bench *b, const char *text, size_t len)
{
    const char *stamp = field(text, len, "[\"@T");
    uint64_t sent_ns = strtoull(stamp, NULL, 10);
    size_t number = strtoul(stamp + 20, NULL, 10);

    if (sent_ns < b->begun_ns || number >= b->settings->tasks)
        bench_die("a task of another run was assigned: %.*s", (int)len, text);
    if (b->starts[number]++) {
        b->twice++;
        return;
    }
    b->waits_ns[b->started++] = clock_boot_ns() - sent_ns;
}

static void hear_assign(struct agent *a, const char *text, size_t len)
{
    struct held h = { 0 };

    if (strtoll(field(text, len, "\"session\":"), NULL, 10) != a->session)
        bench_die("assigned to another session: %.*s", (int)len, text);
    count_start(a->all->bench, text, len);
    read_attempt(text, len, &h);
    if (a->n_held == a->max_held) {
        a->max_held = a->max_held ? 2 * a->max_held : 64;
        a->held = mem_resize(a->held, a->max_held, sizeof(*a->held));
    }
    a->held[a->n_held++] = h;
    tell(a, &a->held[a->n_held - 1]);
}

static void hear_ack(struct agent *a, const char *text, size_t len)
{
    struct bench *b = a->all->bench;
    bool is_result = field(text, len, "\"fact\":\"")[0] == 'r';
    struct held acked, *h = a->held;

    read_attempt(text, len, &acked);
    while (h < a->held + a->n_held && (h->attempt != acked.attempt || uuid_cmp(&h->task_id, &acked.task_id) != 0))
        h++;
    if (h == a->held + a->n_held)
        return;   /* a fact that was told again is acknowledged again */
    if (is_result) {
        *h = a->held[--a->n_held];
        b->done++;
        bench_check_end(b);
    } else if (!h->is_accepted) {
        h->is_accepted = true;
        if (b->settings->is_stepwise)
            tell(a, h);
    }
}

static void hear_welcome(struct agent *a, const char *text, size_t len)
{
    struct agents *all = a->all;
    bool is_new = a->session == 0;

    a->session = strtoll(field(text, len, "\"session\":"), NULL, 10);
    for (size_t i = 0; i < a->n_held; i++)
        tell(a, &a->held[i]);
    if (is_new && ++all->welcomed == all->bench->settings->agents)
        bench_begin(all->bench);
}

static void on_message(void *arg, bool is_binary, const uint8_t *data, size_t len)
{
    struct agent *a = arg;
    const char *text = (const char *)data;

    if (!is_binary && is_kind(text, len, "{\"type\":\"task.assign\""))
        hear_assign(a, text, len);
    else if (!is_binary && is_kind(text, len, "{\"type\":\"task.ack\""))
        hear_ack(a, text, len);
    else if (!is_binary && is_kind(text, len, "{\"type\":\"agent.welcome\""))
        hear_welcome(a, text, len);
    else if (!is_binary && is_kind(text, len, "{\"type\":\"agent.rehello\""))
        say_hello(a);
    else
        bench_die("not expected by an agent: %.*s", is_binary ? 0 : (int)len, text);
}

/* --- the connection ------------------------------------------------------------------------------------------- */

static ssize_t on_recv(void *arg, void *data, size_t len)
{
    return fetch_conn_recv(((struct agent *)arg)->conn, data, len);
}

static ssize_t on_send(void *arg, const void *data, size_t len)
{
    return fetch_conn_send(((struct agent *)arg)->conn, data, len);
}

static void must_be_open(const struct agent *a, enum ws_status status)
{
    if (status == WS_CLOSED)
        bench_die("the connection of agent %zu was closed with code %u", a->number, ws_close_code(a->ws));
}

static void on_socket(void *arg, uint32_t events)
{
    struct agent *a = arg;

    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        must_be_open(a, ws_readable(a->ws));
    if (events & EPOLLOUT)
        must_be_open(a, ws_writable(a->ws));
}

static void on_upgraded(void *arg, struct fetch_conn *conn, const struct err *e)
{
    static const struct ws_hooks hooks = { on_recv, on_send, on_message, NULL };
    struct agent *a = arg;

    if (!conn)
        bench_die("agent %zu: %s", a->number, e->text);
    a->conn = conn;
    a->ws = ws_new(false, MESSAGE_MAX, &hooks, a);
    a->watch = loop_watch(a->all->bench->loop, fetch_conn_fd(conn), EPOLLIN, on_socket, a);
    say_hello(a);
    must_be_open(a, ws_readable(a->ws));
}

static bool before_sleep(void *arg)
{
    struct agents *all = arg;

    for (size_t i = 0; i < all->bench->settings->agents; i++) {
        struct agent *a = &all->v[i];
        if (!a->ws)
            continue;
        if (ws_wants_write(a->ws))
            must_be_open(a, ws_writable(a->ws));
        watch_events(a->watch, ws_wants_write(a->ws) ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    return false;
}

/* Whoever said nothing for a while shows that it lives; what was not acknowledged is told again. */
static void tick(void *arg)
{
    static const struct msg_agent_heartbeat beat;
    struct agents *all = arg;
    uint64_t now_ms = clock_boot_ms();

    for (struct agent *a = all->v; a < all->v + all->bench->settings->agents; a++) {
        for (size_t i = 0; i < a->n_held; i++)
            if (now_ms - a->held[i].told_ms > AGAIN_MS) {
                all->bench->again++;
                tell(a, &a->held[i]);
            }
        if (a->session && a->is_quiet)
            say(a, MSG_AGENT_HEARTBEAT, &beat);
        a->is_quiet = true;
    }
    timer_in(all->tick, TICK_MS);
}

/* --- life ----------------------------------------------------------------------------------------------------- */

struct agents *agents_new(struct bench *b)
{
    struct agents *all = mem_zalloc(sizeof(*all));
    char *url = mem_printf("%s/ws", b->settings->url);

    all->bench = b;
    all->v = mem_array(b->settings->agents, sizeof(*all->v));
    all->hook = loop_hook(b->loop, before_sleep, all);
    all->tick = loop_timer(b->loop, tick, all);
    timer_in(all->tick, TICK_MS);
    for (size_t i = 0; i < b->settings->agents; i++) {
        struct agent *a = &all->v[i];
        *a = (struct agent){ .all = all, .number = i };
        uuid_random(&a->id);
        a->upgrade = fetch_upgrade(b->loop, url, SUBPROTOCOL, NULL, DIAL_MS, on_upgraded, a);
    }
    mem_free(&url);
    return all;
}

void agents_free(struct agents **ap)
{
    struct agents *all = *ap;

    for (struct agent *a = all->v; a < all->v + all->bench->settings->agents; a++) {
        watch_free(&a->watch);
        ws_free(&a->ws);
        fetch_conn_free(&a->conn);
        fetch_upgrade_free(&a->upgrade);
        mem_free(&a->held);
    }
    timer_free(&all->tick);
    hook_free(&all->hook);
    mem_free(&all->v);
    mem_free(ap);
}
