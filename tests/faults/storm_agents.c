/* storm_agents.c - many agents in one small program, for tests in which thousands of builds must take no time.
 *
 *   storm_agents URL AGENTS SLOTS BUILD_MS LABEL LEDGER
 *
 * Each agent is the real one's session (dial, hello, inventory, heartbeats, coming back) on a WebSocket of its own to
 * the real gateway; only its builds are played: they take up to BUILD_MS, say nothing and succeed. What the agents see
 * goes to the file LEDGER, a line each, which the test holds against the database:
 *
 *   start TASK ATTEMPT     begun; `again` instead when this agent had ended the same one before
 *   stop TASK ATTEMPT      told to
 *   end TASK ATTEMPT       its result is acknowledged
 *
 * Prints `ready` when all are welcomed; runs until SIGTERM. Rules: docs/PROTOCOL.md "agent.*", "task.*". */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "agent/session.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/table.h"
#include "proto/chain.h"
#include "proto/dispatch.h"

enum { TICK_MS = 10, REPEAT_MS = 2000, NAME_SIZE = 32 };
enum { FACT_ACCEPT = 1, FACT_PREPARED = 2, FACT_RESULT = 4 };

struct played;

struct build {
    LIST_ENTRY(build) open;        /* until its result is acknowledged, or it is stopped */
    struct build *older;           /* attempts of the same task that an agent here had */
    struct played *agent;
    struct uuid task;
    int64_t attempt;
    const char *outcome, *cause;   /* NULL: it runs */
    unsigned facts;                /* not acknowledged */
    uint64_t due_ms, told_ms;
    bool is_open;
};

/* One agent. */
struct played {
    struct rig *rig;
    struct session *session;
    struct session_spec spec;
    char name[NAME_SIZE];
    LIST_HEAD(, build) open;
    int64_t hellos;
    bool was_welcome;
};

struct rig {
    struct loop *loop;
    struct timer *timer;
    struct played *agents;
    size_t n, welcomed;
    uint64_t build_ms;
    struct table by_task;          /* the latest build of each task */
    struct arena arena;
    int ledger;
};

static void note(struct rig *r, const char *word, const struct build *b)
{
    char task[UUID_TEXT_SIZE], line[96];

    uuid_format(&b->task, task);
    int len = snprintf(line, sizeof line, "%s %s %lld\n", word, task, (long long)b->attempt);
    if (write(r->ledger, line, (size_t)len) != len) {
        perror("storm_agents: ledger");
        exit(1);
    }
}

/* --- facts ------------------------------------------------------------------------------------------------------- */

static void tell_result(struct build *b, struct session *s)
{
    struct msg_task_result m = { .session = session_number(s), .task_id = b->task, .attempt = b->attempt,
                                 .outcome = b->outcome, .cause = b->cause };
    struct hash head;

    chain_start(&b->task, (uint32_t)b->attempt, &head);
    m.log_head = (struct msg_bytes){ head.b, sizeof head.b };
    m.has.exit_code = strcmp(b->outcome, "succeeded") == 0;
    session_send(s, MSG_TASK_RESULT, &m);
}

static void tell(struct build *b)
{
    struct session *s = b->agent->session;
    const struct msg_task_accept accept = { .session = session_number(s), .task_id = b->task, .attempt = b->attempt };
    const struct msg_task_prepared prepared = { .session = session_number(s), .task_id = b->task, .attempt = b->attempt,
                                                .commit = "0123456789abcdef0123456789abcdef01234567", .driver = "make",
                                                .workspace = "/none" };

    b->told_ms = clock_boot_ms();
    if (!session_is_welcome(s))
        return;
    if (b->facts & FACT_ACCEPT)
        session_send(s, MSG_TASK_ACCEPT, &accept);
    if (b->facts & FACT_PREPARED)
        session_send(s, MSG_TASK_PREPARED, &prepared);
    if (b->facts & FACT_RESULT)
        tell_result(b, s);
}

static void build_close(struct build *b)
{
    if (b->is_open)
        LIST_REMOVE(b, open);
    b->is_open = false;
    b->facts = 0;
}

