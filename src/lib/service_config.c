/* service_config.c - the settings of a daemon: the common rows and the service's own in one load. */
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/service_impl.h"

#define COMMON(member) offsetof(struct service_common, member)

static const struct conf_row common_rows[] = {
    { CONF_STR, COMMON(config), "config", "ORION_CONFIG", NULL, ORION_SYSCONFDIR "/orion.env", 0, 0, "",
      "file with settings, NAME=value lines" },
    { CONF_STR, COMMON(log_levels), "log", "ORION_LOG", "ORION_LOG_LEVEL", "info", 0, 0, "",
      "log level (error, warn, info, debug), also per process: info,gateway=debug" },
    { CONF_STR, COMMON(log_format), "log-format", "ORION_LOG_FORMAT", NULL, "text", 0, 0, "",
      "form of log lines, text or json" },
    { CONF_BOOL, COMMON(is_print), "print-config", NULL, NULL, NULL, 0, 0, "",
      "print every setting and where it came from" },
    { CONF_BOOL, COMMON(is_help), "help", NULL, NULL, NULL, 0, 0, "", "print this" },
    { CONF_BOOL, COMMON(is_version), "version", NULL, NULL, NULL, 0, 0, "", "print the version" },
};

/* Where the service's settings start in the block. */
static size_t settings_offset(void)
{
    const size_t align = _Alignof(max_align_t);

    return (sizeof(struct service_common) + align - 1) / align * align;
}

struct conf_row *service_config_rows(const struct service_spec *spec)
{
    size_t n = 0;
    struct conf_row *rows;

    while (spec->rows && spec->rows[n].help)
        n++;
    rows = mem_array(ARRAY_LEN(common_rows) + n + 1, sizeof(*rows)); /* the zeroed last one is CONF_END */
    for (size_t i = 0; i < n; i++) {
        rows[i] = spec->rows[i];
        rows[i].offset += settings_offset();
    }
    memcpy(rows + n, common_rows, sizeof(common_rows));
    return rows;
}

bool service_config_has_flag(int argc, char **argv, const char *flag)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], flag) == 0)
            return true;
    }
    return false;
}

/* The file must be known before the rows are loaded, and may be asked for by flag or environment. */
static const char *file_choose(int argc, char **argv, bool *is_required_r)
{
    const char *file = getenv("ORION_CONFIG");

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            file = argv[i] + 9;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            file = argv[i + 1];
    }
    *is_required_r = file && *file;
    return *is_required_r ? file : ORION_SYSCONFDIR "/orion.env";
}

int service_config_load(struct service_config *c, const struct service_spec *spec, int argc, char **argv, struct err *e)
{
    bool is_required;
    const char *file = file_choose(argc, argv, &is_required);
    char **args = mem_dup(argv, ((size_t)argc + 1) * sizeof(*argv));
    int rc = 0;

    c->rows = service_config_rows(spec);
    c->common = mem_zalloc(settings_offset() + spec->settings_size);
    c->settings = (char *)c->common + settings_offset();
    c->conf = conf_load(c->rows, c->common, file, is_required, &argc, args, e);
    if (!c->conf)
        rc = -1;
    else if (argc > 1)
        rc = err_set(e, ERR_INVALID, "unexpected argument \"%s\"", args[1]);
    else if (spec->check)
        rc = spec->check(c->settings, e);
    mem_free(&args);
    if (rc)
        service_config_fini(c);
    return rc;
}

void service_config_fini(struct service_config *c)
{
    conf_free(&c->conf);
    mem_free(&c->common);
    mem_free(&c->rows);
    c->settings = NULL;
}
