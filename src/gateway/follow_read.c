/* follow_read.c - what comes to a followed attempt from the sinks: live bytes, the answers to reads, and gaps.
 *
 * There is one read under way per attempt, first come first served; a page is kept until the viewer it was read for has
 * looked, so that many slow viewers at many places all get on. A page begins with the last bytes in front of it, if
 * those are in memory: a line that spans two reads lies in one piece. A log's segments lie on different sinks: a read
 * ends with its segment, and only the last one's sink says where the log ends. Implements ARCHITECTURE "Log format"
 * (last sentence) and PROTOCOL "log.read", "log.data". */
#include <stdio.h>
#include <string.h>

#include "gateway/follow_impl.h"
#include "gateway/gateway.h"
#include "lib/clock.h"
#include "proto/chain.h"

enum {
    RING_MAX = 1024 * 1024,
    RING_MAX_CROWDED = 64 * 1024,
    RINGS_BYTES_MAX = 256 * 1024 * 1024,   /* above it, rings stay small */
    READ_BYTES = 256 * 1024,
    OVERLAP = SSE_LINE_MAX,                /* nothing longer has to lie in one piece */
    READ_TIMEOUT_MS = 3000,
    RETRY_MS = 1000,
    PAGE_KEPT_MS = 5000,                   /* without anybody who waits for it */
};

/* --- segments -------------------------------------------------------------------------------------------------- */

static void subscribe(struct follow *f, bool wanted)
{
    uint8_t topic[CHAIN_TOPIC_SIZE];

    if (!f->live_sink)
        return;
    chain_topic(&f->task, (uint32_t)f->attempt, topic);
    if (!sinks_subscribe(f->all->g->sinks, f->live_sink, topic, wanted))
        follow_note_failure(f, "its log sink is not in this gateway's configuration (ORION_SINKS)");
}

void follow_live_at(struct follow *f, const char *sink)
{
    bool is_same = sink && f->live_sink && strcmp(sink, f->live_sink) == 0;

    if (!is_same)
        subscribe(f, false);
    f->live_sink = sink;
    if (is_same)
        return;
    subscribe(f, true);
    f->kind = sink ? FOLLOW_UNKNOWN : FOLLOW_ABSENT;
}

void follow_take_segments(struct follow *f, const struct log_attempt *a)
{
    struct log_segment *segments = arena_alloc(&f->arena, a->n_segments * sizeof(*segments));

    for (size_t i = 0; i < a->n_segments; i++) {
        segments[i] = a->segments[i];
        segments[i].sink = arena_strdup(&f->arena, a->segments[i].sink);
    }
    f->segments = segments;
    f->n_segments = a->n_segments;
    follow_live_at(f, a->n_segments ? segments[a->n_segments - 1].sink : NULL);
    if (f->n_segments > 1 && segments[f->n_segments - 1].from > f->durable)
        f->durable = segments[f->n_segments - 1].from;
}

/* The segment of a byte, and where it ends. Of two that begin at the same place the first is empty. */
static const struct log_segment *segment_at(const struct follow *f, uint64_t offset, uint64_t *until_r)
{
    const struct log_segment *found = NULL;

    *until_r = UINT64_MAX;
    for (size_t i = 0; i < f->n_segments; i++) {
        if (found && f->segments[i].from > offset) {
            *until_r = f->segments[i].from;
            break;
        }
        found = &f->segments[i];
    }
    return found;
}

static bool is_gone(const struct follow *f, const struct log_segment *s)
{
    return s->is_lost && !sinks_has(f->all->g->sinks, s->sink);
}

bool follow_is_cut(const struct follow *f)
{
    return f->n_segments > 0 && is_gone(f, &f->segments[f->n_segments - 1]);
}

/* Behind the last byte that will ever come, up to what the build wrote. */
static bool is_missing_at_end(const struct follow *f, uint64_t offset, struct follow_gap *gap_r)
{
    bool is_settled = f->kind == FOLLOW_SEALED || (f->kind == FOLLOW_ABSENT && f->is_closed);

    if (!is_settled || offset < f->durable || offset >= f->total)
        return false;
    *gap_r = (struct follow_gap){ .from = offset, .to = f->total };
    snprintf(gap_r->reason, sizeof(gap_r->reason), "the log was sealed without them, they did not arrive in time");
    return true;
}

bool follow_is_missing(const struct follow *f, uint64_t offset, struct follow_gap *gap_r)
{
    const struct follow_gap *known = gaps_at(&f->gaps, offset);
    uint64_t until;
    const struct log_segment *s = segment_at(f, offset, &until);

    if (known) {
        *gap_r = *known;
        gap_r->from = offset;
        return true;
    }
    if (s && is_gone(f, s) && (until != UINT64_MAX || offset < f->total)) {
        *gap_r = (struct follow_gap){ .from = offset, .to = until != UINT64_MAX ? until : f->total };
        snprintf(gap_r->reason, sizeof(gap_r->reason), "log sink %s is lost", s->sink);
        return true;
    }
    return is_missing_at_end(f, offset, gap_r);
}

