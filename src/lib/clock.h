/* clock.h - the two clocks. Deadlines use the first, records the second. */
#ifndef ORION_LIB_CLOCK_H
#define ORION_LIB_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_boot_ns(void); /* CLOCK_BOOTTIME: never jumps, goes on in suspend */
uint64_t clock_boot_ms(void);
int64_t clock_wall_ms(void);  /* milliseconds since 1970-01-01 UTC */

#define CLOCK_TEXT_SIZE 32
void clock_format(int64_t wall_ms, char out[CLOCK_TEXT_SIZE]);    /* 2026-11-21T03:14:15.123Z (RFC 3339) */
int clock_parse(const char *text, size_t len, int64_t *wall_ms_r);/* RFC 3339 with Z or an offset; 0 or -1 */

#endif
