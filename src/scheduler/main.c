/* main.c - orion-scheduler: the only writer of the database. Settings, life cycle, and who reacts to what. */
#include <stddef.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/pg.h"
#include "lib/service.h"
#include "proto/peers.h"
#include "scheduler/db.h"
#include "scheduler/inbox.h"
#include "scheduler/scheduler.h"

static const struct msg_handler handlers[] = {   /* message, who may send it, function */
    { MSG_BUS_HELLO, FROM_GATEWAY | FROM_LOGSINK, handle_bus_hello },
    { MSG_BUS_PING, FROM_GATEWAY | FROM_LOGSINK, handle_bus_ping },
    { MSG_TASK_SUBMIT, FROM_GATEWAY, handle_task_submit },
    { MSG_TASK_CANCEL, FROM_GATEWAY, handle_task_cancel },
    { MSG_TASK_WHY, FROM_GATEWAY, handle_task_why },
    { MSG_AGENT_SET, FROM_GATEWAY, handle_agent_set },
    { MSG_PROJECT_SET, FROM_GATEWAY, handle_project_set },
    { MSG_GROUP_SET, FROM_GATEWAY, handle_group_set },
    { MSG_QUEUE_SET, FROM_GATEWAY, handle_queue_set },
    { MSG_AGENT_HELLO, FROM_AGENT, handle_agent_hello },
    { MSG_AGENT_ALIVE, FROM_GATEWAY, handle_agent_alive },
    { MSG_AGENT_GONE, FROM_GATEWAY, handle_agent_gone },
    { MSG_TASK_ACCEPT, FROM_AGENT, handle_task_accept },
    { MSG_TASK_DECLINE, FROM_AGENT, handle_task_decline },
    { MSG_TASK_PREPARED, FROM_AGENT, handle_task_prepared },
    { MSG_TASK_RESULT, FROM_AGENT, handle_task_result },
    { MSG_LOG_MOVED, FROM_AGENT, handle_log_moved },
    { MSG_LOG_SEALED, FROM_LOGSINK, handle_log_sealed },
    { MSG_SINK_STATE, FROM_LOGSINK, handle_sink_state },
};

#define ROW(t, member, f, v, d, ...)                                                                                   \
    { .type = t, .offset = offsetof(struct scheduler_settings, member), .flag = f, .env = v, .fallback = d, __VA_ARGS__ }
static const struct conf_row rows[] = {
    ROW(CONF_STR, database, "database", "ORION_DATABASE_URL", NULL, .env_alias = "DATABASE_URL ORION_DB_PATH",
        .help = "PostgreSQL: a libpq URI, or the folder of its socket"),
    ROW(CONF_STR, name, "name", "ORION_SCHEDULER_NAME", "scheduler", .help = "Name in the leader row and in logs"),
    ROW(CONF_STR, listen, "listen", "ORION_SCHEDULER_LISTEN", "ipc:///run/orion/scheduler.sock",
        .help = "Where gateways and log sinks connect"),
    ROW(CONF_STR, sinks, "sinks", "ORION_SINKS", "sink-1=ipc:///run/orion/sink-1.sock+ipc:///run/orion/sink-1.live",
        .help = "Log sinks; the names place the logs"),
    ROW(CONF_MS, lease_ms, "lease", "ORION_LEASE", "30s", .min = 1000, .max = 3600000, .unit = "ms",
        .help = "An agent that is not heard for so long has lost its attempts"),
    ROW(CONF_MS, accept_ms, "accept-deadline", "ORION_ACCEPT_DEADLINE", "10s", .min = 100, .max = 3600000, .unit = "ms",
        .help = "An assignment that is not accepted for so long goes to another agent"),
    ROW(CONF_INT, tries, "tries", "ORION_TRIES", "3", .min = 1, .max = CORE_TRIES_MAX,
        .help = "Attempts of a task that may be lost, declined or spoilt by the farm"),
    ROW(CONF_INT, killed_agents, "quarantine", "ORION_QUARANTINE", "3", .min = 1, .max = 1000,
        .help = "Agents that a task may take with it before it is not tried any more"),
    ROW(CONF_MS, retry_ms, "retry-delay", "ORION_RETRY_DELAY", "1s", .min = 0, .max = 3600000, .unit = "ms",
        .help = "Before a task's second attempt; doubled for each one after it"),
    ROW(CONF_MS, retry_max_ms, "retry-delay-max", "ORION_RETRY_DELAY_MAX", "5m", .min = 0, .max = 86400000,
        .unit = "ms", .help = "The longest such delay"),
    ROW(CONF_MS, stop_ms, "stop-deadline", "ORION_STOP_DEADLINE", "30s", .min = 100, .max = 3600000, .unit = "ms",
        .help = "A task whose attempt was told to end does so by then, with or without it"),
    ROW(CONF_MS, ageing_ms, "ageing", "ORION_AGEING", "10m", .min = 1000, .max = 604800000, .unit = "ms",
        .help = "Waiting that outweighs one class of priority"),
    ROW(CONF_MS, log_grace_ms, "log-grace", "ORION_LOG_GRACE", "60s", .min = 1000, .max = 86400000, .unit = "ms",
        .help = "How long an ended attempt's log may be incomplete before it is sealed as it is"),
    ROW(CONF_MS, sink_lost_ms, "sink-lost-after", "ORION_SINK_LOST_AFTER", "2m", .min = 1000, .max = 604800000, .unit = "ms",
        .help = "A log sink that is gone for so long is lost: its open logs go on at other ones"),
    CONF_END,
};

