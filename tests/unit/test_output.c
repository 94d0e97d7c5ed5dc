/* test_output.c - pipes into the log, over a spool in memory that can be full: what waits is told, what is past the
 * limit is counted, no byte is lost and none comes twice. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/runner/runner.h"
#include "agent/spool.h"
#include "lib/buf.h"
#include "lib/mem.h"

/* --- a spool in memory ------------------------------------------------------------------------------------- */

struct spool_writer {
    struct uuid task;
    struct hash head;
    uint64_t chunks, line_ends, last_ns;
    struct buf log, out, notes;     /* everything; without the notes; the notes, flags in front of each */
    enum err_kind trouble;          /* ERR_NONE: there is room */
    int64_t room;                   /* chunks until trouble comes; -1: for ever */
};

struct spool_writer *spool_writer_open(const char *dir, const struct uuid *task, uint32_t attempt, struct err *e)
{
    struct spool_writer *w = (struct spool_writer *)(uintptr_t)strtoull(dir, NULL, 16);

    (void)e;
    chain_start(task, attempt, &w->head);
    return w;
}

static uint64_t line_ends(const uint8_t *data, size_t len)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += data[i] == '\n';
    return n;
}

int spool_write(struct spool_writer *w, const struct spool_chunk *c, struct err *e)
{
    if (w->room > 0 && --w->room == 0)
        w->trouble = ERR_UNAVAILABLE;
    if (w->trouble != ERR_NONE)
        return err_set(e, w->trouble, SPOOL_ERROR ": No space left on device");
    assert_memory_equal(&c->before, &w->head, sizeof(w->head));
    assert_int_equal(c->chunk.seq, w->chunks + 1);
    assert_int_equal(c->chunk.offset, w->log.len);
    assert_true(c->chunk.length > 0 && c->chunk.length <= CHAIN_DATA_MAX);
    assert_true(c->chunk.time_ns >= w->last_ns);
    chain_next(&w->head, &c->chunk, c->data);
    assert_memory_equal(&c->head, &w->head, sizeof(w->head));
    w->line_ends += line_ends(c->data, c->chunk.length);
    assert_int_equal(c->lines, w->line_ends);
    w->chunks++;
    w->last_ns = c->chunk.time_ns;
    buf_append(&w->log, c->data, c->chunk.length);
    if (c->chunk.flags)
        buf_printf(&w->notes, "%d:%.*s", c->chunk.flags, (int)c->chunk.length, (const char *)c->data);
    else
        buf_append(&w->out, c->data, c->chunk.length);
    return 0;
}

void spool_trim(struct spool_writer *w, uint64_t seq)
{
    assert_true(seq <= w->chunks);
}

void spool_writer_close(struct spool_writer **w)
{
    *w = NULL;
}

/* --- the rig ----------------------------------------------------------------------------------------------- */

enum { SLOW_MS = 5 };

struct rig {
    struct loop *loop;
    struct output *output;
    struct spool_writer spool;
    char dir[24];
    struct msg_runner_job job;
    struct timer *timer;
    bool (*is_there)(struct rig *g);
    int fds[2];
    unsigned full, failed, finished;
    bool is_full;
    uint64_t seq, offset;          /* spooled */
};

static void on_read(void *arg)
{
    (void)arg;
}

static void on_full(void *arg, bool is_full)
{
    struct rig *g = arg;

    assert_true(g->is_full != is_full);
    g->is_full = is_full;
    g->full += is_full;
}

static void on_spooled(void *arg, uint64_t seq, uint64_t offset)
{
    struct rig *g = arg;

    assert_true(seq > g->seq && seq == g->spool.chunks && offset == g->spool.log.len);
    g->seq = seq;
    g->offset = offset;
}

static void on_failed(void *arg, const struct err *e)
{
    struct rig *g = arg;

    assert_non_null(strstr(e->text, SPOOL_ERROR));
    g->failed++;
}

static void on_finished(void *arg)
{
    struct rig *g = arg;

    g->finished++;
}

static const struct output_hooks hooks = { on_read, on_full, on_spooled, on_failed, on_finished };

static void rig_init(struct rig *g)
{
    *g = (struct rig){ .loop = loop_new(), .spool.room = -1 };
    snprintf(g->dir, sizeof(g->dir), "%llx", (unsigned long long)(uintptr_t)&g->spool);
    g->job = (struct msg_runner_job){ .attempt = 1, .spool = g->dir, .spool_max = 1 << 30 };
}

static void rig_start(struct rig *g)
{
    struct err e = { 0 };

    g->output = output_new(g->loop, &g->job, &hooks, g, &e);
    assert_non_null(g->output);
    assert_int_equal(output_pipes(g->output, g->fds, &e), 0);
}

