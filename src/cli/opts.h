/* opts.h - the options of one verb as a table of rows: parsed, printed for --help, and guessed at when misspelt.
 *
 * Pure: no I/O but the usage text. Texts point into argv; lists live in the arena. */
#ifndef ORION_CLI_OPTS_H
#define ORION_CLI_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/mem.h"

enum opt_kind {
    OPT_END,
    OPT_FLAG, /* bool */
    OPT_STR,  /* const char * */
    OPT_INT,  /* struct opt_int, within min..max */
    OPT_MS,   /* struct opt_int, milliseconds: "10s", "500ms", "5m", "1h"; a bare number is seconds */
    OPT_LIST, /* struct opt_list: may be given several times */
};

struct opt_int {
    int64_t value;
    bool is_given;
};
struct opt_list {
    const char **v;
    size_t n;
};

struct opt {
    enum opt_kind kind;
    char letter;      /* 0: none */
    const char *name; /* without the dashes */
    size_t offset;    /* of the member in the options' struct */
    const char *value;/* how the usage text calls the value; NULL for flags */
    const char *help; /* NULL: not shown */
    int64_t min, max; /* OPT_INT only */
};

struct opts_args {
    struct opt_list operands; /* before "--" */
    struct opt_list rest;     /* behind "--" */
};

/* `argv` begins with the first argument, not with a name. Operands and options may be mixed. */
int opts_parse(const struct opt *rows, void *options, struct arena *a, int argc, char **argv,
               struct opts_args *args_r, struct err *e);
void opts_usage(const struct opt *rows, FILE *to);

/* The name nearest to `word`, or NULL when none is near. */
const char *opts_nearest(const char *word, const char *const *names, size_t n);

#endif
