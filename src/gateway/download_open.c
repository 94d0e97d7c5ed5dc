/* download_open.c - where a download begins: the questions that come before the first byte of an answer, one after the
 * other. Given what SQL and the sinks say, moves the download's place, or answers with what is wrong.
 *
 * Each question is a stage; one that cannot be answered yet waits for the next change, and gives up when nothing got on
 * for a while. Who follows is let through without the sink: its stream begins, and waits. */
#include "gateway/download_impl.h"

#include <string.h>

#include "gateway/reading.h"
#include "gateway/request.h"
#include "lib/clock.h"

#define NS_PER_MS UINT64_C(1000000)

/* --- refusing -------------------------------------------------------------------------------------------------- */

void download_refuse(struct download *d, int why)
{
    struct request *r = d->request;

    download_free(d);
    reading_refuse(r, (enum reading_refusal)why);
}

void download_refuse_text(struct download *d, unsigned status, const char *text)
{
    struct request *r = d->request;

    reply_error(r, status, "%s", text);
    download_free(d);
}

/* For who stops at gaps: the gap itself, as it would stand in a stream. */
void download_refuse_gap(struct download *d, const struct follow_gap *gap)
{
    const struct msg_log_gap m = { .attempt = d->attempt, .from = (int64_t)gap->from, .to = (int64_t)gap->to,
                                   .reason = gap->reason };

    reply_message(d->request, 410, MSG_LOG_GAP, &m);
    download_free(d);
}

static enum opening refuse(struct download *d, enum reading_refusal why)
{
    download_refuse(d, why);
    return OPENING_OVER;
}

static bool is_late(const struct download *d)
{
    return clock_boot_ms() - d->since_ms > READING_OPENING_MS;
}

/* The sink is silent. */
static enum opening wait_for_sink(struct download *d)
{
    if (!is_late(d))
        return OPENING_WAIT;
    if (d->query.is_following && d->query.tail < 0 && d->query.since_ms < 0)
        return OPENING_ON;
    return refuse(d, READING_NO_SINK);
}

/* A removed log: nothing of it will ever be there again. */
static bool is_removed(const char *reason)
{
    static const char word[] = "removed";

    return strncmp(reason, word, sizeof(word) - 1) == 0;
}

/* --- stages ---------------------------------------------------------------------------------------------------- */

typedef enum opening stage_fn(struct download *d, const struct log_state *s);

static enum opening stage_task(struct download *d, const struct log_state *s)
{
    if (track_is_missing(&d->track))
        return refuse(d, READING_NO_TASK);
    if (!s && is_late(d))
        return refuse(d, READING_NO_DATABASE);
    return s ? OPENING_ON : OPENING_WAIT;
}

/* Without an attempt a following stream begins, and waits for the first one. */
static enum opening stage_attempt(struct download *d, const struct log_state *s)
{
    int64_t number = d->query.attempt ? d->query.attempt : log_state_latest(s);
    const struct log_attempt *a = log_state_attempt(s, number);

    d->offset = (uint64_t)d->query.offset;
    d->end = UINT64_MAX;
    if (!a && number != 0)
        return refuse(d, READING_NO_ATTEMPT);
    if (!a && (!d->query.is_following || task_is_terminal(s->state)))
        return refuse(d, READING_NO_LOG);
    if (a && !download_attach(d, a))
        return refuse(d, READING_TOO_MANY);
    return OPENING_ON;
}

static enum opening stage_sink(struct download *d, const struct log_state *s)
{
    (void)s;
    if (!d->follow.follow)
        return OPENING_ON;
    if (follow_kind(&d->follow) == FOLLOW_UNKNOWN) {
        if (!d->is_asked)
            follow_want(&d->follow, d->offset);
        d->is_asked = true;
        return wait_for_sink(d);
    }
    if (!d->query.is_following)
        d->end = follow_end(&d->follow);
    return OPENING_ON;
}

/* Where the chunks of a time begin. Output from before the attempt's start is not known: all of it is newer. */
static enum opening take_since(struct download *d)
{
    const struct chunk_list *l = d->chunks;

    if (l->error[0]) {
        download_refuse_text(d, is_removed(l->error) ? 410 : 503, l->error);
        return OPENING_OVER;
    }
    uint64_t from = l->n > 0 ? (uint64_t)l->items[l->n - 1].offset : follow_end(&d->follow);
    if (from > d->offset)
        d->offset = from;
    return OPENING_ON;
}

/* The moment in the attempt's own time; one that no chunk can reach stays one. */
static uint64_t since_ns(const struct download *d, const struct log_attempt *a)
{
    uint64_t ms = (uint64_t)(d->query.since_ms - a->started_ms), most = (uint64_t)INT64_MAX / NS_PER_MS;

    return (ms < most ? ms : most) * NS_PER_MS;
}

static enum opening stage_since(struct download *d, const struct log_state *s)
{
    const struct log_attempt *a = log_state_attempt(s, d->attempt);

