/* kin.c - open tasks that have something in common.
 *
 * Twins ask for the same build of the same commit: a submission may join the oldest. Kin ask for the same build of one
 * merge request, whatever commit: a newer one supersedes them. What names a build is everything that is asked for, the
 * arguments and labels too, or the parts of a matrix would end each other. */
#include <string.h>

#include "scheduler/match.h"
#include "scheduler/core_impl.h"

static void put(struct buf *out, const char *text)
{
    if (text)
        buf_printf(out, "%zu:%s", strlen(text), text);
    buf_putc(out, ',');
}

static void put_build(struct buf *out, const struct spec *spec)
{
    struct arena scratch = { 0 };
    const char **labels = arena_dup(&scratch, spec->labels.v, spec->labels.n * sizeof *labels);
    size_t n = labels_sort(labels, spec->labels.n);

    put(out, spec->project);
    put(out, spec->repo);
    put(out, spec->target);
    put(out, spec->driver);
    for (size_t i = 0; i < spec->args.n; i++)
        put(out, spec->args.v[i]);
    buf_putc(out, ';');
    for (size_t i = 0; i < n; i++)
        put(out, labels[i]);
    buf_putc(out, ';');
    for (size_t i = 0; i < spec->env.n; i++) {
        put(out, spec->env.v[i].key);
        put(out, spec->env.v[i].value);
    }
    arena_fini(&scratch);
}

bool kin_is_commit(const char *ref)
{
    size_t n = ref ? strspn(ref, "0123456789abcdefABCDEF") : 0;

    return (n == 40 || n == 64) && !ref[n];
}

static bool may_have_twins(const struct spec *spec)
{
    return kin_is_commit(spec->ref) && !(spec->policy && spec->policy->n_after);
}

static struct uuid place_of(const struct spec *spec, const char *what, const char *which)
{
    struct buf text = { 0 };
    struct uuid place;

    put(&text, which);
    put_build(&text, spec);
    place = table_key_text(what, text.data);
    buf_fini(&text);
    return place;
}

static struct bunch *bunch_get(struct table *all, const struct uuid *key)
{
    struct bunch *b = table_get(all, key);

    if (b)
        return b;
    b = mem_zalloc(sizeof *b);
    b->key = *key;
    table_put(all, key, b);
    return b;
}

static void bunch_leave(struct table *all, struct bunch *b)
{
    if (!LIST_EMPTY(&b->tasks))
        return;
    table_remove(all, &b->key);
    mem_free(&b);
}

void kin_add(struct core *core, struct task *t)
{
    struct uuid place;

    if (may_have_twins(t->spec)) {
        place = place_of(t->spec, "twins", t->spec->ref);
        t->twins = bunch_get(&core->twins, &place);
        LIST_INSERT_HEAD(&t->twins->tasks, t, twin);
    }
    if (t->spec->mr) {
        place = place_of(t->spec, "kin", t->spec->mr);
        t->kin = bunch_get(&core->kin, &place);
        LIST_INSERT_HEAD(&t->kin->tasks, t, relative);
    }
}

void kin_remove(struct core *core, struct task *t)
{
    if (t->twins) {
        LIST_REMOVE(t, twin);
        bunch_leave(&core->twins, t->twins);
    }
    if (t->kin) {
        LIST_REMOVE(t, relative);
        bunch_leave(&core->kin, t->kin);
    }
    t->twins = t->kin = NULL;
}

struct task *kin_twin(const struct core *core, const struct spec *spec)
{
    struct task *oldest = NULL, *t;
    const struct bunch *b;
    struct uuid place;

    if (!may_have_twins(spec))
        return NULL;
    place = place_of(spec, "twins", spec->ref);
    b = table_get(&core->twins, &place);
    if (!b)
        return NULL;
    LIST_FOREACH(t, &b->tasks, twin)   /* a task that is being stopped will not give what is asked for */
        if ((!oldest || uuid_cmp(&t->id, &oldest->id) < 0) &&
            !(task_open_attempt(t) && task_open_attempt(t)->stop != STOP_NONE))
            oldest = t;
    return oldest;
}

struct bunch *kin_of(const struct core *core, const struct spec *spec)
{
    struct uuid place;

    if (!spec->mr)
        return NULL;
    place = place_of(spec, "kin", spec->mr);
    return table_get(&core->kin, &place);
}
