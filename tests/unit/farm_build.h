/* farm_build.h - what the tests of the real agent have in common: a repository to build on a fake farm, and what is
 * waited for and asserted of every attempt. */
#ifndef TESTS_UNIT_FARM_BUILD_H
#define TESTS_UNIT_FARM_BUILD_H

#include "tests/unit/fake_farm.h"

/* Fixtures: a farm. The agent is ended whatever became of the test. */
int build_setup(void **state);
int build_teardown(void **state);

/* The repository "lib", whose Makefile has all, fail, loud, slow, env, stubborn and silent; and "stuck", from which no
 * word comes. */
void build_repository(struct farm *f);
void build_start(struct farm *f);                      /* the same, and an agent that is welcome */
void build_go(struct farm *f, const struct farm_task *t); /* a slow build ends */
pid_t build_pid(struct farm *f, const struct farm_task *t, const char *file);   /* that the build wrote down */
bool build_is_alive(pid_t pid);

/* To wait for. */
bool build_is_welcome(struct farm *f);
bool build_is_started(struct farm *f);                 /* task 0 said so in its log */
bool build_is_told(struct farm *f);                    /* the result of task 0 */
bool build_is_over(struct farm *f);                    /* all tasks: result and whole log */

void build_assert_log(const struct farm_task *t);      /* agrees with the result */
void build_assert_nothing_held(struct farm *f);

#endif
