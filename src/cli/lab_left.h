/* lab_left.h - processes as /proc shows them: is one alive, and what belongs to a part of the lab. */
#ifndef ORION_CLI_LAB_LEFT_H
#define ORION_CLI_LAB_LEFT_H

#include "cli/lab.h"

uint64_t lab_proc_start(pid_t pid);                /* 0: gone, or a zombie */
bool lab_proc_is_alive(const struct lab_proc *p);
void lab_proc_kill(const struct lab_proc *p, int signo);  /* never another that got the pid meanwhile */

/* What was seen of one part: itself, its session, whatever has its mark in the environment, PostgreSQL's helpers, and
 * everything below these; but not the runners of an agent that is coming back, nor what is below them. */
struct lab_left {
    struct lab_proc *v;
    size_t n;
};
void lab_left_look(struct lab_left *l, const struct lab *lab, const struct lab_part *part); /* adds what it finds */
size_t lab_left_living(struct lab_left *l);        /* forgets the dead; how many are left */
void lab_left_kill(const struct lab_left *l, int signo);
void lab_left_fini(struct lab_left *l);

#endif
