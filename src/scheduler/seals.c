/* seals.c - log.seal, said again every two seconds and at each hello of its sink until log.sealed comes back.
 *
 * ARCHITECTURE "The life of a task", 6. What is asked stands in the attempt's row, so a new leader asks again; when
 * the grace is over the sink is told to seal what it has. */
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
    char *sink;
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

void seals_add(struct seals *ss, const char *sink, const struct msg_log_seal *message)
{
    struct uuid place = place_of(&message->task_id, message->attempt);
    struct seal *seal = table_get(&ss->all, &place);

    if (seal)
        return;
    seal = mem_zalloc(sizeof *seal);
    seal->place = place;
    seal->sink = mem_strdup(sink);
    seal->message = *message;
    if (message->head.len == sizeof seal->head.b) {
        memcpy(seal->head.b, message->head.data, sizeof seal->head.b);
        seal->message.head.data = seal->head.b;
    }
    seal->first_ms = clock_boot_ms();
    table_put(&ss->all, &place, seal);
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
        if (strcmp(seal->sink, sink) == 0)
            seal_send(ss, seal);
    }
}
