/* lab_parts.c - the parts of a lab as a table: in which order they start, how each is called and ended.
 *
 * Given: lab_conf. No I/O but the pid files. Rules: docs/ARCHITECTURE.md "Processes"; the daemons' own manuals for
 * their flags. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/lab.h"
#include "cli/lab_left.h"

#define LEASE "10s"

static void add(struct lab_argv *argv, const char *word)
{
    if (argv->n + 1 < ARRAY_LEN(argv->v))
        argv->v[argv->n++] = word;
}

static void add_flag(struct lab_argv *argv, const char *flag, const char *value)
{
    add(argv, flag);
    add(argv, value);
}

/* A daemon and what all of them have: no settings file but the flags here. */
static void add_daemon(const struct lab *lab, enum lab_program which, struct lab_argv *argv)
{
    add(argv, lab->programs[which]);
    add_flag(argv, "--config", "/dev/null");
}

const char *lab_dsn(const struct lab *lab, const char *user, const char *database, struct arena *a)
{
    return arena_printf(a, "host=%s user=%s dbname=%s", lab->conf.sockets, user, database);
}

static const char *scheduler_endpoint(const struct lab *lab, struct arena *a)
{
    return arena_printf(a, "ipc://%s/scheduler.sock", lab->conf.sockets);
}

static const char *sink_endpoint(const struct lab *lab, int number, const char *what, struct arena *a)
{
    return arena_printf(a, "ipc://%s/sink-%d.%s", lab->conf.sockets, number, what);
}

/* sink-1=CONTROL+LIVE sink-2=... */
static const char *all_sinks(const struct lab *lab, struct arena *a)
{
    const char *text = "";

    for (int i = 1; i <= lab->conf.sinks; i++)
        text = arena_printf(a, "%s%ssink-%d=%s+%s", text, i > 1 ? " " : "", i, sink_endpoint(lab, i, "sock", a),
                            sink_endpoint(lab, i, "live", a));
    return text;
}

static void postgres_command(const struct lab *lab, const struct lab_part *part, struct lab_argv *argv)
{
    static const char *const settings[] = { "listen_addresses=", "unix_socket_permissions=0700", "shared_buffers=64MB",
                                            "max_connections=60", "logging_collector=off", "log_destination=stderr" };
    struct arena *a = argv->arena;

    (void)part;
    add(argv, arena_printf(a, "%s/postgres", lab->pg_bin));
    add_flag(argv, "-D", arena_printf(a, "%s/pg", lab->dir));
    add_flag(argv, "-c", arena_printf(a, "unix_socket_directories=%s", lab->conf.sockets));
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        add_flag(argv, "-c", settings[i]);
}

static void scheduler_command(const struct lab *lab, const struct lab_part *part, struct lab_argv *argv)
{
    struct arena *a = argv->arena;

    (void)part;
    add_daemon(lab, LAB_SCHEDULER, argv);
    add_flag(argv, "--database", lab_dsn(lab, "orion_scheduler", "orion", a));
    add_flag(argv, "--listen", scheduler_endpoint(lab, a));
    add_flag(argv, "--sinks", all_sinks(lab, a));
    if (!lab_conf_has_set(&lab->conf, "ORION_LEASE"))
        add_flag(argv, "--lease", LEASE);
}

static void logsink_command(const struct lab *lab, const struct lab_part *part, struct lab_argv *argv)
{
    struct arena *a = argv->arena;

    add_daemon(lab, LAB_LOGSINK, argv);
    add_flag(argv, "--name", arena_printf(a, "sink-%d", part->number));
    add_flag(argv, "--dir", arena_printf(a, "%s/sink-%d", lab->dir, part->number));
    add_flag(argv, "--listen", sink_endpoint(lab, part->number, "sock", a));
    add_flag(argv, "--live", sink_endpoint(lab, part->number, "live", a));
    add_flag(argv, "--schedulers", scheduler_endpoint(lab, a));
}

static void gateway_command(const struct lab *lab, const struct lab_part *part, struct lab_argv *argv)
{
    struct arena *a = argv->arena;

    (void)part;
    add_daemon(lab, LAB_GATEWAY, argv);
    add_flag(argv, "--host", "127.0.0.1");
    add_flag(argv, "--port", arena_printf(a, "%lld", (long long)lab->conf.port));
    add_flag(argv, "--workers", arena_printf(a, "%lld", (long long)lab->conf.workers));
    add_flag(argv, "--database", lab_dsn(lab, "orion_gateway", "orion", a));
    add_flag(argv, "--schedulers", scheduler_endpoint(lab, a));
    add_flag(argv, "--sinks", all_sinks(lab, a));
}

