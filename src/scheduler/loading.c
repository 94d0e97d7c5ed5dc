/* loading.c - the rest of a long queue, behind a leader that serves already (ARCHITECTURE "When something dies").
 *
 * Page after page goes from the rows to the shell's core: open tasks in the order of their ids, then what they wait for
 * and has ended, then the keys. One page
 * is asked for at a time, between the batches of the same connection. After a lost connection it goes on where it was:
 * if nobody else led meanwhile, a task that the core does not know has not changed. */
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "scheduler/db.h"
#include "scheduler/scheduler.h"

enum what { WHAT_NOTHING, WHAT_TASKS, WHAT_AWAITED, WHAT_KEYS };

struct loading {
    struct scheduler *s;
    enum what what;
    bool is_asked;              /* a page is on its way */
    unsigned void_pages;        /* asked for, for a core that is no more */
    struct uuid task;           /* behind which to go on */
    char *project, *key;
    size_t tasks, keys;
    uint64_t since_ms;
};

static void ask(struct loading *l);

static void finish(struct loading *l)
{
    l->what = WHAT_NOTHING;
    log_info("queue loaded", log_int("tasks", (int64_t)l->tasks), log_int("keys", (int64_t)l->keys),
             log_int("ms", (int64_t)(clock_boot_ms() - l->since_ms)));
    shell_loaded(l->s->shell);
}

/* Where to go on behind these rows. False: they were the last. */
static bool move_on(struct loading *l, const struct core_rows *rows)
{
    if (l->what == WHAT_TASKS || l->what == WHAT_AWAITED) {
        l->tasks += rows->n_tasks;
        if (rows->n_tasks)
            l->task = rows->tasks[rows->n_tasks - 1].id;
        if (rows->n_tasks < DB_PAGE) {
            l->what = l->what == WHAT_TASKS ? WHAT_AWAITED : WHAT_KEYS;
            l->task = (struct uuid){ 0 };
        }
        return true;
    }
    l->keys += rows->n_keys;
    if (rows->n_keys < DB_PAGE)
        return false;
    mem_free(&l->project);
    mem_free(&l->key);
    l->project = mem_strdup(rows->keys[rows->n_keys - 1].project);
    l->key = mem_strdup(rows->keys[rows->n_keys - 1].key);
    return true;
}

/* The server looks for the next page while the core takes this one. */
static void take(struct loading *l, const struct core_rows *rows)
{
    bool is_last = !move_on(l, rows);
    struct err e = { 0 };

    if (!is_last)
        ask(l);
    if (shell_load_more(l->s->shell, rows, &e) < 0)
        lead_failed(l->s->lead, &e);
    else if (is_last)
        finish(l);
}

static void on_page(void *arg, const struct core_rows *rows, const struct err *why)
{
    struct loading *l = arg;

    if (l->void_pages) {   /* answers come in the order of the questions */
        l->void_pages--;
        return;
    }
    l->is_asked = false;
    if (rows)
        take(l, rows);
    else if (why->kind != ERR_UNAVAILABLE)   /* else: loading_go, when the connection is back */
        lead_failed(l->s->lead, why);
}

static void ask(struct loading *l)
{
    l->is_asked = true;
    if (l->what == WHAT_TASKS)
        db_load_tasks(l->s->pg, &l->task, on_page, l);
    else if (l->what == WHAT_AWAITED)
        db_load_awaited(l->s->pg, &l->task, on_page, l);
    else
        db_load_keys(l->s->pg, l->project ? l->project : "", l->key ? l->key : "", on_page, l);
}

void loading_begin(struct loading *l)
{
    loading_stop(l);
    l->what = WHAT_TASKS;
    l->tasks = l->keys = 0;
    l->since_ms = clock_boot_ms();
    ask(l);
}

void loading_go(struct loading *l)
{
    if (l->what != WHAT_NOTHING && !l->is_asked)
        ask(l);
}

void loading_stop(struct loading *l)
{
    l->void_pages += l->is_asked;
    l->is_asked = false;
    l->what = WHAT_NOTHING;
    l->task = (struct uuid){ 0 };
    mem_free(&l->project);
    mem_free(&l->key);
}

struct loading *loading_open(struct scheduler *s)
{
    struct loading *l = mem_zalloc(sizeof *l);

    l->s = s;
    return l;
}

void loading_close(struct loading **l)
{
    if (!*l)
        return;
    loading_stop(*l);
    mem_free(l);
}
