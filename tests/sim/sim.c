/* sim.c - runs lives of the simulated farm:
 *   sim [--first N] [--seeds N] [--seed S] [--bug NAME] [--trace]
 *
 * Prints `seeds N ok` with what happened in them, or the first seed whose life broke a promise, with its trace; exit
 * code 1 then. --bugs lists the planted bugs. Several shards may run at once: sim --first 1 --seeds 5000, and so on. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "tests/sim/world.h"

static const char *const bugs[BUGS] = {
#define BUG(e, name) [BUG_##e] = name,
#include "tests/sim/bugs.def"
};

struct options {
    unsigned long long first, seeds;
    enum bug bug;
    bool is_traced;
};

struct totals {
    long long commits, crashes, takeovers, fenced, resumed, refused, inputs, replays, moves, recalls, lates;
};

static int run_one(uint64_t seed, const struct options *o, bool is_traced, struct totals *t)
{
    struct world *w = mem_zalloc(sizeof *w);
    int result;

    w->bug = o->bug;
    w->is_traced = is_traced;
    result = world_run(w, seed);
    t->commits += w->counts.commits;
    t->crashes += w->counts.crashes;
    t->takeovers += w->counts.takeovers;
    t->fenced += w->counts.fenced;
    t->resumed += w->counts.resumed;
    t->refused += w->counts.refused;
    t->inputs += w->counts.inputs;
    t->replays += w->counts.replays;
    t->moves += w->counts.moves;
    t->recalls += w->counts.recalls;
    t->lates += w->counts.lates;
    if (result < 0)
        printf("seed %llu: %s\n", (unsigned long long)seed, w->failure);
    mem_free(&w);
    return result;
}

static enum bug bug_by_name(const char *name)
{
    for (int i = 0; i < BUGS; i++)
        if (strcmp(bugs[i], name) == 0)
            return (enum bug)i;
    fprintf(stderr, "sim: no bug %s\n", name);
    exit(2);
}

static void list_bugs(void)
{
    for (int i = BUG_NONE + 1; i < BUGS; i++)
        puts(bugs[i]);
    exit(0);
}

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option options[] = {
        { "first", required_argument, NULL, 'f' }, { "seeds", required_argument, NULL, 'n' },
        { "seed", required_argument, NULL, 's' },  { "bug", required_argument, NULL, 'b' },
        { "bugs", no_argument, NULL, 'l' },        { "trace", no_argument, NULL, 't' },
        { 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n')
            o->seeds = strtoull(optarg, NULL, 10);
        else if (option == 'f')
            o->first = strtoull(optarg, NULL, 10);
        else if (option == 's')
            o->first = strtoull(optarg, NULL, 10), o->seeds = 1;
        else if (option == 'b')
            o->bug = bug_by_name(optarg);
        else if (option == 'l')
            list_bugs();
        else if (option == 't')
            o->is_traced = true;
        else
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = { .first = 1, .seeds = 1000 };
    struct totals t = { 0 };

    if (parse(argc, argv, &o) < 0)
        return 2;
    for (unsigned long long seed = o.first; seed < o.first + o.seeds; seed++) {
        if (run_one(seed, &o, o.is_traced, &t) == 0)
            continue;
        if (!o.is_traced)
            run_one(seed, &o, true, &t);
        printf("replay: sim --seed %llu --bug %s --trace\n", seed, bugs[o.bug]);
        return 1;
    }
    printf("seeds %llu ok (%lld inputs, %lld commits, %lld crashes, %lld takeovers, %lld fenced, %lld resumed, "
           "%lld refused, %lld journals run again; logs: %lld moved, %lld completed late, %lld inputs about forgotten "
           "tasks)\n", o.seeds, t.inputs, t.commits, t.crashes, t.takeovers, t.fenced, t.resumed, t.refused, t.replays,
           t.moves, t.lates, t.recalls);
    return 0;
}
