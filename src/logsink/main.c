/* main.c - orion-logsink: keeps the logs of builds and fans them out. Settings and life cycle; the rest is sink.c. */
#include <stddef.h>
#include <stdint.h>

#include "lib/mem.h"
#include "lib/service.h"
#include "logsink/logsink.h"
#include "proto/peers.h"

#define KEEP(member) offsetof(struct sink_settings, keep.member)
#define KEEP_MAX_MS 3155760000000   /* a hundred years */

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
    { .type = CONF_INT, .offset = KEEP(compress), .flag = "compress", .env = "ORION_LOG_COMPRESS", .fallback = "3",
      .max = 19, .help = "zstd level that finished logs are packed with; 0: not at all" },
    { .type = CONF_MS, .offset = KEEP(keep_ms), .flag = "keep", .env = "ORION_LOG_KEEP", .fallback = "0",
      .max = KEEP_MAX_MS, .unit = "ms", .help = "how long logs are kept whose project does not say it; 0: for ever" },
    { .type = CONF_INT, .offset = KEEP(watermark), .flag = "watermark", .env = "ORION_LOG_WATERMARK", .fallback = "95",
      .max = 100, .unit = "percent", .help = "the disk being fuller than so many percent, the oldest logs go; 0: never" },
    { .type = CONF_STR, .offset = KEEP(archive.url), .flag = "archive-url", .env = "ORION_ARCHIVE_URL",
      .help = "S3-compatible archive for finished logs, http(s)://HOST[:PORT]/BUCKET[/PREFIX]; empty: none" },
    { .type = CONF_STR, .offset = KEEP(archive.region), .flag = "archive-region", .env = "ORION_ARCHIVE_REGION",
      .fallback = "us-east-1", .help = "region that its requests are signed for" },
    { .type = CONF_STR, .offset = KEEP(archive.key_id), .flag = "archive-key-id", .env = "ORION_ARCHIVE_KEY_ID",
      .help = "its access key" },
    { .type = CONF_STR, .offset = KEEP(archive.secret), .env = "ORION_ARCHIVE_SECRET", .help = "the key's secret" },
    { .type = CONF_STR, .offset = KEEP(archive.secret_file), .flag = "archive-secret-file",
      .env = "ORION_ARCHIVE_SECRET_FILE", .help = "file whose first line is the key's secret" },
    { .type = CONF_MS, .offset = KEEP(local_keep_ms), .flag = "local-keep", .env = "ORION_LOG_LOCAL_KEEP",
      .fallback = "0", .max = KEEP_MAX_MS, .unit = "ms",
      .help = "how long archived logs are kept here as well; 0: as long as the log" },
    { .type = CONF_BYTES, .offset = KEEP(cache_bytes), .flag = "archive-cache", .env = "ORION_ARCHIVE_CACHE",
      .fallback = "1G", .min = 1024 * 1024, .max = INT64_MAX, .unit = "bytes",
      .help = "room here for logs that are fetched back from the archive" },
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
    return rc ? -1 : archive_check(&set->keep.archive, set->name, e);
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
