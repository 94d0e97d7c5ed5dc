/* test_runner.c - orion-runner as a real process: every byte once and in order, whoever writes it and however the
 * attempt ends; nothing of an attempt survives it. Needs ORION_RUNNER, or ORION_BUILD to find it in. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/berth.h"
#include "agent/spool.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/proc.h"
#include "proto/msg.h"

enum { TIMEOUT_S = 30 };

struct rig {
    char dir[64];
    char *spool;
    int sock;
    pid_t pid;
    bool separate;
    int64_t spool_max, kill_ms, silence_ms;
    struct spool_reader *reader;
    struct uuid task;
    struct hash head;
    uint64_t seq, offset;
    struct buf log, out, err;      /* all chunks; those of stdout, of stderr */
    struct msg_runner_ended *ended;
    struct arena arena;
};

static const char *runner_path(void)
{
    static char path[4096];
    const char *build = getenv("ORION_BUILD");

    if (getenv("ORION_RUNNER"))
        return getenv("ORION_RUNNER");
    snprintf(path, sizeof(path), "%s/src/agent/runner/orion-runner", build ? build : ".");
    return path;
}

static void rig_init(struct rig *r)
{
    *r = (struct rig){ .sock = -1, .spool_max = 64 << 20, .kill_ms = 5000 };
    strcpy(r->dir, "/tmp/orion-runner-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->spool = mem_printf("%s/spool", r->dir);
    assert_int_equal(mkdir(r->spool, 0700), 0);
    uuid_random(&r->task);
    chain_start(&r->task, 3, &r->head);
}

static int order_fd(const struct rig *r, const char *const *scripts, size_t n)
{
    static const struct msg_pair env[] = { { "PATH", "/usr/bin:/bin" }, { "GREETING", "hello" } };
    struct msg_command commands[4];
    const char *argvs[4][3];
    struct msg_runner_job job = { .task_id = r->task,
                                  .attempt = 3,
                                  .spool = r->spool,
                                  .spool_max = r->spool_max,
                                  .cwd = r->dir,
                                  .notes = "orion: a note\n",
                                  .commands = { commands, n },
                                  .env = { env, 2 },
                                  .separate_streams = r->separate,
                                  .kill_ms = r->kill_ms,
                                  .silence_timeout_ms = r->silence_ms };
    struct buf json = { 0 };
    int fd = memfd_create("order", MFD_CLOEXEC);

    for (size_t i = 0; i < n; i++) {
        argvs[i][0] = scripts[i][0] == '!' ? scripts[i] + 1 : "sh";
        argvs[i][1] = "-c";
        argvs[i][2] = scripts[i];
        commands[i] = (struct msg_command){ .argv = { argvs[i], 3 } };
    }
    job.has.separate_streams = true;
    job.has.silence_timeout_ms = r->silence_ms > 0;
    msg_to_json(MSG_RUNNER_JOB, &job, false, &json);
    assert_int_equal(write(fd, json.data, json.len), json.len);
    lseek(fd, 0, SEEK_SET);
    buf_fini(&json);
    return fd;
}

static int rig_connect(const struct rig *r)
{
    struct timeval limit = { .tv_sec = TIMEOUT_S };
    const int sock = berth_connect(r->spool);

    assert_true(sock >= 0);
    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    fcntl(sock, F_SETFL, 0); /* tests wait */
    return sock;
}

static void rig_start(struct rig *r, const char *const *scripts, size_t n)
{
    const char *argv[] = { runner_path(), NULL };
    int order = order_fd(r, scripts, n);
    struct err e = { 0 };
    struct berth b;

    if (berth_open(&b, r->spool, &e))
        fail_msg("%s", e.text);
    const struct proc_fd fds[] = { { 0, order }, { 2, 2 }, { 3, b.listener }, { 4, b.lock } };
    const struct proc_spec spec = { .argv = argv, .fds = fds, .n_fds = 4, .new_session = true };
    if (proc_spawn(&spec, &r->pid, &e))
        fail_msg("%s", e.text);
    berth_close(&b);
    close(order);
    r->sock = rig_connect(r);
    r->reader = spool_reader_open(r->spool);
}

static void rig_send(struct rig *r, enum msg_type type, const void *m)
{
    const struct msg_head head = { .type = type };
    struct buf packet = { 0 };

    msg_to_bin(&head, m, MSG_MINOR, &packet);
    if (send(r->sock, packet.data, packet.len, MSG_NOSIGNAL) < 0)
        assert_int_equal(errno, EPIPE); /* it has left */
    buf_fini(&packet);
}

/* That the spool was full is not what the tests wrote; another note may stand behind it in the same chunk. */
static void full_note_skip(struct spool_chunk *c)
{
    while (c->chunk.length && c->data[0] == '[') {
        const uint8_t *end = memchr(c->data, '\n', c->chunk.length);

        assert_non_null(end);
        c->chunk.length -= (uint32_t)(end + 1 - c->data);
        c->data = end + 1;
    }
}

/* Takes over what is in the spool up to `seq`, checking numbers, offsets and the chain. */
static void rig_collect(struct rig *r, uint64_t seq)
{
    struct spool_chunk c;
    struct err e = { 0 };

    while (r->seq < seq) {
        assert_int_equal(spool_read(r->reader, &c, &e), 1);
        assert_int_equal(c.chunk.seq, r->seq + 1);
        assert_int_equal(c.chunk.offset, r->offset);
        assert_true(c.chunk.length > 0 && c.chunk.length <= CHAIN_DATA_MAX);
        chain_next(&r->head, &c.chunk, c.data);
        assert_memory_equal(r->head.b, c.head.b, sizeof(c.head.b));
        assert_int_equal(c.chunk.stream == CHAIN_BOTH, !r->separate);
        r->seq++;
        r->offset += c.chunk.length;
        if (c.chunk.flags & CHAIN_NOTE)
            full_note_skip(&c);
        buf_append(&r->log, c.data, c.chunk.length);
        buf_append(c.chunk.stream == CHAIN_STDERR ? &r->err : &r->out, c.data, c.chunk.length);
    }
}

/* The next message; NULL: the runner closed. A spooled one is collected (and trimmed, when asked). */
static void *rig_message(struct rig *r, bool trim, enum msg_type *type_r)
{
    uint8_t packet[8192];
    struct msg_head head;
    struct err e = { 0 };
    void *m;
    ssize_t n = recv(r->sock, packet, sizeof(packet), 0);

    if (n < 0 && errno == ECONNRESET) /* it left without reading everything; what it said is still there */
        n = recv(r->sock, packet, sizeof(packet), 0);
    if (n < 0)
        fail_msg("no word from the runner: %s", strerror(errno));
    if (n == 0)
        return NULL;
    if (msg_from_bin(packet, (size_t)n, &r->arena, &head, &m, &e))
        fail_msg("%s", e.text);
    *type_r = head.type;
    if (head.type == MSG_RUNNER_HELLO) {
        assert_int_equal(((struct msg_runner_hello *)m)->pid, r->pid);
        assert_int_equal(((struct msg_runner_hello *)m)->attempt, 3);
    }
    if (head.type == MSG_RUNNER_SPOOLED) {
        const struct msg_runner_spooled *s = m;
        const struct msg_runner_trim t = { .seq = s->seq, .offset = s->offset };

        rig_collect(r, (uint64_t)s->seq);
        assert_int_equal(s->offset, r->offset);
        if (trim)
            rig_send(r, MSG_RUNNER_TRIM, &t);
    }
    return m;
}

static void rig_until_log(struct rig *r, const char *text)
{
    enum msg_type type;

    while (!r->log.data || !strstr(r->log.data, text))
        assert_non_null(rig_message(r, false, &type));
}

/* What it left in the folder. */
static struct msg_runner_ended *rig_result(struct rig *r)
{
    struct msg_runner_ended *m = arena_alloc(&r->arena, sizeof(*m));

    assert_int_equal(berth_result(r->spool, &r->arena, m), 0);
    return m;
}

static void rig_until_ended(struct rig *r, bool trim)
{
    enum msg_type type = MSG_NONE;
    void *m = r;

    while (m && type != MSG_RUNNER_ENDED)
        m = rig_message(r, trim, &type);
    r->ended = m ? m : rig_result(r);
    rig_collect(r, (uint64_t)r->ended->chunks);
    assert_int_equal(r->ended->chunks, r->seq);
    assert_int_equal(r->ended->bytes, r->offset);
    assert_memory_equal(r->ended->head.data, r->head.b, sizeof(r->head.b));
}

static int rig_exit(struct rig *r)
{
    int wstatus;

    if (r->sock >= 0)
        close(r->sock);
    r->sock = -1;
    assert_int_equal(waitpid(r->pid, &wstatus, 0), r->pid);
    assert_true(WIFEXITED(wstatus));
    return WEXITSTATUS(wstatus);
}

static void rig_fini(struct rig *r)
{
    const char *argv[] = { "rm", "-rf", r->dir, NULL };
    const struct proc_spec spec = { .argv = argv };
    pid_t pid;

    if (r->sock >= 0)
        assert_int_equal(rig_exit(r), 0);
    spool_reader_close(&r->reader);
    buf_fini(&r->log);
    buf_fini(&r->out);
    buf_fini(&r->err);
    arena_fini(&r->arena);
    mem_free(&r->spool);
    assert_int_equal(proc_spawn(&spec, &pid, NULL), 0);
    waitpid(pid, NULL, 0);
}

static void rig_run(struct rig *r, const char *script)
{
    rig_start(r, &script, 1);
    rig_until_ended(r, false);
}

static struct buf file_text(const struct rig *r, const char *name)
{
    char *path = mem_printf("%s/%s", r->dir, name);
    FILE *f = fopen(path, "re");
    struct buf b = { 0 };
    size_t n;

    mem_free(&path);
    assert_non_null(f);
    while ((n = fread(buf_reserve(&b, 65536), 1, 65536, f)))
        buf_commit(&b, n);
    fclose(f);
    return b;
}

static void assert_same(const struct buf *got, const char *note, struct buf want)
{
    size_t skip = strlen(note);

    assert_int_equal(got->len, skip + want.len);
    assert_memory_equal(got->data, note, skip);
    assert_memory_equal(got->data + skip, want.data, want.len);
    buf_fini(&want);
}

#define NOTE "orion: a note\n"

/* --- tests ----------------------------------------------------------------------------------------- */

static void test_log_is_what_was_written(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_run(&r, "echo $GREETING; echo oops >&2; pwd; read x; printf 'no end'; exit 7");
    char *want = mem_printf(NOTE "hello\noops\n%s\nno end", r.dir);
    assert_string_equal(r.log.data, want);
    mem_free(&want);
    assert_true(r.ended->has.exit_code);
    assert_int_equal(r.ended->exit_code, 7);
    assert_false(r.ended->has.signal);
    assert_int_equal(r.ended->lines, 5);
    assert_null(r.ended->error);
    assert_null(r.ended->stopped);
    struct buf result = file_text(&r, "spool/result");
    assert_non_null(strstr(result.data, "\"exit_code\":7"));
    buf_fini(&result);
    rig_fini(&r);
}

static void test_only_notes(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, NULL, 0);
    rig_until_ended(&r, false);
    assert_string_equal(r.log.data, NOTE);
    assert_false(r.ended->has.exit_code);
    assert_int_equal(r.ended->lines, 1);
    rig_fini(&r);
}

