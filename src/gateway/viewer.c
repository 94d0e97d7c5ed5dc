/* viewer.c - readers of logs: how one begins (which answer, from where) and how it ends.
 *
 * Given a task's id and a place, waits until SQL has said what there is - and for reconnects after the end until the
 * sink has, too - and then answers once: with a status that says what is wrong, with 204, or with a stream. From then
 * on viewer_fill.c writes. Changes nothing anywhere. */
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/reading.h"
#include "gateway/request.h"
#include "gateway/viewer_impl.h"
#include "lib/clock.h"
#include "lib/loop.h"

enum {
    TICK_MS = 1000,
    TICKS_PER_BEAT = 15,
};

TAILQ_HEAD(viewer_list, viewer);

struct viewers {
    struct gateway *g;
    struct timer *tick;
    struct timer *soon;    /* something that the opening ones wait for has come */
    unsigned ticks;
    struct viewer_list opening;
    struct viewer_list streaming;
};

static struct viewer_list *list_of(struct viewer *v)
{
    return v->is_streaming ? &v->all->streaming : &v->all->opening;
}

static void viewer_free(struct viewer *v)
{
    TAILQ_REMOVE(list_of(v), v, entry);
    track_leave(&v->track);
    follow_leave(&v->follow);
    buf_fini(&v->pending);
    mem_free(&v);
}

static void on_gone(void *arg)
{
    viewer_free(arg);
}

/* --- opening --------------------------------------------------------------------------------------------------- */

static void begin_stream(struct viewer *v)
{
    static const struct stream_hooks hooks = { viewer_fill, on_gone };

    if (!track_is_missing(&v->track))
        buf_puts(&v->pending, "retry: 2000\n\n");
    TAILQ_REMOVE(list_of(v), v, entry);
    v->is_streaming = true;
    TAILQ_INSERT_TAIL(list_of(v), v, entry);
    request_stream(v->request, "text/event-stream; charset=utf-8", &hooks, v);
}

/* Answers with what is wrong; the viewer is over. */
static void refuse(struct viewer *v, enum reading_refusal why)
{
    struct request *r = v->request;

    viewer_free(v);
    reading_refuse(r, why);
}

static void answer_nothing_left(struct viewer *v)
{
    struct request *r = v->request;

    viewer_free(v);
    request_answer(r, 204, NULL, NULL);
}

/* 0: begin at the kind's own beginning. */
static int64_t first_attempt(const struct viewer *v, const struct log_state *s)
{
    int64_t latest = log_state_latest(s);

    if (v->spec.kind == VIEWER_SEED)
        return v->spec.attempt == latest ? latest : 0;   /* an older attempt's place means nothing any more */
    return v->spec.attempt;
}

/* Is the place that a client comes back with that of the last event, behind everything? -1: only the sink can tell. */
static int is_after_end(const struct viewer *v, const struct log_state *s)
{
    const struct log_attempt *a = log_state_attempt(s, v->spec.attempt);

    if (!v->spec.is_resumed || !task_is_terminal(s->state) || v->spec.attempt != log_state_latest(s))
        return 0;
    if (!a)
        return 1;
    if (a->has_bytes)
        return v->spec.offset > a->bytes;
    if (!v->follow.follow || follow_kind(&v->follow) == FOLLOW_UNKNOWN)
        return -1;
    return v->spec.offset > follow_end(&v->follow);
}

/* The place lies behind everything that this worker has heard of: the rest of the log, or the end, will come to be
 * known in a moment. Without waiting, who has seen the end would get it again. */
static bool is_ahead(const struct viewer *v, const struct log_state *s)
{
    return v->spec.is_resumed && v->follow.follow && !task_is_terminal(s->state) &&
           v->spec.attempt == log_state_latest(s) && follow_kind(&v->follow) != FOLLOW_UNKNOWN &&
           v->spec.offset > follow_end(&v->follow);
}

static bool needs_sink(const struct viewer *v, const struct log_state *s)
{
    return v->follow.follow && follow_kind(&v->follow) == FOLLOW_UNKNOWN && is_after_end(v, s) < 0;
}