static void on_up(void *arg)
{
    struct scheduler *s = arg;

    db_month_find(s->month, s->pg);
    lead_up(s->lead);
}

static void on_down(void *arg, const struct err *why)
{
    struct scheduler *s = arg;

    log_warn("database not connected", log_err(why));
    db_month_lost(s->month);
    lead_down(s->lead);
}

static struct core_config config_of(const struct scheduler_settings *set)
{
    return (struct core_config){
        .tries = set->tries, .killed_agents = set->killed_agents, .lease_ms = set->lease_ms,
        .heartbeat_ms = set->lease_ms / 4, .ageing_ms = set->ageing_ms, .retry_ms = set->retry_ms,
        .retry_max_ms = set->retry_max_ms, .stop_ms = set->stop_ms,
    };
}

static int read_sinks(struct scheduler *s, struct err *e)
{
    const struct peers_sink *sinks;
    const char **names;

    if (peers_sinks(s->settings->sinks, &s->arena, &sinks, &s->config.n_sinks, e) < 0)
        return -1;
    if (s->config.n_sinks == 0)
        return err_field(e, "ORION_SINKS", "no log sink is named");
    names = arena_alloc(&s->arena, s->config.n_sinks * sizeof *names);
    for (size_t i = 0; i < s->config.n_sinks; i++)
        names[i] = sinks[i].name;
    s->config.sinks = names;
    return 0;
}

static void stop(void **state)
{
    struct scheduler *s = *state;

    pg_close(&s->pg);
    mem_free(&s->month);
    lead_close(&s->lead);
    shell_close(&s->shell);
    seals_close(&s->seals);
    sinkwatch_close(&s->sinkwatch);
    clocks_close(&s->clocks);
    peers_close(&s->peers);
    arena_fini(&s->arena);
    mem_free(state);
}

static int start(struct service *service, const void *settings, void *shared, unsigned slot, void **state_r, struct err *e)
{
    static const struct pg_hooks hooks = { on_up, on_down, NULL };
    struct scheduler *s = mem_zalloc(sizeof *s);
    void *state = s;
    char *dsn = NULL;

    (void)shared, (void)slot;
    s->service = service;
    s->loop = service_loop(service);
    s->settings = settings;
    s->config = config_of(s->settings);
    if (read_sinks(s, e) < 0 || !(dsn = pg_dsn(s->settings->database, e)))
        goto out;
    s->month = mem_zalloc(sizeof *s->month);
    s->clocks = clocks_open(s);
    s->seals = seals_open(s);
    s->peers = peers_open(s, handlers, ARRAY_LEN(handlers), e);
    if (!s->peers)
        goto out;
    s->sinkwatch = sinkwatch_open(s);
    s->shell = shell_open(s);   /* its hook comes behind the bus's: what was just read must not wait for another event */
    s->lead = lead_open(s);
    s->pg = pg_open(s->loop, dsn, "orion-scheduler", db_stmts, DB_STMTS, &hooks, s);
    mem_free(&dsn);
    *state_r = s;
    return 0;
out:
    mem_free(&dsn);
    stop(&state);
    return -1;
}

static const struct service_spec spec = {
    .name = "scheduler",
    .summary = "Decides which agent builds what; the only writer of the database.",
    .rows = rows,
    .settings_size = sizeof(struct scheduler_settings),
    .start = start,
    .stop = stop,
};

int main(int argc, char **argv)
{
    return service_main(&spec, argc, argv);
}
