/* main.c - orion-logsink: keeps the logs of builds and fans them out. Settings and life cycle; the rest is sink.c. */
#include <stddef.h>

#include "lib/mem.h"
#include "lib/service.h"
#include "logsink/logsink.h"
#include "proto/peers.h"

static const struct conf_row rows[] = {
    { .type = CONF_STR, .offset = offsetof(struct sink_settings, name), .flag = "name", .env = "ORION_SINK_NAME",
      .fallback = "sink-1", .help = "name under which schedulers and gateways know this sink" },
    { .type = CONF_STR, .offset = offsetof(struct sink_settings, dir), .flag = "dir", .env = "ORION_SINK_DIR",
      .fallback = "/var/lib/orion/sink-1", .help = "folder for journal and logs, on a disk of this host" },
    { .type = CONF_STR, .offset = offsetof(struct sink_settings, listen), .flag = "listen", .env = "ORION_SINK_LISTEN",
      .fallback = "ipc:///run/orion/sink-1.sock", .help = "where gateways send chunks and ask for bytes" },
    { .type = CONF_STR, .offset = offsetof(struct sink_settings, live), .flag = "live", .env = "ORION_SINK_LIVE",
      .fallback = "ipc:///run/orion/sink-1.live", .help = "where durable bytes are published as they come" },
    { .type = CONF_STR, .offset = offsetof(struct sink_settings, schedulers), .flag = "schedulers",
      .env = "ORION_SCHEDULERS", .fallback = "ipc:///run/orion/scheduler.sock",
      .help = "endpoints of all schedulers, separated by blanks" },
    CONF_END,
};

static int check(void *settings, struct err *e)
{
    const struct sink_settings *set = settings;
    struct arena a = { 0 };
    const char *const *endpoints;
    size_t n;
    int rc = peers_schedulers(set->schedulers, &a, &endpoints, &n, e);
    arena_fini(&a);
    if (rc == 0 && n == 0)
        return err_field(e, "ORION_SCHEDULERS", "no scheduler is named");
    return rc;
}

static int start(struct service *s, const void *settings, void *shared, unsigned slot, void **state_r, struct err *e)
{
    (void)shared, (void)slot;
    struct sink *sink;
    if (sink_start(s, settings, &sink, e))
        return -1;
    *state_r = sink;
    service_ready(s);
    return 0;
}

static void drain(void *state)
{
    sink_drain(state);
}

static void stop(void **state)
{
    sink_stop((struct sink **)state);
}

static const struct service_spec spec = {
    .name = "logsink",
    .summary = "Keeps the logs of builds and streams them to whoever looks",
    .rows = rows,
    .settings_size = sizeof(struct sink_settings),
    .check = check,
    .start = start,
    .drain = drain,
    .stop = stop,
    .drain_ms = 10000,
};

int main(int argc, char **argv)
{
    return service_main(&spec, argc, argv);
}
