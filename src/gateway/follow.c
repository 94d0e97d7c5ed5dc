/* follow.c - one followed attempt: subscribed at its sink, with a ring of its newest bytes, a few pages of older ones
 * and its newest events as text, shared by all its viewers.
 *
 * A viewer is only an offset: where the ring or a page has it, it is served from memory, else it wants a read
 * (follow_read.c). Events are made once where two or more viewers show the same form of them. Implements ARCHITECTURE
 * "Log format" (last sentence) and "The life of a task", 5. Rings have a cap per worker. */
#include "gateway/follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/follow_impl.h"
#include "gateway/gateway.h"
#include "lib/clock.h"
#include "lib/loop.h"

enum {
    FOLLOWS_MAX = 4096,
    ENCODE_BYTES = 64 * 1024,                /* of the log at once */
    ENCODED_MAX = 2 * 1024 * 1024,
    ENCODED_BYTES_MAX = 128 * 1024 * 1024,   /* of all attempts; above it viewers make their events themselves */
    TICK_MS = 1000,
    LINGER_MS = 5000,                        /* kept without viewers, for those that come again */
    ERROR_MS = 10000,                        /* reading fails for so long: said to the viewers */
};

/* --- telling --------------------------------------------------------------------------------------------------- */

void follow_tell(struct follow *f)
{
    if (f->has_news)
        return;
    f->has_news = true;
    TAILQ_INSERT_TAIL(&f->all->news, f, news);
}

static void tell_members(struct follow *f)
{
    struct follow_member *next;

    for (struct follow_member *m = TAILQ_FIRST(&f->members); m; m = next) {
        next = TAILQ_NEXT(m, entry);
        if (m->is_once) {
            m->is_told = true;
            TAILQ_REMOVE(&f->members, m, entry);
            TAILQ_INSERT_TAIL(&f->told, m, entry);
        }
        m->on_data(m->arg);
    }
}

static bool on_before_sleep(void *arg)
{
    struct follows *all = arg;
    struct follow *f;

    while ((f = TAILQ_FIRST(&all->news))) {
        TAILQ_REMOVE(&all->news, f, news);
        f->has_news = false;
        tell_members(f);
    }
    return false;
}

void follow_listen(struct follow_member *m)
{
    if (!m->follow || !m->is_told)
        return;
    m->is_told = false;
    TAILQ_REMOVE(&m->follow->told, m, entry);
    TAILQ_INSERT_TAIL(&m->follow->members, m, entry);
}

void follow_note_progress(struct follow *f)
{
    f->progress_ms = clock_boot_ms();
    if (!timer_is_on(f->quiet))
        timer_in(f->quiet, FOLLOW_QUIET_MS);
}

static void on_quiet(void *arg)
{
    struct follow *f = arg;
    uint64_t idle_ms = clock_boot_ms() - f->progress_ms;

    if (idle_ms < FOLLOW_QUIET_MS)
        timer_in(f->quiet, FOLLOW_QUIET_MS - idle_ms);
    else
        follow_tell(f);
}

/* --- what viewers see ------------------------------------------------------------------------------------------ */

