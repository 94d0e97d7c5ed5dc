/* main.c - orion-agent: settings, who may say what to it, and its life from start to drain (ARCHITECTURE 3, 6). */
#include <dirent.h>
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
#include "proto/dispatch.h"

enum { DRAIN_MS = 7000, LABELS_MAX = 64 };

#define AT(member) offsetof(struct agent_settings, member)
static const struct conf_row rows[] = {
    { CONF_STR, AT(url), "url", "ORION_API_URL", "SERVER_WS", "http://127.0.0.1:8004", 0, 0, "",
      "address of the farm; /ws is added when it has no path" },
    { CONF_STR, AT(name), "name", "ORION_NODE_NAME", NULL, NULL, 0, 0, "", "name of this agent; the host's unless given" },
    { CONF_STR, AT(id), "id", "ORION_WORKER_ID", NULL, NULL, 0, 0, "",
      "stable id, a UUID; one is made and kept in the folder unless given" },
    { CONF_STR, AT(dir), "dir", "ORION_AGENT_DIR", NULL, "/var/lib/orion/agent", 0, 0, "",
      "folder of mirrors, workspaces and spools" },
    { CONF_STR, AT(config), "agent-config", "ORION_AGENT_CONFIG", NULL, ORION_SYSCONFDIR "/agent.yaml", 0, 0, "",
      "repositories that may be built, see orion-agent.yaml(5)" },
    { CONF_INT, AT(slots), "slots", "ORION_AGENT_SLOTS", NULL, "0", 0, 4096, "",
      "attempts that run at once; 0 means as many as there are cores" },
    { CONF_STR, AT(labels), "labels", "ORION_AGENT_LABELS", NULL, NULL, 0, 0, "",
      "what this agent offers, separated by commas" },
    { CONF_STR, AT(path), "path", "ORION_AGENT_PATH", NULL, NULL, 0, 0, "", "folders that go first in the PATH of builds" },
    { CONF_STR, AT(runner), "runner", "ORION_RUNNER", NULL, NULL, 0, 0, "", "the program orion-runner" },
    { CONF_INT, AT(keep_workspaces), "keep-workspaces", "ORION_KEEP_WORKSPACES", NULL, "20", 0, 100000, "",
      "finished workspaces that are kept" },
    { CONF_BYTES, AT(spool_max), "spool-max", "ORION_SPOOL_MAX", NULL, "256M", 65536, INT64_MAX, "bytes",
      "log of one attempt that waits for the log sink before the build does" },
    { CONF_STR, AT(ca_file), "ca-file", "ORION_CA_FILE", NULL, NULL, 0, 0, "", "certificates to trust instead of the system's" },
    CONF_END,
};

/* What lives as long as the process besides the parts. */
struct main_state {
    struct agent agent;
    struct session_spec session;
    struct arena arena;
    struct hook *hook;
    bool is_draining, is_closing;
};

/* --- messages -------------------------------------------------------------------------------------------------- */

static int handle_agent_welcome(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct agent *a = arg;

    (void)from;
    (void)e;
    session_welcome(a->session, message);
    return 0;
}

static int handle_agent_rehello(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct agent *a = arg;

    (void)from;
    (void)e;
    session_rehello(a->session, message);
    return 0;
}

static int handle_task_assign(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_task_assign *m = message;
    struct agent *a = arg;

    (void)from;
    (void)e;
    if (session_follows(a->session, m->epoch))
        attempts_assign(a->attempts, m);
    return 0;
}

static int handle_task_ack(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_task_ack *m = message;
    struct agent *a = arg;

    (void)from;
    (void)e;
    if (session_follows(a->session, m->epoch))
        facts_ack(a->attempts, m);
    return 0;
}

static int handle_task_stop(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_task_stop *m = message;
    struct agent *a = arg;

    (void)from;
    (void)e;
    if (session_follows(a->session, m->epoch))
        attempts_stop(a->attempts, m);
    return 0;
}

static int handle_log_ack(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    struct agent *a = arg;

    (void)from;
    (void)e;
    ship_ack(a->attempts, message);
    return 0;
}

/* The gateway speaks for everybody behind it: it has checked who is who. */
enum { FROM_BEHIND = FROM_GATEWAY | FROM_SCHEDULER | FROM_LOGSINK };

static const struct msg_handler handlers[] = {
    { MSG_AGENT_WELCOME, FROM_SCHEDULER, handle_agent_welcome },
    { MSG_AGENT_REHELLO, FROM_GATEWAY, handle_agent_rehello },
    { MSG_TASK_ASSIGN, FROM_SCHEDULER, handle_task_assign },
    { MSG_TASK_ACK, FROM_SCHEDULER, handle_task_ack },
    { MSG_TASK_STOP, FROM_SCHEDULER, handle_task_stop },
    { MSG_LOG_ACK, FROM_LOGSINK, handle_log_ack },
};

/* --- the session's hooks ------------------------------------------------------------------------------------------ */

static struct msg_held_list on_inventory(void *arg, struct arena *arena)
{
    struct agent *a = arg;

