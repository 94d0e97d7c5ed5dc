/* sinks.c - the log sinks: to each a DEALER (chunks, reads) and a SUB (live bytes of followed attempts).
 *
 * A chunk that a sink's queue refuses is dropped: its agent sends it again from the acknowledged offset. */
#include <stdio.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/peer.h"
#include "lib/bus.h"
#include "lib/log.h"
#include "proto/chain.h"
#include "proto/peers.h"

enum { LIVE_QUEUE_MAX = 16384 };

struct sink {
    struct sinks *all;
    char *name;
    struct peer *peer;
    struct bus_socket *live;
};

struct sinks {
    struct gateway *g;
    struct sink *v;
    size_t n;
};

static void on_welcome(void *arg, const struct msg_head *head, const struct msg_bus_welcome *welcome)
{
    struct sink *sink = arg;

    (void)head;
    if (strcmp(welcome->name, sink->name) != 0)
        log_error("a sink has another name than the configuration says", log_str("configured", sink->name),
                  log_str("name", welcome->name));
}

static void on_absent(void *arg)
{
    (void)arg;   /* its readers ask again by themselves */
}

static void on_frame(void *arg, const uint8_t *data, size_t len)
{
    struct sink *sink = arg;

    relay_from_sink(sink->all->g, sink->name, data, len);
}

static void on_live(void *arg, const struct bus_frame *frame)
{
    struct sink *sink = arg;

    relay_live(sink->all->g, frame->data, frame->len);
}

static int sink_open(struct sinks *s, struct sink *sink, const struct peers_sink *conf, struct err *e)
{
    static const struct peer_hooks hooks = { on_welcome, on_absent, on_frame };

    sink->all = s;
    sink->name = mem_strdup(conf->name);
    sink->peer = peer_open(s->g->loop, s->g->bus, conf->control, s->g->name, &hooks, sink);
    if (!sink->peer)
        return err_set(e, ERR_SYSTEM, "cannot connect to log sink %s", conf->name);
    sink->live = bus_connect(s->g->bus, BUS_SUB, conf->live, LIVE_QUEUE_MAX, on_live, sink, e);
    return sink->live ? 0 : -1;
}

struct sinks *sinks_open(struct gateway *g, struct err *e)
{
    struct sinks *s = mem_zalloc(sizeof(*s));
    struct arena arena = { 0 };
    const struct peers_sink *conf;

    s->g = g;
    if (peers_sinks(g->settings->sinks, &arena, &conf, &s->n, e) < 0)
        goto out;
    s->v = mem_array(s->n, sizeof(*s->v));
    for (size_t i = 0; i < s->n; i++)
        if (sink_open(s, &s->v[i], &conf[i], e) < 0)
            goto out;
    arena_fini(&arena);
    return s;
out:
    arena_fini(&arena);
    sinks_close(&s);
    return NULL;
}

void sinks_close(struct sinks **sp)
{
    struct sinks *s = *sp;

    if (!s)
        return;
    for (size_t i = 0; s->v && i < s->n; i++) {
        peer_close(&s->v[i].peer);
        if (s->v[i].live)
            bus_close(&s->v[i].live);
        mem_free(&s->v[i].name);
    }
    mem_free(&s->v);
    mem_free(sp);
}

static struct sink *sink_find(struct sinks *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].name, name) == 0)
            return &s->v[i];
    return NULL;
}

int sinks_chunk(struct sinks *s, const char *name, const uint8_t *frame, size_t len)
{
    struct sink *sink = sink_find(s, name);

    if (!sink) {
        log_warn("chunk for an unknown sink dropped", log_str("sink", name));
        return -1;
    }
    return peer_send_frame(sink->peer, frame, len);
}

int sinks_read(struct sinks *s, const char *name, const struct msg_log_read *read)
{
    struct sink *sink = sink_find(s, name);

    return sink ? peer_send(sink->peer, MSG_LOG_READ, 0, read) : -1;
}

int sinks_list(struct sinks *s, const char *name, const struct msg_log_list *list)
{
    struct sink *sink = sink_find(s, name);

    return sink ? peer_send(sink->peer, MSG_LOG_LIST, 0, list) : -1;
}

bool sinks_subscribe(struct sinks *s, const char *name, const uint8_t *topic, bool wanted)
{
    struct sink *sink = sink_find(s, name);

    if (!sink)
        return false;
    if (wanted)
        bus_subscribe(sink->live, topic, CHAIN_TOPIC_SIZE);
    else
        bus_unsubscribe(sink->live, topic, CHAIN_TOPIC_SIZE);
    return true;
}

bool sinks_has(const struct sinks *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->v[i].name, name) == 0)
            return peer_is_here(s->v[i].peer);
    return false;
}

bool sinks_are_up(const struct sinks *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (!peer_is_here(s->v[i].peer))
            return false;
    return true;
}

void sinks_describe(const struct sinks *s, char *text, size_t size)
{
    size_t len = 0;

    snprintf(text, size, "ok");
    for (size_t i = 0; i < s->n; i++) {
        if (peer_is_here(s->v[i].peer) || len + 1 >= size)
            continue;
        int n = snprintf(text + len, size - len, "%s%s", len ? ", " : "not answering: ", s->v[i].name);
        len += n > 0 ? (size_t)n : 0;
    }
    if (s->n == 0)
        snprintf(text, size, "none configured");
}
