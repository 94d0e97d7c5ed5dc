/* download_fill.c - drives a download: from bytes, gaps and ends of the log to what its form makes of them, packed if
 * that was asked for, into the room that the socket has.
 *
 * Given the room, works until it is full or nothing is at hand. A form is given one small piece at a time and appends
 * to d->made, which goes before the next one is looked at: so memory stays what a piece can become. */
#include "gateway/download_impl.h"

#include <stdio.h>
#include <string.h>

#include "gateway/reading.h"
#include "gateway/request.h"
#include "lib/clock.h"

enum { KEEP_BYTES = 256 * 1024 };   /* a larger buffer is given back when it is empty */

/* --- what was made --------------------------------------------------------------------------------------------- */

static struct buf *outlet_of(struct download *d)
{
    return d->gzip ? &d->packed : &d->made;
}

static void pack(struct download *d)
{
    if (!d->gzip)
        return;
    gzip_add(d->gzip, d->made.data, d->made.len, &d->packed);
    buf_reset(&d->made);
}

static size_t take_made(struct download *d, char *out, size_t room)
{
    struct buf *b = outlet_of(d);
    size_t n = b->len - d->taken < room ? b->len - d->taken : room;

    if (n > 0)
        memcpy(out, b->data + d->taken, n);
    d->taken += n;
    if (d->taken < b->len)
        return n;
    d->taken = 0;
    if (b->cap > KEEP_BYTES)
        buf_fini(b);
    buf_reset(b);
    return n;
}

static bool is_empty(struct download *d)
{
    return outlet_of(d)->len == 0;
}

/* --- ends ------------------------------------------------------------------------------------------------------ */

void download_finish(struct download *d)
{
    if (d->is_over)
        return;
    d->is_over = true;
    if (d->form->end)
        d->form->end(d);
    pack(d);
    if (d->gzip)
        gzip_end(d->gzip, &d->packed);
}

void download_cut(struct download *d)
{
    d->is_over = d->is_cut = true;
}

/* The log ended before the attempt did: its sink never got the rest. */
static bool misses_end(const struct download *d, const struct log_attempt *a, struct follow_gap *gap_r)
{
    if (!a->has_bytes || d->offset >= a->bytes || d->is_sized ||
        (!d->query.is_following && strcmp(a->log_state, "gap") != 0))
        return false;
    *gap_r = (struct follow_gap){ .from = d->offset, .to = a->bytes };
    snprintf(gap_r->reason, sizeof(gap_r->reason), "the end of the log did not reach the log sink");
    return true;
}

/* --- steps ----------------------------------------------------------------------------------------------------- */

static void take_gap(struct download *d, const struct follow_gap *gap)
{
    uint64_t to = gap->to < d->end ? gap->to : d->end;

    if (d->is_part) {
        download_cut(d);
    } else if (d->query.stops_at_gaps) {
        download_finish(d);
    } else if (d->is_sized) {
        download_text_fill_gap(d, gap);
    } else {
        d->form->gap(d, gap);
        d->offset = to;
    }
}

/* The first attempt of a task that waits. */
static enum step step_arrival(struct download *d, const struct log_state *s)
{
    const struct log_attempt *a = log_state_attempt(s, log_state_latest(s));

    if (a && !download_attach(d, a))
        download_cut(d);
    else if (!a && task_is_terminal(s->state))
        download_finish(d);
    else if (!a)
        return STEP_WAIT;
    return STEP_ON;
}

static bool has_shown_all(const struct download *d, const struct log_state *s, const struct log_attempt *a)
{
    if (d->offset >= d->end)
        return true;
    if (a->has_bytes && d->offset >= a->bytes && log_state_is_over(s, d->attempt))
        return true;
    return d->offset >= follow_end(&d->follow) && reading_is_final(s, d->attempt, &d->follow, d->over_since_ms);
}

static enum step end_of_log(struct download *d, const struct log_attempt *a)
{
    struct follow_gap gap;

    if (d->offset >= follow_end(&d->follow) && misses_end(d, a, &gap)) {
        take_gap(d, &gap);
        d->offset = gap.to;
    }
    download_finish(d);
    return STEP_ON;
}

static enum step want(struct download *d, const struct log_state *s)
{
    if (reading_failure(s, d->attempt, &d->follow)) {
        download_cut(d);
        return STEP_ON;
    }
    if (!d->follow.is_wanting)
        follow_want(&d->follow, d->offset);
    return STEP_WAIT;
}

static enum step step_bytes(struct download *d, const struct log_state *s)
{
    struct piece p = { .offset = d->offset };
    uint64_t limit = d->end;
    struct follow_gap gap;

    p.len = follow_peek(&d->follow, d->offset, &p.data);
    if (p.len == 0 && follow_gap(&d->follow, d->offset, &gap)) {
        take_gap(d, &gap);
        return STEP_ON;
    }
    if (p.len == 0)
        return want(d, s);
    if (d->form->has_chunks && download_chunk(d, &p, &limit) == STEP_WAIT)
        return STEP_WAIT;
    if (d->is_over)
        return STEP_ON;
    if (p.len > limit - d->offset)
        p.len = (size_t)(limit - d->offset);
    if (p.len > d->form->piece_max)
        p.len = d->form->piece_max;
    d->form->bytes(d, &p);
    d->offset += p.len;
    d->over_since_ms = 0;
    return STEP_ON;
}

static enum step step_log(struct download *d, const struct log_state *s)
{
    const struct log_attempt *a = log_state_attempt(s, d->attempt);

    if (d->query.form == FORM_CHUNKS)
        return download_step_chunks(d);
    if (has_shown_all(d, s, a))
        return end_of_log(d, a);
    if (d->offset < follow_end(&d->follow))
        return step_bytes(d, s);
    if (d->over_since_ms == 0 && log_state_is_over(s, d->attempt))
        d->over_since_ms = clock_boot_ms();
    return STEP_WAIT;
}

static enum step step_once(struct download *d)
{
    const struct log_state *s = track_state(&d->track);
    enum step step;

    if (d->is_draining && d->query.is_following) {
        download_cut(d);
        return STEP_ON;
    }
    step = d->follow.follow ? step_log(d, s) : step_arrival(d, s);
    pack(d);
    return step;
}

/* Nothing comes for a moment: what the packer holds back goes out. */
static bool flush(struct download *d)
{
    if (!d->gzip || d->is_over)
        return false;
    gzip_flush(d->gzip, &d->packed);
    return !is_empty(d);
}

ssize_t download_fill(void *arg, char *out, size_t room)
{
    struct download *d = arg;
    size_t used = 0;

    while (used < room) {
        if (!is_empty(d))
            used += take_made(d, out + used, room - used);
        else if (d->is_over || (step_once(d) == STEP_WAIT && !flush(d)))
            break;
    }
    follow_unpin(&d->follow);
    if (used > 0)
        return (ssize_t)used;
    if (!d->is_over)
        return STREAM_WAIT;
    return d->is_cut ? STREAM_ABORT : STREAM_END;
}
