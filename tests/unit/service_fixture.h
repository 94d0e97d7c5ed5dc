/* service_fixture.h - the small service that test_service starts, and the hands to start and watch it with.
 *
 * The service says on a pipe what happens to it ("start SLOT PID LABEL FDS", "drain ...", "stop ..."); the tests
 * read that pipe, the readiness pipe and stderr, and send signals. */
#ifndef TESTS_UNIT_SERVICE_FIXTURE_H
#define TESTS_UNIT_SERVICE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/types.h>

struct fixture {
    pid_t pid; /* 0: none */
    FILE *talk, *ready, *errors;
    char *file; /* settings */
    char line[512];
};

struct said {
    unsigned slot;
    int pid, fds;
    char label[32];
};

/* The service itself: what main calls when it was started as one. kind: "plain" or "prefork". */
int service_run(const char *kind, int argc, char **argv);

int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_spawn(struct fixture *f, const char *kind, const char *const *args);
void fixture_close(struct fixture *f); /* the pipes, before another spawn */
void fixture_file(struct fixture *f, const char *text);
#define SPAWN(f, kind, ...) fixture_spawn(f, kind, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

struct said expect(struct fixture *f, const char *word); /* the next line must begin with it */
void expect_ready(struct fixture *f);
void expect_silence(struct fixture *f);               /* nothing more, from nobody */
int errors_with(struct fixture *f, const char *text); /* lines of stderr with the text; reads to the end */
int exit_code(struct fixture *f);                     /* waits; -SIGNAL */

#endif
