/* follow.c - one followed attempt: subscribed at its sink, with a ring of its newest bytes and a few pages of older
 * ones, shared by all its viewers.
 *
 * A viewer is only an offset: where the ring or a page has it, it is served from memory, else it wants a read. There
 * is one read under way per attempt, first come first served; a page is kept until the viewer it was read for has
 * looked, so that many slow viewers at many places all get on. Implements ARCHITECTURE "Log format" (last sentence)
 * and "The life of a task", 5. Rings have a cap per worker. */
#include "gateway/follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/ring.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/table.h"
#include "proto/chain.h"

enum {
    FOLLOWS_MAX = 4096,
    RING_MAX = 1024 * 1024,
    RING_MAX_CROWDED = 64 * 1024,
    RINGS_BYTES_MAX = 256 * 1024 * 1024,   /* above it, rings stay small */
    READ_BYTES = 256 * 1024,
    PAGES = 4,
    TICK_MS = 1000,
    READ_TIMEOUT_MS = 3000,
    RETRY_MS = 1000,
    QUIET_MS = 1000,
    LINGER_MS = 5000,                      /* kept without viewers, for those that come again */
    ERROR_MS = 10000,                      /* reading fails for so long: said to the viewers */
};

struct page {
    uint64_t offset;
    struct buf data;
    unsigned pins;     /* viewers that have not looked yet */
    uint64_t used;     /* for the least recently filled */
};

struct follow {
    struct follows *all;
    TAILQ_ENTRY(follow) entry;
    TAILQ_HEAD(, follow_member) members;
    TAILQ_HEAD(, follow_member) wants;
    struct uuid key;
    struct uuid task;
    int64_t attempt;
    struct arena arena;                    /* of the segments */
    const struct log_segment *segments;
    size_t n_segments;
    const char *live_sink;                 /* NULL: not subscribed */
    struct ring ring;
    struct page pages[PAGES];
    uint64_t fills;
    uint64_t durable;
    enum follow_end_kind kind;
    int64_t token;                         /* of the read under way; 0: none */
    uint64_t asked_ms, retry_ms;
    uint64_t progress_ms;                  /* the last time bytes came */
    uint64_t failing_since_ms;             /* 0: reading works */
    char error[256];                       /* what the sink answered to the last read; "": no answer, or a good one */
    uint64_t empty_since_ms;               /* 0: there are viewers */
    struct timer *quiet;
};

struct follows {
    struct gateway *g;
    struct timer *tick;
    TAILQ_HEAD(, follow) list;
    struct table by_attempt;
    int64_t last_token;
    size_t ring_bytes;
};

static void tell(struct follow *f)
{
    struct follow_member *m;

    TAILQ_FOREACH(m, &f->members, entry)
        m->on_data(m->arg);
}

/* --- reading --------------------------------------------------------------------------------------------------- */

static const struct log_segment *segment_at(const struct follow *f, uint64_t offset)
{
    const struct log_segment *found = NULL;

    for (size_t i = 0; i < f->n_segments; i++)
        if (!found || f->segments[i].from <= offset)
            found = &f->segments[i];
    return found;
}

static struct page *free_page(struct follow *f)
{
    struct page *oldest = NULL;

    for (size_t i = 0; i < PAGES; i++)
        if (f->pages[i].pins == 0 && (!oldest || f->pages[i].used < oldest->used))
            oldest = &f->pages[i];
    return oldest;
}

/* `why` is what the sink said; "": nothing. */
static void note_failure(struct follow *f, const char *why)
{
    uint64_t now_ms = clock_boot_ms();

    snprintf(f->error, sizeof(f->error), "%s", why);
    f->retry_ms = now_ms + RETRY_MS;
    if (f->failing_since_ms == 0)
        f->failing_since_ms = now_ms;
}

/* Asks for what the first in line wants, unless a read is under way or all pages are still to be looked at. */
static void pump(struct follow *f)
{
    struct follow_member *first = TAILQ_FIRST(&f->wants);
    uint64_t now_ms = clock_boot_ms();

    if (!first || f->token != 0 || now_ms < f->retry_ms || !free_page(f))
        return;
    const struct log_segment *segment = segment_at(f, first->wanted);
    struct msg_log_read read = { .token = ++f->all->last_token, .task_id = f->task, .attempt = f->attempt,
                                 .offset = (int64_t)first->wanted, .limit = READ_BYTES };
    if (segment && sinks_read(f->all->g->sinks, segment->sink, &read) == 0) {
        f->token = read.token;
        f->asked_ms = now_ms;
    } else {
        note_failure(f, "");
    }
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
    pump(f);
}

