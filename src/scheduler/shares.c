/* shares.c - projects and concurrency groups: who may have how many slots.
 *
 * A project's row is written when the first task names it; a group has a row only when somebody gave it a capacity.
 * What they hold is counted from the open attempts, so no row says it. */
#include <string.h>

#include "scheduler/core_impl.h"

enum { PASS_STEP = 1 << 20, GROUP_CAPACITY = 1 };

struct project *project_get(struct core *core, const char *name)
{
    struct uuid place = table_key_text("project", name);
    struct project *p = table_get(&core->projects, &place);

    if (p)
        return p;
    p = mem_zalloc(sizeof *p);
    p->place = place;
    p->name = mem_strdup(name);
    p->weight = 1;
    p->supersede = SUPERSEDE_QUEUED;
    p->pass = core->pass;
    table_put(&core->projects, &place, p);
    project_mark(core, p);
    return p;
}

void project_mark(struct core *core, struct project *p)
{
    if (!p->is_dirty)
        TAILQ_INSERT_TAIL(&core->dirty_projects, p, dirty);
    p->is_dirty = true;
}

void project_took(struct core *core, struct project *p)
{
    core->pass = p->pass;
    p->pass += (uint64_t)(PASS_STEP / p->weight);
}

struct group *group_get(struct core *core, const char *name)
{
    struct uuid place = table_key_text("group", name);
    struct group *g = table_get(&core->groups, &place);

    if (g)
        return g;
    g = mem_zalloc(sizeof *g);
    g->place = place;
    g->name = mem_strdup(name);
    g->capacity = GROUP_DEFAULT;
    table_put(&core->groups, &place, g);
    return g;
}

void group_mark(struct core *core, struct group *g)
{
    if (!g->is_dirty)
        TAILQ_INSERT_TAIL(&core->dirty_groups, g, dirty);
    g->is_dirty = true;
}

static void group_free(struct core *core, struct group *g)
{
    table_remove(&core->groups, &g->place);
    mem_free(&g->name);
    mem_free(&g);
}

void group_release(struct core *core, struct group *g)
{
    g->tasks--;
    if (g->tasks == 0 && g->capacity == GROUP_DEFAULT && !g->is_dirty)
        group_free(core, g);
}

bool group_is_full(const struct group *g)
{
    return g && g->held >= (g->capacity == GROUP_DEFAULT ? GROUP_CAPACITY : g->capacity);
}

/* Nothing of it is left in any task. */
void shares_fini(struct core *core)
{
    struct project *p;
    struct group *g;

    for (size_t at = 0; (p = table_next(&core->projects, &at));) {
        mem_free(&p->name);
        mem_free(&p);
    }
    for (size_t at = 0; (g = table_next(&core->groups, &at)); at--) /* removal moves others into that slot */
        group_free(core, g);
    table_fini(&core->projects);
    table_fini(&core->groups);
}
