/* conf.h - settings as typed rows: flag, environment variable, limits, default, unit, help.
 *
 * Precedence: default < file (`ENV_NAME=value` lines) < environment < flag. The origin of every value is
 * kept and can be printed. Lists (repositories) are not settings and live elsewhere. */
#ifndef ORION_LIB_CONF_H
#define ORION_LIB_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/err.h"

enum conf_type {
    CONF_STR,   /* char *, owned by the configuration; NULL when unset and without default */
    CONF_INT,   /* int64_t within min..max */
    CONF_MS,    /* int64_t milliseconds; "10s", "500ms", "5m", "1h" or a bare number of milliseconds */
    CONF_BYTES, /* int64_t bytes; "64k", "1M", "2G" (powers of 1024) or a bare number */
    CONF_BOOL,  /* bool; yes/no, true/false, 1/0, on/off; a flag without value means yes */
};

struct conf_row {
    enum conf_type type;
    size_t offset;         /* of the member in the settings struct */
    const char *flag;      /* "port" for --port; NULL: no flag */
    const char *env;       /* "ORION_PORT"; NULL: no variable and not allowed in the file */
    const char *env_alias; /* other names of the variable, blank-separated, after `env` in that order; NULL: none */
    const char *fallback;  /* default in the text form; NULL: 0, false or NULL */
    int64_t min, max;      /* inclusive; both 0: unlimited */
    const char *unit;      /* for the manual: "ms", "bytes", ""... */
    const char *help;      /* one sentence without a full stop */
};
#define CONF_END { .help = NULL }

/* A loaded configuration: remembers origins and owns the strings. */
struct conf;

/* Fills `settings` (zeroed by the caller). `file` may be NULL; a missing file is an error only when
 * `file_required`. argv[0] is skipped; a "--" ends the flags; operands are left in argv (argc is updated).
 * The file is shared by all programs: its unknown keys are ignored, but an ORION_ key that looks like one of
 * `rows` misspelt is an error that names the right one. */
struct conf *conf_load(const struct conf_row *rows, void *settings, const char *file, bool file_required,
                       int *argc, char **argv, struct err *e);
void conf_free(struct conf **c);
/* "default", "/etc/orion/orion.env:3", "ORION_PORT" or "--port"; NULL for a name that no row has */
const char *conf_origin(const struct conf *c, const char *env_or_flag);
/* Every row that has a variable: value and origin; passwords, and variables named ..._SECRET, masked. */
void conf_print(const struct conf *c, FILE *to);
void conf_usage(const struct conf_row *rows, FILE *to);                 /* the flags, for --help */

#endif
