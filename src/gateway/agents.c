/* agents.c - the agents' WebSocket connections of this worker: opening, hearing, telling, closing.
 *
 * Given upgraded sockets, hands whole messages to relay.c and reports to the leader which sessions were heard from.
 * Implements ARCHITECTURE "Processes" (gateway) and the agents' part of "When something dies". Every connection
 * has a number of its own that stands in the head of all bus messages about it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "gateway/gateway.h"
#include "gateway/request.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/table.h"
#include "lib/ws.h"

#define SUBPROTOCOL "orion.agent.v1"

enum {
    MESSAGE_MAX = MSG_JSON_MAX + 4096,
    QUEUE_MAX = 8 * 1024 * 1024,
    TICK_MS = 500,
    TICKS_PER_REPORT = 2,
    GREETING_MS = 10000,      /* from the upgrade to agent.hello */
    CLOSING_MS = 2000,        /* from our close frame to the peer's */
    PING_MS = 15000,          /* while no welcome has set the rhythm of heartbeats */
    REHELLO_MS = 10000,       /* a hello that the leader did not answer is asked for again */
    UNWELCOMED_MS = 45000,
    HEARTBEATS_MISSED_MAX = 3,
    REASON_MAX = 120,         /* what a close frame has room for */
};

enum phase { PHASE_SILENT, PHASE_GREETED, PHASE_WELCOMED, PHASE_CLOSING };

struct agent {
    struct agents *all;
    TAILQ_ENTRY(agent) entry;
    TAILQ_ENTRY(agent) flush;
    bool is_unflushed;         /* in agents->unflushed */
    uint64_t number;
    struct upgraded *upgraded;
    struct watch *watch;
    struct ws *ws;
    enum phase phase;
    char *name;
    uint64_t since_ms;        /* of the phase */
    uint64_t heard_ms;
    uint64_t pinged_ms;
    uint64_t asked_ms;        /* the last hello, or request for one */
    bool was_heard;           /* since the last report */
    int64_t session;          /* 0: none */
    int64_t heartbeat_ms;
    uint64_t epoch;           /* of the leader that welcomed it; 0: none did */
};

struct agents {
    struct gateway *g;
    TAILQ_HEAD(, agent) unflushed;   /* frames of this turn: one write for all */
    struct hook *hook;               /* behind the bus's, which brings them */
    struct timer *tick;
    unsigned ticks;
    TAILQ_HEAD(, agent) list;
    struct table by_number;
    uint64_t last_number;
};

/* --- one connection -------------------------------------------------------------------------------------------- */

static void set_phase(struct agent *c, enum phase phase)
{
    c->phase = phase;
    c->since_ms = clock_boot_ms();
}

/* The leader learns at once that the session's socket is gone; the lease runs on. */
static void report_gone(struct agent *c)
{
    const struct msg_agent_gone gone = { .session = c->session };

    if (c->session != 0)
        scheds_send(c->all->g->scheds, MSG_AGENT_GONE, c->number, &gone);
    c->session = 0;
}

static void agent_free(struct agent *c)
{
    struct uuid key = table_key_number(c->number);

    report_gone(c);
    log_info("agent disconnected", log_str("name", c->name), log_int("conn", (int64_t)c->number),
             log_int("code", c->ws ? ws_close_code(c->ws) : 0));
    TAILQ_REMOVE(&c->all->list, c, entry);
    if (c->is_unflushed)
        TAILQ_REMOVE(&c->all->unflushed, c, flush);
    table_remove(&c->all->by_number, &key);
    watch_free(&c->watch);
    ws_free(&c->ws);
    upgraded_close(&c->upgraded);
    mem_free(&c->name);
    mem_free(&c);
}

/* Writes what can be written. false: the connection was over and is freed. */
static bool agent_flush(struct agent *c)
{
    if (ws_writable(c->ws) == WS_CLOSED) {
        agent_free(c);
        return false;
    }
    watch_events(c->watch, EPOLLIN | (ws_wants_write(c->ws) ? EPOLLOUT : 0u));
    return true;
}

/* Says goodbye; the connection ends when the peer answers, or CLOSING_MS later. */
static void agent_say_goodbye(struct agent *c, uint16_t code, const char *reason)
{
    char text[REASON_MAX + 1];

    if (c->phase == PHASE_CLOSING)
        return;
    snprintf(text, sizeof(text), "%s", reason);
    log_info("agent refused or let go", log_str("name", c->name), log_int("code", code), log_str("reason", text));
    report_gone(c);
    ws_close(c->ws, code, text);
    set_phase(c, PHASE_CLOSING);
}

