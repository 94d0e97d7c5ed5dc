/* seals.c - log.seal, said again every two seconds and at each hello of its sink until log.sealed comes back.
 *
 * ARCHITECTURE "The life of a task", 6. What is asked stands in the attempt's row, so a new leader asks again; when
 * the grace is over the sink is told to seal what it has. The grace is one in which the sink is there: while it was away
 * its agents could not send it anything either. */
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/mem.h"
#include "lib/table.h"
#include "scheduler/scheduler.h"

enum { REPEAT_MS = 2000, ROUND_MAX = 1000 };

struct seal {
    struct uuid place;
    char *sink, *project;
    struct msg_log_seal message;
    struct hash head;
    uint64_t first_ms, next_ms;
    TAILQ_ENTRY(seal) by_time;
};

struct seals {
    struct scheduler *s;
    struct timer *timer;
    struct table all;
    TAILQ_HEAD(seal_list, seal) by_time;     /* next_ms ascending: every repeat goes to the end */
};

static struct uuid place_of(const struct uuid *task_id, int64_t attempt)
{
    char id[UUID_TEXT_SIZE], number[24];

    uuid_format(task_id, id);
    snprintf(number, sizeof number, "%lld", (long long)attempt);
    return table_key_text(id, number);
}

static void seal_send(struct seals *ss, struct seal *seal)
{
    uint64_t now = clock_boot_ms();

    if (now - seal->first_ms >= (uint64_t)ss->s->settings->log_grace_ms)
        seal->message.force = seal->message.has.force = true;
    peers_send_sink(ss->s->peers, seal->sink, MSG_LOG_SEAL, &seal->message);
    seal->next_ms = now + REPEAT_MS;
    TAILQ_REMOVE(&ss->by_time, seal, by_time);
    TAILQ_INSERT_TAIL(&ss->by_time, seal, by_time);
}

static void timer_set(struct seals *ss)
{
    const struct seal *first = TAILQ_FIRST(&ss->by_time);
    uint64_t now = clock_boot_ms();

    if (first)
        timer_in(ss->timer, first->next_ms > now ? first->next_ms - now : 1);
    else
        timer_off(ss->timer);
}

static void on_timer(void *arg)
{
    struct seals *ss = arg;
    uint64_t now = clock_boot_ms();
    struct seal *seal;

    for (int i = 0; i < ROUND_MAX && (seal = TAILQ_FIRST(&ss->by_time)) && seal->next_ms <= now; i++)
        seal_send(ss, seal);
    timer_set(ss);
}

static void seal_free(struct seals *ss, struct seal *seal)
{
    table_remove(&ss->all, &seal->place);
    TAILQ_REMOVE(&ss->by_time, seal, by_time);
    mem_free(&seal->sink);
    mem_free(&seal->project);
    mem_free(&seal);
}

struct seals *seals_open(struct scheduler *s)
{
    struct seals *ss = mem_zalloc(sizeof *ss);

    ss->s = s;
    ss->timer = loop_timer(s->loop, on_timer, ss);
    TAILQ_INIT(&ss->by_time);
    return ss;
}

void seals_close(struct seals **ss)
{
    if (!*ss)
        return;
    seals_clear(*ss);
    table_fini(&(*ss)->all);
    timer_free(&(*ss)->timer);
    mem_free(ss);
}

void seals_clear(struct seals *ss)
{
    while (!TAILQ_EMPTY(&ss->by_time))
        seal_free(ss, TAILQ_FIRST(&ss->by_time));
    timer_off(ss->timer);
}

static bool is_same(const struct seal *seal, const char *sink, const struct msg_log_seal *m)
{
    return strcmp(seal->sink, sink) == 0 && seal->message.head.len == m->head.len &&
           seal->message.keep_ms == m->keep_ms && (!m->head.len || memcmp(seal->head.b, m->head.data, m->head.len) == 0);
}

static struct seal *seal_new(const char *sink, const struct msg_log_seal *m)
{
    struct seal *seal = mem_zalloc(sizeof *seal);

    seal->place = place_of(&m->task_id, m->attempt);
    seal->sink = mem_strdup(sink);
    seal->project = m->project ? mem_strdup(m->project) : NULL;
    seal->message = *m;
    seal->message.project = seal->project;
    if (m->head.len == sizeof seal->head.b) {
        memcpy(seal->head.b, m->head.data, sizeof seal->head.b);
        seal->message.head.data = seal->head.b;
    }
    seal->first_ms = clock_boot_ms();
    return seal;
}

/* Another question about the same log takes the place of the one before, with a grace of its own. */
void seals_add(struct seals *ss, const char *sink, const struct msg_log_seal *message)
{
    struct uuid place = place_of(&message->task_id, message->attempt);
    struct seal *seal = table_get(&ss->all, &place);

    if (seal && is_same(seal, sink, message))
        return;
    if (seal)
        seal_free(ss, seal);
    seal = seal_new(sink, message);
    table_put(&ss->all, &seal->place, seal);
    TAILQ_INSERT_TAIL(&ss->by_time, seal, by_time);
    seal_send(ss, seal);
    if (!timer_is_on(ss->timer))
        timer_set(ss);
}

void seals_done(struct seals *ss, const struct uuid *task_id, int64_t attempt)
{
    struct uuid place = place_of(task_id, attempt);
    struct seal *seal = table_get(&ss->all, &place);

    if (seal)
        seal_free(ss, seal);
}

void seals_again(struct seals *ss, const char *sink)
{
    struct seal *seal, *next, *last = TAILQ_LAST(&ss->by_time, seal_list);

    for (seal = TAILQ_FIRST(&ss->by_time); seal; seal = next) {
        next = seal == last ? NULL : TAILQ_NEXT(seal, by_time);   /* sending moves it to the end */
        if (strcmp(seal->sink, sink) != 0)
            continue;
        seal->first_ms = clock_boot_ms();
        seal->message.force = seal->message.has.force = false;
        seal_send(ss, seal);
    }
}

bool seals_is_forced(const struct seals *ss, const char *sink, const struct uuid *task_id, int64_t attempt)
{
    struct uuid place = place_of(task_id, attempt);
    const struct seal *seal = table_get(&ss->all, &place);

    return seal && seal->message.force && strcmp(seal->sink, sink) == 0;
}
