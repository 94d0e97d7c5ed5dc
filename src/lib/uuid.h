/* uuid.h - UUIDs (RFC 9562). Ids that Orion makes are version 7: sorted by the millisecond they were made in. */
#ifndef ORION_LIB_UUID_H
#define ORION_LIB_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uuid {
    uint8_t b[16];
};
#define UUID_TEXT_SIZE 37

/* Unique, and ascending within a thread: within one millisecond, and when the clock steps back by up to 10 s. */
void uuid_v7(struct uuid *u, int64_t wall_ms);
void uuid_random(struct uuid *u);                /* version 4 */
/* hyphenated, simple, {braced} or urn:uuid:, in any case; 0 or -1 */
int uuid_parse(const char *text, size_t len, struct uuid *u_r);
void uuid_format(const struct uuid *u, char out[UUID_TEXT_SIZE]);
int uuid_cmp(const struct uuid *a, const struct uuid *b);
bool uuid_is_nil(const struct uuid *u);
int64_t uuid_time_ms(const struct uuid *u);      /* of a version 7 id */

#endif