static void rig_fini(struct rig *g)
{
    output_free(&g->output);
    timer_free(&g->timer);
    loop_free(&g->loop);
    buf_fini(&g->spool.log);
    buf_fini(&g->spool.out);
    buf_fini(&g->spool.notes);
}

static void tick_until(void *arg)
{
    struct rig *g = arg;

    if (g->is_there(g))
        loop_stop(g->loop, 0);
    else
        timer_in(g->timer, SLOW_MS);
}

/* Lets it run until that is so. */
static void run_until(struct rig *g, bool (*is_there)(struct rig *g))
{
    if (!g->timer)
        g->timer = loop_timer(g->loop, tick_until, g);
    g->is_there = is_there;
    timer_in(g->timer, 0);
    loop_run(g->loop);
    timer_off(g->timer);
}

static void say(struct rig *g, const char *text)
{
    assert_int_equal(write(g->fds[0], text, strlen(text)), strlen(text));
}

static void finish(struct rig *g, const char *last)
{
    output_finish(g->output, last);
}

static struct output_totals totals(const struct rig *g)
{
    struct output_totals t;

    output_totals(g->output, &t);
    assert_int_equal(t.bytes, g->spool.log.len);
    assert_int_equal(t.chunks, g->spool.chunks);
    assert_memory_equal(&t.head, &g->spool.head, sizeof(t.head));
    return t;
}

static bool has_some(struct rig *g)
{
    return g->spool.log.len > 0;
}

static bool is_finished(struct rig *g)
{
    return g->finished > 0;
}

static bool is_blocked(struct rig *g)
{
    return g->is_full;
}

static bool is_open(struct rig *g)
{
    return !g->is_full;
}

/* Lets time pass: the waits are what is tested. */
static bool is_past(struct rig *g)
{
    static int ticks;

    (void)g;
    ticks = (ticks + 1) % (1200 / SLOW_MS);
    return ticks == 0;
}

/* --- tests ------------------------------------------------------------------------------------------------- */

static void test_calm_and_busy(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    rig_start(&g);
    say(&g, "first\n");
    run_until(&g, has_some);
    assert_string_equal(g.spool.log.data, "first\n");
    for (int i = 0; i < 100; i++)
        say(&g, "more\n");
    finish(&g, NULL);
    assert_int_equal(g.finished, 1);
    assert_int_equal(g.spool.out.len, 506);
    assert_true(g.spool.chunks <= 3);
    assert_int_equal(totals(&g).lines, 101);
    assert_int_equal(g.offset, 506);
    rig_fini(&g);
}

static void test_last_line_stands_alone(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    rig_start(&g);
    say(&g, "half a line");
    finish(&g, "orion: stopped\n");
    assert_string_equal(g.spool.log.data, "half a line\norion: stopped\n");
    assert_string_equal(g.spool.notes.data, "1:\norion: stopped\n");
    assert_int_equal(totals(&g).lines, 2);
    rig_fini(&g);
}

/* Nothing is taken past the spool's bound, and the log says how long that was, at the next end of a line. */
static void test_full_spool_is_told(void **state)
{
    struct rig g;
    char *want;

    (void)state;
    rig_init(&g);
    g.job.spool_max = 10;
    rig_start(&g);
    say(&g, "more than ten bytes\nand a be");
    run_until(&g, is_blocked);
    say(&g, "ginning\nrest\n");
    run_until(&g, is_past);
    assert_int_equal(g.spool.log.len, 28);
    output_trim(g.output, g.seq, g.offset);
    assert_false(g.is_full);
    finish(&g, NULL);
    want = strstr(g.spool.log.data, "[orion: output waited 1.");
    assert_non_null(want);
    assert_non_null(strstr(want, " s: the spool is full (28 bytes not yet on the log sink)]\nrest\n"));
    assert_memory_equal(g.spool.log.data, "more than ten bytes\nand a beginning\n[", 37);
    assert_string_equal(g.spool.out.data, "more than ten bytes\nand a beginning\nrest\n");
    assert_memory_equal(g.spool.notes.data, "1:[orion: output", 16);
    assert_int_equal(totals(&g).lines, 4);
    rig_fini(&g);
}

/* The spool was full, but the build had nothing to say meanwhile. */
static void test_full_spool_that_nobody_felt(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    g.job.spool_max = 10;
    rig_start(&g);
    say(&g, "more than ten bytes\n");
    run_until(&g, is_blocked);
    run_until(&g, is_past);
    output_trim(g.output, g.seq, g.offset);
    say(&g, "rest\n");
    finish(&g, NULL);
    assert_string_equal(g.spool.log.data, "more than ten bytes\nrest\n");
    rig_fini(&g);
}