static void build_end(struct build *b, const char *outcome, const char *cause)
{
    b->outcome = outcome;
    b->cause = cause;
    b->facts |= FACT_RESULT;
    tell(b);
}

/* --- orders ------------------------------------------------------------------------------------------------------ */

static struct build *build_find(struct rig *r, const struct uuid *task, int64_t attempt)
{
    struct build *b = table_get(&r->by_task, task);

    while (b && b->attempt != attempt)
        b = b->older;
    return b;
}

static void build_start(struct played *p, const struct msg_task_assign *m)
{
    struct rig *r = p->rig;
    struct build *b = arena_alloc(&r->arena, sizeof *b);
    uint64_t chance;

    hash_random(&chance, sizeof chance);
    b->older = table_get(&r->by_task, &m->task_id);
    b->agent = p;
    b->task = m->task_id;
    b->attempt = m->attempt;
    b->due_ms = clock_boot_ms() + chance % (r->build_ms + 1);
    b->facts = FACT_ACCEPT | FACT_PREPARED;
    b->is_open = true;
    table_put(&r->by_task, &b->task, b);
    LIST_INSERT_HEAD(&p->open, b, open);
    note(r, "start", b);
    tell(b);
}

static int handle_task_assign(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_task_assign *m = message;
    struct played *p = arg;
    struct build *b;

    (void)from;
    (void)e;
    if (!session_follows(p->session, m->epoch) || !session_is_current(p->session, m->session))
        return 0;
    b = build_find(p->rig, &m->task_id, m->attempt);
    if (b && b->is_open && b->agent == p)
        tell(b);
    else if (b)
        note(p->rig, "again", b);
    else
        build_start(p, m);
    return 0;
}

static int handle_task_ack(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_task_ack *m = message;
    struct played *p = arg;
    struct build *b = build_find(p->rig, &m->task_id, m->attempt);

    (void)from;
    (void)e;
    if (!session_follows(p->session, m->epoch) || !b || !b->is_open)
        return 0;
    if (strcmp(m->fact, "accept") == 0)
        b->facts &= ~(unsigned)FACT_ACCEPT;
    else if (strcmp(m->fact, "prepared") == 0)
        b->facts &= ~(unsigned)FACT_PREPARED;
    else if (strcmp(m->fact, "result") == 0) {
        note(p->rig, "end", b);
        build_close(b);
    }
    return 0;
}

static int handle_task_stop(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_task_stop *m = message;
    struct played *p = arg;
    struct build *b = build_find(p->rig, &m->task_id, m->attempt);

    (void)from;
    (void)e;
    if (!session_follows(p->session, m->epoch) || !b || !b->is_open)
        return 0;
    note(p->rig, "stop", b);
    if (!m->outcome)
        build_close(b);
    else if (!b->outcome)
        build_end(b, strcmp(m->outcome, "timed_out") == 0 ? "timed_out" : "cancelled", "policy");
    return 0;
}

static int handle_agent_welcome(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct played *p = arg;

    (void)from;
    (void)e;
    session_welcome(p->session, message);
    return 0;
}

static int handle_agent_rehello(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct played *p = arg;

    (void)from;
    (void)e;
    session_rehello(p->session, message);
    return 0;
}

static int handle_nothing(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    (void)arg;
    (void)from;
    (void)message;
    (void)e;
    return 0;
}

static const struct msg_handler handlers[] = {
    { MSG_AGENT_WELCOME, FROM_SCHEDULER, handle_agent_welcome },
    { MSG_AGENT_REHELLO, FROM_GATEWAY, handle_agent_rehello },
    { MSG_TASK_ASSIGN, FROM_SCHEDULER, handle_task_assign },
    { MSG_TASK_ACK, FROM_SCHEDULER, handle_task_ack },
    { MSG_TASK_STOP, FROM_SCHEDULER, handle_task_stop },
    { MSG_LOG_ACK, FROM_LOGSINK, handle_nothing },
};

/* --- the session's hooks ----------------------------------------------------------------------------------------- */

static struct msg_held_list on_inventory(void *arg, struct arena *a)
{
    struct played *p = arg;
    struct msg_held *v;
    struct build *b;
    size_t n = 0;