/* Goes to the place to begin with; false: it was answered that there is none. */
static bool attach_first(struct viewer *v, const struct log_state *s)
{
    int64_t number = first_attempt(v, s);
    const struct log_attempt *a = log_state_attempt(s, number);

    if (v->follow.follow)
        return true;
    if (number != 0 && !a) {
        refuse(v, READING_NO_ATTEMPT);
        return false;
    }
    if (a && !viewer_attach(v, a, v->spec.offset)) {
        refuse(v, READING_TOO_MANY);
        return false;
    }
    return true;
}

/* Answers if enough is known. */
static void try_opening(struct viewer *v)
{
    const struct log_state *s = track_state(&v->track);
    bool is_late = clock_boot_ms() - v->since_ms > READING_OPENING_MS;

    if (track_is_missing(&v->track) && v->spec.kind != VIEWER_SEED)
        refuse(v, READING_NO_TASK);
    else if (track_is_missing(&v->track))
        begin_stream(v);
    else if (!s && is_late)
        refuse(v, READING_NO_DATABASE);
    else if (!s || !attach_first(v, s))
        return;
    else if (needs_sink(v, s) && is_late)
        refuse(v, READING_NO_SINK);
    else if (needs_sink(v, s) || (is_ahead(v, s) && !is_late))
        return;
    else if (is_after_end(v, s) > 0)
        answer_nothing_left(v);
    else
        begin_stream(v);
}

/* --- what happens ---------------------------------------------------------------------------------------------- */

/* Opening may end with the viewer's life, which no callback of a track or follow allows: a timer does it. */
static void on_change(void *arg)
{
    struct viewer *v = arg;

    if (v->is_streaming)
        stream_wake(v->request);
    else if (!timer_is_on(v->all->soon))
        timer_in(v->all->soon, 0);
}

static void on_soon(void *arg)
{
    struct viewers *all = arg;
    struct viewer *next;

    for (struct viewer *v = TAILQ_FIRST(&all->opening); v; v = next) {
        next = TAILQ_NEXT(v, entry);
        follow_listen(&v->follow);
        try_opening(v);
    }
}

static void on_tick(void *arg)
{
    struct viewers *all = arg;
    bool is_beat = ++all->ticks % TICKS_PER_BEAT == 0;
    struct viewer *v;

    timer_in(all->tick, TICK_MS);
    on_soon(all);
    TAILQ_FOREACH(v, &all->streaming, entry) {
        v->is_beat_due |= is_beat;
        if (v->over_since_ms != 0 && v->follow.follow && !v->follow.is_wanting)
            follow_want(&v->follow, v->offset);   /* has the sink more by now? */
        if (is_beat || v->over_since_ms != 0)
            stream_wake(v->request);
    }
}

void viewer_open(struct viewers *all, struct request *r, const struct viewer_spec *spec)
{
    struct viewer *v = mem_zalloc(sizeof(*v));

    v->all = all;
    v->follows = all->g->follows;
    v->request = r;
    v->spec = *spec;
    v->shown_state = -1;
    v->since_ms = clock_boot_ms();
    v->track.on_change = v->follow.on_data = on_change;
    v->track.arg = v->follow.arg = v;
    v->follow.form = spec->kind == VIEWER_V1 ? FOLLOW_V1 : FOLLOW_SEED;
    v->follow.is_once = true;
    TAILQ_INSERT_TAIL(&all->opening, v, entry);
    track_join(all->g->tracks, &spec->id, &v->track);
    try_opening(v);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

struct viewers *viewers_new(struct gateway *g)
{
    struct viewers *all = mem_zalloc(sizeof(*all));

    all->g = g;
    TAILQ_INIT(&all->opening);
    TAILQ_INIT(&all->streaming);
    all->soon = loop_timer(g->loop, on_soon, all);
    all->tick = loop_timer(g->loop, on_tick, all);
    timer_in(all->tick, TICK_MS);
    return all;
}

void viewers_drain(struct viewers *all)
{
    struct viewer *v;

    while ((v = TAILQ_FIRST(&all->opening)))
        refuse(v, READING_STOPPING);
    TAILQ_FOREACH(v, &all->streaming, entry) {
        v->is_draining = true;
        stream_wake(v->request);
    }
}

/* The streams have ended with their requests (http_close); what was still opening is forgotten here. */
void viewers_free(struct viewers **allp)
{
    struct viewers *all = *allp;
    struct viewer *v;

    if (!all)
        return;
    while ((v = TAILQ_FIRST(&all->opening)))
        viewer_free(v);
    timer_free(&all->soon);
    timer_free(&all->tick);
    mem_free(allp);
}
