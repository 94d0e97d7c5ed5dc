/* reading.c - what all readers of a log decide alike. Given what SQL and the sink said; changes nothing but the request
 * that it answers. */
#include "gateway/reading.h"

#include <string.h>

#include "gateway/request.h"
#include "lib/clock.h"

static const struct {
    unsigned status;
    const char *text;
} refusals[] = {
    [READING_NO_TASK] = { 404, "there is no task with this id" },
    [READING_NO_ATTEMPT] = { 404, "the task has no such attempt" },
    [READING_NO_LOG] = { 404, "the task has no log: no agent has taken it yet, or none ever will" },
    [READING_NO_DATABASE] = { 503, "the database does not answer; try again" },
    [READING_NO_SINK] = { 503, "the log sink does not answer; try again" },
    [READING_TOO_MANY] = { 503, "this worker follows as many logs as it may; try again" },
    [READING_STOPPING] = { 503, "the gateway is stopping; try again" },
};

void reading_refuse(struct request *r, enum reading_refusal why)
{
    reply_error(r, refusals[why].status, "%s", refusals[why].text);
}

bool reading_is_final(const struct log_state *s, int64_t attempt, const struct follow_member *m,
                      uint64_t over_since_ms)
{
    const struct log_attempt *a = log_state_attempt(s, attempt);
    enum follow_end_kind kind = follow_kind(m);

    if (!log_state_is_over(s, attempt))
        return false;
    if (a->has_bytes && follow_end(m) >= a->bytes)
        return true;
    if (kind == FOLLOW_SEALED || (kind == FOLLOW_ABSENT && strcmp(a->log_state, "open") != 0))
        return true;
    if (over_since_ms == 0)
        return false;
    uint64_t grace_ms = follow_failing_ms(m) ? READING_GRACE_SINKLESS_MS : READING_GRACE_MS;
    return clock_boot_ms() - over_since_ms > grace_ms && follow_idle_ms(m) > grace_ms;
}

const char *reading_failure(const struct log_state *s, int64_t attempt, const struct follow_member *m)
{
    if (follow_error(m))
        return follow_error(m);
    if (follow_failing_ms(m) > READING_GRACE_SINKLESS_MS && log_state_is_over(s, attempt))
        return "the log sink does not answer";
    return NULL;
}
