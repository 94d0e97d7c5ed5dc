/* worker.c - one worker process: makes its parts in order, drains them, takes them down again.
 *
 * Given the settings and the slot's listening socket. Everything that does not survive fork is made here. */
#include <stdio.h>

#include "gateway/chunk_list.h"
#include "gateway/download.h"
#include "gateway/follow.h"
#include "gateway/gateway.h"
#include "gateway/http.h"
#include "gateway/track.h"
#include "gateway/viewer.h"
#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/pg.h"
#include "lib/service.h"

enum {
    DRAIN_TICK_MS = 50,
    DRAIN_IDLE_MS = 1000,   /* for clients that keep an idle connection to find out */
};

/* Drained: nobody is left, or only connections on which nothing is asked. */
static void on_drain_tick(void *arg)
{
    struct gateway *g = arg;
    bool is_idle = http_requests(g->http) == 0;

    if (http_connections(g->http) == 0 || (is_idle && clock_boot_ms() - g->drain_since_ms > DRAIN_IDLE_MS))
        service_drained(g->service);
    else
        timer_in(g->drain_timer, DRAIN_TICK_MS);
}

void worker_drain(void *state)
{
    struct gateway *g = state;

    g->drain_since_ms = clock_boot_ms();
    http_drain(g->http);
    viewers_drain(g->viewers);
    downloads_drain(g->downloads);
    agents_drain(g->agents);
    timer_in(g->drain_timer, 0);
}

/* The parts that talk to the inside, in the order in which they call each other. */
static int open_inside(struct gateway *g, struct err *e)
{
    char *dsn = pg_dsn(g->settings->database, e);

    if (!dsn)
        return -1;
    g->bus = bus_new(g->loop);
    g->hops = hops_new(g);
    g->agents = agents_new(g);
    g->tracks = tracks_new(g);
    g->follows = follows_new(g);
    g->viewers = viewers_new(g);
    g->chunk_lists = chunk_lists_new(g);
    g->downloads = downloads_new(g);
    g->db = db_open(g, dsn);
    mem_free(&dsn);
    g->sinks = sinks_open(g, e);
    g->scheds = g->sinks ? scheds_open(g, e) : NULL;
    return g->scheds ? 0 : -1;
}

int worker_start(struct service *s, const void *settings, void *shared, unsigned slot, void **state_r, struct err *e)
{
    struct gateway *g = mem_zalloc(sizeof(*g));
    int fd = listen_slot(shared, slot);

    g->settings = settings;
    g->service = s;
    g->loop = service_loop(s);
    snprintf(g->name, sizeof(g->name), "gateway-%u", slot);
    g->drain_timer = loop_timer(g->loop, on_drain_tick, g);
    *state_r = g;
    if (open_inside(g, e) == 0)
        g->http = http_open(g, fd, e);
    if (!g->http) {
        worker_stop(state_r);
        return -1;
    }
    service_ready(s);
    return 0;
}

/* Whoever still waits is answered before the HTTP server goes; streams end with it. */
void worker_stop(void **state)
{
    struct gateway *g = *state;

    if (!g)
        return;
    agents_free(&g->agents);
    hops_free(&g->hops);
    db_close(&g->db);
    http_close(&g->http);
    viewers_free(&g->viewers);
    downloads_free(&g->downloads);
    chunk_lists_free(&g->chunk_lists);
    follows_free(&g->follows);
    tracks_free(&g->tracks);
    scheds_close(&g->scheds);
    sinks_close(&g->sinks);
    bus_free(&g->bus);
    timer_free(&g->drain_timer);
    mem_free(state);
}
