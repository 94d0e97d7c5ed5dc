/* life.c - an agent from start to drain: makes the parts and wires them, goes on with what a former agent process held,
 * and when it is asked to stop gives everything back or, as --on-stop says, leaves it to the next (ARCHITECTURE 3, 6). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/attempts.h"
#include "agent/helper.h"
#include "agent/repos.h"
#include "agent/session.h"
#include "agent/trash.h"
#include "agent/workspace.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/service.h"


/* What lives as long as the process besides the parts. */
struct life {
    struct agent agent;
    struct session_spec session;
    char *url;
    struct arena arena;
    struct hook *hook;
    bool is_draining, is_closing;
};

/* --- the session's hooks --------------------------------------------------------------------------- */

static struct msg_held_list on_inventory(void *arg, struct arena *arena)
{
    struct agent *a = arg;

    return attempts_inventory(a->attempts, arena);
}

static int64_t on_count(void *arg)
{
    struct agent *a = arg;

    return identity_hello(&a->identity);
}

static void on_welcome(void *arg)
{
    struct agent *a = arg;

    facts_repeat(a->attempts, true);
    ship_repeat(a->attempts, true);
}

static int on_text(void *arg, const char *data, size_t len, struct err *e)
{
    return agent_hear(arg, data, len, e);
}

static void on_room(void *arg)
{
    struct agent *a = arg;

    ship_pump(a->attempts);
}

static void on_closed(void *arg)
{
    struct agent *a = arg;

    service_drained(a->service);
}

static const struct session_hooks session_hooks = { on_inventory, on_count, on_welcome, on_text, on_room, on_closed };

/* --- start ----------------------------------------------------------------------------------------- */

static bool is_used(void *arg, const char *name)
{
    return attempts_is_used(arg, name);
}

static void leftovers_remove(struct agent *a)
{
    char *tmp = mem_printf("%s/tmp", a->identity.dir), *work = mem_printf("%s/work", a->identity.dir);

    keep_newest(tmp, 0, a->trash, is_used, a->attempts);
    keep_newest(work, (size_t)a->settings->keep_workspaces, a->trash, is_used, a->attempts);
    mem_free(&tmp);
    mem_free(&work);
}

static char *path_make(const char *first)
{
    const char *own = getenv("PATH");

    if (!own || !*own)
        own = "/usr/local/bin:/usr/bin:/bin";
    return first && *first ? mem_printf("%s:%s", first, own) : mem_strdup(own);
}

/* Nothing runs and everything is told, or there is nobody to tell it: goodbye, which the session has to write before
 * the loop sleeps. */
static bool drain_look(void *arg)
{
    struct life *m = arg;
    struct agent *a = &m->agent;
    const bool is_told = attempts_are_told(a->attempts) || !session_is_welcome(a->session);

    if (m->is_draining && !m->is_closing && !attempts_busy(a->attempts) && is_told) {
        m->is_closing = true;
        session_close(a->session);
        return true;
    }
    return false;
}

static void parts_make(struct life *m)
{
    struct agent *a = &m->agent;

    a->path = path_make(a->settings->path);
    a->helpers = helpers_new(a->loop, a->identity.dir);
    a->trash = trash_new(a->helpers, arena_printf(&m->arena, "%s/trash", a->identity.dir));
    a->workspaces = workspaces_new(a->helpers, a->trash, a->identity.dir);
    a->runs = runs_new(a->loop);
    m->url = session_url(a->settings->url);
    m->session = (struct session_spec){
        .url = m->url,
        .ca_file = a->settings->ca_file,
        .agent_id = a->identity.id,
        .instance = a->identity.instance,
        .name = a->identity.name,
        .labels = labels_make(a->settings->labels, &m->arena),
        .slots = a->identity.slots,
    };
    a->session = session_new(a->loop, &m->session, &session_hooks, a);
    a->attempts = attempts_new(a);
    m->hook = loop_hook(a->loop, drain_look, m);
}

void life_stop(void **state)
{
    struct life *m = *state;
    struct agent *a = &m->agent;

    hook_free(&m->hook);
    attempts_free(&a->attempts);
    runs_free(&a->runs);
    session_free(&a->session);
    workspaces_free(&a->workspaces);
    trash_free(&a->trash);
    helpers_free(&a->helpers);
    repos_free(&a->repos);
    identity_close(&a->identity);
    mem_free(&a->path);
    mem_free(&m->url);
    arena_fini(&m->arena);
    mem_free(state);
}

int life_start(struct service *s, const void *settings, void *shared, unsigned slot, void **state_r,
                       struct err *e)
{
    struct life *m = mem_zalloc(sizeof(*m));
    struct agent *a = &m->agent;
    void *state = m;

    (void)shared;
    (void)slot;
    a->service = s;
    a->loop = service_loop(s);
    a->settings = settings;
    if (identity_open(&a->identity, settings, e) == 0)
        a->repos = repos_open(a->settings->config, e);
    if (!a->repos) {
        life_stop(&state);
        return -1;
    }
    parts_make(m);
    adopt_all(a->attempts);
    leftovers_remove(a);
    session_start(a->session);
    service_ready(s);
    *state_r = m;
    return 0;
}

void life_drain(void *state)
{
    struct life *m = state;

    struct agent *a = &m->agent;

    m->is_draining = true;
    if (strcmp(a->settings->on_stop, ON_STOP_LEAVE) == 0) {
        log_info("the builds go on, for the next agent to adopt", log_int("attempts", attempts_busy(a->attempts)));
        m->is_closing = true;
        session_close(a->session);
        return;
    }
    session_rest(a->session);
    attempts_drain(a->attempts);
}
