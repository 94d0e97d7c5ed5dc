/* growth.h - a farm of any size around the real core: agents that are all busy, a queue, and tasks that go through. */
#ifndef ORION_BENCH_GROWTH_H
#define ORION_BENCH_GROWTH_H

#include <stddef.h>
#include <stdint.h>

struct growth;

enum growth_kind { GROWTH_SUBMIT, GROWTH_ACCEPT, GROWTH_RESULT, GROWTH_SEALED, GROWTH_COLLECT, GROWTH_KINDS };

struct growth_times {
    uint64_t ns[GROWTH_KINDS];
};

const char *growth_kind_name(enum growth_kind kind);
struct growth *growth_new(void);
void growth_free(struct growth **g);
void growth_add_agents(struct growth *g, size_t n);   /* of one slot each */
void growth_submit(struct growth *g, size_t n);
void growth_accept_all(struct growth *g);             /* whatever is assigned and not accepted */
size_t growth_queued(const struct growth *g);
/* In each, the attempt that runs for longest ends. The times are added up. */
void growth_cycles(struct growth *g, size_t n, struct growth_times *t);

#endif
