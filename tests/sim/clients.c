/* clients.c - simulated gateways with one submission each, repeated until it is answered, and the log sink. */
#include <string.h>

#include "tests/sim/world.h"

enum { CLIENT_PEER = 1000 };

static void submit(struct world *w, const struct packet *p)
{
    static const char *const labels[] = { "big" };
    struct sim_client *c = &w->clients[p->agent];
    struct msg_pair env = { "LANG", "C" };
    uint8_t body[32] = { c->body };
    struct msg_task_submit m = { .task_id = c->task, .project = "default", .repo = "r", .target = "all",
                                 .labels = { labels, c->has_label }, .env = { &env, 1 }, .idempotency_key = c->key,
                                 .body_hash = { body, c->key ? sizeof body : 0 }, .need_agent = c->needs_agent };
    struct input in = { INPUT_SUBMIT, w->now_ms, { CLIENT_PEER, (uint64_t)p->agent + 1 }, &m };
    struct packet existed = { .type = MSG_TASK_SUBMITTED, .agent = p->agent, .task = c->task, .other = c->task };

    if (w->shell.core && db_is_old(w, &c->task))   /* the database refuses the second row, and the shell reads the first */
        client_receive(w, &existed);
    else
        shell_input(w, &in);
}

static void submit_repeat(struct world *w, const struct packet *p)
{
    if (w->clients[p->agent].is_answered)
        return;
    w->clients[p->agent].is_sent = true;
    if (!world_chance(w, 5))
        world_in(w, (int64_t)world_random(w, 30), submit, p);
    if (world_chance(w, 5))
        world_in(w, (int64_t)world_random(w, 20000), submit, p);
    world_in(w, REPEAT_MS, submit_repeat, p);
}

void client_receive(struct world *w, const struct packet *p)
{
    struct sim_client *c = &w->clients[p->agent];
    bool is_kept = p->type == MSG_TASK_SUBMITTED;
    char id[16];

    world_trace(w, "client %d is told %s %s", p->agent, is_kept ? "kept" : p->text, id_short(&p->other, id));
    if (w->skew_ms < CORE_KEY_MS / 2 && c->is_answered && is_kept && c->is_kept && uuid_cmp(&c->answer, &p->other) != 0)
        world_fail(w, "client %d got two different answers", p->agent);
    /* A refusal that was overtaken by a repeat that was kept: the client is told the first answer it gets. */
    if (c->is_answered)
        return;
    c->is_answered = true;
    c->is_kept = is_kept;
    c->answer = p->other;
}

void clients_start(struct world *w)
{
    static const char *const keys[] = { "k1", "k2", "k3" };

    w->n_clients = 3 + (int)world_random(w, TASKS_MAX - 2);
    for (int i = 0; i < w->n_clients; i++) {
        struct sim_client *c = &w->clients[i];
        struct packet p = { .agent = i };
        int64_t at = (int64_t)world_random(w, 45000);
        c->task = (struct uuid){ { (uint8_t)(i + 1), 0, 0, 0, (uint8_t)(at >> 8), (uint8_t)at, 0x70 } };
        c->task.b[15] = (uint8_t)world_random(w, 256);
        c->key = world_random(w, 4) == 0 ? keys[world_random(w, 3)] : NULL;
        c->body = (uint8_t)world_random(w, 2);
        c->needs_agent = world_random(w, 5) == 0;
        c->has_label = world_random(w, 3) == 0;
        world_in(w, at, submit_repeat, &p);
    }
}

/* --- the sink ----------------------------------------------------------------------------------------------------- */

static void sealed(struct world *w, const struct packet *p)
{
    struct msg_log_sealed m = { .task_id = p->task, .attempt = p->attempt, .state = p->session >= 0 ? "complete" : "gap",
                                .bytes = p->session >= 0 ? p->session : 3, .lines = 1 };
    struct uuid key = attempt_key(&p->task, p->attempt);

    if (!w->shell.core)
        return;
    table_remove(&w->shell.seals, &key);
    shell_input(w, &(struct input){ INPUT_SEALED, w->now_ms, { 0 }, &m });
}

void sink_receive(struct world *w, const struct packet *p)
{
    if (!world_chance(w, 10))
        world_in(w, (int64_t)world_random(w, 500), sealed, p);
}