static void stop_wanting(struct follow_member *m)
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
    pump(m->follow);
}

/* --- what comes ------------------------------------------------------------------------------------------------ */

static void note_progress(struct follow *f)
{
    f->progress_ms = clock_boot_ms();
    if (!timer_is_on(f->quiet))
        timer_in(f->quiet, QUIET_MS);
}

static void on_quiet(void *arg)
{
    struct follow *f = arg;
    uint64_t idle_ms = clock_boot_ms() - f->progress_ms;

    if (idle_ms < QUIET_MS)
        timer_in(f->quiet, QUIET_MS - idle_ms);
    else
        tell(f);
}

/* What every message says, asked for or not. */
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
        note_progress(f);
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
    tell(f);
}

/* The wishes that this answer fulfils, with or without bytes. */
static void satisfy(struct follow *f, struct page *page, uint64_t offset, size_t len)
{
    struct follow_member *next;

    for (struct follow_member *m = TAILQ_FIRST(&f->wants); m; m = next) {
        next = TAILQ_NEXT(m, want);
        bool is_in_page = m->wanted >= offset && m->wanted < offset + len;
        if (!is_in_page && m->wanted < f->durable)
            continue;
        stop_wanting(m);
        if (is_in_page) {
            m->page = page;
            page->pins++;
        }
        m->on_data(m->arg);
    }
}

static void take_answer(struct follow *f, const struct msg_log_data *d)
{
    f->token = 0;
    if (d->error) {
        note_failure(f, d->error);
        tell(f);
        return;
    }
    take_head(f, d);
    if (d->data.len == 0 && (uint64_t)d->offset < f->durable) {
        note_failure(f, "the log sink answered without bytes");
        tell(f);
        return;
    }
    struct page *page = free_page(f);   /* there was one when this was asked for, and pins only come here */
    if (d->data.len > 0) {
        page->offset = (uint64_t)d->offset;
        page->used = ++f->fills;
        buf_reset(&page->data);
        buf_append(&page->data, d->data.data, d->data.len);
    }
    f->failing_since_ms = 0;
    f->error[0] = '\0';
    satisfy(f, page, (uint64_t)d->offset, d->data.len);
    pump(f);
}

static struct uuid key_of(const struct uuid *task, int64_t attempt)
{
    char id[UUID_TEXT_SIZE], number[24];

    uuid_format(task, id);
    snprintf(number, sizeof(number), "%" PRId64, attempt);
    return table_key_text(id, number);
}

void follow_data(struct follows *all, const struct msg_log_data *d)
{
    struct uuid key = key_of(&d->task_id, d->attempt);
    struct follow *f = table_get(&all->by_attempt, &key);

    if (!f)
        return;
    if (d->token == 0)
        take_live(f, d);
    else if (d->token == f->token)
        take_answer(f, d);
}

/* --- what viewers see ------------------------------------------------------------------------------------------ */

size_t follow_peek(const struct follow_member *m, uint64_t offset, const uint8_t **data_r)
{
    const struct follow *f = m->follow;
    size_t most = ring_peek(&f->ring, offset, data_r);

    if (most > 0)
        return most;
    for (size_t i = 0; i < PAGES; i++) {
        const struct page *page = &f->pages[i];
        if (offset < page->offset || offset >= page->offset + page->data.len)
            continue;
        size_t skip = (size_t)(offset - page->offset);
        if (page->data.len - skip > most) {
            most = page->data.len - skip;
            *data_r = (const uint8_t *)page->data.data + skip;
        }
    }
    return most;
}

uint64_t follow_end(const struct follow_member *m)
{
    return m->follow->durable;
}

enum follow_end_kind follow_kind(const struct follow_member *m)
{
    return m->follow->kind;
}

uint64_t follow_idle_ms(const struct follow_member *m)
{
    return clock_boot_ms() - m->follow->progress_ms;
}

bool follow_is_quiet(const struct follow_member *m)
{
    return follow_idle_ms(m) >= QUIET_MS;
}

uint64_t follow_failing_ms(const struct follow_member *m)
{
    return m->follow->failing_since_ms ? clock_boot_ms() - m->follow->failing_since_ms : 0;
}

