/* lab_stat.h - what the lab wants to know of /proc/PID/stat. Pure. */
#ifndef ORION_CLI_LAB_STAT_H
#define ORION_CLI_LAB_STAT_H

#include <stdint.h>
#include <sys/types.h>

struct lab_stat {
    pid_t parent, session;
    char state;
    uint64_t start;    /* clock ticks after boot */
};
int lab_stat_parse(const char *text, struct lab_stat *s_r);   /* 0 or -1 */

#endif