/* --- asking ---------------------------------------------------------------------------------------------------- */

static struct page *free_page(struct follow *f)
{
    struct page *oldest = NULL;

    for (size_t i = 0; i < FOLLOW_PAGES; i++)
        if (f->pages[i].pins == 0 && (!oldest || f->pages[i].used < oldest->used))
            oldest = &f->pages[i];
    return oldest;
}

void follow_note_failure(struct follow *f, const char *why)
{
    uint64_t now_ms = clock_boot_ms();

    snprintf(f->error, sizeof(f->error), "%s", why);
    f->retry_ms = now_ms + RETRY_MS;
    if (f->failing_since_ms == 0)
        f->failing_since_ms = now_ms;
}

static void note_success(struct follow *f)
{
    f->failing_since_ms = 0;
    f->error[0] = '\0';
}

/* Waits while a read is under way and while all pages are still to be looked at. */
void follow_pump(struct follow *f)
{
    struct follow_member *first = TAILQ_FIRST(&f->wants);
    uint64_t now_ms = clock_boot_ms();
    uint64_t until;

    if (!first || f->read.token != 0 || now_ms < f->retry_ms || !free_page(f))
        return;
    const struct log_segment *s = segment_at(f, first->wanted, &until);
    uint64_t left = until - first->wanted;
    struct msg_log_read read = { .token = ++f->all->last_token, .task_id = f->task, .attempt = f->attempt,
                                 .offset = (int64_t)first->wanted,
                                 .limit = left < READ_BYTES ? (int64_t)left : READ_BYTES };
    if (s && sinks_read(f->all->g->sinks, s->sink, &read) == 0)
        f->read = (struct follow_read){ read.token, first->wanted, until, s->sink, now_ms };
    else
        follow_note_failure(f, "");
}

void follow_want(struct follow_member *m, uint64_t offset)
{
    struct follow *f = m->follow;

    follow_unpin(m);
    m->wanted = offset;
    if (!m->is_wanting) {
        m->is_wanting = true;
        TAILQ_INSERT_TAIL(&f->wants, m, want);
    }
    follow_pump(f);
}

void follow_stop_wanting(struct follow_member *m)
{
    if (m->is_wanting)
        TAILQ_REMOVE(&m->follow->wants, m, want);
    m->is_wanting = false;
}

void follow_unpin(struct follow_member *m)
{
    if (!m->page)
        return;
    m->page->pins--;
    m->page = NULL;
    follow_pump(m->follow);
}

/* Who has not looked by now is held up by its socket, and asks again when that has room: pages are for the others. */
static void unpin_late(struct follow_members *list, uint64_t now_ms)
{
    struct follow_member *m;

    TAILQ_FOREACH(m, list, entry) {
        if (!m->page || now_ms - m->page->filled_ms <= PAGE_KEPT_MS)
            continue;
        m->page->pins--;
        m->page = NULL;
    }
}

void follow_read_tick(struct follow *f, uint64_t now_ms)
{
    struct follow_member *next;
    struct follow_gap gap;

    if (f->read.token != 0 && now_ms - f->read.asked_ms > READ_TIMEOUT_MS) {
        f->read.token = 0;
        follow_note_failure(f, "");
    }
    unpin_late(&f->members, now_ms);
    unpin_late(&f->told, now_ms);
    for (size_t i = 0; i < FOLLOW_PAGES; i++)
        if (f->pages[i].pins == 0 && now_ms - f->pages[i].filled_ms > PAGE_KEPT_MS)
            buf_fini(&f->pages[i].data);
    for (struct follow_member *m = TAILQ_FIRST(&f->wants); m; m = next) {
        next = TAILQ_NEXT(m, want);
        if (!follow_is_missing(f, m->wanted, &gap))
            continue;
        follow_stop_wanting(m);
        m->on_data(m->arg);
    }
    follow_pump(f);
}

/* --- what comes ------------------------------------------------------------------------------------------------ */

/* What every message of the last segment's sink says, asked for or not. */
static void take_head(struct follow *f, const struct msg_log_data *d)
{
    static const struct {
        const char *name;
        enum follow_end_kind kind;
    } kinds[] = { { "absent", FOLLOW_ABSENT }, { "open", FOLLOW_OPEN }, { "complete", FOLLOW_SEALED },
                  { "gap", FOLLOW_SEALED } };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(d->state, kinds[i].name) == 0)
            f->kind = kinds[i].kind;
    if ((uint64_t)d->durable > f->durable) {
        f->durable = (uint64_t)d->durable;
        follow_note_progress(f);
    }
}

