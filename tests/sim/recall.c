/* recall.c - inputs that speak of forgotten tasks: the rows come first, a while later. In the image of
 * src/scheduler/recall.c: behind the batch that is on its way. */
#include "lib/mem.h"
#include "tests/sim/world.h"

enum { IDS_MAX = 64 };

static size_t ids_of(const struct sim_shell *sh, const struct kept *k, struct uuid *ids, size_t max)
{
    struct arena arena = { 0 };
    struct input in = input_of(k, &arena);
    size_t n = core_unknown(sh->core, &in, ids, max);

    arena_fini(&arena);
    return n;
}

bool recall_is_needed(const struct sim_shell *sh, const struct kept *k)
{
    struct uuid id;

    return ids_of(sh, k, &id, 1) > 0;
}

static void recalled(struct world *w, const struct packet *p)
{
    struct sim_shell *sh = &w->shells[p->shell];
    const struct core_rows *rows;
    struct kept_list list = { 0 };
    struct uuid ids[IDS_MAX];
    struct err e = { 0 };
    size_t n = 0;

    if (sh->life != p->life)
        return;
    if (shell_is_asleep(w, sh) || sh->is_cut || (sh->is_in_flight && !sh->is_applied) || sh->epoch != w->db.epoch) {
        world_in(w, 50, recalled, p);   /* one that was replaced learns it otherwise */
        return;
    }
    kept_move(&list, &sh->recalling);
    for (size_t i = 0; i < list.n; i++)
        n += ids_of(sh, list.v[i], ids + n, IDS_MAX - n);
    rows = db_rows_of(w, &w->arena, ids, n);
    if (core_load_more(sh->core, rows, &e) < 0)
        world_fail(w, "rows of forgotten tasks cannot be loaded: %s", e.text);
    journal_add(&sh->journal, (struct journal_entry){ .rows = rows });
    for (size_t i = 0; i < list.n; i++) {
        list.v[i]->is_recalled = true;
        shell_run(w, sh, list.v[i]);
    }
    kept_fini(&list);
    shell_pump(w, sh);
}

void recall_add(struct world *w, struct sim_shell *sh, struct kept *k)
{
    struct packet p = { .shell = sh->index, .life = sh->life };

    kept_add(&sh->recalling, k);
    w->counts.recalls++;
    if (sh->recalling.n == 1)
        world_in(w, world_ms(w, 1, 100), recalled, &p);
}
