/* text.h - what is text (UTF-8, RFC 3629), and how far apart two names are. */
#ifndef ORION_LIB_TEXT_H
#define ORION_LIB_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the character at `data` (1 to 4); 0: there is none; -1: one may begin here, but the end cuts it off. */
int text_step(const void *data, size_t len);
bool text_is_valid(const void *data, size_t len);   /* NUL is a character like any other */

/* How many single-character slips (one too many, one missing, one wrong, two swapped) lie between two names. Names of
 * more than 63 bytes are nothing like each other: SIZE_MAX. */
size_t text_distance(const char *a, const char *b);

#endif