static void take_live(struct follow *f, const struct msg_log_data *d)
{
    struct follows *all = f->all;
    size_t max = all->ring_bytes > RINGS_BYTES_MAX ? RING_MAX_CROWDED : RING_MAX;
    size_t before = f->ring.cap;

    take_head(f, d);
    ring_put(&f->ring, (uint64_t)d->offset, d->data.data, d->data.len, max);
    all->ring_bytes += f->ring.cap - before;
    follow_tell(f);
}

/* The wishes that an answer about [from, to) fulfils; a page: with bytes. */
static void satisfy(struct follow *f, struct page *page, uint64_t from, uint64_t to)
{
    struct follow_member *next;

    for (struct follow_member *m = TAILQ_FIRST(&f->wants); m; m = next) {
        next = TAILQ_NEXT(m, want);
        bool is_in = m->wanted >= from && m->wanted < to;
        if (!is_in && m->wanted < f->durable)
            continue;
        follow_stop_wanting(m);
        if (is_in && page) {
            m->page = page;
            page->pins++;
        }
        m->on_data(m->arg);
    }
}

/* The newest page with bytes that end at `offset`; NULL: none. */
static const struct page *page_before(const struct follow *f, uint64_t offset)
{
    const struct page *found = NULL;

    for (size_t i = 0; i < FOLLOW_PAGES; i++) {
        const struct page *p = &f->pages[i];
        if (p->data.len > 0 && p->offset + p->data.len == offset && (!found || p->used > found->used))
            found = p;
    }
    return found;
}

static void take_bytes(struct follow *f, uint64_t offset, const uint8_t *data, size_t len)
{
    struct page *page = free_page(f);   /* there was one when this was asked for, and pins only come here */
    const struct page *before = page_before(f, offset);
    struct buf fresh = { 0 };
    size_t overlap = 0;

    if (before) {
        overlap = before->data.len < OVERLAP ? before->data.len : OVERLAP;
        buf_append(&fresh, before->data.data + before->data.len - overlap, overlap);
    }
    buf_append(&fresh, data, len);
    buf_fini(&page->data);
    page->data = fresh;
    page->offset = offset - overlap;
    page->used = ++f->fills;
    page->filled_ms = clock_boot_ms();
    note_success(f);
    satisfy(f, page, offset, offset + len);
}

static void take_gap(struct follow *f, uint64_t from, uint64_t to, const char *reason)
{
    gaps_add(&f->gaps, from, to, reason);
    if (f->read.until == UINT64_MAX && to > f->durable)
        f->durable = to;
    note_success(f);
    satisfy(f, NULL, from, to);
}

static void take_failure(struct follow *f, const char *why)
{
    follow_note_failure(f, why);
    follow_tell(f);
}

/* In front of the last segment: the sink has less than it has acknowledged. */
static void take_shortage(struct follow *f)
{
    char reason[GAP_REASON_SIZE];

    snprintf(reason, sizeof(reason), "log sink %s does not have them", f->read.sink);
    take_gap(f, f->read.offset, f->read.until, reason);
}

static void take_answer(struct follow *f, const struct msg_log_data *d)
{
    const struct follow_read *read = &f->read;
    bool is_last = read->until == UINT64_MAX;
    uint64_t offset = (uint64_t)d->offset;
    size_t len = d->data.len < read->until - read->offset ? d->data.len : (size_t)(read->until - read->offset);

    f->read.token = 0;
    if (d->error && !d->has.gap_to) {
        take_failure(f, d->error);
        return;
    }
    if (is_last)
        take_head(f, d);
    if (d->has.gap_to && (uint64_t)d->gap_to > offset) {
        uint64_t to = (uint64_t)d->gap_to < read->until ? (uint64_t)d->gap_to : read->until;
        take_gap(f, offset, to, d->error ? d->error : "they are missing");
    } else if (len > 0) {
        take_bytes(f, offset, d->data.data, len);
    } else if (!is_last) {
        take_shortage(f);
    } else if (offset < f->durable) {
        take_failure(f, "the log sink answered without bytes");
        return;
    } else {
        note_success(f);
        satisfy(f, NULL, offset, offset);
    }
    follow_pump(f);
}

void follow_data(struct follows *all, const struct msg_log_data *d)
{
    struct follow *f = follow_find(all, &d->task_id, d->attempt);

    if (!f)
        return;
    if (d->token == 0)
        take_live(f, d);
    else if (d->token == f->read.token)
        take_answer(f, d);
}
