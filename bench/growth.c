/* growth.c - what a decision of the core costs when the farm grows: the pure core alone, a small farm beside a large
 * one.
 *
 *   growth [-k CYCLES] [-r ROUNDS] [QUEUED:AGENTS]...      default: 20000, 5, 1000:10 1000000:10000
 *
 * Every agent has one slot, all are busy, and QUEUED tasks of 20 projects, 3 priorities and 3 kinds of labels wait. A
 * cycle is what one task costs there: its submission, the acceptance of the assignment that a result made, the result
 * (which assigns the next task) and the seal of its log; the queue keeps its length. Inputs are collected 32 at a time,
 * as the shell does under load. Prints the median round: nanoseconds per input, by the clock, and per cycle, of
 * processor time; the ratio of the last farm to the first; and the memory of a queued task: what malloc handed out, and
 * resident pages. */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/growth.h"
#include "lib/mem.h"

enum { ROUNDS_MAX = 99, FARMS_MAX = 8 };

struct figures {
    size_t queued, agents;
    double ns[ROUNDS_MAX][GROWTH_KINDS];    /* per input of the kind */
    double cycle_ns[ROUNDS_MAX];
    double bytes, resident;                 /* per queued task */
};

static void die(const char *why)
{
    fprintf(stderr, "growth: %s\n", why);
    exit(1);
}

/* --- measuring ------------------------------------------------------------------------------------------------ */

static size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f || fscanf(f, "%*u %zu", &pages) != 1)
        die("/proc/self/statm cannot be read");
    fclose(f);
    return pages * 4096;
}

static size_t malloc_bytes(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

/* Processor time: other programs may use the machine meanwhile. */
static uint64_t processor_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void fill(struct growth *g, struct figures *f)
{
    size_t bytes, resident;

    growth_add_agents(g, f->agents);
    growth_submit(g, f->agents);                /* one for each slot */
    growth_accept_all(g);
    bytes = malloc_bytes();
    resident = resident_bytes();
    growth_submit(g, f->queued);
    if (growth_queued(g) != f->queued)
        die("a task that should wait does not");
    f->bytes = (double)(malloc_bytes() - bytes) / (double)f->queued;
    f->resident = (double)(resident_bytes() - resident) / (double)f->queued;
}

static void measure(struct figures *f, size_t cycles, size_t rounds)
{
    struct growth *g = growth_new();

    fill(g, f);
    growth_cycles(g, cycles, &(struct growth_times){ 0 });   /* warm */
    for (size_t r = 0; r < rounds; r++) {
        struct growth_times t = { 0 };
        uint64_t begin_ns = processor_ns();
        growth_cycles(g, cycles, &t);
        f->cycle_ns[r] = (double)(processor_ns() - begin_ns) / (double)cycles;
        for (size_t k = 0; k < GROWTH_KINDS; k++)
            f->ns[r][k] = (double)t.ns[k] / (double)cycles;
    }
    if (growth_queued(g) != f->queued)
        die("the queue did not keep its length");
    growth_free(&g);
    malloc_trim(0);
}

/* --- telling -------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(const double *v, size_t stride, size_t n)
{
    double sorted[ROUNDS_MAX];

    for (size_t i = 0; i < n; i++)
        sorted[i] = v[i * stride];
    qsort(sorted, n, sizeof(*sorted), compare);
    return sorted[n / 2];
}

static double kind_ns(const struct figures *f, size_t kind, size_t rounds)
{
    return median(&f->ns[0][kind], GROWTH_KINDS, rounds);
}

static void report(const struct figures *all, size_t n, size_t rounds)
{
    const struct figures *first = &all[0], *last = &all[n - 1];

    printf("%10s %8s", "queued", "agents");
    for (size_t k = 0; k < GROWTH_KINDS; k++)
        printf(" %9s", growth_kind_name((enum growth_kind)k));
    printf(" %9s %12s %14s\n", "cycle ns", "bytes/task", "resident/task");
    for (const struct figures *f = all; f < all + n; f++) {
        printf("%10zu %8zu", f->queued, f->agents);
        for (size_t k = 0; k < GROWTH_KINDS; k++)
            printf(" %9.0f", kind_ns(f, k, rounds));
        printf(" %9.0f %12.0f %14.0f\n", median(f->cycle_ns, 1, rounds), f->bytes, f->resident);
    }
    printf("%19s", "ratio");
    for (size_t k = 0; k < GROWTH_KINDS; k++)
        printf(" %9.2f", kind_ns(last, k, rounds) / kind_ns(first, k, rounds));
    printf(" %9.2f\n", median(last->cycle_ns, 1, rounds) / median(first->cycle_ns, 1, rounds));
}

static size_t number(const char *text, size_t most)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (end == text || (*end && *end != ':') || n < 1 || n > most)
        die("usage: growth [-k CYCLES] [-r ROUNDS] [QUEUED:AGENTS]...");
    return (size_t)n;
}

int main(int argc, char **argv)
{
    static const char *const usual[] = { "1000:10", "1000000:10000" };
    struct figures *all = mem_array(FARMS_MAX, sizeof(*all));
    size_t cycles = 20000, rounds = 5, n;
    const char *const *farms = usual;
    int option;

    while ((option = getopt(argc, argv, "k:r:")) != -1) {
        if (option == 'k')
            cycles = number(optarg, 100000000);
        else
            rounds = number(option == 'r' ? optarg : "", ROUNDS_MAX);
    }
    n = optind < argc ? (size_t)(argc - optind) : ARRAY_LEN(usual);
    if (optind < argc)
        farms = (const char *const *)argv + optind;
    if (n > FARMS_MAX)
        die("too many farms");
    for (size_t i = 0; i < n; i++) {
        const char *agents = strchr(farms[i], ':');
        all[i].queued = number(farms[i], 10000000);
        all[i].agents = number(agents ? agents + 1 : "", 100000);
        measure(&all[i], cycles, rounds);
    }
    report(all, n, rounds);
    mem_free(&all);
    return 0;
}
