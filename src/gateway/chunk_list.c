/* chunk_list.c - asking log sinks about chunks, for readers that show more than bytes.
 *
 * Given an attempt's segments, asks the sink that holds the place, and the next one when that has nothing (more). What
 * an older sink has behind the beginning of the next segment does not count. A question that is not answered is asked
 * again; after a while it fails. Changes nothing at the sinks. Implements PROTOCOL "log.list". */
#include "gateway/chunk_list.h"

#include <stdio.h>
#include <string.h>

#include "gateway/gateway.h"
#include "lib/clock.h"
#include "lib/loop.h"

enum {
    TICK_MS = 250,
    ANSWER_MS = 3000,     /* then it is asked again */
    PATIENCE_MS = 15000,  /* then it fails */
};

struct chunk_lists {
    struct gateway *g;
    struct timer *tick;
    TAILQ_HEAD(, chunk_list) list;
    int64_t last_token;
};

/* --- asking ---------------------------------------------------------------------------------------------------- */

static const struct log_segment *segment_of(const struct chunk_list *l)
{
    return &l->segments[l->segment];
}

static bool has_next_segment(const struct chunk_list *l)
{
    return l->segment + 1 < l->n_segments;
}

static void send_question(struct chunk_list *l)
{
    struct msg_log_list m = { .token = l->token, .task_id = l->task, .attempt = l->attempt,
                              .limit = (int64_t)l->limit };

    m.has.seq = l->place == CHUNK_BY_SEQ;
    m.has.offset = l->place == CHUNK_BY_OFFSET;
    m.has.time_ns = l->place == CHUNK_BY_TIME;
    m.seq = m.offset = m.time_ns = (int64_t)l->value;
    l->asked_ms = clock_boot_ms();
    l->is_sent = sinks_list(l->all->g->sinks, segment_of(l)->sink, &m) == 0;
}

/* On to the next segment, with the base right in front of its first chunk. */
static void skip_segment(struct chunk_list *l)
{
    l->segment++;
    if (l->place != CHUNK_BY_TIME) {
        l->place = CHUNK_BY_SEQ;
        l->value = segment_of(l)->chunk + 1;
    }
}

static bool is_unreachable(const struct chunk_list *l)
{
    return segment_of(l)->is_lost && !sinks_has(l->all->g->sinks, segment_of(l)->sink);
}

static void ask(struct chunk_list *l)
{
    while (is_unreachable(l) && has_next_segment(l))
        skip_segment(l);
    l->token = ++l->all->last_token;
    send_question(l);
}

static void finish(struct chunk_list *l)
{
    l->token = 0;
    l->on_items(l->arg);
}

static void fail(struct chunk_list *l, const char *why)
{
    l->n = 0;
    snprintf(l->error, sizeof(l->error), "%.*s", (int)sizeof(l->error) - 1, why);
    finish(l);
}

static size_t first_segment(const struct chunk_list *l)
{
    size_t found = 0;

    for (size_t i = 1; i < l->n_segments; i++)
        if ((l->place == CHUNK_BY_SEQ && l->segments[i].chunk < l->value) ||
            (l->place == CHUNK_BY_OFFSET && l->segments[i].from <= l->value))
            found = i;
    return found;
}

static void copy_segments(struct chunk_list *l, const struct log_attempt *a)
{
    struct log_segment *v;

    arena_fini(&l->arena);
    v = arena_dup(&l->arena, a->segments, a->n_segments * sizeof(*v));
    for (size_t i = 0; i < a->n_segments; i++)
        v[i].sink = arena_strdup(&l->arena, v[i].sink);
    l->segments = v;
    l->n_segments = a->n_segments;
}

