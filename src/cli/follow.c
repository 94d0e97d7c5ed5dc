/* follow.c - follows a task's log byte for byte: text/plain, resumed at the offset after every break; what
 * became of the attempt is asked afterwards. Holes are named on standard error.
 *
 * Given: a task id. Changes nothing at the server. Rules: docs/ARCHITECTURE.md "The life of a task", point 5. */
#include "cli/follow.h"

#include <stdio.h>
#include <string.h>

#include "cli/source.h"
#include "lib/clock.h"
#include "proto/state.h"

/* STREAM_MS: longest answer, see source.c. SEAL_MS: how long an ended attempt's log may take to become complete. */
enum { STREAM_MS = 60000, PAUSE_FIRST_MS = 50, PAUSE_MAX_MS = 500, AWAY_MS = 60000, SEAL_MS = 120000 };

const struct msg_v1_attempt *follow_attempt(const struct msg_v1_task *t, int64_t number)
{
    for (size_t i = 0; i < t->attempts.n; i++) {
        if (t->attempts.v[i].number == number)
            return &t->attempts.v[i];
    }
    return NULL;
}

void follow_note_gap(int64_t from, int64_t to, const char *reason)
{
    fprintf(stderr, "orion: %lld bytes of the log are missing at byte %lld: %s\n", (long long)(to - from), (long long)from,
            reason);
}

static int64_t time_left(const struct follow *f, int64_t most_ms)
{
    int64_t left = f->until_ms - (int64_t)clock_boot_ms();

    if (f->until_ms == 0 || left > most_ms)
        return most_ms;
    return left > 0 ? left : 1;
}

/* What following has come to. */
struct progress {
    int64_t attempt;       /* being followed; 0: none yet */
    struct source_span span;
    int64_t away_since;    /* CLOCK_BOOTTIME; 0: the server answers */
    int64_t ended_since;   /* the attempt is over but its log is not sealed */
    int64_t pause_ms;
    bool is_sealed;        /* the sink has all that it will ever have */
    bool is_dry;           /* and it was read to its end since that is known */
};

static bool on_bytes(void *arg, const char *data, size_t len)
{
    struct follow *f = arg;

    return f->write(f->arg, data, len);
}

static void on_gap(void *arg, int64_t from, int64_t to, const char *reason)
{
    struct follow *f = arg;

    f->has_holes = true;
    follow_note_gap(from, to, reason);
}

/* Everything the build said it wrote, or everything that the sink will ever have. */
static bool is_whole(const struct msg_v1_attempt *a, const struct progress *p)
{
    if (a->has.log_bytes && p->span.offset >= a->log_bytes)
        return true;
    return p->is_dry && (!a->has.log_bytes || strcmp(a->log_state, "gap") == 0);
}

/* What is missing at the end. */
static void note_hole(struct follow *f, const struct msg_v1_attempt *a, const struct progress *p)
{
    if (strcmp(a->log_state, "complete") == 0 || (a->has.log_bytes && a->log_bytes <= p->span.offset))
        return;
    if (a->has.log_bytes)
        on_gap(f, p->span.offset, a->log_bytes, "the log ends early");
    else
        fprintf(stderr, "orion: the log of attempt %lld may be incomplete\n", (long long)p->attempt);
}

static void note_next(const struct msg_v1_attempt *old, int64_t next)
{
    fprintf(stderr, "orion: attempt %lld %s (agent %s)%s%s; attempt %lld follows\n", (long long)old->number, old->state,
            old->agent, old->message ? ": " : "", old->message ? old->message : "", (long long)next);
}

/* Has this attempt said everything it will? */
static bool attempt_is_over(const struct msg_v1_attempt *a, struct progress *p)
{
    int state = attempt_state_by_name(a->state);

    if (state < 0 || !attempt_is_terminal((enum attempt_state)state))
        return false;
    if (is_whole(a, p))
        return true;
    if (p->ended_since == 0)
        p->ended_since = (int64_t)clock_boot_ms();
    return (int64_t)clock_boot_ms() - p->ended_since > SEAL_MS;
}

static bool task_is_over(const struct msg_v1_task *t)
{
    int state = task_state_by_name(t->state);

    return state >= 0 && task_is_terminal((enum task_state)state);
}