    LIST_FOREACH(b, &p->open, open)
        n++;
    v = arena_alloc(a, (n + 1) * sizeof *v);
    n = 0;
    LIST_FOREACH(b, &p->open, open)
        v[n++] = (struct msg_held){ .task_id = b->task, .attempt = b->attempt,
                                    .state = b->outcome ? "finished" : "running" };
    return (struct msg_held_list){ v, n };
}

static int64_t on_count(void *arg)
{
    struct played *p = arg;

    return ++p->hellos;
}

static void on_welcome(void *arg)
{
    struct played *p = arg;
    struct build *b;

    LIST_FOREACH(b, &p->open, open)
        tell(b);
    p->rig->welcomed += !p->was_welcome;
    if (!p->was_welcome && p->rig->welcomed == p->rig->n) {
        printf("ready\n");
        fflush(stdout);
    }
    p->was_welcome = true;
}

static int on_text(void *arg, const char *data, size_t len, struct err *e)
{
    enum { FROM_BEHIND = FROM_GATEWAY | FROM_SCHEDULER | FROM_LOGSINK };

    return msg_dispatch_json(handlers, ARRAY_LEN(handlers), arg, FROM_BEHIND, NULL, data, len, e);
}

static void on_room(void *arg)
{
    (void)arg;
}

static void on_closed(void *arg)
{
    (void)arg;
}

static const struct session_hooks hooks = { on_inventory, on_count, on_welcome, on_text, on_room, on_closed };

/* --- life -------------------------------------------------------------------------------------------------------- */

static void on_tick(void *arg)
{
    struct rig *r = arg;
    uint64_t now = clock_boot_ms();
    struct build *b;

    for (size_t i = 0; i < r->n; i++) {
        LIST_FOREACH(b, &r->agents[i].open, open) {
            if (!b->outcome && now >= b->due_ms)
                build_end(b, "succeeded", "build");
            else if (b->facts && now - b->told_ms >= REPEAT_MS)
                tell(b);
        }
    }
    timer_in(r->timer, TICK_MS);
}

static void on_signal(void *arg)
{
    struct rig *r = arg;

    loop_stop(r->loop, 0);
}

static void agent_start(struct rig *r, size_t i, const char *url, int64_t slots, const char *const *label)
{
    struct played *p = &r->agents[i];

    p->rig = r;
    snprintf(p->name, sizeof p->name, "storm-%zu", i + 1);
    p->spec = (struct session_spec){ .url = url, .name = p->name, .slots = slots, .labels = { label, 1 } };
    uuid_random(&p->spec.agent_id);
    uuid_random(&p->spec.instance);
    p->session = session_new(r->loop, &p->spec, &hooks, p);
    session_start(p->session);
}

int main(int argc, char **argv)
{
    struct rig r = { 0 };

    if (argc != 7) {
        fprintf(stderr, "usage: storm_agents URL AGENTS SLOTS BUILD_MS LABEL LEDGER\n");
        return 2;
    }
    log_init("storm_agents", "warn", "text", NULL);
    r.loop = loop_new();
    r.n = strtoul(argv[2], NULL, 10);
    r.build_ms = strtoul(argv[4], NULL, 10);
    r.ledger = open(argv[6], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (r.ledger < 0) {
        perror(argv[6]);
        return 1;
    }
    char *url = session_url(argv[1]);
    const char *const label = argv[5];
    r.agents = mem_array(r.n, sizeof *r.agents);
    loop_signal(r.loop, SIGTERM, on_signal, &r);
    r.timer = loop_timer(r.loop, on_tick, &r);
    timer_in(r.timer, TICK_MS);
    for (size_t i = 0; i < r.n; i++)
        agent_start(&r, i, url, strtol(argv[3], NULL, 10), &label);
    int code = loop_run(r.loop);
    for (size_t i = 0; i < r.n; i++)
        session_free(&r.agents[i].session);
    timer_free(&r.timer);
    loop_free(&r.loop);
    table_fini(&r.by_task);
    arena_fini(&r.arena);
    mem_free(&r.agents);
    mem_free(&url);
    close(r.ledger);
    return code;
}
