/* alarms.c - a heap of what the core wants to be told and when; a million of them (every queued task may have one).
 *
 * Given timers when the batch that made them is committed; changes nothing but its own memory. */
#include "scheduler/alarms.h"

#include "lib/mem.h"

struct alarm {
    struct heap_node node;
    struct alarm *next;         /* of the same task */
    uint64_t due_ms;
    struct uuid task_id;
    int32_t attempt;
    enum timer_kind kind;
};

static bool is_sooner(const struct heap_node *a, const struct heap_node *b)
{
    return HEAP_OWNER(a, const struct alarm, node)->due_ms < HEAP_OWNER(b, const struct alarm, node)->due_ms;
}

static struct alarm *soonest(const struct alarms *a)
{
    struct heap_node *top = heap_top(&a->by_time);

    return top ? HEAP_OWNER(top, struct alarm, node) : NULL;
}

void alarms_init(struct alarms *a)
{
    *a = (struct alarms){ 0 };
    heap_init(&a->by_time, is_sooner);
}

void alarms_clear(struct alarms *a)
{
    for (size_t i = 0; i < a->by_time.n; i++) {
        struct alarm *alarm = HEAP_OWNER(a->by_time.nodes[i], struct alarm, node);
        mem_free(&alarm);
    }
    mem_free(&a->by_time.nodes);
    table_fini(&a->by_task);
    alarms_init(a);
}

void alarms_fini(struct alarms *a)
{
    alarms_clear(a);
}

void alarms_add(struct alarms *a, const struct core_timer *timer, uint64_t now_ms)
{
    struct alarm *alarm = mem_alloc(sizeof *alarm);

    *alarm = (struct alarm){ .due_ms = now_ms + (uint64_t)(timer->in_ms > 0 ? timer->in_ms : 0),
                             .task_id = timer->task_id, .attempt = (int32_t)timer->attempt, .kind = timer->kind };
    alarm->next = table_get(&a->by_task, &timer->task_id);
    table_put(&a->by_task, &timer->task_id, alarm);
    heap_push(&a->by_time, &alarm->node);
}

static void unlink_from_task(struct alarms *a, const struct alarm *alarm)
{
    struct alarm *first = table_get(&a->by_task, &alarm->task_id), **at = &first;

    while (*at != alarm)
        at = &(*at)->next;
    *at = alarm->next;
    if (first)
        table_put(&a->by_task, &alarm->task_id, first);
    else
        table_remove(&a->by_task, &alarm->task_id);
}

bool alarms_take(struct alarms *a, uint64_t now_ms, struct core_timer *timer_r)
{
    struct alarm *alarm = soonest(a);

    if (!alarm || alarm->due_ms > now_ms)
        return false;
    *timer_r = (struct core_timer){ alarm->kind, alarm->task_id, alarm->attempt, 0 };
    heap_remove(&a->by_time, &alarm->node);
    unlink_from_task(a, alarm);
    mem_free(&alarm);
    return true;
}

uint64_t alarms_next(const struct alarms *a)
{
    const struct alarm *alarm = soonest(a);

    return alarm ? alarm->due_ms : UINT64_MAX;
}

void alarms_forget(struct alarms *a, const struct uuid *task_id)
{
    struct alarm *alarm = table_remove(&a->by_task, task_id), *next;

    for (; alarm; alarm = next) {
        next = alarm->next;
        heap_remove(&a->by_time, &alarm->node);
        mem_free(&alarm);
    }
}
