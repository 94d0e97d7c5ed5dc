/* session.c - the agent's side of PROTOCOL "agent.*": dials the gateway, says hello with the inventory until it is
 * welcomed, sends a heartbeat when there is nothing else to send, and dials again when the connection is gone or
 * silent. Builds know nothing of it: they go on, whatever happens here.
 *
 *   down -> dialling -> open (hello sent) -> welcome
 *
 * Frames are queued by whoever has something to say and written in one go before the loop sleeps. */
#include "agent/session.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/clock.h"
#include "lib/fetch.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/service.h"
#include "lib/ws.h"

enum {
    DIAL_MS = 10000,
    BACKOFF_FIRST_MS = 200,
    BACKOFF_MAX_MS = 10000,
    HELLO_AGAIN_MS = 5000,      /* it is lost while there is no leader */
    HEARTBEAT_MS = 5000,        /* until a welcome says otherwise */
    SILENCES_MAX = 3,
    MESSAGE_MAX = MSG_JSON_MAX + 65536,
    CLOSE_TAKEN = 4008,
    CLOSE_MS = 1000,            /* for the peer to answer our goodbye */
};
#define SUBPROTOCOL "orion.agent.v1"

enum session_state { SESSION_DOWN, SESSION_DIALLING, SESSION_OPEN, SESSION_WELCOME };

struct session {
    struct loop *loop;
    const struct session_spec *spec;
    const struct session_hooks *hooks;
    void *arg;
    enum session_state state;
    struct fetch_upgrade *upgrade;
    struct fetch_conn *conn;
    struct ws *ws;
    struct watch *watch;
    struct timer *dial, *beat, *hello, *closing;
    bool is_resting;
    struct hook *hook;
    unsigned failures;          /* in a row */
    int64_t number, epoch;
    int64_t heartbeat_ms;
    uint64_t heard_ms, sent_ms;
    bool is_over;               /* closed for good */
};

char *session_url(const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = strchr(host ? host + 3 : url, '/');

    if (!path)
        return mem_printf("%s/ws", url);
    return path[1] ? mem_strdup(url) : mem_printf("%sws", url);
}

/* --- down and up again ----------------------------------------------------------------------------- */

/* Anything between nothing and a bound that doubles: a farm of agents does not come back in one moment. A heartbeat is
 * the longest, or an outage that is shorter than a lease could still cost it. */
static uint64_t backoff_ms(unsigned failures, uint64_t heartbeat_ms)
{
    uint64_t max = heartbeat_ms < BACKOFF_MAX_MS ? heartbeat_ms : BACKOFF_MAX_MS, bound = BACKOFF_FIRST_MS, random;

    while (failures-- && bound < max)
        bound *= 2;
    if (bound > max)
        bound = max;
    hash_random(&random, sizeof(random));
    return random % (bound + 1);
}

static void session_drop(struct session *s)
{
    s->state = SESSION_DOWN;
    watch_free(&s->watch);
    ws_free(&s->ws);
    fetch_conn_free(&s->conn);
    timer_off(s->beat);
    timer_off(s->hello);
    timer_off(s->closing);
}

static void session_lost(struct session *s, const char *why)
{
    uint64_t wait_ms = backoff_ms(s->failures++, (uint64_t)s->heartbeat_ms);

    session_drop(s);
    if (s->is_over) {
        s->hooks->on_closed(s->arg);
        return;
    }
    log_warn("no connection to the farm", log_str("why", why), log_str("url", s->spec->url),
             log_int("again_in_ms", (int64_t)wait_ms));
    timer_in(s->dial, wait_ms);
}

static void session_closed(struct session *s)
{
    const unsigned code = ws_close_code(s->ws);
    const char *meaning = code == CLOSE_TAKEN ? ": another agent with this id is connected" : "";
    char *why = mem_printf("closed with code %u%s", code, meaning);

    session_lost(s, why);
    mem_free(&why);
}

/* --- sending --------------------------------------------------------------------------------------- */

bool session_is_welcome(const struct session *s)
{
    return s->state == SESSION_WELCOME;
}

int64_t session_number(const struct session *s)
{
    return s->number;
}

bool session_is_current(const struct session *s, int64_t number)
{
    return s->state == SESSION_WELCOME && number == s->number && !timer_is_on(s->hello);
}

