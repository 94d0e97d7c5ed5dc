/* accept.h - what a client would rather have: the weights of Accept and Accept-Encoding (RFC 9110, 12.4 and 12.5). */
#ifndef ORION_GATEWAY_ACCEPT_H
#define ORION_GATEWAY_ACCEPT_H

#include <stdbool.h>

/* Which of `types` (NULL-terminated) an Accept header likes best: the highest weight, then the one that the header
 * names first, then the first in `types`. Without a header: the first. -1: none of them will do. */
int accept_best(const char *header, const char *const *types);
/* Does an Accept-Encoding header ask for that coding? Without a header: no. */
bool accept_coding(const char *header, const char *coding);

#endif
