/* silence.c - how long a build has said nothing (PROTOCOL "runner.job" silence_timeout_ms). Time in which its pipe is
 * left unread does not count: it may be trying to speak. Output costs one look at the clock; the timer finds out by
 * itself that something was said since it was set. */
#include "agent/runner/runner.h"
#include "lib/clock.h"
#include "lib/mem.h"

struct silence {
    uint64_t limit_ms;
    void (*fn)(void *arg);
    void *arg;
    struct timer *timer;
    uint64_t heard_ms;        /* last sign of life, moved on by the time in which nobody listened */
    uint64_t deaf_ms;         /* since when nobody listens; 0: somebody does */
    bool is_on;
};

static void silence_arm(struct silence *s)
{
    const uint64_t gone = clock_boot_ms() - s->heard_ms;

    timer_in(s->timer, gone < s->limit_ms ? s->limit_ms - gone : 0);
}

static void tick_silence(void *arg)
{
    struct silence *s = arg;

    if (clock_boot_ms() - s->heard_ms < s->limit_ms)
        silence_arm(s);
    else
        s->fn(s->arg);
}

void silence_begin(struct silence *s)
{
    s->is_on = s->limit_ms > 0;
    s->heard_ms = clock_boot_ms();
    if (s->deaf_ms)
        s->deaf_ms = s->heard_ms;
    else if (s->is_on)
        silence_arm(s);
}

void silence_end(struct silence *s)
{
    s->is_on = false;
    timer_off(s->timer);
}

void silence_heard(struct silence *s)
{
    if (s->is_on)
        s->heard_ms = clock_boot_ms();
}

void silence_deaf(struct silence *s, bool is_deaf)
{
    if (!s->limit_ms || is_deaf == (s->deaf_ms != 0))
        return;
    if (is_deaf) {
        s->deaf_ms = clock_boot_ms();
        timer_off(s->timer);
        return;
    }
    s->heard_ms += clock_boot_ms() - s->deaf_ms;
    s->deaf_ms = 0;
    if (s->is_on)
        silence_arm(s);
}

struct silence *silence_new(struct loop *l, int64_t limit_ms, void (*fn)(void *arg), void *arg)
{
    struct silence *s = mem_zalloc(sizeof(*s));

    *s = (struct silence){ .limit_ms = (uint64_t)limit_ms, .fn = fn, .arg = arg };
    s->timer = loop_timer(l, tick_silence, s);
    return s;
}

void silence_free(struct silence **s)
{
    if (*s)
        timer_free(&(*s)->timer);
    mem_free(s);
}
