/* lab_farm.c - is the lab's farm as a whole ready: does the gateway say so, and have the agents registered? */
#include <string.h>

#include "cli/api.h"
#include "cli/lab.h"
#include "lib/clock.h"

enum { LOOK_MS = 50, SETTLE_MS = 30000 };

/* Rows of an earlier run may still say "up": only a hello of this one counts. */
static bool is_up(const struct msg_v1_agents *agents, const char *name, int64_t since_ms)
{
    for (size_t i = 0; i < agents->agents.n; i++) {
        const struct msg_v1_agent *a = &agents->agents.v[i];
        if (strcmp(a->name, name) == 0 && strcmp(a->state, "up") == 0 && a->seen_at >= since_ms)
            return true;
    }
    return false;
}

struct wanted {
    const struct lab_part *agent;   /* NULL: all of them */
    int64_t since_ms;               /* wall clock */
};

static bool is_wanted(const struct wanted *w, const struct lab_part *p)
{
    return strcmp(p->kind->name, "agent") == 0 && (!w->agent || w->agent == p);
}

/* One look. NULL: ready; else the part that is still missing, and why. */
static const char *what_is_missing(const struct lab *lab, const struct api *api, const struct wanted *w,
                                   struct err *why)
{
    struct msg_v1_agents agents = { 0 };
    struct buf body = { 0 };
    const char *missing = NULL;

    if (api_get(api, "/readyz", &body, why) < 0)
        missing = "gateway";
    buf_fini(&body);
    if (!missing && lab->conf.agents > 0 && api_read(api, "/v1/agents", MSG_V1_AGENTS, &agents, &body, why) < 0)
        missing = "gateway";
    buf_fini(&body);
    for (size_t i = 0; !missing && i < lab->n_parts; i++) {
        if (is_wanted(w, &lab->parts[i]) && !is_up(&agents, lab->parts[i].name, w->since_ms)) {
            missing = lab->parts[i].name;
            err_set(why, ERR_UNAVAILABLE, "%s has not registered", missing);
        }
    }
    return missing;
}

static const char *look(const struct lab *lab, const struct wanted *w, struct err *why)
{
    struct arena a = { 0 };
    struct cli_server options = { .url = lab_url(lab, &a) };
    const char *missing = "gateway";
    struct api api;

    if (api_open(&api, &options, &a, why) == 0)
        missing = what_is_missing(lab, &api, w, why);
    arena_fini(&a);
    return missing;
}

static const struct lab_part *first_dead(const struct lab *lab)
{
    for (size_t i = 0; i < lab->n_parts; i++) {
        if (lab->parts[i].is_reaped)
            return &lab->parts[i];
    }
    return NULL;
}

int lab_farm_wait(struct lab *lab, int64_t since_ms, struct err *e)
{
    const struct wanted all = { NULL, since_ms };
    int64_t until = (int64_t)clock_boot_ms() + LAB_READY_MS;
    const char *missing = "gateway";
    const struct lab_part *dead = NULL;
    struct err why = { 0 };

    while (missing && !dead && lab->stops == 0 && (int64_t)clock_boot_ms() < until) {
        why = (struct err){ 0 };
        missing = look(lab, &all, &why);
        if (missing)
            lab_wait(lab, -1, LOOK_MS);
        dead = first_dead(lab);
    }
    if (!missing && !dead)
        return 0;
    if (lab->stops > 0)
        return err_set(e, ERR_UNAVAILABLE, "stopped while starting");
    lab_log_tail(lab, dead ? dead->name : missing, 0);
    if (dead)
        return err_set(e, ERR_SYSTEM, "%s ended while the lab was starting", dead->name);
    return err_set(e, ERR_SYSTEM, "the lab was not ready within %d s: %s", LAB_READY_MS / 1000, why.text);
}

static bool has_core(struct lab *lab)
{
    return lab_part_is_alive(lab_part_find(lab, "postgres")) && lab_part_is_alive(lab_part_find(lab, "scheduler")) &&
           lab_part_is_alive(lab_part_find(lab, "gateway"));
}

int lab_farm_settle(struct lab *lab, const struct lab_part *part, int64_t since_ms, struct err *e)
{
    const struct wanted one = { part, since_ms };
    int64_t until = (int64_t)clock_boot_ms() + SETTLE_MS;
    struct err why = { 0 };

    while (lab->stops == 0 && has_core(lab)) {
        why = (struct err){ 0 };
        if (!look(lab, &one, &why))
            return 0;
        if ((int64_t)clock_boot_ms() > until)
            return err_set(e, ERR_SYSTEM, "%s runs, but the farm is not ready: %s", part->name, why.text);
        lab_wait(lab, -1, LOOK_MS);
    }
    return lab_part_is_alive(part) ? 0 : err_set(e, ERR_SYSTEM, "%s ended at once", part->name);
}