    return attempts_inventory(a->attempts, arena);
}

static void on_welcome(void *arg)
{
    struct agent *a = arg;

    facts_repeat(a->attempts, true);
    ship_repeat(a->attempts, true);
}

static int on_text(void *arg, const char *data, size_t len, struct err *e)
{
    return msg_dispatch_json(handlers, ARRAY_LEN(handlers), arg, FROM_BEHIND, NULL, data, len, e);
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

static const struct session_hooks session_hooks = { on_inventory, on_welcome, on_text, on_room, on_closed };

/* --- start ---------------------------------------------------------------------------------------------------------- */

static bool is_never_used(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return false;
}

/* An agent that ended without asking left attempts behind: their spools say which. Nothing of them is used again. */
static void workspaces_remove(struct agent *a, const char *spool)
{
    DIR *d = opendir(spool);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        char *work = mem_printf("%s/work/%s", a->identity.dir, entry->d_name);

        if (entry->d_name[0] != '.')
            trash_put(a->trash, work);
        mem_free(&work);
    }
    if (d)
        closedir(d);
}

static void leftovers_remove(struct agent *a)
{
    char *spool = mem_printf("%s/spool", a->identity.dir), *tmp = mem_printf("%s/tmp", a->identity.dir);
    char *work = mem_printf("%s/work", a->identity.dir);

    workspaces_remove(a, spool);
    keep_newest(spool, 0, a->trash, is_never_used, NULL);
    keep_newest(tmp, 0, a->trash, is_never_used, NULL);
    keep_newest(work, (size_t)a->settings->keep_workspaces, a->trash, is_never_used, NULL);
    mem_free(&spool);
    mem_free(&tmp);
    mem_free(&work);
}

static struct msg_strs labels_split(const char *text, struct arena *a)
{
    const char **v = arena_alloc(a, LABELS_MAX * sizeof(*v));
    size_t n = 0;

    for (const char *at = text; at && *at && n < LABELS_MAX;) {
        size_t len = strcspn(at, ", ");

        if (len)
            v[n++] = arena_strndup(a, at, len);
        at += len + (at[len] != '\0');
    }
    return (struct msg_strs){ v, n };
}

static char *path_make(const char *first)
{
    const char *own = getenv("PATH");

    if (!own || !*own)
        own = "/usr/local/bin:/usr/bin:/bin";
    return first && *first ? mem_printf("%s:%s", first, own) : mem_strdup(own);
}

/* Everything runs that was to be told is told, or there is nobody to tell it: goodbye. */
static bool drain_look(void *arg)
{
    struct main_state *m = arg;
    struct agent *a = &m->agent;
    const bool is_told = attempts_are_told(a->attempts) || !session_is_welcome(a->session);

    if (m->is_draining && !m->is_closing && !attempts_busy(a->attempts) && is_told) {
        m->is_closing = true;
        session_close(a->session);
    }
    return false;
}

static void parts_make(struct main_state *m)
{
    struct agent *a = &m->agent;

    a->path = path_make(a->settings->path);
    a->helpers = helpers_new(a->loop, a->identity.lock_fd);
    a->trash = trash_new(a->helpers, arena_printf(&m->arena, "%s/trash", a->identity.dir));
    a->workspaces = workspaces_new(a->helpers, a->trash, a->identity.dir);
    a->runs = runs_new(a->loop);
    m->session = (struct session_spec){
        .url = session_url(a->settings->url),
        .ca_file = a->settings->ca_file,
        .agent_id = a->identity.id,
        .instance = a->identity.instance,
        .name = a->identity.name,
        .labels = labels_split(a->settings->labels, &m->arena),
        .slots = a->identity.slots,
    };
    a->session = session_new(a->loop, &m->session, &session_hooks, a);
    a->attempts = attempts_new(a);
    m->hook = loop_hook(a->loop, drain_look, m);
}

static void agent_stop(void **state)
{
    struct main_state *m = *state;
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
    mem_free(&m->session.url);
    arena_fini(&m->arena);
    mem_free(state);
}

static int agent_start(struct service *s, const void *settings, void *shared, unsigned slot, void **state_r,
                       struct err *e)
{
    struct main_state *m = mem_zalloc(sizeof(*m));
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
        agent_stop(&state);
        return -1;
    }
    parts_make(m);
    leftovers_remove(a);
    session_start(a->session);
    service_ready(s);
    *state_r = m;
    return 0;
}

static void agent_drain(void *state)
{
    struct main_state *m = state;

    m->is_draining = true;
    attempts_drain(m->agent.attempts);
}

static const struct service_spec spec = {
    .name = "agent",
    .summary = "runs builds on this machine for an Orion farm",
    .rows = rows,
    .settings_size = sizeof(struct agent_settings),
    .start = agent_start,
    .drain = agent_drain,
    .stop = agent_stop,
    .drain_ms = DRAIN_MS,
};

int main(int argc, char **argv)
{
    return service_main(&spec, argc, argv);
}
