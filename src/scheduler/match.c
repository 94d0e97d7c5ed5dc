/* match.c - labels asked for against labels offered, and where a log goes. Pure: no state, no I/O. */
#include "scheduler/match.h"

#include <stdlib.h>
#include <string.h>

static int label_cmp(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t labels_sort(const char **labels, size_t n)
{
    size_t kept = 0;

    if (n)
        qsort(labels, n, sizeof *labels, label_cmp);
    for (size_t i = 0; i < n; i++)
        if (!kept || strcmp(labels[kept - 1], labels[i]) != 0)
            labels[kept++] = labels[i];
    return kept;
}

static bool is_offered(struct msg_strs offered, const char *label)
{
    return offered.n && bsearch(&label, offered.v, offered.n, sizeof *offered.v, label_cmp);
}

bool match_label(const char *asked, struct msg_strs offered)
{
    return asked[0] == '!' ? !is_offered(offered, asked + 1) : is_offered(offered, asked);
}

bool match_labels(struct msg_strs asked, struct msg_strs offered)
{
    for (size_t i = 0; i < asked.n; i++)
        if (!match_label(asked.v[i], offered))
            return false;
    return true;
}

size_t match_sink(const struct uuid *task_id, int64_t attempt, size_t n_sinks)
{
    uint64_t mix = (uint64_t)attempt;

    /* FNV-1a: the last bytes of an id are random, so anything that uses all of them spreads. */
    for (size_t i = 0; i < sizeof task_id->b; i++)
        mix = (mix ^ task_id->b[i]) * 0x100000001B3u;
    return (size_t)((mix ^ (mix >> 32)) % n_sinks);
}
