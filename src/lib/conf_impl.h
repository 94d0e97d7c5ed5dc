/* conf_impl.h - what conf.c has in conf_text.c; nobody else includes it. */
#ifndef ORION_LIB_CONF_IMPL_H
#define ORION_LIB_CONF_IMPL_H

#include "lib/buf.h"
#include "lib/conf.h"

int conf_number_parse(enum conf_type type, const char *text, int64_t *number_r); /* CONF_INT, CONF_MS, CONF_BYTES */
int conf_bool_parse(const char *text, bool *value_r);

/* Is `wrong` probably `name` misspelt? Short names must be closer, or any two of them would be. */
bool conf_is_slip(const char *wrong, const char *name);

/* Writes a value without its passwords: scheme://user:PASSWORD@host and password=WORD. */
void conf_put_masked(struct buf *out, const char *text);

#endif