size_t session_queued(const struct session *s)
{
    return s->ws ? ws_queued(s->ws) : 0;
}

void session_send(struct session *s, enum msg_type type, const void *message)
{
    struct buf text = { 0 };

    if (!s->ws)
        return;
    msg_to_json(type, message, true, &text);
    ws_text(s->ws, text.data, text.len);
    s->sent_ms = clock_boot_ms();
    buf_fini(&text);
}

void session_send_binary(struct session *s, const struct buf *frame)
{
    if (!s->ws)
        return;
    ws_binary(s->ws, frame->data, frame->len);
    s->sent_ms = clock_boot_ms();
}

static void hello_send(struct session *s)
{
    struct arena a = { 0 };
    const struct msg_agent_hello m = {
        .major = MSG_MAJOR,
        .minor = MSG_MINOR,
        .agent_id = s->spec->agent_id,
        .instance = s->spec->instance,
        .name = s->spec->name,
        .labels = s->spec->labels,
        .slots = s->is_resting ? 0 : s->spec->slots,
        .version = service_version(),
        .held = s->hooks->inventory(s->arg, &a),
        .count = s->hooks->count(s->arg),
        .has.count = true,
    };

    session_send(s, MSG_AGENT_HELLO, &m);
    timer_in(s->hello, HELLO_AGAIN_MS);
    arena_fini(&a);
}

static void tick_hello(void *arg)
{
    hello_send(arg);
}

/* Every heartbeat: is the other side there (it answers pings), and did it hear of us? */
static void tick_beat(void *arg)
{
    const struct msg_agent_heartbeat m = { .session = 0 };
    struct session *s = arg;
    uint64_t now = clock_boot_ms();

    if (now - s->heard_ms >= (uint64_t)(SILENCES_MAX * s->heartbeat_ms)) {
        session_lost(s, "the gateway is silent");
        return;
    }
    if (now - s->sent_ms >= (uint64_t)s->heartbeat_ms / 2)
        session_send(s, MSG_AGENT_HEARTBEAT, &m);
    ws_ping(s->ws);
    timer_in(s->beat, (uint64_t)s->heartbeat_ms);
}

/* --- the connection -------------------------------------------------------------------------------- */

static ssize_t ws_recv(void *arg, void *data, size_t len)
{
    struct session *s = arg;

    return fetch_conn_recv(s->conn, data, len);
}

static ssize_t ws_send(void *arg, const void *data, size_t len)
{
    struct session *s = arg;

    return fetch_conn_send(s->conn, data, len);
}

static void ws_message(void *arg, bool binary, const uint8_t *data, size_t len)
{
    struct session *s = arg;
    struct err e = { 0 };

    s->heard_ms = clock_boot_ms();
    if (binary)
        err_set(&e, ERR_INVALID, "binary frame");
    if (binary || s->hooks->on_text(s->arg, (const char *)data, len, &e))
        log_warn("bad message from the gateway", log_err(&e));
}

static void ws_pong(void *arg)
{
    struct session *s = arg;

    s->heard_ms = clock_boot_ms();
}

static const struct ws_hooks ws_hooks = { ws_recv, ws_send, ws_message, ws_pong };

static void on_socket(void *arg, uint32_t events)
{
    struct session *s = arg;
    enum ws_status status = WS_OPEN;

    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        status = ws_readable(s->ws);
    if (status == WS_OPEN && events & EPOLLOUT)
        status = ws_writable(s->ws);
    if (status == WS_CLOSED)
        session_closed(s);
}

