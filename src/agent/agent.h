/* agent.h - the agent's settings and the parts it is made of.
 *
 *   main.c        settings, handler table                    session.c     the connection to the farm
 *   identity.c    who this agent is; its folder and lock     attempts.c    what it holds, from assignment to the end
 *   repos.c       which repositories may be built            prepare.c     assignment -> workspace -> runner's order
 *   workspace.c   mirror, fetch, checkout                    finish.c      runner's end -> result
 *   drivers.c     build tools and their command lines        stop.c        ended before their time
 *   buildenv.c    the environment of builds                  facts.c       told until acknowledged
 *   run.c         a runner as the agent sees it              logship.c     spool -> log sink
 *   saved.c       attempts on the disk (record.c: the text)  adopt.c       those of a former agent process
 *   berth.c       where agent and runner meet                keep.c        which old workspaces stay
 *   stray.c       what the dead left running                 trash.c       folders removed in the background
 *   duration.c    lengths of time in words                   labels.c      what this agent offers
 *   helper.c      git and rm, asynchronous                   life.c        start, wiring, drain
 *   logmove.c     a log goes on at another sink */
#ifndef ORION_AGENT_AGENT_H
#define ORION_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/loop.h"
#include "lib/uuid.h"
#include "proto/msg.h"

struct attempts;
struct helpers;
struct repos;
struct runs;
struct service;
struct session;
struct trash;
struct workspaces;

#define ON_STOP_LEAVE "leave"   /* of --on-stop: builds go on, the next agent process adopts them */

struct agent_settings {
    char *url, *name, *id, *dir, *config, *labels, *path, *runner, *ca_file, *on_stop;
    int64_t slots, keep_workspaces, spool_max;
};

/* --- identity.c ------------------------------------------------------------------------------------ */

struct identity {
    char *dir;               /* absolute */
    int lock_fd;             /* locked while this process lives; nothing that it starts has it */
    char boot[40];           /* of the host: another one after each of its starts */
    struct uuid id, instance;
    char *name;
    char *runner;            /* program */
    unsigned cores, slots;
    int64_t hellos, hellos_kept;   /* the last hello's count; all up to this one are used up on disk */
};
int identity_open(struct identity *i, const struct agent_settings *s, struct err *e);
void identity_close(struct identity *i);
int64_t identity_hello(struct identity *i);   /* the next hello's count */

/* --- buildenv.c: pure ------------------------------------------------------------------------------ */

struct buildenv {
    const char *path;        /* of the build tools: settings, then the agent's own */
    const char *home, *tmp;
    const char *task_id;
    int64_t attempt;
    const char *repo, *commit, *ref, *mr, *target;   /* NULL: not set */
    struct msg_pairs own;    /* the task's */
};
struct msg_pairs buildenv_make(const struct buildenv *b, struct arena *a);
const char *buildenv_get(struct msg_pairs env, const char *key);   /* NULL: not set */
bool buildenv_is_name(const char *key);                            /* may a task set it? */

/* Words for people: arguments as a shell would take them; text without what JSON or a terminal cannot have. */
const char *text_command(struct msg_strs argv, struct arena *a);
const char *text_clean(const char *text, size_t max, struct arena *a);

/* --- labels.c: pure -------------------------------------------------------------------------------- */

/* A comma list as words, and what this machine is unless the list says it: os=linux, arch=amd64. */
struct msg_strs labels_make(const char *list, struct arena *a);

/* --- keep.c ---------------------------------------------------------------------------------------- */

/* Moves all but the newest `keep` workspaces in `dir` to the trash; those in use neither count nor go. */
void keep_newest(const char *dir, size_t keep, struct trash *trash, bool (*is_used)(void *arg, const char *name),
                 void *arg);

/* --- stray.c --------------------------------------------------------------------------------------- */

/* Kills what still runs of an attempt that has no runner any more; how many. */
unsigned stray_kill(const struct uuid *task_id, int64_t number);
/* The same for programs that a dead agent ran for itself in this folder; returns when they are gone. */
unsigned stray_kill_helpers(const char *dir);

/* --- life.c: the parts, wired ---------------------------------------------------------------------- */

struct agent {
    struct service *service;
    struct loop *loop;
    const struct agent_settings *settings;
    struct identity identity;
    char *path;              /* of builds */
    struct repos *repos;
    struct helpers *helpers;
    struct trash *trash;
    struct workspaces *workspaces;
    struct runs *runs;
    struct session *session;
    struct attempts *attempts;
};

int life_start(struct service *s, const void *settings, void *shared, unsigned slot, void **state_r, struct err *e);
void life_drain(void *state);
void life_stop(void **state);

/* --- main.c ---------------------------------------------------------------------------------------- */

/* What the farm says, by the handler table. */
int agent_hear(struct agent *a, const char *text, size_t len, struct err *e);

#endif
