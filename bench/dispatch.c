/* dispatch.c - load on a farm that runs: tasks are submitted over HTTP and ended by agents of its own over WebSocket.
 *
 *   dispatch [OPTION]... URL          URL of the gateway, http://127.0.0.1:PORT
 *     -n TASKS  -P SUBMITTERS  -A AGENTS  -S SLOTS   10000, 32, 8, 8; without agents the tasks are only submitted
 *     -r RATE      submissions a second (default: each submitter sends the next when the last is answered)
 *     -w           a result waits until the acceptance is acknowledged, so that a task takes three commits
 *     -p PROJECT   -R REPO
 *     -x NAME=PID[,PID]...   print what these processes and their descendants cost; may be repeated
 *
 * Prints one line of JSON: rates, the latency from a submission's stamp to the agent that holds the assignment, and
 * processor seconds per 1,000 tasks of this client and of every -x. Exits 0 when every task was kept, started once and
 * ended once within two minutes. The farm should have no other tasks and no other agents. */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/dispatch.h"
#include "bench/usage.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { DEADLINE_MS = 120000 };

struct run {
    struct bench bench;
    struct usage before, after;
    double own_before;
};

void bench_die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fputs("dispatch: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void bench_begin(struct bench *b)
{
    b->begun_ns = clock_boot_ns();
    submitters_start(b->submitters);
}

void bench_check_end(struct bench *b)
{
    const size_t all = b->settings->tasks;

    if (b->kept < all || (b->settings->agents && b->done < all))
        return;
    b->ended_ns = clock_boot_ns();
    loop_stop(b->loop, 0);
}

static void on_deadline(void *arg)
{
    const struct bench *b = arg;

    bench_die("not over in time: %zu posted, %zu kept, %zu started, %zu ended", b->posted, b->kept, b->started,
              b->done);
}

/* --- figures -------------------------------------------------------------------------------------------------- */

static double own_seconds(void)
{
    struct rusage r;

    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static int compare_ns(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* -1 when nothing was started. The waits are sorted. */
static double wait_us(const struct bench *b, double share)
{
    size_t at = (size_t)((double)b->started * share);

    return b->started ? (double)b->waits_ns[at < b->started ? at : b->started - 1] / 1000 : -1;
}

static double rate(size_t n, uint64_t from_ns, uint64_t to_ns)
{
    return (double)n / ((double)(to_ns - from_ns) / 1e9);
}

static void report(struct run *run)
{
    struct bench *b = &run->bench;
    const struct settings *set = b->settings;
    const double thousands = (double)set->tasks / 1000;

    qsort(b->waits_ns, b->started, sizeof(*b->waits_ns), compare_ns);
    printf("{\"peer\":\"orion\",\"mode\":\"%s\",\"jobs\":%zu,\"done\":%zu,\"P\":%zu,\"agents\":%zu,\"slots\":%zu",
           set->rate > 0 ? "lat" : set->agents ? "full" : "enq", set->tasks, set->agents ? b->done : b->kept,
           set->submitters, set->agents, set->slots);
    printf(",\"jobs_per_s\":%.0f,\"enq_per_s\":%.0f,\"secs\":%.3f", rate(set->tasks, b->begun_ns, b->ended_ns),
           rate(set->tasks, b->begun_ns, b->kept_ns), (double)(b->ended_ns - b->begun_ns) / 1e9);
    printf(",\"p50_us\":%.0f,\"p99_us\":%.0f,\"twice\":%zu,\"again\":%zu", wait_us(b, 0.5), wait_us(b, 0.99), b->twice,
           b->again);
    printf(",\"client_cpu_s\":%.3f,\"cpu_client\":%.4f", own_seconds() - run->own_before,
           (own_seconds() - run->own_before) / thousands);
    for (size_t i = 0; i < run->after.n; i++)
        printf(",\"cpu_%s\":%.4f", run->after.v[i].name,
               (run->after.v[i].seconds - run->before.v[i].seconds) / thousands);
    puts("}");
}

/* --- options -------------------------------------------------------------------------------------------------- */

static size_t number(const char *text, size_t least)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (*end || n < least || n > 100000000)
        bench_die("%s is no number from %zu", text, least);
    return (size_t)n;
}

static void read_option(int option, struct settings *set, struct usage *usage)
{
    switch (option) {
    case 'n': set->tasks = number(optarg, 1); break;
    case 'P': set->submitters = number(optarg, 1); break;
    case 'A': set->agents = number(optarg, 0); break;
    case 'S': set->slots = number(optarg, 1); break;
    case 'r': set->rate = (double)number(optarg, 1); break;
    case 'w': set->is_stepwise = true; break;
    case 'p': set->project = optarg; break;
    case 'R': set->repo = optarg; break;
    case 'x':
        if (usage_add(usage, optarg) < 0)
            bench_die("-x wants NAME=PID[,PID]...");
        break;
    default: bench_die("usage: dispatch [-n TASKS] [-P SUBMITTERS] [-A AGENTS] [-S SLOTS] [-r RATE] [-w] [-p PROJECT] "
                       "[-R REPO] [-x NAME=PID,...]... URL");
    }
}

static void read_options(int argc, char **argv, struct settings *set, struct usage *usage)
{
    int option;

    while ((option = getopt(argc, argv, "n:P:A:S:r:wp:R:x:")) != -1)
        read_option(option, set, usage);
    set->url = argv[optind];
    if (!set->url || strncmp(set->url, "http://127.0.0.1:", strlen("http://127.0.0.1:")) != 0)
        bench_die("the last word is the gateway's URL, http://127.0.0.1:PORT");
}

int main(int argc, char **argv)
{
    struct settings set = { .project = "default", .repo = "bench", .tasks = 10000, .submitters = 32, .agents = 8,
                            .slots = 8 };
    struct run run = { .bench = { .settings = &set } };
    struct bench *b = &run.bench;
    struct timer *deadline;
    bool is_good;

    read_options(argc, argv, &set, &run.before);
    b->starts = mem_array(set.tasks, sizeof(*b->starts));
    b->waits_ns = mem_array(set.tasks, sizeof(*b->waits_ns));
    b->loop = loop_new();
    deadline = loop_timer(b->loop, on_deadline, b);
    timer_in(deadline, DEADLINE_MS);
    b->submitters = submitters_new(b);
    run.after = run.before;
    usage_read(&run.before);
    run.own_before = own_seconds();
    if (set.agents)
        b->agents = agents_new(b);
    else
        bench_begin(b);
    loop_run(b->loop);
    usage_read(&run.after);
    report(&run);
    is_good = b->twice == 0 && (!set.agents || b->started == set.tasks);
    if (b->agents)
        agents_free(&b->agents);
    submitters_free(&b->submitters);
    timer_free(&deadline);
    loop_free(&b->loop);
    mem_free(&b->starts);
    mem_free(&b->waits_ns);
    return is_good ? 0 : 1;
}
