/* farm_build.c - see farm_build.h. */
#include "tests/unit/farm_build.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/mem.h"

/* "stubborn" does not listen to TERM, nor do its daemons, one in a session and an environment of its own; all hold its
 * stdout. Wants PORT. */
static const char make_repository[] =
    "export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=$PWD/gitconfig\n"
    "mkdir bin\n"
    "printf '[user]\\n name = t\\n email = t@t\\n' >gitconfig\n"
    "git init -q -b main repo\n"
    "cat >repo/Makefile <<'EOT'\n"
    "all:\n\t@echo built\n"
    "fail:\n\t@echo broken; exit 3\n"
    "loud:\n\t@seq 1 60000 | tee copy\n"
    "slow:\n\t@echo $$$$ >pid; echo started; while [ ! -e go ]; do sleep 0.02; done; seq 1 40000 | tee copy\n"
    "silent:\n\t@echo started; sleep 600\n"
    "stubborn:\n\t@sh stubborn.sh\n"
    "env:\n\t@echo $$ORION_TARGET $$MY $$ORION_ATTEMPT $$CI $$HOME\n"
    "EOT\n"
    "cat >repo/daemon.sh <<'EOT'\n"
    "echo $$ >$1\n"
    "while :; do sleep 1; done\n"
    "EOT\n"
    "cat >repo/stubborn.sh <<'EOT'\n"
    "trap '' TERM\n"
    "(sh daemon.sh pid1 &)\n"
    "(env -i setsid sh daemon.sh pid2 &)\n"
    "while [ ! -s pid1 ] || [ ! -s pid2 ]; do sleep 0.02; done\n"
    "echo $$ >pid\n"
    "echo started\n"
    "while :; do sleep 1; done\n"
    "EOT\n"
    "cd repo\n"
    "git add .\n"
    "git commit -qm one\n"
    "git update-ref refs/merge-requests/7/head HEAD\n"
    "cd ..\n"
    "cat >agent.yaml <<EOT\n"
    "repositories:\n"
    "  - {name: lib, url: $PWD/repo, mr_ref: 'refs/merge-requests/{mr}/head'}\n"
    "  - {name: stuck, url: 'git://127.0.0.1:$PORT/x'}\n"
    "EOT\n";

/* A port that takes connections and never says a word. */
static int silent_port(struct farm *f)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    f->silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->silent, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(f->silent, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(listen(f->silent, 16), 0);
    return ntohs(at.sin_port);
}

int build_setup(void **state)
{
    struct farm *f = mem_zalloc(sizeof(*f));

    farm_init(f);
    *state = f;
    return 0;
}

int build_teardown(void **state)
{
    struct farm *f = *state;

    if (f->stuck)
        close(f->stuck);
    if (f->silent)
        close(f->silent);
    farm_fini(f);
    mem_free(state);
    return 0;
}

void build_repository(struct farm *f)
{
    farm_shell(f, arena_printf(&f->arena, "PORT=%d\n%s", silent_port(f), make_repository));
}

void build_start(struct farm *f)
{
    build_repository(f);
    farm_agent_start(f);
    farm_wait(f, build_is_welcome);
}

void build_go(struct farm *f, const struct farm_task *t)
{
    farm_shell(f, arena_printf(&f->arena, "touch %s/go", t->workspace));
}

pid_t build_pid(struct farm *f, const struct farm_task *t, const char *file)
{
    const pid_t pid = (pid_t)atoi(farm_shell(f, arena_printf(&f->arena, "cat %s/%s", t->workspace, file)));

    assert_true(pid > 1);
    return pid;
}

bool build_is_alive(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

bool build_is_welcome(struct farm *f)
{
    return f->hellos > 0 && f->conn;
}

bool build_is_started(struct farm *f)
{
    return f->tasks[0].log.data && strstr(f->tasks[0].log.data, "started\n");
}

bool build_is_told(struct farm *f)
{
    return f->tasks[0].results > 0;
}

bool build_is_over(struct farm *f)
{
    for (unsigned i = 0; i < f->n_tasks; i++) {
        const struct farm_task *t = &f->tasks[i];

        if (!t->results || t->seq < (uint64_t)t->log_chunks)
            return false;
    }
    return true;
}

void build_assert_log(const struct farm_task *t)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < t->log.len; i++)
        lines += t->log.data[i] == '\n';
    assert_int_equal(t->log.len, t->log_bytes);
    assert_int_equal(lines + (t->log.len && t->log.data[t->log.len - 1] != '\n'), t->log_lines);
    assert_int_equal(t->seq, t->log_chunks);
    assert_memory_equal(t->head.b, t->log_head.b, sizeof(t->head.b));
}

/* --- the inventory --------------------------------------------------------------------------------- */

enum { NOT_SAID = 99 };

static void ask_what_is_held(struct farm *f)
{
    const struct msg_agent_rehello m = { .epoch = f->epoch };

    f->n_held = NOT_SAID;
    farm_send(f, MSG_AGENT_REHELLO, &m);
}

static bool is_nothing_held(struct farm *f)
{
    if (f->n_held && f->n_held != NOT_SAID)
        ask_what_is_held(f);
    return f->n_held == 0;
}

void build_assert_nothing_held(struct farm *f)
{
    ask_what_is_held(f);
    farm_wait(f, is_nothing_held);
}