const char *follow_error(const struct follow_member *m)
{
    const struct follow *f = m->follow;

    return follow_failing_ms(m) >= ERROR_MS && f->error[0] ? f->error : NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static void subscribe(struct follow *f, bool wanted)
{
    uint8_t topic[CHAIN_TOPIC_SIZE];

    if (!f->live_sink)
        return;
    chain_topic(&f->task, (uint32_t)f->attempt, topic);
    if (!sinks_subscribe(f->all->g->sinks, f->live_sink, topic, wanted))
        note_failure(f, "its log sink is not in this gateway's configuration (ORION_SINKS)");
}

static void take_segments(struct follow *f, const struct log_attempt *a)
{
    struct log_segment *segments = arena_alloc(&f->arena, a->n_segments * sizeof(*segments));

    for (size_t i = 0; i < a->n_segments; i++)
        segments[i] = (struct log_segment){ a->segments[i].from, arena_strdup(&f->arena, a->segments[i].sink) };
    subscribe(f, false);
    f->segments = segments;
    f->n_segments = a->n_segments;
    f->live_sink = a->n_segments ? segments[a->n_segments - 1].sink : NULL;
    subscribe(f, true);
    if (!f->live_sink)
        f->kind = FOLLOW_ABSENT;
}

static struct follow *follow_new(struct follows *all, const struct uuid *key, const struct uuid *task, int64_t attempt)
{
    struct follow *f = mem_zalloc(sizeof(*f));

    f->all = all;
    f->key = *key;
    f->task = *task;
    f->attempt = attempt;
    f->progress_ms = clock_boot_ms();
    f->quiet = loop_timer(all->g->loop, on_quiet, f);
    TAILQ_INIT(&f->members);
    TAILQ_INIT(&f->wants);
    TAILQ_INSERT_TAIL(&all->list, f, entry);
    table_put(&all->by_attempt, key, f);
    return f;
}

static void follow_free(struct follow *f)
{
    subscribe(f, false);
    TAILQ_REMOVE(&f->all->list, f, entry);
    table_remove(&f->all->by_attempt, &f->key);
    f->all->ring_bytes -= f->ring.cap;
    ring_fini(&f->ring);
    for (size_t i = 0; i < PAGES; i++)
        buf_fini(&f->pages[i].data);
    timer_free(&f->quiet);
    arena_fini(&f->arena);
    mem_free(&f);
}

bool follow_join(struct follows *all, const struct uuid *task, const struct log_attempt *a, struct follow_member *m)
{
    struct uuid key = key_of(task, a->number);
    struct follow *f = table_get(&all->by_attempt, &key);

    if (!f && all->by_attempt.used >= FOLLOWS_MAX)
        return false;
    if (!f)
        f = follow_new(all, &key, task, a->number);
    m->follow = f;
    TAILQ_INSERT_TAIL(&f->members, m, entry);
    f->empty_since_ms = 0;
    if (f->n_segments != a->n_segments || a->n_segments == 0)
        take_segments(f, a);
    if (!timer_is_on(f->quiet))
        timer_in(f->quiet, QUIET_MS);
    return true;
}

void follow_leave(struct follow_member *m)
{
    struct follow *f = m->follow;

    if (!f)
        return;
    follow_unpin(m);
    stop_wanting(m);
    TAILQ_REMOVE(&f->members, m, entry);
    m->follow = NULL;
    if (TAILQ_EMPTY(&f->members))
        f->empty_since_ms = clock_boot_ms();
}

static void follow_check(struct follow *f, uint64_t now_ms)
{
    if (f->empty_since_ms != 0 && now_ms - f->empty_since_ms > LINGER_MS) {
        follow_free(f);
        return;
    }
    if (f->token != 0 && now_ms - f->asked_ms > READ_TIMEOUT_MS) {
        f->token = 0;
        note_failure(f, "");
    }
    pump(f);
}

static void on_tick(void *arg)
{
    struct follows *all = arg;
    uint64_t now_ms = clock_boot_ms();
    struct follow *next;

    for (struct follow *f = TAILQ_FIRST(&all->list); f; f = next) {
        next = TAILQ_NEXT(f, entry);
        follow_check(f, now_ms);
    }
    timer_in(all->tick, TICK_MS);
}

struct follows *follows_new(struct gateway *g)
{
    struct follows *all = mem_zalloc(sizeof(*all));

    all->g = g;
    TAILQ_INIT(&all->list);
    all->tick = loop_timer(g->loop, on_tick, all);
    timer_in(all->tick, TICK_MS);
    return all;
}

/* All viewers have left by now. */
void follows_free(struct follows **allp)
{
    struct follows *all = *allp;

    if (!all)
        return;
    while (!TAILQ_EMPTY(&all->list))
        follow_free(TAILQ_FIRST(&all->list));
    table_fini(&all->by_attempt);
    timer_free(&all->tick);
    mem_free(allp);
}
