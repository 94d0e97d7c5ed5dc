/* scheds.c - the schedulers: a DEALER to each, which of them leads, and since which epoch.
 *
 * Given what they say, keeps the highest epoch seen; frames with a lower one come from a leader that is none any
 * more and are dropped. Implements ARCHITECTURE "Who may write, and how a leader is fenced", the gateway's side. */
#include <stdlib.h>

#include "gateway/gateway.h"
#include "gateway/peer.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "proto/peers.h"

enum { CLOCK_TRUST_MS = 5000 };

struct sched {
    struct scheds *all;
    struct peer *peer;
};

struct scheds {
    struct gateway *g;
    struct sched *v;
    size_t n;
    struct sched *leader;      /* NULL: nobody is known to lead */
    uint64_t epoch;            /* the highest seen */
    int64_t clock_ahead_ms;    /* of the leader's clock */
};

static void leader_lost(struct scheds *s)
{
    s->leader = NULL;
    log_warn("no scheduler leads");
    hops_leader_down(s->g->hops);
    agents_leader_lost(s->g->agents);
}

static void on_welcome(void *arg, const struct msg_head *head, const struct msg_bus_welcome *welcome)
{
    struct sched *sched = arg;
    struct scheds *s = sched->all;

    if (!welcome->leader || head->epoch < s->epoch) {
        if (s->leader == sched)
            leader_lost(s);
        return;
    }
    s->clock_ahead_ms = welcome->wall_ms - clock_wall_ms();
    if (s->leader != sched || head->epoch > s->epoch)
        log_info("leader", log_str("name", welcome->name), log_int("epoch", (int64_t)head->epoch));
    s->leader = sched;
    s->epoch = head->epoch;
    hops_leader_up(s->g->hops);
    agents_leader_up(s->g->agents, s->epoch);
}

static void on_absent(void *arg)
{
    struct sched *sched = arg;

    if (sched->all->leader == sched)
        leader_lost(sched->all);
}

static void on_frame(void *arg, const uint8_t *data, size_t len)
{
    struct sched *sched = arg;
    struct scheds *s = sched->all;
    struct msg_head head;

    if (msg_bin_head(data, len, &head, NULL) < 0 || head.epoch < s->epoch)
        return;
    if (head.epoch > s->epoch) {
        s->epoch = head.epoch;     /* the welcome that says who leads is on its way */
        if (s->leader && s->leader != sched)
            leader_lost(s);
    }
    relay_from_scheduler(s->g, data, len);
}

struct scheds *scheds_open(struct gateway *g, struct err *e)
{
    static const struct peer_hooks hooks = { on_welcome, on_absent, on_frame };
    struct scheds *s = mem_zalloc(sizeof(*s));
    struct arena arena = { 0 };
    const char *const *endpoints;

    s->g = g;
    if (peers_schedulers(g->settings->schedulers, &arena, &endpoints, &s->n, e) < 0)
        goto out;
    s->v = mem_array(s->n, sizeof(*s->v));
    for (size_t i = 0; i < s->n; i++) {
        s->v[i].all = s;
        s->v[i].peer = peer_open(g->loop, g->bus, endpoints[i], g->name, &hooks, &s->v[i]);
        if (!s->v[i].peer) {
            err_set(e, ERR_SYSTEM, "cannot connect to scheduler %s", endpoints[i]);
            goto out;
        }
    }
    arena_fini(&arena);
    return s;
out:
    arena_fini(&arena);
    scheds_close(&s);
    return NULL;
}

void scheds_close(struct scheds **sp)
{
    struct scheds *s = *sp;

    if (!s)
        return;
    for (size_t i = 0; s->v && i < s->n; i++)
        peer_close(&s->v[i].peer);
    mem_free(&s->v);
    mem_free(sp);
}

uint64_t scheds_leader(const struct scheds *s)
{
    return s->leader ? s->epoch : 0;
}

int scheds_send(struct scheds *s, enum msg_type type, uint64_t conn, const void *message)
{
    return s->leader ? peer_send(s->leader->peer, type, conn, message) : -1;
}

int64_t scheds_wall_ms(const struct scheds *s)
{
    int64_t now_ms = clock_wall_ms();

    return llabs(s->clock_ahead_ms) > CLOCK_TRUST_MS ? now_ms + s->clock_ahead_ms : now_ms;
}