/* Looks at the task and moves on. 1: the end. 0: go on. */
static int advance(struct follow *f, const struct msg_v1_task *t, struct progress *p)
{
    const struct msg_v1_attempt *a = p->attempt ? follow_attempt(t, p->attempt) : NULL;

    if (p->attempt == 0) {
        p->attempt = f->attempt ? f->attempt : t->attempt;
        p->span.place = f->place;
        return p->attempt == 0 && task_is_over(t);
    }
    if (a)
        p->is_sealed = strcmp(a->log_state, "open") != 0;
    if (!a || !attempt_is_over(a, p))
        return 0;
    if (f->attempt == 0 && t->attempt > p->attempt) {
        note_hole(f, a, p);
        note_next(a, t->attempt);
        *p = (struct progress){ .attempt = t->attempt, .pause_ms = PAUSE_FIRST_MS };
        if (f->lines) {
            f->has_holes |= f->lines->has_gaps;
            json_lines_fini(f->lines);
        }
        return 0;
    }
    if (f->attempt == 0 && !task_is_over(t))
        return 0; /* queued again: the next attempt is still to come */
    note_hole(f, a, p);
    return 1;
}

/* A refusal that waiting does not mend ends everything; absence only after AWAY_MS. */
static int is_fatal(const struct err *e, struct progress *p)
{
    if (e->kind != ERR_UNAVAILABLE)
        return true;
    if (p->away_since == 0)
        p->away_since = (int64_t)clock_boot_ms();
    return (int64_t)clock_boot_ms() - p->away_since > AWAY_MS;
}

static void pause_a_little(const struct follow *f, struct progress *p)
{
    if (p->pause_ms > 0)
        api_pause(time_left(f, p->pause_ms));
    p->pause_ms = p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS;
    if (p->pause_ms == 0)
        p->pause_ms = PAUSE_FIRST_MS;
}

enum step { STEP_GO_ON, STEP_ENDED, STEP_STOPPED, STEP_FAILED };

/* The log of the attempt at hand until the stream ends, for whatever reason. */
static enum step step_stream(struct follow *f, struct progress *p, struct err *e)
{
    const struct source source = { .api = f->api, .id = f->id, .attempt = p->attempt, .write = on_bytes, .gap = on_gap,
                                   .arg = f, .lines = f->lines };
    int64_t before = p->span.offset;
    bool was_placed = p->span.place != NULL;
    struct err now = { 0 };

    p->span.is_waiting = true;
    p->span.timeout_ms = time_left(f, STREAM_MS);
    enum source_end end = source_read(&source, &p->span, &now);
    if (end == SOURCE_STOPPED)
        return STEP_STOPPED;
    if (end == SOURCE_FAILED && now.kind != ERR_UNAVAILABLE) {
        *e = now;
        return STEP_FAILED;
    }
    if (p->span.offset > before)
        p->pause_ms = 0; /* something happened: look at once */
    p->is_dry = p->is_sealed && end == SOURCE_DONE && p->span.offset == before && !was_placed;
    return STEP_GO_ON;
}

/* One look at the task, then its log. */
static enum step step(struct follow *f, struct progress *p, struct msg_v1_task *task_r, struct buf *body_r,
                      struct err *e)
{
    struct api look = { f->scratch, f->api->url, f->api->ca_file };
    struct err now = { 0 };

    arena_fini(f->scratch);
    buf_fini(body_r);
    *task_r = (struct msg_v1_task){ 0 };
    if (api_read_task(&look, f->id, task_r, body_r, &now) < 0) {
        *e = now;
        return is_fatal(&now, p) ? STEP_FAILED : STEP_GO_ON;
    }
    p->away_since = 0;
    if (advance(f, task_r, p))
        return STEP_ENDED;
    if (p->attempt > 0 && follow_attempt(task_r, p->attempt))
        return step_stream(f, p, e);
    if (f->attempt == 0)
        return STEP_GO_ON;
    err_set(e, ERR_NOT_FOUND, "task %s has no attempt %lld", f->id, (long long)f->attempt);
    return STEP_FAILED;
}

enum follow_end follow_task(struct follow *f, struct msg_v1_task *task_r, struct buf *body_r, struct err *e)
{
    struct progress p = { .pause_ms = PAUSE_FIRST_MS };

    for (;;) {
        *e = (struct err){ 0 };
        switch (step(f, &p, task_r, body_r, e)) {
        case STEP_ENDED:
            return FOLLOW_ENDED;
        case STEP_STOPPED:
            return FOLLOW_STOPPED;
        case STEP_FAILED:
            return FOLLOW_FAILED;
        case STEP_GO_ON:
            break;
        }
        if (f->until_ms && (int64_t)clock_boot_ms() >= f->until_ms)
            return FOLLOW_TOO_LONG;
        pause_a_little(f, &p);
    }
}