/* What a bounded read left inside the TLS library makes no descriptor readable: it is asked for here. */
static bool before_sleep(void *arg)
{
    struct session *s = arg;

    if (!s->ws)
        return false;
    if (ws_has_more(s->ws) && ws_readable(s->ws) == WS_CLOSED) {
        session_closed(s);
        return false;
    }
    if (s->state == SESSION_WELCOME)
        s->hooks->on_room(s->arg);
    if (ws_wants_write(s->ws) && ws_writable(s->ws) == WS_CLOSED) {
        session_closed(s);
        return false;
    }
    watch_events(s->watch, ws_wants_write(s->ws) ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return ws_has_more(s->ws);
}

static void on_upgraded(void *arg, struct fetch_conn *conn, const struct err *e)
{
    struct session *s = arg;

    if (!conn) {
        session_lost(s, e->text);
        return;
    }
    s->conn = conn;
    s->state = SESSION_OPEN;
    s->ws = ws_new(false, MESSAGE_MAX, &ws_hooks, s);
    s->watch = loop_watch(s->loop, fetch_conn_fd(conn), EPOLLIN, on_socket, s);
    s->heard_ms = s->sent_ms = clock_boot_ms();
    timer_in(s->beat, (uint64_t)s->heartbeat_ms);
    hello_send(s);
    if (ws_readable(s->ws) == WS_CLOSED) /* what came with the handshake makes no descriptor readable */
        session_closed(s);
}

static void tick_dial(void *arg)
{
    struct session *s = arg;

    fetch_upgrade_free(&s->upgrade);
    s->state = SESSION_DIALLING;
    s->upgrade = fetch_upgrade(s->loop, s->spec->url, SUBPROTOCOL, s->spec->ca_file, DIAL_MS, on_upgraded, s);
}

static void tick_closing(void *arg)
{
    session_lost(arg, "closed");
}

/* --- what the farm says about the session ---------------------------------------------------------- */

bool session_follows(struct session *s, int64_t epoch)
{
    if (epoch < s->epoch)
        return false;
    s->epoch = epoch;
    return true;
}

void session_welcome(struct session *s, const struct msg_agent_welcome *m)
{
    if (!session_follows(s, m->epoch) || uuid_cmp(&m->agent_id, &s->spec->agent_id) != 0 || s->is_over)
        return;
    s->number = m->session;
    s->heartbeat_ms = m->heartbeat_ms ? m->heartbeat_ms : HEARTBEAT_MS;
    s->state = SESSION_WELCOME;
    s->failures = 0;
    timer_off(s->hello);
    timer_in(s->beat, (uint64_t)s->heartbeat_ms);
    log_info("welcomed by the farm", log_int("session", m->session), log_int("epoch", m->epoch));
    s->hooks->on_welcome(s->arg);
}

/* Said again with no slots, or what the agent gives back would be assigned to it once more. Also to a farm that has not
 * answered yet: what it heard so far offers slots. */
void session_rest(struct session *s)
{
    s->is_resting = true;
    if (s->ws)
        hello_send(s);
}

/* Until the new leader's welcome the session of before counts: builds and logs go on. */
void session_rehello(struct session *s, const struct msg_agent_rehello *m)
{
    if (session_follows(s, m->epoch))
        hello_send(s);
}

/* --- life ------------------------------------------------------------------------------------------ */

struct session *session_new(struct loop *l, const struct session_spec *spec, const struct session_hooks *hooks,
                            void *arg)
{
    struct session *s = mem_zalloc(sizeof(*s));

    *s = (struct session){ .loop = l, .spec = spec, .hooks = hooks, .arg = arg, .heartbeat_ms = HEARTBEAT_MS };
    s->dial = loop_timer(l, tick_dial, s);
    s->beat = loop_timer(l, tick_beat, s);
    s->hello = loop_timer(l, tick_hello, s);
    s->closing = loop_timer(l, tick_closing, s);
    s->hook = loop_hook(l, before_sleep, s);
    return s;
}

void session_start(struct session *s)
{
    tick_dial(s);
}

void session_close(struct session *s)
{
    s->is_over = true;
    timer_off(s->dial);
    if (!s->ws) {
        fetch_upgrade_free(&s->upgrade);
        session_drop(s);
        s->hooks->on_closed(s->arg);
        return;
    }
    ws_close(s->ws, WS_CLOSE_GOING_AWAY, "agent stopped");
    timer_in(s->closing, CLOSE_MS);
}

void session_free(struct session **s)
{
    struct session *dead = *s;

    *s = NULL;
    if (!dead)
        return;
    session_drop(dead);
    fetch_upgrade_free(&dead->upgrade);
    timer_free(&dead->dial);
    timer_free(&dead->beat);
    timer_free(&dead->hello);
    timer_free(&dead->closing);
    hook_free(&dead->hook);
    mem_free(&dead);
}
