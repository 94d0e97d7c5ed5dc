/* fanout.c - the publisher of the fan-out bench: one agent of the real protocol whose builds write what a load client
 * hands in, chunk by chunk.
 *
 *   fanout [-x NAME=PID[,PID]...]... URL PORT      URL of the gateway, http://127.0.0.1:PORT
 *
 * Dials as an agent (docs/PROTOCOL.md "agent.*", "task.*", "log.chunk") and takes one task at a time. Each body that
 * is POSTed to 127.0.0.1:PORT becomes one chunk of the task's log, a line feed added: hashed, shipped within a window
 * (1 MiB, as an agent's, and 1,024 chunks not acknowledged), kept until acknowledged, sent again when asked. When the
 * load client leaves, the build ends. Prints `ready`, `task ID` for each assignment, and when a log is acknowledged
 * whole one line of JSON: what it took, and the processor seconds of every -x since its first chunk. Runs until
 * SIGTERM. */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "agent/session.h"
#include "bench/fanout.h"
#include "bench/usage.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "proto/chain.h"
#include "proto/dispatch.h"

enum { WINDOW_BYTES = 1024 * 1024, WINDOW_CHUNKS = 1024, TICK_MS = 1000, REPEAT_MS = 2000 };
enum { FACT_ACCEPT = 1, FACT_PREPARED = 2, FACT_RESULT = 4 };

struct chunk {
    TAILQ_ENTRY(chunk) entry;
    int64_t seq;
    uint64_t end;                /* offset behind it */
    struct buf frame;
};

/* The attempt that is being built; task nil: none. */
struct build {
    struct uuid task;
    int64_t attempt;
    const char *sink;
    unsigned facts;              /* not acknowledged */
    struct hash head;
    int64_t chunks;
    uint64_t bytes, lines, acked;
    uint64_t begun_ns, progress_ms;
    TAILQ_HEAD(, chunk) unacked;
    size_t n_unacked;
    bool is_open, is_over;
    uint64_t rewinds;
};

struct fanout {
    struct loop *loop;
    struct timer *tick;
    struct session *session;
    struct session_spec spec;
    struct door *door;
    struct build build;
    struct arena arena;          /* of the sinks' names */
    struct usage before;
    int64_t hellos;
};