static void test_commands_stop_at_the_first_that_fails(void **state)
{
    const char *scripts[] = { "echo one", "echo two; exit 3", "echo three" };
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, scripts, 3);
    rig_until_ended(&r, false);
    assert_string_equal(r.log.data, NOTE "one\ntwo\n");
    assert_int_equal(r.ended->exit_code, 3);
    rig_fini(&r);
}

static void test_signal_is_told(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_run(&r, "echo x; kill -SEGV $$");
    assert_int_equal(r.ended->signal, SIGSEGV);
    assert_false(r.ended->has.exit_code);
    rig_fini(&r);
}

static void test_tool_that_cannot_start(void **state)
{
    const char *scripts[] = { "echo one", "!./configure" };
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, scripts, 2);
    rig_until_ended(&r, false);
    assert_string_equal(r.ended->error, "./configure: not found");
    assert_false(r.ended->has.exit_code);
    assert_string_equal(r.log.data, NOTE "one\norion: ./configure: not found\n");
    rig_fini(&r);
}

/* Several writers at once, fast: what the pipe got is what the log has. */
static void test_fast_writers(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_run(&r, "(seq 1 150000 & seq 1000000 1150000 >&2; wait) 2>&1 | tee copy;"
                "head -c 3000000 /dev/urandom | tee -a copy");
    assert_int_equal(r.ended->exit_code, 0);
    assert_same(&r.log, NOTE, file_text(&r, "copy"));
    rig_fini(&r);
}