    if (d->query.since_ms < 0 || !a || d->query.since_ms <= a->started_ms || a->started_ms == 0)
        return OPENING_ON;
    if (!d->is_asked) {
        download_need_chunks(d);
        download_ask_chunks(d, CHUNK_BY_TIME, since_ns(d, a), 1);
        d->is_asked = true;
        return OPENING_WAIT;
    }
    return chunk_list_is_asking(d->chunks) ? OPENING_WAIT : take_since(d);
}

/* Reads the block that the search looks at next; what is missing of it holds no newline. */
static enum opening fill_block(struct download *d)
{
    uint64_t from = tail_block(&d->tail);

    while (d->block.len < d->tail.at - from) {
        uint64_t at = from + d->block.len;
        size_t room = (size_t)(d->tail.at - at);
        struct follow_gap gap;
        const uint8_t *data;
        size_t n = follow_peek(&d->follow, at, &data);
        if (n > 0) {
            buf_append(&d->block, data, n < room ? n : room);
        } else if (follow_gap(&d->follow, at, &gap)) {
            size_t missing = gap.to - at < room ? (size_t)(gap.to - at) : room;
            memset(buf_reserve(&d->block, missing), 0, missing);
            buf_commit(&d->block, missing);
        } else {
            if (!d->follow.is_wanting)
                follow_want(&d->follow, at);
            return wait_for_sink(d);
        }
        d->since_ms = clock_boot_ms();
    }
    return OPENING_ON;
}

static enum opening stage_tail(struct download *d, const struct log_state *s)
{
    (void)s;
    if (d->query.tail < 0 || !d->follow.follow)
        return OPENING_ON;
    if (!d->is_asked)
        tail_begin(&d->tail, d->offset, d->query.is_following ? follow_end(&d->follow) : d->end,
                   (uint64_t)d->query.tail);
    d->is_asked = true;
    while (!d->tail.is_done) {
        enum opening opening = fill_block(d);
        if (opening != OPENING_ON)
            return opening;
        tail_look(&d->tail, (const uint8_t *)d->block.data);
        buf_reset(&d->block);
    }
    buf_fini(&d->block);
    if (d->tail.start > d->offset)
        d->offset = d->tail.start;
    return OPENING_ON;
}

/* The place is known: the limit counts from it. */
static enum opening stage_limit(struct download *d, const struct log_state *s)
{
    (void)s;
    if (d->query.form != FORM_CHUNKS && d->end > d->offset && d->end - d->offset > (uint64_t)d->query.limit)
        d->end = d->offset + (uint64_t)d->query.limit;
    return OPENING_ON;
}

static enum opening stage_conditions(struct download *d, const struct log_state *s)
{
    (void)s;
    return download_conditions(d);
}

static enum opening refuse_gap(struct download *d, const struct follow_gap *gap)
{
    if (d->query.stops_at_gaps || d->is_part)
        download_refuse_gap(d, gap);
    else
        download_refuse_text(d, 410, gap->reason);
    return OPENING_OVER;
}

/* The first bytes must be at hand before anything is promised: they may be gone for good. */
static enum opening stage_bytes(struct download *d, const struct log_state *s)
{
    struct follow_gap gap;
    const uint8_t *data;

    (void)s;
    if (d->query.form == FORM_CHUNKS || !d->follow.follow || d->offset >= d->end ||
        d->offset >= follow_end(&d->follow) || follow_peek(&d->follow, d->offset, &data) > 0)
        return OPENING_ON;
    if (!follow_gap(&d->follow, d->offset, &gap)) {
        if (!d->follow.is_wanting)
            follow_want(&d->follow, d->offset);
        return wait_for_sink(d);
    }
    return d->query.stops_at_gaps || d->is_part || is_removed(gap.reason) ? refuse_gap(d, &gap) : OPENING_ON;
}

static enum opening stage_chunks(struct download *d, const struct log_state *s)
{
    (void)s;
    if (d->query.form != FORM_CHUNKS)
        return OPENING_ON;
    if (!d->is_asked) {
        d->chunks_left = (uint64_t)d->query.limit;
        d->last_seq = d->query.seq > 0 ? (uint64_t)d->query.seq - 1 : 0;
        download_need_chunks(d);
        download_ask_list(d, d->last_seq + 1);
        d->is_asked = true;
        return OPENING_WAIT;
    }
    if (chunk_list_is_asking(d->chunks))
        return OPENING_WAIT;
    if (!d->chunks->error[0])
        return OPENING_ON;
    download_refuse_text(d, is_removed(d->chunks->error) ? 410 : 503, d->chunks->error);
    return OPENING_OVER;
}

static stage_fn *const stages[] = { stage_task, stage_attempt, stage_sink,       stage_since,
                                    stage_tail, stage_limit,   stage_conditions, stage_bytes,
                                    stage_chunks };

enum opening download_opening(struct download *d)
{
    while (d->stage < ARRAY_LEN(stages)) {
        enum opening opening = stages[d->stage](d, track_state(&d->track));
        if (opening != OPENING_ON)
            return opening;
        d->stage++;
        d->is_asked = false;
        d->since_ms = clock_boot_ms();
    }
    return OPENING_ON;
}