void fanout_die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fputs("fanout: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* --- the log ----------------------------------------------------------------------------------------------------- */

static void on_body(void *arg, const char *data, size_t len)
{
    struct fanout *f = arg;
    struct build *b = &f->build;
    const struct msg_head head = { .type = MSG_LOG_CHUNK };
    struct chunk *c = mem_zalloc(sizeof(*c));
    char text[CHAIN_DATA_MAX];

    if (!b->is_open || b->is_over || len >= sizeof(text))
        fanout_die("lines came, and no task is being built");
    memcpy(text, data, len);
    text[len] = '\n';
    if (b->chunks == 0) {
        b->begun_ns = clock_boot_ns();
        usage_read(&f->before);
    }
    const struct chain_chunk link = { .seq = (uint64_t)++b->chunks, .offset = b->bytes, .length = (uint32_t)len + 1,
                                      .time_ns = clock_boot_ns() - b->begun_ns };
    chain_next(&b->head, &link, text);
    const struct msg_log_chunk m = { .sink = b->sink, .task_id = b->task, .attempt = b->attempt, .seq = b->chunks,
                                     .offset = (int64_t)b->bytes, .time_ns = (int64_t)link.time_ns,
                                     .head = { b->head.b, sizeof(b->head.b) },
                                     .data = { (const uint8_t *)text, len + 1 } };
    msg_to_bin(&head, &m, MSG_MINOR, &c->frame);
    b->bytes += len + 1;
    for (size_t i = 0; i <= len; i++)
        b->lines += text[i] == '\n';
    c->seq = b->chunks;
    c->end = b->bytes;
    TAILQ_INSERT_TAIL(&b->unacked, c, entry);
    b->n_unacked++;
    session_send_binary(f->session, &c->frame);
}

static bool may_read(void *arg)
{
    const struct fanout *f = arg;
    const struct build *b = &f->build;

    return b->bytes - b->acked < WINDOW_BYTES && b->n_unacked < WINDOW_CHUNKS && session_is_welcome(f->session);
}

static void send_again(struct fanout *f)
{
    struct chunk *c;

    TAILQ_FOREACH(c, &f->build.unacked, entry)
        session_send_binary(f->session, &c->frame);
}

static void report(struct fanout *f)
{
    const struct build *b = &f->build;
    struct usage now = f->before;
    char id[UUID_TEXT_SIZE];

    usage_read(&now);
    uuid_format(&b->task, id);
    printf("{\"task\":\"%s\",\"lines\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"chunks\":%" PRId64 ",\"rewinds\":%" PRIu64
           ",\"secs\":%.3f", id, b->lines, b->bytes, b->chunks, b->rewinds,
           (double)(clock_boot_ns() - b->begun_ns) / 1e9);
    for (size_t i = 0; i < now.n; i++)
        printf(",\"cpu_%s\":%.3f", now.v[i].name, now.v[i].seconds - f->before.v[i].seconds);
    puts("}");
    fflush(stdout);
}

/* --- facts ------------------------------------------------------------------------------------------------------- */

static void tell(struct fanout *f)
{
    const struct build *b = &f->build;
    int64_t session = session_number(f->session);
    const struct msg_task_accept accept = { .session = session, .task_id = b->task, .attempt = b->attempt };
    const struct msg_task_prepared prepared = { .session = session, .task_id = b->task, .attempt = b->attempt,
                                                .commit = "0123456789abcdef0123456789abcdef01234567",
                                                .driver = "bench", .workspace = "/none" };
    const struct msg_task_result result = { .session = session, .task_id = b->task, .attempt = b->attempt,
                                            .outcome = "succeeded", .cause = "build", .has = { .exit_code = true },
                                            .log_bytes = (int64_t)b->bytes, .log_lines = (int64_t)b->lines,
                                            .log_chunks = b->chunks, .log_head = { b->head.b, sizeof(b->head.b) } };

    if (!b->is_open || !session_is_welcome(f->session))
        return;
    if (b->facts & FACT_ACCEPT)
        session_send(f->session, MSG_TASK_ACCEPT, &accept);
    if (b->facts & FACT_PREPARED)
        session_send(f->session, MSG_TASK_PREPARED, &prepared);
    if (b->facts & FACT_RESULT)
        session_send(f->session, MSG_TASK_RESULT, &result);
}

static void end_when_acked(struct fanout *f)
{
    struct build *b = &f->build;

    if (!b->is_over || b->facts & FACT_RESULT || b->acked < b->bytes)
        return;
    report(f);
    b->facts |= FACT_RESULT;
    tell(f);
}

static void on_left(void *arg)
{
    struct fanout *f = arg;

    f->build.is_over = true;
    end_when_acked(f);
}

/* --- orders ------------------------------------------------------------------------------------------------------ */

static bool is_this(const struct build *b, const struct uuid *task, int64_t attempt)
{
    return b->is_open && b->attempt == attempt && uuid_cmp(&b->task, task) == 0;
}

static int handle_task_assign(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_task_assign *m = message;
    struct fanout *f = arg;
    struct build *b = &f->build;
    char id[UUID_TEXT_SIZE];

    (void)from;
    (void)e;
    if (!session_follows(f->session, m->epoch) || !session_is_current(f->session, m->session))
        return 0;
    if (is_this(b, &m->task_id, m->attempt)) {
        tell(f);
        return 0;
    }
    if (b->is_open)
        fanout_die("a second task was assigned");
    *b = (struct build){ .task = m->task_id, .attempt = m->attempt, .facts = FACT_ACCEPT | FACT_PREPARED,
                         .is_open = true, .sink = arena_strdup(&f->arena, m->sink) };
    TAILQ_INIT(&b->unacked);
    chain_start(&b->task, (uint32_t)b->attempt, &b->head);
    tell(f);
    uuid_format(&b->task, id);
    printf("task %s\n", id);
    fflush(stdout);
    return 0;
}

static int handle_task_ack(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    static const struct {
        const char *name;
        unsigned fact;
    } facts[] = { { "accept", FACT_ACCEPT }, { "prepared", FACT_PREPARED }, { "result", FACT_RESULT } };
    const struct msg_task_ack *m = message;
    struct fanout *f = arg;

    (void)from;
    (void)e;
    if (!session_follows(f->session, m->epoch) || !is_this(&f->build, &m->task_id, m->attempt))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(facts); i++)
        if (strcmp(facts[i].name, m->fact) == 0)
            f->build.facts &= ~facts[i].fact;
    if (strcmp(m->fact, "result") == 0)
        f->build.is_open = false;
    return 0;
}

static int handle_task_stop(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)arg;
    (void)from;
    (void)message;
    (void)e;
    fanout_die("the task was stopped");
}

