/* recall.c - inputs that speak of tasks which the core has forgotten: their rows are fetched first (core_unknown).
 *
 * A result that comes late, a seal that comes later still: what they change must stand in the rows, and the core alone
 * changes rows. One question is out at a time, behind the batch that is on its way on the same connection; the answer
 * goes into the core, and then the inputs that waited for it run in their order. */
#include "lib/log.h"
#include "scheduler/db.h"
#include "scheduler/shell_impl.h"

enum { IDS_MAX = 256, INPUTS_MAX = 64 };

/* One question. It may outlive the core it was asked for. */
struct question {
    struct shell *sh;
    unsigned life;
};

static size_t ids_of(const struct shell *sh, const struct kept *k, struct uuid *ids, size_t max)
{
    struct arena arena = { 0 };
    struct input in = { k->kind, k->at_ms, k->from, NULL };
    size_t n = 0;

    if (kept_message(k, &arena, &in.message))
        n = core_unknown(sh->core, &in, ids, max);
    arena_fini(&arena);
    return n;
}

static void ask(struct shell *sh);

/* Rows or not: nobody knows more of these tasks than the core does now. */
static void run_asked(struct shell *sh)
{
    struct kept *k;

    while (sh->core && (k = TAILQ_FIRST(&sh->recalling)) && k->is_recalled) {
        TAILQ_REMOVE(&sh->recalling, k, order);
        sh->n_held--;
        shell_run_kept(sh, k);
    }
}

static void on_rows(void *arg, const struct core_rows *rows, const struct err *why)
{
    struct question q = *(struct question *)arg;
    struct shell *sh = q.sh;
    struct err e = { 0 };
    struct kept *k;

    mem_free(&arg);
    if (q.life != sh->recall_life)
        return;
    sh->is_recalling = false;
    if (!rows && why->kind == ERR_UNAVAILABLE) {   /* again, when the connection is back */
        TAILQ_FOREACH(k, &sh->recalling, order)
            k->is_recalled = false;
        return;
    }
    if (!rows)
        log_error("rows of forgotten tasks cannot be read", log_err(why));
    else if (core_load_more(sh->core, rows, &e) < 0)
        log_error("rows of forgotten tasks make no sense", log_err(&e));
    run_asked(sh);
    ask(sh);
}

static void ask(struct shell *sh)
{
    struct uuid ids[IDS_MAX];
    struct question *q;
    struct kept *k;
    size_t n = 0;
    int inputs = 0;

    if (sh->is_recalling || sh->is_paused || !sh->core || TAILQ_EMPTY(&sh->recalling))
        return;
    TAILQ_FOREACH(k, &sh->recalling, order) {
        if (inputs++ == INPUTS_MAX || n == IDS_MAX)
            break;
        n += ids_of(sh, k, ids + n, IDS_MAX - n);
        k->is_recalled = true;
    }
    q = mem_zalloc(sizeof *q);
    *q = (struct question){ sh, sh->recall_life };
    sh->is_recalling = true;
    db_load_ids(sh->s->pg, ids, n, on_rows, q);
}

bool recall_is_needed(const struct shell *sh, const struct input *in)
{
    struct uuid id;

    return core_unknown(sh->core, in, &id, 1) > 0;
}

void recall_add(struct shell *sh, struct kept *k)
{
    TAILQ_INSERT_TAIL(&sh->recalling, k, order);
    sh->n_held++;
    ask(sh);
}

void recall_go(struct shell *sh)
{
    ask(sh);
}

void recall_stop(struct shell *sh)
{
    struct kept *k;

    sh->recall_life++;
    sh->is_recalling = false;
    TAILQ_FOREACH(k, &sh->recalling, order)
        k->is_recalled = false;
}
