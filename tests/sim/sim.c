/* sim.c - runs lives of the simulated farm: sim [--seeds N] [--seed S] [--bug NAME] [--trace]
 *
 * Prints `seeds N ok`, or the first seed whose life broke a promise, with its trace; exit code 1 then. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

static const char *const bugs[BUGS] = {
    [BUG_NONE] = "none",
    [BUG_EARLY_MESSAGES] = "early-messages",             /* messages leave before the commit */
    [BUG_BLIND_RESEND] = "blind-resend",                 /* a batch is sent again without reading the leader row */
    [BUG_FORGETFUL_INVENTORY] = "forgetful-inventory",   /* agents do not list finished attempts */
    [BUG_LOST_ROWS] = "lost-rows",                       /* the database drops some attempt rows */
};

struct totals {
    long long commits, crashes;
};

static int run_one(uint64_t seed, enum bug bug, bool is_traced, struct totals *totals)
{
    struct world *w = mem_zalloc(sizeof *w);
    int result;

    w->bug = bug;
    w->is_traced = is_traced;
    result = world_run(w, seed);
    totals->commits += w->commits;
    totals->crashes += w->crashes;
    if (result < 0)
        printf("seed %llu: %s\n", (unsigned long long)seed, w->failure);
    mem_free(&w);
    return result;
}

static int bug_by_name(const char *name)
{
    for (int i = 0; i < BUGS; i++)
        if (strcmp(bugs[i], name) == 0)
            return i;
    fprintf(stderr, "sim: no bug %s\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "seeds", required_argument, NULL, 'n' }, { "seed", required_argument, NULL, 's' },
        { "bug", required_argument, NULL, 'b' },   { "trace", no_argument, NULL, 't' },
        { 0 },
    };
    unsigned long long seeds = 1000, first = 1;
    bool is_traced = false;
    int bug = BUG_NONE, option;
    struct totals totals = { 0 };

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n')
            seeds = strtoull(optarg, NULL, 10);
        else if (option == 's')
            first = strtoull(optarg, NULL, 10), seeds = 1;
        else if (option == 'b')
            bug = bug_by_name(optarg);
        else if (option == 't')
            is_traced = true;
        else
            return 2;
    }
    for (unsigned long long seed = first; seed < first + seeds; seed++) {
        if (run_one(seed, (enum bug)bug, is_traced, &totals) == 0)
            continue;
        if (!is_traced)
            run_one(seed, (enum bug)bug, true, &totals);
        printf("replay: sim --seed %llu --bug %s --trace\n", seed, bugs[bug]);
        return 1;
    }
    printf("seeds %llu ok (%lld commits, %lld crashes)\n", seeds, totals.commits, totals.crashes);
    return 0;
}