static void test_separate_streams(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    r.separate = true;
    rig_run(&r, "(seq 1 100000 | tee copy.out) & seq 5 70000 | tee copy.err >&2; wait; printf x | tee -a copy.out");
    assert_same(&r.out, NOTE, file_text(&r, "copy.out"));
    assert_same(&r.err, "", file_text(&r, "copy.err"));
    rig_fini(&r);
}

/* 12 MB through a spool that may hold 100 KB: the build waits, nothing is lost, and files are deleted. */
static void test_small_spool(void **state)
{
    struct rig r;
    char *first;

    (void)state;
    rig_init(&r);
    r.spool_max = 100000;
    const char *script = "seq 1 1600000 | tee copy";
    rig_start(&r, &script, 1);
    rig_until_ended(&r, true);
    assert_true(r.log.len > 11000000);
    assert_same(&r.log, NOTE, file_text(&r, "copy"));
    first = mem_printf("%s/000001.spool", r.spool);
    assert_int_not_equal(access(first, F_OK), 0);
    mem_free(&first);
    rig_fini(&r);
}

/* Past the bound nothing is read until the sink has something: the writer is stuck, not ended. */
static void test_full_spool_stops_the_build(void **state)
{
    const char *script = "seq 1 200000; touch finished";
    struct msg_runner_trim all;
    enum msg_type type;
    char *mark;
    struct rig r;

    (void)state;
    rig_init(&r);
    r.spool_max = 200000;
    rig_start(&r, &script, 1);
    while (r.offset <= 200000)
        rig_message(&r, false, &type);
    mark = mem_printf("%s/finished", r.dir);
    assert_int_not_equal(access(mark, F_OK), 0);
    mem_free(&mark);
    all = (struct msg_runner_trim){ .seq = (int64_t)r.seq, .offset = (int64_t)r.offset };
    rig_send(&r, MSG_RUNNER_TRIM, &all);
    rig_until_ended(&r, true);
    assert_int_equal(r.log.len, strlen(NOTE) + 1288895);
    rig_fini(&r);
}

static bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

static pid_t pid_of(const struct rig *r, const char *file)
{
    struct buf b = file_text(r, file);
    pid_t pid = (pid_t)atoi(b.data);

    buf_fini(&b);
    assert_true(pid > 1);
    return pid;
}

static pid_t child_of(pid_t pid)
{
    char path[64], line[64] = "";
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    fclose(f);
    return (pid_t)atoi(line);
}

/* A daemon keeps stdout open: the attempt ends all the same, and the daemon with it. */
static void test_daemon_holding_stdout(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_run(&r, "setsid sh -c 'echo from the daemon; echo $$ >daemon; exec sleep 600' & "
                "while [ ! -s daemon ]; do sleep 0.01; done; echo bye; exit 4");
    assert_int_equal(r.ended->exit_code, 4);
    assert_string_equal(r.log.data, NOTE "from the daemon\nbye\n");
    assert_false(is_alive(pid_of(&r, "daemon")));
    rig_fini(&r);
}

/* It does not listen to TERM, and it writes when it gets one: those bytes count too. */
static void test_stubborn_grandchild(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    r.kill_ms = 300;
    rig_run(&r, "(setsid sh -c 'trap \"echo not me\" TERM; echo $$ >daemon; while :; do sleep 600 & wait; done' &) ; "
                "while [ ! -s daemon ]; do sleep 0.01; done; echo bye");
    assert_int_equal(r.ended->exit_code, 0);
    assert_string_equal(r.log.data, NOTE "bye\nnot me\n");
    assert_false(is_alive(pid_of(&r, "daemon")));
    rig_fini(&r);
}

static void test_bytes_written_right_before_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct rig r;

        rig_init(&r);
        rig_run(&r, "(sh -c 'head -c 60000 /dev/zero | tr \"\\0\" x; kill -9 $PPID')");
        assert_int_equal(r.log.len, strlen(NOTE) + 60000);
        rig_fini(&r);
    }
}

