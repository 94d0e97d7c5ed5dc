/* main.c - orion-agent: its settings, and who may say what to it. Its life is in life.c. */
#include <stddef.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/attempts.h"
#include "agent/session.h"
#include "lib/mem.h"
#include "lib/service.h"
#include "proto/dispatch.h"

enum { DRAIN_MS = 7000 };

static int settings_check(void *settings, struct err *e)
{
    const struct agent_settings *s = settings;

    if (strcmp(s->on_stop, "give-back") == 0 || strcmp(s->on_stop, ON_STOP_LEAVE) == 0)
        return 0;
    return err_field(e, "ORION_AGENT_ON_STOP", "ORION_AGENT_ON_STOP: \"%.32s\" is neither give-back nor leave",
                     s->on_stop);
}

#define AT(member) offsetof(struct agent_settings, member)
static const struct conf_row rows[] = {
    { CONF_STR, AT(url), "url", "ORION_API_URL", "SERVER_WS", "http://127.0.0.1:8004", 0, 0, "",
      "address of the farm; /ws is added when it has no path" },
    { CONF_STR, AT(name), "name", "ORION_NODE_NAME", NULL, NULL, 0, 0, "",
      "name of this agent; the host's unless given" },
    { CONF_STR, AT(id), "id", "ORION_WORKER_ID", NULL, NULL, 0, 0, "",
      "stable id, a UUID; one is made and kept in the folder unless given" },
    { CONF_STR, AT(dir), "dir", "ORION_AGENT_DIR", NULL, "/var/lib/orion/agent", 0, 0, "",
      "folder of mirrors, workspaces and spools" },
    { CONF_STR, AT(config), "agent-config", "ORION_AGENT_CONFIG", NULL, ORION_SYSCONFDIR "/agent.yaml", 0, 0, "",
      "repositories that may be built, see orion-agent.yaml(5)" },
    { CONF_INT, AT(slots), "slots", "ORION_AGENT_SLOTS", NULL, "0", 0, 4096, "",
      "attempts that run at once; 0 means as many as there are cores" },
    { CONF_STR, AT(labels), "labels", "ORION_AGENT_LABELS", NULL, NULL, 0, 0, "",
      "what this agent offers besides os=linux and arch=..., separated by commas" },
    { CONF_STR, AT(path), "path", "ORION_AGENT_PATH", NULL, NULL, 0, 0, "",
      "folders that go first in the PATH of builds" },
    { CONF_STR, AT(runner), "runner", "ORION_RUNNER", NULL, NULL, 0, 0, "", "the program orion-runner" },
    { CONF_INT, AT(keep_workspaces), "keep-workspaces", "ORION_KEEP_WORKSPACES", NULL, "20", 0, 100000, "",
      "finished workspaces that are kept" },
    { CONF_BYTES, AT(spool_max), "spool-max", "ORION_SPOOL_MAX", NULL, "256M", 65536, INT64_MAX, "bytes",
      "log of one attempt that waits for the log sink before the build does" },
    { CONF_STR, AT(on_stop), "on-stop", "ORION_AGENT_ON_STOP", NULL, "give-back", 0, 0, "",
      "builds when the agent is asked to stop: give-back ends them, to be run elsewhere; leave lets them go on for the "
      "next agent process to adopt" },
    { CONF_STR, AT(ca_file), "ca-file", "ORION_CA_FILE", NULL, NULL, 0, 0, "",
      "certificates to trust instead of the system's" },
    CONF_END,
};

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
    return session_follows(a->session, m->epoch) ? attempts_stop(a->attempts, m, e) : 0;
}

static int handle_log_move(void *arg, const struct msg_from *from, const void *message, struct err *e)
{
    const struct msg_log_move *m = message;
    struct agent *a = arg;

    (void)from;
    (void)e;
    if (session_follows(a->session, m->epoch))
        ship_move(a->attempts, m);
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
    { MSG_LOG_MOVE, FROM_SCHEDULER, handle_log_move },
    { MSG_LOG_ACK, FROM_LOGSINK, handle_log_ack },
};

int agent_hear(struct agent *a, const char *text, size_t len, struct err *e)
{
    return msg_dispatch_json(handlers, ARRAY_LEN(handlers), a, FROM_BEHIND, NULL, text, len, e);
}

static const struct service_spec spec = {
    .name = "agent",
    .summary = "runs builds on this machine for an Orion farm",
    .rows = rows,
    .settings_size = sizeof(struct agent_settings),
    .check = settings_check,
    .start = life_start,
    .drain = life_drain,
    .stop = life_stop,
    .drain_ms = DRAIN_MS,
};

int main(int argc, char **argv)
{
    return service_main(&spec, argc, argv);
}