static void agent_command(const struct lab *lab, const struct lab_part *part, struct lab_argv *argv)
{
    struct arena *a = argv->arena;

    add_daemon(lab, LAB_AGENT, argv);
    add_flag(argv, "--url", lab_url(lab, a));
    add_flag(argv, "--name", part->name);
    add_flag(argv, "--dir", arena_printf(a, "%s/%s", lab->dir, part->name));
    add_flag(argv, "--agent-config", arena_printf(a, "%s/agent.yaml", lab->dir));
    add_flag(argv, "--slots", arena_printf(a, "%lld", (long long)lab->conf.slots));
    add_flag(argv, "--runner", lab->programs[LAB_RUNNER]);
    if (lab->conf.path)
        add_flag(argv, "--path", lab->conf.path);
}

static int64_t count_sinks(const struct lab_conf *c)
{
    return c->sinks;
}

static int64_t count_agents(const struct lab_conf *c)
{
    return c->agents;
}

/* In the order of starting; ended in the opposite one. The times add up to less than the 20 s a stop may take. */
static const struct lab_kind kinds[] = {
    { "postgres", NULL, SIGINT, 4000, postgres_command }, /* "fast": sends its clients away */
    { "scheduler", NULL, SIGTERM, 2000, scheduler_command },
    { "logsink", count_sinks, SIGTERM, 2500, logsink_command },
    { "gateway", NULL, SIGTERM, 2500, gateway_command },
    { "agent", count_agents, SIGTERM, 8000, agent_command }, /* gives its builds back */
};

void lab_parts_fill(struct lab *lab)
{
    lab->n_parts = 0;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        int count = kinds[k].count ? (int)kinds[k].count(&lab->conf) : 1;
        for (int i = 1; i <= count && lab->n_parts < LAB_PARTS_MAX; i++) {
            struct lab_part *p = &lab->parts[lab->n_parts++];
            *p = (struct lab_part){ .kind = &kinds[k], .number = kinds[k].count ? i : 0 };
            if (p->number > 0)
                snprintf(p->name, sizeof(p->name), "%s-%d", kinds[k].name, i);
            else
                snprintf(p->name, sizeof(p->name), "%s", kinds[k].name);
            p->proc = lab_pid_read(lab->dir, p->name);
        }
    }
}

struct lab_part *lab_part_find(struct lab *lab, const char *name)
{
    for (size_t i = 0; i < lab->n_parts; i++) {
        if (strcmp(lab->parts[i].name, name) == 0)
            return &lab->parts[i];
    }
    return NULL;
}

bool lab_part_is_alive(const struct lab_part *part)
{
    return !part->is_reaped && lab_proc_is_alive(&part->proc);
}

void lab_part_command(const struct lab *lab, const struct lab_part *part, struct lab_argv *argv)
{
    part->kind->command(lab, part, argv);
    argv->v[argv->n] = NULL;
}

const char *lab_part_marker(const struct lab *lab, const struct lab_part *part, struct arena *a)
{
    return arena_printf(a, "ORION_LAB_PART=%s %s", part->name, lab->dir);
}

/* Variables that must not reach a part: they would point libpq, systemd's protocols or the user's folders elsewhere. */
static bool is_unwanted(const struct lab *lab, const char *word)
{
    static const char *const always[] = { "PG", "LISTEN_", "NOTIFY_SOCKET=", "WATCHDOG_", "ORION_LAB_PART=",
                                          "ORION_READY_FD=", "ORION_WORKER_ID=" };
    static const char *const others[] = { "HOME=", "USER=", "LOGNAME=", "SHELL=", "MAIL=", "TMPDIR=", "XDG_", "SUDO_" };

    for (size_t i = 0; i < ARRAY_LEN(always); i++) {
        if (strncmp(word, always[i], strlen(always[i])) == 0)
            return true;
    }
    for (size_t i = 0; lab->user.is_other && i < ARRAY_LEN(others); i++) {
        if (strncmp(word, others[i], strlen(others[i])) == 0)
            return true;
    }
    for (size_t i = 0; i < lab->conf.n_sets; i++) {
        size_t len = strlen(lab->conf.sets[i].name);
        if (strncmp(word, lab->conf.sets[i].name, len) == 0 && word[len] == '=')
            return true;
    }
    return false;
}

const char *const *lab_part_env(const struct lab *lab, const struct lab_part *part, struct arena *a)
{
    enum { OWN = 8 };
    size_t n = 0, kept = 0;

    while (environ[n])
        n++;
    const char **v = arena_alloc(a, (n + lab->conf.n_sets + OWN) * sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        if (!is_unwanted(lab, environ[i]))
            v[kept++] = environ[i];
    }
    for (size_t i = 0; i < lab->conf.n_sets; i++)
        v[kept++] = arena_printf(a, "%s=%s", lab->conf.sets[i].name, lab->conf.sets[i].value);
    v[kept++] = lab_part_marker(lab, part, a);
    v[kept++] = "ORION_READY_FD=3";
    if (lab->user.is_other) {
        v[kept++] = arena_printf(a, "HOME=%s", lab->user.home);
        v[kept++] = arena_printf(a, "USER=%s", lab->user.name);
        v[kept++] = arena_printf(a, "LOGNAME=%s", lab->user.name);
    }
    v[kept] = NULL;
    return v;
}