static void test_stop(void **state)
{
    const struct msg_runner_stop stop = { .reason = "because" };
    const char *scripts[] = { "echo started; sleep 600 & wait", "echo never" };
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, scripts, 2);
    rig_until_log(&r, "started");
    rig_send(&r, MSG_RUNNER_STOP, &stop);
    rig_until_ended(&r, false);
    assert_string_equal(r.ended->stopped, "because");
    assert_int_equal(r.ended->signal, SIGTERM);
    assert_string_equal(r.log.data, NOTE "started\norion: because: stopped\n");
    assert_false(r.ended->timed_out);
    rig_fini(&r);
}

static void file_touch(const struct rig *r, const char *name)
{
    char *path = mem_printf("%s/%s", r->dir, name);
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    fclose(f);
    mem_free(&path);
}

static void file_wait(const struct rig *r, const char *name)
{
    char *path = mem_printf("%s/%s", r->dir, name);

    while (access(path, F_OK))
        usleep(10000);
    mem_free(&path);
}

/* Waits until a process that nobody reaps has ended. */
static void zombie_wait(pid_t pid)
{
    char path[64], line[256] = "";

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    while (!strstr(line, ") Z ")) {
        FILE *f = fopen(path, "re");

        assert_non_null(f);
        assert_non_null(fgets(line, sizeof(line), f));
        fclose(f);
    }
}

/* The build ended by itself before the word came; that nobody had looked yet does not make it a stopped one. */
static void test_stop_after_the_end(void **state)
{
    const struct msg_runner_stop stop = { .reason = "too late" };
    const char *script = "echo $$ >main; echo started; while [ ! -e go ]; do sleep 0.02; done; exit 5";
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, &script, 1);
    rig_until_log(&r, "started");
    kill(r.pid, SIGSTOP);
    file_touch(&r, "go");
    zombie_wait(pid_of(&r, "main"));
    rig_send(&r, MSG_RUNNER_STOP, &stop);
    kill(r.pid, SIGCONT);
    rig_until_ended(&r, false);
    assert_null(r.ended->stopped);
    assert_int_equal(r.ended->exit_code, 5);
    rig_fini(&r);
}

/* The longest reason there may be comes back whole; half a letter at its end would make the result unreadable. */
static void test_stop_with_a_long_reason(void **state)
{
    const char *script = "echo started; sleep 600";
    char reason[257] = "";
    struct msg_runner_stop stop = { .reason = reason };
    struct rig r;

    (void)state;
    for (int i = 0; i < 128; i++)
        strcat(reason, "\xc3\xa9");
    rig_init(&r);
    rig_start(&r, &script, 1);
    rig_until_log(&r, "started");
    rig_send(&r, MSG_RUNNER_STOP, &stop);
    rig_until_ended(&r, false);
    assert_string_equal(r.ended->stopped, reason);
    rig_fini(&r);
}

/* Stopped while the spool is full and the log sink takes nothing: the end does not wait for a disk elsewhere. */
static void test_stop_with_a_full_spool(void **state)
{
    const struct msg_runner_stop stop = { .reason = "because" };
    const char *script = "trap '' TERM; while :; do seq 1 100000; done", *last = "\norion: because: stopped\n";
    enum msg_type type;
    struct rig r;

    (void)state;
    rig_init(&r);
    r.spool_max = 200000;
    r.kill_ms = 200;
    rig_start(&r, &script, 1);
    while (r.offset <= 200000)
        rig_message(&r, false, &type);
    rig_send(&r, MSG_RUNNER_STOP, &stop);
    rig_until_ended(&r, false);
    assert_string_equal(r.ended->stopped, "because");
    assert_string_equal(r.log.data + r.log.len - strlen(last), last);
    rig_fini(&r);
}

static void test_silence(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    r.silence_ms = 300;
    rig_run(&r, "echo started; printf half; sleep 600 & wait");
    assert_string_equal(r.ended->stopped, "no output for 300 ms");
    assert_true(r.ended->timed_out);
    assert_string_equal(r.log.data, NOTE "started\nhalf\norion: no output for 300 ms: stopped\n");
    assert_int_equal(r.ended->lines, 4);
    rig_fini(&r);
}