static void agent_send(struct agent *c, enum msg_type type, const void *message)
{
    struct buf text = { 0 };

    if (c->phase == PHASE_CLOSING)
        return;
    if (ws_queued(c->ws) > QUEUE_MAX) {
        agent_say_goodbye(c, WS_CLOSE_TRY_LATER, "the connection does not take what is sent");
    } else {
        msg_to_json(type, message, true, &text);
        ws_text(c->ws, text.data, text.len);
        buf_fini(&text);
    }
    if (!c->is_unflushed)
        TAILQ_INSERT_TAIL(&c->all->unflushed, c, flush);
    c->is_unflushed = true;
}

static ssize_t on_recv(void *arg, void *data, size_t len)
{
    struct agent *c = arg;
    ssize_t n = recv(upgraded_fd(c->upgraded), data, len, MSG_DONTWAIT);

    if (n > 0) {
        c->heard_ms = clock_boot_ms();
        c->was_heard = true;
    }
    return n;
}

static ssize_t on_send(void *arg, const void *data, size_t len)
{
    struct agent *c = arg;

    return send(upgraded_fd(c->upgraded), data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static uint16_t close_code_of(const struct err *e)
{
    switch (e->kind) {
    case ERR_DENIED:
        return WS_CLOSE_POLICY;
    case ERR_TOO_LARGE:
        return WS_CLOSE_TOO_BIG;
    default:
        return WS_CLOSE_BAD_DATA;
    }
}

static void on_message(void *arg, bool is_binary, const uint8_t *data, size_t len)
{
    struct agent *c = arg;
    struct err e = { 0 };

    if (c->phase == PHASE_CLOSING)
        return;
    if (relay_from_agent(c->all->g, c->number, is_binary, data, len, &e) < 0)
        agent_say_goodbye(c, close_code_of(&e), e.text);
}

static void on_ready(void *arg, uint32_t events)
{
    struct agent *c = arg;

    if ((events & ~(uint32_t)EPOLLOUT) && ws_readable(c->ws) == WS_CLOSED) {
        agent_free(c);
        return;
    }
    agent_flush(c);
}

/* --- the handshake --------------------------------------------------------------------------------------------- */

static void on_upgraded(void *arg, struct upgraded *u, const void *extra, size_t extra_len)
{
    static const struct ws_hooks hooks = { on_recv, on_send, on_message, NULL };
    struct agents *a = arg;
    struct agent *c = mem_zalloc(sizeof(*c));

    c->all = a;
    c->number = ++a->last_number;
    c->upgraded = u;
    c->ws = ws_new(true, MESSAGE_MAX, &hooks, c);
    c->heard_ms = c->pinged_ms = clock_boot_ms();
    set_phase(c, PHASE_SILENT);
    TAILQ_INSERT_TAIL(&a->list, c, entry);
    struct uuid key = table_key_number(c->number);
    table_put(&a->by_number, &key, c);
    c->watch = loop_watch(a->g->loop, upgraded_fd(u), EPOLLIN, on_ready, c);
    if (extra_len > 0) {
        ws_feed(c->ws, extra, extra_len);
        on_ready(c, EPOLLIN);
    }
}

/* Is `word` one of a header's comma-separated words? */
static bool header_has(const char *header, const char *word)
{
    size_t word_len = strlen(word);

    while (header && *header) {
        header += strspn(header, " \t,");
        size_t len = strcspn(header, " \t,");
        if (len == word_len && strncasecmp(header, word, len) == 0)
            return true;
        header += len;
    }
    return false;
}

/* false: answered with what is missing. */
static bool check_handshake(struct request *r)
{
    const char *version = request_header(r, "Sec-WebSocket-Version");
    const char *key = request_header(r, "Sec-WebSocket-Key");

    if (r->method != HTTP_GET || !header_has(request_header(r, "Upgrade"), "websocket") ||
        !header_has(request_header(r, "Connection"), "upgrade")) {
        request_add_header(r, "Upgrade", "websocket");
        reply_error(r, 426, "this path is a WebSocket for agents (subprotocol " SUBPROTOCOL ")");
        return false;
    }
    if (!version || strcmp(version, "13") != 0) {
        request_add_header(r, "Sec-WebSocket-Version", "13");
        reply_error(r, 426, "only WebSocket version 13 is spoken here");
        return false;
    }
    if (!key || strlen(key) != 24) {
        reply_error(r, 400, "Sec-WebSocket-Key is missing or not 16 bytes in base64");
        return false;
    }
    if (!header_has(request_header(r, "Sec-WebSocket-Protocol"), SUBPROTOCOL)) {
        log_info("WebSocket without our subprotocol refused",
                 log_str("asked", request_header(r, "Sec-WebSocket-Protocol")));
        reply_error(r, 400, "ask for the WebSocket subprotocol " SUBPROTOCOL "; workers of the older Orion server are "
                    "not served by this version");
        return false;
    }
    return true;
}

void agents_serve(struct gateway *g, struct request *r)
{
    char accept[WS_ACCEPT_SIZE];

    if (!check_handshake(r))
        return;
    if (g->drain_since_ms != 0) {
        reply_error(r, 503, "the gateway is stopping; connect again");
        return;
    }
    ws_accept(request_header(r, "Sec-WebSocket-Key"), accept);
    request_add_header(r, "Upgrade", "websocket");
    request_add_header(r, "Sec-WebSocket-Accept", accept);
    request_add_header(r, "Sec-WebSocket-Protocol", SUBPROTOCOL);
    request_upgrade(r, on_upgraded, g->agents);
}

/* --- what others tell them ------------------------------------------------------------------------------------- */

static struct agent *agent_find(const struct agents *a, uint64_t number)
{
    struct uuid key = table_key_number(number);

    return table_get(&a->by_number, &key);
}

bool agents_deliver(struct agents *a, uint64_t conn, enum msg_type type, const void *message)
{
    struct agent *c = agent_find(a, conn);

    if (c)
        agent_send(c, type, message);
    return c != NULL;
}

bool agents_has_greeted(const struct agents *a, uint64_t conn)
{
    const struct agent *c = agent_find(a, conn);

    return c && c->phase != PHASE_SILENT;
}

void agents_greeted(struct agents *a, uint64_t conn, const struct msg_agent_hello *hello)
{
    struct agent *c = agent_find(a, conn);

    if (!c)
        return;
    mem_free(&c->name);
    c->name = mem_strdup(hello->name);
    c->asked_ms = clock_boot_ms();
    if (c->phase == PHASE_SILENT)
        set_phase(c, PHASE_GREETED);
    log_info("agent connected", log_str("name", c->name), log_int("conn", (int64_t)conn),
             log_int("held", (int64_t)hello->held.n));
}

void agents_welcomed(struct agents *a, uint64_t conn, const struct msg_agent_welcome *welcome)
{
    struct agent *c = agent_find(a, conn);

    if (!c || c->phase == PHASE_CLOSING)
        return;
    c->session = welcome->session;
    c->epoch = (uint64_t)welcome->epoch;
    c->heartbeat_ms = welcome->heartbeat_ms;
    c->heard_ms = clock_boot_ms();
    set_phase(c, PHASE_WELCOMED);
}

void agents_refuse(struct agents *a, uint64_t conn, int64_t code, const char *reason)
{
    struct agent *c = agent_find(a, conn);

    if (!c)
        return;
    agent_say_goodbye(c, (uint16_t)code, reason);
    agent_flush(c);
}

/* The leader does not know this session (any more): may free the connection. */
static void ask_for_hello(struct agent *c, uint64_t epoch)
{
    const struct msg_agent_rehello rehello = { .epoch = (int64_t)epoch };

    c->asked_ms = clock_boot_ms();
    agent_send(c, MSG_AGENT_REHELLO, &rehello);
}

static bool is_unknown_to(const struct agent *c, uint64_t epoch)
{
    return (c->phase == PHASE_GREETED || c->phase == PHASE_WELCOMED) && c->epoch < epoch;
}

void agents_leader_up(struct agents *a, uint64_t epoch)
{
    struct agent *next;

    for (struct agent *c = TAILQ_FIRST(&a->list); c; c = next) {
        next = TAILQ_NEXT(c, entry);
        if (is_unknown_to(c, epoch))
            ask_for_hello(c, epoch);
    }
}

void agents_leader_lost(struct agents *a)
{
    struct agent *c;

    TAILQ_FOREACH(c, &a->list, entry)
        c->epoch = 0;
}

size_t agents_count(const struct agents *a)
{
    return a->by_number.used;
}

/* --- by the clock ---------------------------------------------------------------------------------------------- */

/* One message renews the leases of all sessions that were heard from. */
static void report_alive(struct agents *a)
{
    int64_t *sessions = mem_array(a->by_number.used + 1, sizeof(*sessions));
    uint64_t epoch = scheds_leader(a->g->scheds);
    struct agent *c;
    size_t n = 0;

    TAILQ_FOREACH(c, &a->list, entry) {
        if (c->was_heard && c->session != 0 && c->epoch == epoch)
            sessions[n++] = c->session;
        c->was_heard = false;
    }
    for (size_t at = 0; at < n; at += PROTO_ELEMENTS_MAX) {
        size_t count = n - at < PROTO_ELEMENTS_MAX ? n - at : PROTO_ELEMENTS_MAX;
        const struct msg_agent_alive alive = { .sessions = { sessions + at, count } };
        scheds_send(a->g->scheds, MSG_AGENT_ALIVE, 0, &alive);
    }
    mem_free(&sessions);
}

/* Deadlines of one connection; frees it when its last one has passed. */
static void agent_check(struct agent *c, uint64_t now_ms, uint64_t epoch)
{
    uint64_t phase_ms = now_ms - c->since_ms;
    uint64_t silent_ms = now_ms - c->heard_ms;

    switch (c->phase) {
    case PHASE_SILENT:
        if (phase_ms > GREETING_MS)
            agent_say_goodbye(c, WS_CLOSE_POLICY, "no agent.hello within 10 seconds");
        break;
    case PHASE_GREETED:
        if (silent_ms > UNWELCOMED_MS) {
            agent_say_goodbye(c, WS_CLOSE_GOING_AWAY, "nothing heard for 45 seconds");
        } else if (now_ms - c->pinged_ms > PING_MS) {
            c->pinged_ms = now_ms;
            ws_ping(c->ws);
        }
        break;
    case PHASE_WELCOMED:
        if (silent_ms > HEARTBEATS_MISSED_MAX * (uint64_t)c->heartbeat_ms)
            agent_say_goodbye(c, WS_CLOSE_GOING_AWAY, "three heartbeats were missed");
        break;
    case PHASE_CLOSING:
        if (phase_ms > CLOSING_MS) {
            agent_free(c);
            return;
        }
        break;
    }
    if (is_unknown_to(c, epoch) && now_ms - c->asked_ms > REHELLO_MS)
        ask_for_hello(c, epoch);
    else
        agent_flush(c);
}

static void on_tick(void *arg)
{
    struct agents *a = arg;
    uint64_t epoch = scheds_leader(a->g->scheds);
    uint64_t now_ms = clock_boot_ms();
    struct agent *next;

    if (++a->ticks % TICKS_PER_REPORT == 0)
        report_alive(a);
    for (struct agent *c = TAILQ_FIRST(&a->list); c; c = next) {
        next = TAILQ_NEXT(c, entry);
        agent_check(c, now_ms, epoch);
    }
    timer_in(a->tick, TICK_MS);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

/* Before the loop sleeps. */
static bool flush_all(void *arg)
{
    struct agents *a = arg;
    struct agent *c;

    while ((c = TAILQ_FIRST(&a->unflushed))) {
        TAILQ_REMOVE(&a->unflushed, c, flush);
        c->is_unflushed = false;
        agent_flush(c);
    }
    return false;
}

struct agents *agents_new(struct gateway *g)
{
    struct agents *a = mem_zalloc(sizeof(*a));

    a->g = g;
    TAILQ_INIT(&a->list);
    TAILQ_INIT(&a->unflushed);
    a->hook = loop_hook(g->loop, flush_all, a);
    a->tick = loop_timer(g->loop, on_tick, a);
    timer_in(a->tick, TICK_MS);
    return a;
}

void agents_drain(struct agents *a)
{
    struct agent *next;

    for (struct agent *c = TAILQ_FIRST(&a->list); c; c = next) {
        next = TAILQ_NEXT(c, entry);
        agent_say_goodbye(c, WS_CLOSE_RESTART, "the gateway restarts; connect again");
        agent_flush(c);
    }
}

void agents_free(struct agents **ap)
{
    struct agents *a = *ap;

    if (!a)
        return;
    while (!TAILQ_EMPTY(&a->list))
        agent_free(TAILQ_FIRST(&a->list));
    table_fini(&a->by_number);
    timer_free(&a->tick);
    hook_free(&a->hook);
    mem_free(ap);
}