static int handle_log_ack(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_log_ack *m = message;
    struct fanout *f = arg;
    struct build *b = &f->build;
    struct chunk *c;

    (void)from;
    (void)e;
    if (!is_this(b, &m->task_id, m->attempt))
        return 0;
    while ((c = TAILQ_FIRST(&b->unacked)) && c->seq <= m->seq) {
        TAILQ_REMOVE(&b->unacked, c, entry);
        b->n_unacked--;
        b->acked = c->end;
        b->progress_ms = clock_boot_ms();
        buf_fini(&c->frame);
        mem_free(&c);
    }
    if (m->has.rewind && m->rewind) {
        b->rewinds++;
        send_again(f);
    }
    door_go_on(f->door);
    end_when_acked(f);
    return 0;
}

static int handle_agent_welcome(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct fanout *f = arg;

    (void)from;
    (void)e;
    session_welcome(f->session, message);
    return 0;
}

static int handle_agent_rehello(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct fanout *f = arg;

    (void)from;
    (void)e;
    session_rehello(f->session, message);
    return 0;
}

static const struct msg_handler handlers[] = {
    { MSG_AGENT_WELCOME, FROM_SCHEDULER, handle_agent_welcome },
    { MSG_AGENT_REHELLO, FROM_GATEWAY, handle_agent_rehello },
    { MSG_TASK_ASSIGN, FROM_SCHEDULER, handle_task_assign },
    { MSG_TASK_ACK, FROM_SCHEDULER, handle_task_ack },
    { MSG_TASK_STOP, FROM_SCHEDULER, handle_task_stop },
    { MSG_LOG_ACK, FROM_LOGSINK, handle_log_ack },
};

/* --- the session's hooks ----------------------------------------------------------------------------------------- */

static struct msg_held_list on_inventory(void *arg, struct arena *a)
{
    const struct build *b = &((struct fanout *)arg)->build;
    struct msg_held *held = arena_alloc(a, sizeof(*held));

    *held = (struct msg_held){ .task_id = b->task, .attempt = b->attempt,
                               .state = b->is_over ? "finished" : "running" };
    return (struct msg_held_list){ held, b->is_open };
}

static int64_t on_count(void *arg)
{
    struct fanout *f = arg;

    return ++f->hellos;
}

static void on_welcome(void *arg)
{
    struct fanout *f = arg;

    tell(f);
    send_again(f);
    puts("ready");
    fflush(stdout);
}

static int on_text(void *arg, const char *data, size_t len, struct err *e)
{
    enum { FROM_BEHIND = FROM_GATEWAY | FROM_SCHEDULER | FROM_LOGSINK };

    return msg_dispatch_json(handlers, ARRAY_LEN(handlers), arg, FROM_BEHIND, NULL, data, len, e);
}

static void on_nothing(void *arg)
{
    (void)arg;
}

static void on_tick(void *arg)
{
    struct fanout *f = arg;
    const struct build *b = &f->build;

    if (b->is_open && b->facts)
        tell(f);
    if (b->is_open && !TAILQ_EMPTY(&b->unacked) && clock_boot_ms() - b->progress_ms > REPEAT_MS)
        send_again(f);
    timer_in(f->tick, TICK_MS);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static void on_signal(void *arg)
{
    struct fanout *f = arg;

    loop_stop(f->loop, 0);
}

static void run(struct fanout *f, const char *url, int port)
{
    static const struct session_hooks hooks = { on_inventory, on_count, on_welcome, on_text, on_nothing, on_nothing };
    static const struct door_hooks door_hooks = { on_body, may_read, on_left };
    char *address = session_url(url);

    f->loop = loop_new();
    f->spec = (struct session_spec){ .url = address, .name = "bench-fanout", .slots = 1 };
    uuid_random(&f->spec.agent_id);
    uuid_random(&f->spec.instance);
    TAILQ_INIT(&f->build.unacked);
    loop_signal(f->loop, SIGTERM, on_signal, f);
    f->tick = loop_timer(f->loop, on_tick, f);
    timer_in(f->tick, TICK_MS);
    f->door = door_open(f->loop, port, &door_hooks, f);
    f->session = session_new(f->loop, &f->spec, &hooks, f);
    session_start(f->session);
    loop_run(f->loop);
    session_free(&f->session);
    door_close(&f->door);
    timer_free(&f->tick);
    loop_free(&f->loop);
    arena_fini(&f->arena);
    mem_free(&address);
}

int main(int argc, char **argv)
{
    struct fanout f = { 0 };
    int option;

    while ((option = getopt(argc, argv, "x:")) != -1)
        if (option != 'x' || usage_add(&f.before, optarg) < 0)
            fanout_die("usage: fanout [-x NAME=PID[,PID]...]... URL PORT");
    if (argc - optind != 2)
        fanout_die("usage: fanout [-x NAME=PID[,PID]...]... URL PORT");
    log_init("fanout", "warn", "text", NULL);
    run(&f, argv[optind], atoi(argv[optind + 1]));
    return 0;
}