/* Every command has its own time, and output of either stream counts. */
static void test_no_silence(void **state)
{
    const char *scripts[] = { "sleep 0.6", "sleep 0.6", "sleep 0.6; for i in 1 2 3; do echo $i >&2; sleep 0.6; done" };
    struct rig r;

    (void)state;
    rig_init(&r);
    r.silence_ms = 1500;
    r.separate = true;
    rig_start(&r, scripts, 3);
    rig_until_ended(&r, false);
    assert_null(r.ended->stopped);
    assert_int_equal(r.ended->exit_code, 0);
    assert_string_equal(r.err.data, "1\n2\n3\n");
    rig_fini(&r);
}

/* Nobody reads what the build says: that is not its silence. Once it is read again, the rest of its time runs. */
static void test_full_spool_is_no_silence(void **state)
{
    const char *script = "seq 1 200000; sleep 600";
    struct msg_runner_trim all;
    enum msg_type type;
    struct rig r;

    (void)state;
    rig_init(&r);
    r.spool_max = 200000;
    r.silence_ms = 700;
    rig_start(&r, &script, 1);
    while (r.offset <= 200000)
        rig_message(&r, false, &type);
    usleep(1500000); /* the time is what is tested */
    all = (struct msg_runner_trim){ .seq = (int64_t)r.seq, .offset = (int64_t)r.offset };
    rig_send(&r, MSG_RUNNER_TRIM, &all);
    rig_until_ended(&r, true);
    assert_true(r.ended->timed_out);
    assert_true(r.log.len > strlen(NOTE) + 1288895); /* everything was said before */
    rig_fini(&r);
}

/* The runner itself did not run for longer than the limit: what is in the pipe was said in time. */
static void test_late_runner_hears_first(void **state)
{
    const char *script = "echo started; while [ ! -e go ]; do sleep 0.02; done; echo more; touch said;"
                         "while [ ! -e end ]; do sleep 0.02; done";
    struct rig r;

    (void)state;
    rig_init(&r);
    r.silence_ms = 1000;
    rig_start(&r, &script, 1);
    rig_until_log(&r, "started");
    kill(r.pid, SIGSTOP);
    file_touch(&r, "go");
    file_wait(&r, "said");
    usleep(1200000); /* the time is what is tested */
    kill(r.pid, SIGCONT);
    rig_until_log(&r, "more");
    file_touch(&r, "end");
    rig_until_ended(&r, false);
    assert_null(r.ended->stopped);
    assert_int_equal(r.ended->exit_code, 0);
    rig_fini(&r);
}

/* The agent dies and another one comes: the build goes on, and the runner says what it has. */
static void test_agents_come_and_go(void **state)
{
    const char *script = "echo one; while [ ! -e go1 ]; do sleep 0.02; done; echo two; touch said;"
                         "while [ ! -e go2 ]; do sleep 0.02; done; echo three";
    struct msg_runner_hello *hello;
    enum msg_type type;
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, &script, 1);
    rig_until_log(&r, "one\n");
    close(r.sock);
    file_touch(&r, "go1");
    file_wait(&r, "said");
    r.sock = rig_connect(&r);
    hello = rig_message(&r, false, &type);
    assert_int_equal(type, MSG_RUNNER_HELLO);
    assert_true(uuid_cmp(&hello->task_id, &r.task) == 0);
    rig_collect(&r, (uint64_t)hello->seq);
    assert_int_equal(hello->offset, r.offset);
    file_touch(&r, "go2");
    rig_until_ended(&r, false);
    assert_string_equal(r.log.data, NOTE "one\ntwo\nthree\n");
    assert_int_equal(r.ended->exit_code, 0);
    rig_fini(&r);
}

/* One agent at a time: the newer one is heard. */
static void test_newer_agent_replaces(void **state)
{
    const struct msg_runner_stop stop = { .reason = "because" };
    const char *script = "echo started; sleep 600";
    enum msg_type type;
    struct rig r;
    int older;

    (void)state;
    rig_init(&r);
    rig_start(&r, &script, 1);
    rig_until_log(&r, "started");
    older = r.sock;
    r.sock = rig_connect(&r);
    assert_non_null(rig_message(&r, false, &type));
    assert_int_equal(type, MSG_RUNNER_HELLO);
    assert_int_equal(recv(older, &type, sizeof(type), 0), 0);
    close(older);
    rig_send(&r, MSG_RUNNER_STOP, &stop);
    rig_until_ended(&r, false);
    assert_string_equal(r.ended->stopped, "because");
    rig_fini(&r);
}

