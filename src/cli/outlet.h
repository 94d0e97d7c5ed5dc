/* outlet.h - where the bytes of a log go: standard output or a file, through the filters that were asked for. */
#ifndef ORION_CLI_OUTLET_H
#define ORION_CLI_OUTLET_H

#include <stdbool.h>

#include "cli/line_filter.h"
#include "cli/plain.h"
#include "lib/err.h"

struct outlet {
    int fd;
    const char *path;            /* NULL: standard output */
    struct line_filter filter;   /* text NULL: none */
    struct plain plain;
    bool is_plain;
    int error;                   /* errno of the write that failed */
};

int outlet_open(struct outlet *o, const char *path, struct err *e);
bool outlet_write(void *arg, const char *data, size_t len);   /* false: nobody takes any more */
/* What a filter held back goes out. Fails when bytes could not be written; a reader that closed the pipe
 * early (`| head`) is told as ERR_NONE. */
int outlet_close(struct outlet *o, struct err *e);

#endif
