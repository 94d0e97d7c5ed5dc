/* main.c - orion-gateway: the only process that the outside reaches. A master that holds the listening sockets, and one
 * worker per slot that serves HTTP, server-sent events and the agents' WebSockets (ARCHITECTURE "Processes"). */
#include "gateway/gateway.h"
#include "lib/pg.h"
#include "lib/service.h"
#include "proto/peers.h"

#define ROW(member) offsetof(struct gateway_settings, member)

static const struct conf_row rows[] = {
    { .type = CONF_STR, .offset = ROW(host), .flag = "host", .env = "ORION_HOST", .fallback = "127.0.0.1", .unit = "",
      .help = "address to serve; a loopback address, until authentication exists" },
    { .type = CONF_INT, .offset = ROW(port), .flag = "port", .env = "ORION_PORT", .fallback = "8004", .min = 1,
      .max = 65535, .unit = "", .help = "TCP port to serve" },
    { .type = CONF_INT, .offset = ROW(workers), .flag = "workers", .env = "ORION_GATEWAY_WORKERS", .fallback = "2",
      .min = 1, .max = 256, .unit = "", .help = "worker processes" },
    { .type = CONF_STR, .offset = ROW(database), .flag = "database", .env = "ORION_DATABASE_URL",
      .env_alias = "DATABASE_URL ORION_DB_PATH", .unit = "",
      .help = "PostgreSQL: a libpq URI or key=value string, or the folder of its socket" },
    { .type = CONF_STR, .offset = ROW(schedulers), .flag = "schedulers", .env = "ORION_SCHEDULERS",
      .fallback = "ipc:///run/orion/scheduler.sock", .unit = "", .help = "endpoints of all schedulers" },
    { .type = CONF_STR, .offset = ROW(sinks), .flag = "sinks", .env = "ORION_SINKS",
      .fallback = "sink-1=ipc:///run/orion/sink-1.sock+ipc:///run/orion/sink-1.live", .unit = "",
      .help = "log sinks, each NAME=CONTROL+LIVE" },
    { .type = CONF_MS, .offset = ROW(submit_deadline_ms), .flag = "submit-deadline", .env = "ORION_SUBMIT_DEADLINE",
      .fallback = "10s", .min = 100, .max = 600000, .unit = "ms",
      .help = "how long a submission waits for a scheduler's answer" },
    { .type = CONF_INT, .offset = ROW(header_bytes), .flag = "header-bytes", .env = "ORION_HEADER_BYTES",
      .fallback = "4096", .min = 4096, .max = 32768, .unit = "bytes",
      .help = "memory of each connection; half of it is for a request's headers, larger ones are answered 431" },
    CONF_END,
};

/* What the rows cannot say: lists, addresses, and a store that is none. */
static int check(void *settings, struct err *e)
{
    const struct gateway_settings *s = settings;
    const struct peers_sink *sinks;
    const char *const *schedulers;
    struct arena arena = { 0 };
    size_t n;
    int rc = -1;

    if (listen_check_host(s->host, e) < 0)
        return -1;
    if (!s->database)
        return err_field(e, "ORION_DATABASE_URL", "no database: set ORION_DATABASE_URL or --database, for example "
                         "postgresql:///orion");
    char *dsn = pg_dsn(s->database, e);
    if (dsn && peers_schedulers(s->schedulers, &arena, &schedulers, &n, e) == 0)
        rc = peers_sinks(s->sinks, &arena, &sinks, &n, e);
    mem_free(&dsn);
    arena_fini(&arena);
    return rc;
}

static unsigned slots(const void *settings)
{
    const struct gateway_settings *s = settings;

    return (unsigned)s->workers;
}

static int open_sockets(void *settings, void **shared_r, struct err *e)
{
    struct listen *listen = NULL;

    if (listen_open(settings, &listen, e) < 0)
        return -1;
    *shared_r = listen;
    return 0;
}

static const struct service_spec spec = {
    .name = "gateway",
    .summary = "serves the HTTP API, live logs and the agents' connections",
    .rows = rows,
    .settings_size = sizeof(struct gateway_settings),
    .check = check,
    .slots = slots,
    .open = open_sockets,
    .start = worker_start,
    .drain = worker_drain,
    .stop = worker_stop,
    .drain_ms = 10000,
};

int main(int argc, char **argv)
{
    return service_main(&spec, argc, argv);
}