/* Nobody is there at the end: the result waits in the folder, no process does, and nothing the build left. */
static void test_end_without_an_agent(void **state)
{
    const char *script = "setsid sh -c 'echo $$ >daemon; exec sleep 600' & while [ ! -s daemon ]; do sleep 0.01; done;"
                         "echo started; while [ ! -e go ]; do sleep 0.02; done; seq 1 1000 | tee copy; exit 9";
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, &script, 1);
    rig_until_log(&r, "started");
    assert_true(berth_is_taken(r.spool));
    close(r.sock);
    r.sock = -1;
    file_touch(&r, "go");
    assert_int_equal(rig_exit(&r), 0);
    assert_false(berth_is_taken(r.spool));
    assert_true(berth_was_used(r.spool));
    assert_false(is_alive(pid_of(&r, "daemon")));
    r.ended = rig_result(&r);
    rig_collect(&r, (uint64_t)r.ended->chunks);
    assert_int_equal(r.ended->exit_code, 9);
    assert_memory_equal(r.ended->head.data, r.head.b, sizeof(r.head.b));
    assert_same(&r.log, NOTE "started\n", file_text(&r, "copy"));
    rig_fini(&r);
}

/* A lock that is held: nobody else is started there. However a runner ends, it is free. */
static void test_lock(void **state)
{
    const char *script = "echo started; sleep 600";
    struct err e = { 0 };
    struct berth b;
    struct rig r;
    int wstatus;

    (void)state;
    rig_init(&r);
    assert_false(berth_was_used(r.spool));
    rig_start(&r, &script, 1);
    rig_until_log(&r, "started");
    assert_int_equal(berth_open(&b, r.spool, &e), -1);
    assert_int_equal(e.kind, ERR_CONFLICT);
    pid_t build = child_of(r.pid);
    kill(r.pid, SIGKILL);
    assert_int_equal(waitpid(r.pid, &wstatus, 0), r.pid);
    kill(build, SIGKILL); /* a runner that is killed cannot do it */
    close(r.sock);
    r.sock = -1;
    assert_false(berth_is_taken(r.spool));
    assert_true(berth_was_used(r.spool));
    rig_fini(&r);
}

/* The agent reads nothing for a while: only the latest position counts, and the result still comes. */
static void test_agent_that_does_not_read(void **state)
{
    const char *script = "i=0; while [ $i -lt 600 ]; do head -c 5000 /dev/zero; i=$((i+1)); done; touch finished";
    char *mark;
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, &script, 1);
    mark = mem_printf("%s/finished", r.dir);
    while (access(mark, F_OK))
        usleep(10000);
    mem_free(&mark);
    rig_until_ended(&r, false);
    assert_int_equal(r.log.len, strlen(NOTE) + 3000000);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_is_what_was_written),
        cmocka_unit_test(test_only_notes),
        cmocka_unit_test(test_commands_stop_at_the_first_that_fails),
        cmocka_unit_test(test_signal_is_told),
        cmocka_unit_test(test_tool_that_cannot_start),
        cmocka_unit_test(test_fast_writers),
        cmocka_unit_test(test_separate_streams),
        cmocka_unit_test(test_small_spool),
        cmocka_unit_test(test_full_spool_stops_the_build),
        cmocka_unit_test(test_daemon_holding_stdout),
        cmocka_unit_test(test_stubborn_grandchild),
        cmocka_unit_test(test_bytes_written_right_before_the_end),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_after_the_end),
        cmocka_unit_test(test_stop_with_a_long_reason),
        cmocka_unit_test(test_stop_with_a_full_spool),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_no_silence),
        cmocka_unit_test(test_full_spool_is_no_silence),
        cmocka_unit_test(test_late_runner_hears_first),
        cmocka_unit_test(test_agents_come_and_go),
        cmocka_unit_test(test_newer_agent_replaces),
        cmocka_unit_test(test_end_without_an_agent),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_agent_that_does_not_read),
    };

    cmocka_set_test_filter(getenv("ORION_TEST_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
