/* lab_stat.c - one line of /proc/PID/stat (proc(5)). Pure. */
#include "cli/lab_stat.h"

#include <stdio.h>
#include <string.h>

/* PID (COMM) STATE PPID PGRP SESSION ... START at field 22; COMM may hold blanks and brackets. */
int lab_stat_parse(const char *text, struct lab_stat *s_r)
{
    const char *p = strrchr(text, ')');
    int parent, session;
    unsigned long long start;
    char state;

    if (!p || sscanf(p + 1, " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state,
                     &parent, &session, &start) != 4)
        return -1;
    *s_r = (struct lab_stat){ parent, session, state, start };
    return 0;
}