/* A full disk is waited for; what was read before stays as it is, and comes once. */
static void test_full_disk(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    rig_start(&g);
    say(&g, "one\n");
    run_until(&g, has_some);
    g.spool.trouble = ERR_UNAVAILABLE;
    say(&g, "two\n");
    run_until(&g, is_blocked);
    say(&g, "three\n");
    run_until(&g, is_past);
    assert_string_equal(g.spool.log.data, "one\n");
    g.spool.trouble = ERR_NONE;
    run_until(&g, is_open);
    finish(&g, NULL);
    assert_int_equal(g.failed, 0);
    assert_string_equal(g.spool.out.data, "one\ntwo\nthree\n");
    assert_non_null(strstr(g.spool.notes.data, " s: " SPOOL_ERROR ": No space left on device]\n"));
    assert_int_equal(totals(&g).lines, 4);
    rig_fini(&g);
}

/* It is full when the build has ended: the end waits, byte for byte, whatever chunk it begins at. */
static void test_full_disk_at_the_end(void **state)
{
    (void)state;
    for (int64_t room = 1; room < 8; room++) {
        struct rig g;

        rig_init(&g);
        g.job.separate_streams = true;
        g.job.log_max = 40;
        rig_start(&g);
        g.spool.room = room;
        for (int i = 0; i < 10; i++)
            assert_int_equal(write(g.fds[i % 2], i % 2 ? "an error\n" : "a line ab\n", i % 2 ? 9 : 10), i % 2 ? 9 : 10);
        finish(&g, "the last\n");
        if (!g.finished) {
            assert_true(g.is_full);
            run_until(&g, is_past);
            g.spool.trouble = ERR_NONE;
            g.spool.room = -1;
            run_until(&g, is_finished);
        }
        assert_int_equal(g.finished, 1);
        assert_int_equal(g.failed, 0);
        assert_string_equal(g.spool.out.data, "a line ab\na line ab\na line ab\nan error\n");
        assert_non_null(strstr(g.spool.log.data, "[orion: the log's limit of 40 bytes is reached: 56 bytes (6 lines) "
                                                 "are left out here]\nan error\n"));
        assert_string_equal(g.spool.log.data + g.spool.log.len - 9, "the last\n");
        totals(&g);
        rig_fini(&g);
    }
}

static void test_giving_up_a_full_disk(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    rig_start(&g);
    output_give_up(g.output); /* nothing to give up */
    say(&g, "one\n");
    run_until(&g, has_some);
    g.spool.trouble = ERR_UNAVAILABLE;
    say(&g, "two\n");
    finish(&g, "three\n");
    assert_int_equal(g.finished + g.failed, 0);
    output_give_up(g.output);
    assert_int_equal(g.finished, 1);
    assert_int_equal(g.failed, 1);
    assert_int_equal(totals(&g).chunks, 1);
    rig_fini(&g);
}

static void test_broken_disk(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    rig_start(&g);
    g.spool.trouble = ERR_SYSTEM;
    say(&g, "one\n");
    finish(&g, NULL);
    assert_int_equal(g.failed, 1);
    assert_int_equal(g.finished, 1);
    rig_fini(&g);
}

/* A log past its limit never blocks the build, even when the spool is full for ever. */
static void test_limit(void **state)
{
    const char *line = "0123456789012345678901234567890123456789012345678\n";
    struct rig g;

    (void)state;
    rig_init(&g);
    g.job.log_max = 4000;
    g.job.spool_max = 5000;
    rig_start(&g);
    output_note(g.output, "orion: a note\n");
    for (int i = 0; i < 1000; i++)
        say(&g, line); /* 50000 */
    finish(&g, NULL);
    assert_int_equal(g.full, 0);
    assert_int_equal(g.spool.out.len, 4000);
    assert_string_equal(g.spool.notes.data, "1:orion: a note\n"
                        "3:[orion: the log's limit of 4000 bytes is reached: 46000 bytes (920 lines) are left out "
                        "here]\n");
    assert_int_equal(totals(&g).lines, 82);
    rig_fini(&g);
}

static void test_limit_inside_a_line(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g);
    g.job.log_max = 40;
    rig_start(&g);
    for (int i = 0; i < 10; i++)
        say(&g, "0123456789");
    finish(&g, NULL);
    assert_string_equal(g.spool.log.data,
                        "012345678901234567890123456789\n"
                        "[orion: the log's limit of 40 bytes is reached: 60 bytes (0 lines) are left out here]\n"
                        "0123456789");
    assert_int_equal(totals(&g).lines, 3);
    rig_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calm_and_busy),
        cmocka_unit_test(test_last_line_stands_alone),
        cmocka_unit_test(test_full_spool_is_told),
        cmocka_unit_test(test_full_spool_that_nobody_felt),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_full_disk_at_the_end),
        cmocka_unit_test(test_giving_up_a_full_disk),
        cmocka_unit_test(test_broken_disk),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_limit_inside_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
