/* download.c - a task's log in the forms that programs and files want: the answers that are being made, from their
 * first question to their last byte.
 *
 * Given a task's id and what is asked of its log, finds out where that begins (download_open.c), then answers once,
 * with what is wrong or with a stream (download_fill.c). Memory per answer is constant, whatever the log's size.
 * Changes nothing anywhere. */
#include "gateway/download_impl.h"

#include "gateway/gateway.h"
#include "gateway/reading.h"
#include "gateway/request.h"
#include "lib/clock.h"
#include "lib/loop.h"

enum {
    TICK_MS = 1000,
    PACKED_MAX = 256,   /* each holds a quarter of a MiB; the others get theirs as it is */
};

TAILQ_HEAD(download_list, download);

struct downloads {
    struct gateway *g;
    unsigned packed;       /* answers that are packed */
    struct timer *tick;
    struct timer *soon;    /* something that the opening ones wait for has come */
    struct timer *again;   /* one of the streaming ones wants to look again */
    struct download_list opening;
    struct download_list streaming;
};

void download_pack(struct download *d)
{
    if (d->all->packed == PACKED_MAX)
        return;
    d->all->packed++;
    d->gzip = gzip_new();
}

void download_free(struct download *d)
{
    d->all->packed -= d->gzip != NULL;
    TAILQ_REMOVE(d->is_streaming ? &d->all->streaming : &d->all->opening, d, entry);
    track_leave(&d->track);
    follow_leave(&d->follow);
    if (d->chunks)
        chunk_list_leave(d->chunks);
    mem_free(&d->chunks);
    lines_fini(&d->lines);
    grep_fini(&d->grep);
    cast_fini(&d->cast);
    gzip_free(&d->gzip);
    buf_fini(&d->block);
    buf_fini(&d->scratch);
    buf_fini(&d->made);
    buf_fini(&d->packed);
    arena_fini(&d->arena);
    mem_free(&d);
}

/* --- parts of the worker that the other files need ------------------------------------------------------------- */

bool download_attach(struct download *d, const struct log_attempt *a)
{
    d->attempt = a->number;
    return follow_join(d->all->g->follows, &d->id, a, &d->follow);
}

/* Opening may end with the download's life, which no callback of a track, follow or list allows: a timer does it. */
static void on_change(void *arg)
{
    struct download *d = arg;

    if (d->is_streaming)
        stream_wake(d->request);
    else if (!timer_is_on(d->all->soon))
        timer_in(d->all->soon, 0);
}

void download_need_chunks(struct download *d)
{
    if (d->chunks)
        return;
    d->chunks = mem_zalloc(sizeof(*d->chunks));
    d->chunks->task = d->id;
    d->chunks->on_items = on_change;
    d->chunks->arg = d;
    chunk_list_join(d->all->g->chunk_lists, d->chunks);
}

void download_ask_chunks(struct download *d, enum chunk_place place, uint64_t value, size_t limit)
{
    const struct log_attempt *a = log_state_attempt(track_state(&d->track), d->attempt);

    chunk_list_ask(d->chunks, a, place, value, limit);
}

/* --- what happens ---------------------------------------------------------------------------------------------- */

static void try_opening(struct download *d)
{
    if (download_opening(d) != OPENING_ON)
        return;
    TAILQ_REMOVE(&d->all->opening, d, entry);
    d->is_streaming = true;
    TAILQ_INSERT_TAIL(&d->all->streaming, d, entry);
    download_begin(d);
}

static void on_soon(void *arg)
{
    struct downloads *all = arg;
    struct download *next;

    for (struct download *d = TAILQ_FIRST(&all->opening); d; d = next) {
        next = TAILQ_NEXT(d, entry);
        try_opening(d);
    }
}

void download_retry_in(struct download *d, uint64_t ms)
{
    d->retry_ms = clock_boot_ms() + ms;
    if (!timer_is_on(d->all->again))
        timer_in(d->all->again, ms);
}

static void on_again(void *arg)
{
    struct downloads *all = arg;
    struct download *d;

    TAILQ_FOREACH(d, &all->streaming, entry)
        if (d->retry_ms != 0)
            stream_wake(d->request);
}

static void on_tick(void *arg)
{
    struct downloads *all = arg;
    struct download *d;

    timer_in(all->tick, TICK_MS);
    on_soon(all);
    TAILQ_FOREACH(d, &all->streaming, entry) {
        bool is_failing = d->follow.follow && follow_failing_ms(&d->follow) > 0;
        if (d->over_since_ms != 0 && d->follow.follow && !d->follow.is_wanting)
            follow_want(&d->follow, d->offset);   /* has the sink more by now? */
        if (d->over_since_ms != 0 || d->retry_ms != 0 || is_failing)
            stream_wake(d->request);
    }
}

void download_open(struct downloads *all, struct request *r, const struct uuid *id, const struct log_query *query)
{
    struct download *d = mem_zalloc(sizeof(*d));

    d->all = all;
    d->request = r;
    d->id = *id;
    d->query = *query;
    d->query.grep = arena_strdup(&d->arena, query->grep);
    d->since_ms = clock_boot_ms();
    d->track.on_change = d->follow.on_data = on_change;
    d->track.arg = d->follow.arg = d;
    TAILQ_INSERT_TAIL(&all->opening, d, entry);
    track_join(all->g->tracks, id, &d->track);
    try_opening(d);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

struct downloads *downloads_new(struct gateway *g)
{
    struct downloads *all = mem_zalloc(sizeof(*all));

    all->g = g;
    TAILQ_INIT(&all->opening);
    TAILQ_INIT(&all->streaming);
    all->soon = loop_timer(g->loop, on_soon, all);
    all->again = loop_timer(g->loop, on_again, all);
    all->tick = loop_timer(g->loop, on_tick, all);
    timer_in(all->tick, TICK_MS);
    return all;
}

void downloads_drain(struct downloads *all)
{
    struct download *d;

    while ((d = TAILQ_FIRST(&all->opening)))
        download_refuse(d, READING_STOPPING);
    TAILQ_FOREACH(d, &all->streaming, entry) {
        d->is_draining = true;
        stream_wake(d->request);
    }
}

/* The streams have ended with their requests (http_close); what was still opening is forgotten here. */
void downloads_free(struct downloads **allp)
{
    struct downloads *all = *allp;
    struct download *d;

    if (!all)
        return;
    while ((d = TAILQ_FIRST(&all->opening)))
        download_free(d);
    timer_free(&all->soon);
    timer_free(&all->again);
    timer_free(&all->tick);
    mem_free(allp);
}
