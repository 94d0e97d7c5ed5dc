/* log_state.c - copies of what SQL said about a followed task, and the questions asked of them. Pure. */
#include "gateway/log_state.h"

#include <string.h>

static const struct log_segment *copy_segments(const struct log_attempt *from, struct arena *a)
{
    struct log_segment *v = arena_alloc(a, from->n_segments * sizeof(*v));

    for (size_t i = 0; i < from->n_segments; i++) {
        v[i] = from->segments[i];
        v[i].sink = arena_strdup(a, from->segments[i].sink);
    }
    return v;
}

void log_state_copy(const struct log_state *from, struct arena *a, struct log_state *to)
{
    struct log_attempt *attempts = arena_alloc(a, from->n_attempts * sizeof(*attempts));

    *to = *from;
    to->cause = arena_strdup(a, from->cause);
    to->message = arena_strdup(a, from->message);
    to->repo = arena_strdup(a, from->repo);
    to->target = arena_strdup(a, from->target);
    to->attempts = attempts;
    for (size_t i = 0; i < from->n_attempts; i++) {
        attempts[i] = from->attempts[i];
        attempts[i].agent = arena_strdup(a, from->attempts[i].agent);
        attempts[i].log_state = arena_strdup(a, from->attempts[i].log_state);
        attempts[i].segments = copy_segments(&from->attempts[i], a);
    }
}

static bool segments_equal(const struct log_attempt *a, const struct log_attempt *b)
{
    if (a->n_segments != b->n_segments)
        return false;
    for (size_t i = 0; i < a->n_segments; i++)   /* once made, a segment stays where it is */
        if (a->segments[i].is_lost != b->segments[i].is_lost)
            return false;
    return true;
}

static bool attempt_equals(const struct log_attempt *a, const struct log_attempt *b)
{
    return a->number == b->number && a->state == b->state && strcmp(a->log_state, b->log_state) == 0 &&
           a->started_ms == b->started_ms && a->has_bytes == b->has_bytes && a->bytes == b->bytes &&
           a->head_len == b->head_len && segments_equal(a, b);
}

bool log_state_equals(const struct log_state *a, const struct log_state *b)
{
    if (a->state != b->state || a->n_attempts != b->n_attempts)
        return false;
    for (size_t i = 0; i < a->n_attempts; i++)
        if (!attempt_equals(&a->attempts[i], &b->attempts[i]))
            return false;
    return true;
}

const struct log_attempt *log_state_attempt(const struct log_state *s, int64_t number)
{
    for (size_t i = 0; i < s->n_attempts; i++)
        if (s->attempts[i].number == number)
            return &s->attempts[i];
    return NULL;
}

int64_t log_state_latest(const struct log_state *s)
{
    return s->n_attempts ? s->attempts[s->n_attempts - 1].number : 0;
}

bool log_state_is_over(const struct log_state *s, int64_t number)
{
    const struct log_attempt *attempt = log_state_attempt(s, number);

    return attempt && (attempt_is_terminal(attempt->state) || number < log_state_latest(s));
}
