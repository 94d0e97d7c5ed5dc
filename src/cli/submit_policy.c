/* submit_policy.c - checks and translates the policy options of a submission. Rules: man/orion.1. Pure. */
#include "cli/submit_policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_CODE_MAX = 255 };

/* The server counts in whole seconds. */
static int fill_seconds(const char *option, const struct opt_int *o, int64_t *seconds_r, bool *has_r, struct err *e)
{
    if (!o->is_given)
        return 0;
    if (o->value < 1000 || o->value % 1000 != 0)
        return err_field(e, option, "--%s: whole seconds, at least one", option);
    *seconds_r = o->value / 1000;
    *has_r = true;
    return 0;
}

static int fill_after(const struct opt_list *after, struct arena *a, struct msg_strs *after_r, struct err *e)
{
    const char **v = arena_alloc(a, (after->n + 1) * sizeof(*v));

    for (size_t i = 0; i < after->n; i++) {
        char text[UUID_TEXT_SIZE];
        struct uuid id;
        if (uuid_parse(after->v[i], strlen(after->v[i]), &id) < 0)
            return err_field(e, "after", "--after %s: not a task's id", after->v[i]);
        uuid_format(&id, text);
        v[i] = arena_strdup(a, text);
    }
    *after_r = (struct msg_strs){ v, after->n };
    return 0;
}

static int fill_exit_codes(const struct opt_list *codes, struct arena *a, struct msg_ints *codes_r, struct err *e)
{
    int64_t *v = arena_alloc(a, (codes->n + 1) * sizeof(*v));

    for (size_t i = 0; i < codes->n; i++) {
        char *end = NULL;
        errno = 0;
        v[i] = strtoll(codes->v[i], &end, 10);
        if (errno != 0 || end == codes->v[i] || *end != '\0' || v[i] < 1 || v[i] > EXIT_CODE_MAX)
            return err_field(e, "retry-exit-code", "--retry-exit-code %s: must be 1 to %d", codes->v[i], EXIT_CODE_MAX);
    }
    *codes_r = (struct msg_ints){ v, codes->n };
    return 0;
}

int submit_policy_fill(const struct submit_policy *p, struct arena *a, struct msg_v1_submit *m, struct err *e)
{
    m->priority = p->priority;
    m->concurrency_group = p->group;
    m->after_condition = p->after_condition;
    m->supersede = p->supersede;
    m->retry_on = (struct msg_strs){ p->retry_on.v, p->retry_on.n };
    m->tries = p->tries.value;
    m->has.tries = p->tries.is_given;
    if (fill_seconds("build-timeout", &p->build_timeout, &m->timeout_s, &m->has.timeout_s, e) < 0 ||
        fill_seconds("silence-timeout", &p->silence_timeout, &m->silence_timeout_s, &m->has.silence_timeout_s, e) < 0 ||
        fill_seconds("queue-timeout", &p->queue_timeout, &m->queue_timeout_s, &m->has.queue_timeout_s, e) < 0)
        return -1;
    if (fill_after(&p->after, a, &m->after, e) < 0)
        return -1;
    return fill_exit_codes(&p->retry_exit_codes, a, &m->retry_exit_codes, e);
}