size_t follow_peek(const struct follow_member *m, uint64_t offset, const uint8_t **data_r)
{
    const struct follow *f = m->follow;
    size_t most = ring_peek(&f->ring, offset, data_r);

    if (most > 0)
        return most;
    for (size_t i = 0; i < FOLLOW_PAGES; i++) {
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

static void encoded_drop(struct follow *f, enum follow_form form)
{
    f->all->encoded_bytes -= encoded_memory(&f->encoded[form]);
    encoded_fini(&f->encoded[form]);
}

/* Makes the events that stand at `offset`, for those who come to the same place later; false: not worth it. */
static bool encode(struct follow *f, const struct follow_member *m, uint64_t offset)
{
    const struct sse_form form = { .is_named = m->form == FOLLOW_V1, .attempt = f->attempt };
    struct encoded *e = &f->encoded[m->form];
    const uint8_t *data;
    size_t n = follow_peek(m, offset, &data);

    if (n > ENCODE_BYTES)
        n = ENCODE_BYTES;
    if (n == 0 || !encoded_wants(e, offset, offset + n, f->users[m->form]))
        return false;
    if (e->was_short && e->max < ENCODED_MAX)
        e->max *= 2;
    e->was_short = false;
    f->all->encoded_bytes -= encoded_memory(e);
    encoded_add(e, &form, offset, data, n, &f->all->scratch);
    f->all->encoded_bytes += encoded_memory(e);
    return true;
}

size_t follow_events(const struct follow_member *m, uint64_t offset, size_t room, const char **text_r,
                     uint64_t *next_r)
{
    struct follow *f = m->follow;
    struct encoded *e = &f->encoded[m->form];

    if (f->users[m->form] < 2 || m->form == FOLLOW_BYTES)
        return 0;
    if (f->all->encoded_bytes > ENCODED_BYTES_MAX) {
        encoded_drop(f, m->form);
        return 0;
    }
    size_t n = encoded_get(e, offset, room, text_r, next_r);
    return n == 0 && encode(f, m, offset) ? encoded_get(e, offset, room, text_r, next_r) : n;
}

bool follow_gap(const struct follow_member *m, uint64_t offset, struct follow_gap *gap_r)
{
    return follow_is_missing(m->follow, offset, gap_r);
}

uint64_t follow_end(const struct follow_member *m)
{
    const struct follow *f = m->follow;
    struct follow_gap gap;

    if (f->total > f->durable && follow_is_missing(f, f->durable, &gap) && gap.to >= f->total)
        return f->total;
    return f->durable;
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
    return follow_idle_ms(m) >= FOLLOW_QUIET_MS;
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

static struct uuid key_of(const struct uuid *task, int64_t attempt)
{
    char id[UUID_TEXT_SIZE], number[24];

    uuid_format(task, id);
    snprintf(number, sizeof(number), "%" PRId64, attempt);
    return table_key_text(id, number);
}

struct follow *follow_find(struct follows *all, const struct uuid *task, int64_t attempt)
{
    struct uuid key = key_of(task, attempt);

    return table_get(&all->by_attempt, &key);
}

static bool segments_equal(const struct follow *f, const struct log_attempt *a)
{
    if (f->n_segments != a->n_segments || (a->n_segments == 0 && f->kind != FOLLOW_ABSENT))
        return false;
    for (size_t i = 0; i < a->n_segments; i++)
        if (f->segments[i].from != a->segments[i].from || f->segments[i].is_lost != a->segments[i].is_lost ||
            strcmp(f->segments[i].sink, a->segments[i].sink) != 0)
            return false;
    return true;
}

static void take_attempt(struct follow *f, const struct log_attempt *a)
{
    if (!segments_equal(f, a))
        follow_take_segments(f, a);
    f->total = a->has_bytes ? a->bytes : 0;
    f->is_closed = strcmp(a->log_state, "open") != 0;
    f->was_cut = follow_is_cut(f);
}

void follows_note(struct follows *all, const struct uuid *task, const struct log_attempt *a)
{
    struct follow *f = follow_find(all, task, a->number);

    if (!f)
        return;
    take_attempt(f, a);
    follow_tell(f);
}

static struct follow *follow_new(struct follows *all, const struct uuid *task, int64_t attempt)
{
    struct follow *f = mem_zalloc(sizeof(*f));

    f->all = all;
    f->key = key_of(task, attempt);
    f->task = *task;
    f->attempt = attempt;
    f->progress_ms = clock_boot_ms();
    f->quiet = loop_timer(all->g->loop, on_quiet, f);
    TAILQ_INIT(&f->members);
    TAILQ_INIT(&f->told);
    TAILQ_INIT(&f->wants);
    TAILQ_INSERT_TAIL(&all->list, f, entry);
    table_put(&all->by_attempt, &f->key, f);
    return f;
}

static void follow_free(struct follow *f)
{
    follow_live_at(f, NULL);
    TAILQ_REMOVE(&f->all->list, f, entry);
    if (f->has_news)
        TAILQ_REMOVE(&f->all->news, f, news);
    table_remove(&f->all->by_attempt, &f->key);
    f->all->ring_bytes -= f->ring.cap;
    ring_fini(&f->ring);
    for (size_t i = 0; i < FOLLOW_FORMS; i++)
        encoded_drop(f, (enum follow_form)i);
    for (size_t i = 0; i < FOLLOW_PAGES; i++)
        buf_fini(&f->pages[i].data);
    gaps_fini(&f->gaps);
    timer_free(&f->quiet);
    arena_fini(&f->arena);
    mem_free(&f);
}

bool follow_join(struct follows *all, const struct uuid *task, const struct log_attempt *a, struct follow_member *m)
{
    struct follow *f = follow_find(all, task, a->number);

    if (!f && all->by_attempt.used >= FOLLOWS_MAX)
        return false;
    if (!f)
        f = follow_new(all, task, a->number);
    m->follow = f;
    m->is_told = false;
    TAILQ_INSERT_TAIL(&f->members, m, entry);
    f->users[m->form]++;
    f->empty_since_ms = 0;
    take_attempt(f, a);
    if (!timer_is_on(f->quiet))
        timer_in(f->quiet, FOLLOW_QUIET_MS);
    return true;
}

void follow_leave(struct follow_member *m)
{
    struct follow *f = m->follow;

    if (!f)
        return;
    follow_unpin(m);
    follow_stop_wanting(m);
    if (m->is_told)
        TAILQ_REMOVE(&f->told, m, entry);
    else
        TAILQ_REMOVE(&f->members, m, entry);
    m->follow = NULL;
    m->is_told = false;
    if (--f->users[m->form] == 0)
        encoded_drop(f, m->form);
    if (TAILQ_EMPTY(&f->members) && TAILQ_EMPTY(&f->told))
        f->empty_since_ms = clock_boot_ms();
}

static void follow_check(struct follow *f, uint64_t now_ms)
{
    bool is_cut = follow_is_cut(f);

    if (f->empty_since_ms != 0 && now_ms - f->empty_since_ms > LINGER_MS) {
        follow_free(f);
        return;
    }
    if (is_cut != f->was_cut)
        follow_tell(f);
    f->was_cut = is_cut;
    follow_read_tick(f, now_ms);
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
    TAILQ_INIT(&all->news);
    all->tick = loop_timer(g->loop, on_tick, all);
    all->hook = loop_hook(g->loop, on_before_sleep, all);
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
    buf_fini(&all->scratch);
    hook_free(&all->hook);
    timer_free(&all->tick);
    mem_free(allp);
}
