/* adopt.c - what a former process of this agent held: every folder in DIR/spool is an attempt, its record says how far
 * it was, and the lock in it whether its runner lives (record.h, berth.h). Runs once, before the first hello, whose
 * inventory then lists them; no attempt is begun a second time if anything of it ever ran. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/attempts.h"
#include "agent/berth.h"
#include "agent/trash.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

/* --- one that is known ----------------------------------------------------------------------------- */

static void facts_open(struct attempt *a, bool is_over)
{
    a->facts.is_open[FACT_ACCEPT] = !is_over;
    a->facts.is_open[FACT_PREPARED] = a->commit && a->driver;
    a->facts.is_open[FACT_RESULT] = is_over;
    a->facts.is_open[FACT_MOVED] = a->base != NULL; /* who knows it already acknowledges it again */
}

static void ship_begin(struct attempt *a)
{
    struct err e = { 0 };

    ship_init(a);
    if (ship_resume(a, &e))
        log_error("cannot read a spool", log_str("attempt", a->name), log_err(&e));
}

static void runner_adopt(struct attempt *a)
{
    struct agent *agent = a->all->agent;
    const bool is_same_host = strcmp(a->boot, agent->identity.boot) == 0;
    const char *why = is_same_host ? "the runner died while no agent ran" : "the host was restarted";

    a->is_waiting = false;
    a->run = run_adopt(agent->runs, a->spool, why, &finish_run_hooks, a);
}

/* The commit that was told is the one that is built. */
static void resume_prepare(struct attempt *a)
{
    if (a->commit)
        a->order.commit = a->commit;
    a->commit = a->driver = NULL;
    a->stage = RECORD_ACCEPTED;
    facts_open(a, false);
    stop_limit(a);
    if (a->is_decided)
        prepare_decided(a);
    else if (a->verdict.outcome)
        prepare_stop(a);
}

static void resume_runner(struct attempt *a)
{
    a->hold = HOLD_RUNNING;
    facts_open(a, false);
    ship_begin(a);
    runner_adopt(a);
    stop_limit(a);
    if (a->verdict.outcome)
        run_stop(a->run, a->verdict.message);
}

static void resume_tell(struct attempt *a)
{
    a->hold = HOLD_FINISHED;
    facts_open(a, true);
    ship_begin(a);
    ship_spooled(a, (uint64_t)a->result.log_chunks, (uint64_t)a->result.log_bytes);
    stop_limit(a);
    attempt_settle(a);
}

static void resume_end(struct attempt *a)
{
    a->hold = HOLD_DROPPED;
    a->dropped_ms = clock_boot_ms();
    ship_begin(a);
    runner_adopt(a);
    run_stop(a->run, "this attempt is not wanted any more");
}

static const struct {
    const char *word;
    void (*resume)(struct attempt *a);
} ways[] = {
    [RESUME_PREPARE] = { "prepared again", resume_prepare },
    [RESUME_RUNNER] = { "its runner", resume_runner },
    [RESUME_TELL] = { "its result", resume_tell },
    [RESUME_END] = { "to be ended", resume_end },
};

/* Consumes the arena, in which the record is. */
static void attempt_restore(struct attempts *t, const struct record *r, struct arena *arena)
{
    struct attempt *a = attempt_new(t, &r->order);
    const enum resume way = resume_decide(r->stage, berth_was_used(a->spool));

    arena_move(&a->arena, arena);
    a->stage = r->stage;
    a->boot = r->boot;
    a->began_ms = r->began_ms;
    a->commit = r->commit;
    a->driver = r->driver;
    a->base = r->base;
    if (r->verdict)
        a->verdict = (struct verdict){ r->verdict->outcome, r->verdict->cause,
                                       r->verdict->message ? r->verdict->message : r->verdict->outcome };
    if (r->result) {
        a->result = *r->result;
        a->is_decided = true;
    }
    log_info("adopted", log_str("attempt", a->name), log_str("what", ways[way].word),
             log_int("lives", berth_is_taken(a->spool)));
    ways[way].resume(a);
}

/* --- one that is not ------------------------------------------------------------------------------- */

static int name_parse(const char *name, struct uuid *task_r, int64_t *number_r)
{
    const size_t len = UUID_TEXT_SIZE - 1;
    char *end;

    if (strlen(name) < len + 2 || name[len] != '.' || !isdigit((unsigned char)name[len + 1]) ||
        uuid_parse(name, len, task_r))
        return -1;
    *number_r = strtoll(name + len + 1, &end, 10);
    return *end || *number_r > 1000000 ? -1 : 0;
}

/* Nobody knows what was asked of it, but its name: it is not run again under that, and what runs of it is ended. */
static void attempt_give_up(struct attempts *t, const char *name, const struct err *why)
{
    struct msg_task_assign order = { .project = "", .repo = "", .sink = "" };
    struct agent *agent = t->agent;
    char *work = mem_printf("%s/work/%s", agent->identity.dir, name);
    char *spool = mem_printf("%s/spool/%s", agent->identity.dir, name);

    log_error("an attempt of before is given up", log_str("attempt", name), log_err(why));
    attempts_begun_before(t, name);
    trash_put(agent->trash, work);
    if (name_parse(name, &order.task_id, &order.attempt))
        trash_put(agent->trash, spool);
    else
        resume_end(attempt_new(t, &order));
    mem_free(&work);
    mem_free(&spool);
}

/* --- all of them ----------------------------------------------------------------------------------- */

static void folder_adopt(struct attempts *t, const char *dir, const char *name)
{
    char *spool = mem_printf("%s/%s", dir, name);
    char task[UUID_TEXT_SIZE], own[UUID_TEXT_SIZE + 24];
    struct arena arena = { 0 };
    struct err e = { 0 };
    struct record r;
    int rc = saved_load(spool, &arena, &r, &e);

    if (!rc) {
        uuid_format(&r.order.task_id, task);
        snprintf(own, sizeof(own), "%s.%lld", task, (long long)r.order.attempt);
        rc = strcmp(own, name) ? err_set(&e, ERR_INVALID, "%s/record is another attempt's", spool) : 0;
    }
    if (rc)
        attempt_give_up(t, name, &e);
    else
        attempt_restore(t, &r, &arena);
    arena_fini(&arena);
    mem_free(&spool);
}

void adopt_all(struct attempts *t)
{
    char *dir = mem_printf("%s/spool", t->agent->identity.dir);
    DIR *d = opendir(dir);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] != '.')
            folder_adopt(t, dir, entry->d_name);
    }
    if (d)
        closedir(d);
    mem_free(&dir);
    timer_in(t->repeat, 0);
}