void chunk_list_ask(struct chunk_list *l, const struct log_attempt *a, enum chunk_place place, uint64_t value,
                    size_t limit)
{
    copy_segments(l, a);
    l->attempt = a->number;
    l->place = place;
    l->value = value;
    l->limit = limit < CHUNKS_PAGE ? limit : CHUNKS_PAGE;
    l->segment = first_segment(l);
    l->n = 0;
    l->is_last = l->n_segments == 0;
    l->error[0] = '\0';
    l->since_ms = clock_boot_ms();
    if (l->is_last)
        finish(l);   /* no sink ever had any of it */
    else
        ask(l);
}

bool chunk_list_is_asking(const struct chunk_list *l)
{
    return l->token != 0;
}

/* --- what comes ------------------------------------------------------------------------------------------------ */

/* false: it lies in the next segment. */
static bool keep(struct chunk_list *l, const struct msg_log_item *item)
{
    if (has_next_segment(l) && (uint64_t)item->seq > l->segments[l->segment + 1].chunk)
        return false;
    l->items[l->n] = *item;
    if (item->head.len == sizeof(l->heads[0])) {
        memcpy(l->heads[l->n], item->head.data, item->head.len);
        l->items[l->n].head.data = l->heads[l->n];
    } else {
        l->items[l->n].head = (struct msg_bytes){ NULL, 0 };
    }
    l->n++;
    return true;
}

static void take_page(struct chunk_list *l, const struct msg_log_items *m)
{
    bool is_all = true;

    for (size_t i = 0; i < m->items.n && is_all && l->n < CHUNKS_PAGE; i++)
        is_all = keep(l, &m->items.v[i]);
    if (l->n == 0 && has_next_segment(l)) {
        skip_segment(l);
        ask(l);
        return;
    }
    int64_t seq = l->n > 0 ? l->items[l->n - 1].seq : 0;
    l->is_last = !has_next_segment(l) && (l->n == 0 || seq >= m->chunks);
    finish(l);
}

void chunk_lists_take(struct chunk_lists *ls, const struct msg_log_items *m)
{
    struct chunk_list *l;

    TAILQ_FOREACH(l, &ls->list, entry)
        if (l->token != 0 && l->token == m->token)
            break;
    if (!l)
        return;
    if (m->error && has_next_segment(l)) {
        skip_segment(l);
        ask(l);
    } else if (m->error) {
        fail(l, m->error);
    } else {
        take_page(l, m);
    }
}

static void check(struct chunk_list *l, uint64_t now_ms)
{
    char why[300];

    if (l->token == 0 || (l->is_sent && now_ms - l->asked_ms < ANSWER_MS))
        return;
    if (is_unreachable(l)) {
        snprintf(why, sizeof(why), "log sink %s is lost", segment_of(l)->sink);
        fail(l, why);
    } else if (now_ms - l->since_ms > PATIENCE_MS) {
        fail(l, "the log sink does not answer");
    } else {
        send_question(l);
    }
}

static void on_tick(void *arg)
{
    struct chunk_lists *ls = arg;
    uint64_t now_ms = clock_boot_ms();
    struct chunk_list *l;

    TAILQ_FOREACH(l, &ls->list, entry)
        check(l, now_ms);
    timer_in(ls->tick, TICK_MS);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

void chunk_list_join(struct chunk_lists *ls, struct chunk_list *l)
{
    l->all = ls;
    TAILQ_INSERT_TAIL(&ls->list, l, entry);
}

void chunk_list_leave(struct chunk_list *l)
{
    if (!l->all)
        return;
    TAILQ_REMOVE(&l->all->list, l, entry);
    l->all = NULL;
    arena_fini(&l->arena);
}

struct chunk_lists *chunk_lists_new(struct gateway *g)
{
    struct chunk_lists *ls = mem_zalloc(sizeof(*ls));

    ls->g = g;
    TAILQ_INIT(&ls->list);
    ls->tick = loop_timer(g->loop, on_tick, ls);
    timer_in(ls->tick, TICK_MS);
    return ls;
}

/* All readers have left by now. */
void chunk_lists_free(struct chunk_lists **lsp)
{
    if (!*lsp)
        return;
    timer_free(&(*lsp)->tick);
    mem_free(lsp);
}
