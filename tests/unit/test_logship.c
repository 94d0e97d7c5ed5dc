/* test_logship.c - the way of a log from the spool to its sink, over real spool files and a sink in memory that keeps
 * the rules of log.chunk and log.base: what is lost on the way comes again, what is lost for good is a hole with its
 * reason, and a log that moves goes on at the chunk behind the last acknowledged one. */
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

#include "agent/attempts.h"
#include "lib/buf.h"
#include "lib/mem.h"

enum { LINE = 50, LOGS = 3, OVERHEAD = SPOOL_RECORD_HEAD + SPOOL_CHUNK_HEAD };

struct hole {
    uint64_t from, to;
    char reason[64];
    bool is_lost;
};

struct sink {
    const char *name;
    uint64_t begin, seq, offset;
    struct hash head;
    struct buf bytes;             /* zeros where there is a hole */
    struct hole holes[4];
    unsigned n_holes, n_bases;
};

/* One attempt, its runner's side and its sinks. */
struct log {
    struct attempt a;
    char dir[40];
    struct spool_writer *w;
    struct hash head;
    uint64_t seq, offset, lines;
    struct buf all;
    struct sink sinks[3];
    uint64_t trimmed;
    unsigned saves, moves, settled;
};

/* The whole rig: what logship.c and logmove.c call ends up here. */
struct rig {
    struct agent agent;
    struct agent_settings settings;
    struct attempts attempts;
    struct log logs[LOGS];
    size_t n;
    unsigned frames;              /* sent */
    unsigned lose;                /* one in so many is dropped on its way, at random; 0: none */
    size_t queued;
    bool is_disk_full;
    struct arena arena;
};

static struct rig *rig_of(const struct session *s)
{
    return (struct rig *)(uintptr_t)s;
}

static struct log *log_of(const struct attempt *a)
{
    struct rig *g = rig_of(a->all->agent->session);

    for (size_t i = 0; i < g->n; i++)
        if (&g->logs[i].a == a)
            return &g->logs[i];
    return NULL;
}

/* --- the sink ---------------------------------------------------------------------------------------------- */

static struct sink *sink_of(struct log *l, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(l->sinks); i++)
        if (strcmp(l->sinks[i].name, name) == 0)
            return &l->sinks[i];
    fail_msg("no sink %s", name);
    return NULL;
}

static void sink_ack(struct log *l, const struct sink *k, bool rewind)
{
    const struct msg_log_ack ack = { .task_id = l->a.order.task_id, .attempt = 1, .seq = (int64_t)k->seq,
                                     .offset = (int64_t)k->offset, .rewind = rewind, .sink = k->name };

    ship_ack(l->a.all, &ack);
}

static void sink_chunk(struct log *l, const struct msg_log_chunk *m)
{
    struct sink *k = sink_of(l, m->sink);
    struct chain_chunk c = { .seq = (uint64_t)m->seq, .offset = (uint64_t)m->offset, .length = (uint32_t)m->data.len,
                             .stream = (uint8_t)m->stream, .flags = (uint16_t)m->flags,
                             .time_ns = (uint64_t)m->time_ns };
    struct hash next = k->head;

    if (c.seq <= k->seq)
        return;
    chain_next(&next, &c, m->data.data);
    if (c.seq != k->seq + 1)
        return;
    assert_int_equal(c.offset, k->offset);
    assert_memory_equal(m->head.data, &next, sizeof(next));
    k->head = next;
    k->seq = c.seq;
    k->offset += c.length;
    buf_append(&k->bytes, m->data.data, m->data.len);
}

static void sink_base(struct log *l, const struct msg_log_base *m)
{
    struct sink *k = sink_of(l, m->sink);

    k->n_bases++;
    assert_true(m->seq > 0);
    if ((uint64_t)m->seq <= k->seq)
        return;
    if (!k->seq && !m->lost) {
        k->begin = (uint64_t)m->offset;
    } else {
        struct hole *h = &k->holes[k->n_holes++];

        *h = (struct hole){ .from = k->offset, .to = (uint64_t)m->offset, .is_lost = m->lost };
        snprintf(h->reason, sizeof(h->reason), "%s", m->reason);
    }
    while (k->bytes.len + k->begin < (uint64_t)m->offset)
        buf_putc(&k->bytes, 0);
    k->seq = (uint64_t)m->seq;
    k->offset = (uint64_t)m->offset;
    memcpy(&k->head, m->head.data, sizeof(k->head));
    assert_true(m->lines <= (int64_t)l->lines + 1);
}

/* --- what is called ---------------------------------------------------------------------------------------- */

void session_send_binary(struct session *s, const struct buf *frame)
{
    struct rig *g = rig_of(s);
    struct msg_head head;
    struct err e = { 0 };
    void *m;

    g->frames++;
    if (g->lose && rand() % (int)g->lose == 0)
        return;
    assert_int_equal(msg_from_bin((const uint8_t *)frame->data, frame->len, &g->arena, &head, &m, &e), 0);
    for (size_t i = 0; i < g->n; i++) {
        struct log *l = &g->logs[i];
        const struct uuid *task = head.type == MSG_LOG_BASE ? &((struct msg_log_base *)m)->task_id :
                                                              &((struct msg_log_chunk *)m)->task_id;

        if (uuid_cmp(task, &l->a.order.task_id) == 0 && head.type == MSG_LOG_BASE)
            sink_base(l, m);
        else if (uuid_cmp(task, &l->a.order.task_id) == 0)
            sink_chunk(l, m);
    }
}

size_t session_queued(const struct session *s)
{
    return rig_of(s)->queued;
}

struct attempt *attempts_find(const struct attempts *t, const struct uuid *task, int64_t number)
{
    for (struct attempt *a = t->head; a; a = a->next)
        if (uuid_cmp(&a->order.task_id, task) == 0 && a->order.attempt == number)
            return a;
    return NULL;
}

void attempt_settle(struct attempt *a)
{
    log_of(a)->settled = a->hold == HOLD_FINISHED && ship_is_done(a);
}

int attempt_save(struct attempt *a, bool sync, struct err *e)
{
    assert_true(sync);
    log_of(a)->saves++;
    return rig_of(a->all->agent->session)->is_disk_full ? err_set(e, ERR_SYSTEM, "the disk is full") : 0;
}

void facts_tell(struct attempt *a, enum fact fact)
{
    assert_int_equal(fact, FACT_MOVED);
    a->facts.is_open[fact] = true;
    log_of(a)->moves++;
}

void run_trim(struct run *r, uint64_t seq, uint64_t offset)
{
    struct log *l = (struct log *)(uintptr_t)r;

    assert_true(offset <= l->a.ship.acked_offset);
    l->trimmed = offset;
    spool_trim(l->w, seq);
}

/* --- the rig ----------------------------------------------------------------------------------------------- */

static void log_init(struct rig *g, struct log *l, uint8_t id)
{
    struct attempt *a = &l->a;
    struct err e = { 0 };

    *l = (struct log){ .sinks = { { .name = "s1" }, { .name = "s2" }, { .name = "s3" } } };
    *a = (struct attempt){ .all = &g->attempts, .next = g->attempts.head, .hold = HOLD_RUNNING };
    g->attempts.head = a;
    strcpy(l->dir, "/tmp/orion-logship-XXXXXX");
    assert_non_null(mkdtemp(l->dir));
    a->spool = l->dir;
    a->order = (struct msg_task_assign){ .task_id = { { id } }, .attempt = 1, .sink = "s1" };
    a->run = (struct run *)l;
    chain_start(&a->order.task_id, 1, &l->head);
    for (size_t i = 0; i < ARRAY_LEN(l->sinks); i++)
        l->sinks[i].head = l->head;
    l->w = spool_writer_open(l->dir, &a->order.task_id, 1, &e);
    assert_non_null(l->w);
    ship_init(a);
}

static struct log *rig_init(struct rig *g, size_t n)
{
    *g = (struct rig){ .n = n, .settings.spool_max = 1 << 30 };
    g->agent = (struct agent){ .settings = &g->settings, .session = (struct session *)(uintptr_t)g };
    g->attempts.agent = &g->agent;
    for (size_t i = 0; i < n; i++)
        log_init(g, &g->logs[i], (uint8_t)(i + 1));
    return &g->logs[0];
}

static void rig_fini(struct rig *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct log *l = &g->logs[i];
        char *command = mem_printf("rm -rf %s", l->dir);

        ship_fini(&l->a);
        spool_writer_close(&l->w);
        arena_fini(&l->a.arena);
        buf_fini(&l->all);
        for (size_t k = 0; k < ARRAY_LEN(l->sinks); k++)
            buf_fini(&l->sinks[k].bytes);
        assert_int_equal(system(command), 0);
        mem_free(&command);
    }
    buf_fini(&g->attempts.frame);
    arena_fini(&g->arena);
}

/* The runner writes `n` chunks of `size` bytes, in lines, and tells. */
static void spool(struct log *l, unsigned n, uint32_t size)
{
    uint8_t *data = mem_alloc(size);
    struct err e = { 0 };

    for (; n; n--) {
        struct spool_chunk c = { .chunk = { .seq = ++l->seq, .offset = l->offset, .length = size, .time_ns = l->seq },
                                 .before = l->head, .data = data };

        for (uint32_t i = 0; i < size; i++) {
            data[i] = (uint8_t)((l->offset + i) % LINE == LINE - 1 ? '\n' : 'a' + (l->seq + i) % 26);
            l->lines += data[i] == '\n';
        }
        c.lines = l->lines;
        chain_next(&l->head, &c.chunk, data);
        c.head = l->head;
        assert_int_equal(spool_write(l->w, &c, &e), 0);
        buf_append(&l->all, data, size);
        l->offset += size;
    }
    mem_free(&data);
    ship_spooled(&l->a, l->seq, l->offset);
}

static void finish(struct log *l)
{
    l->a.hold = HOLD_FINISHED;
    l->a.result.log_chunks = (int64_t)l->seq;
    l->a.result.log_bytes = (int64_t)l->offset;
    l->a.result.log_lines = (int64_t)l->lines + (l->offset % LINE != 0);
    l->a.result.log_head = (struct msg_bytes){ l->head.b, sizeof(l->head.b) };
}

/* As much as the windows allow, and what the sinks say to it, until nothing moves; then as after a silence. */
static void ship(struct rig *g)
{
    for (unsigned quiet = 0; quiet < 8;) {
        const unsigned before = g->frames;

        ship_pump(&g->attempts);
        for (size_t i = 0; i < g->n; i++)
            sink_ack(&g->logs[i], sink_of(&g->logs[i], ship_sink(&g->logs[i].a)), false);
        quiet = g->frames == before ? quiet + 1 : 0;
        if (quiet)
            ship_repeat(&g->attempts, true);
    }
}

static void assert_whole(const struct log *l, const struct sink *k)
{
    assert_int_equal(k->seq, l->seq);
    assert_int_equal(k->offset, l->offset);
    assert_memory_equal(&k->head, &l->head, sizeof(l->head));
    assert_int_equal(k->bytes.len, l->all.len - k->begin);
    assert_memory_equal(k->bytes.data, l->all.data + k->begin, k->bytes.len);
    assert_int_equal(k->n_holes, 0);
}

/* The `n`th record of the first file, when all have that size. */
static void damage(const struct log *l, unsigned n, uint32_t size, off_t at)
{
    char *path = mem_printf("%s/" SPOOL_NAME, l->dir, 1);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    const off_t place = SPOOL_FILE_HEAD + (off_t)(n - 1) * (OVERHEAD + size) + at;
    char byte;

    assert_int_equal(pread(fd, &byte, 1, place), 1);
    byte = (char)~byte;
    assert_int_equal(pwrite(fd, &byte, 1, place), 1);
    close(fd);
    mem_free(&path);
}

static void move(struct log *l, const char *sink)
{
    const struct msg_log_move m = { .task_id = l->a.order.task_id, .attempt = 1, .sink = sink };

    ship_move(l->a.all, &m);
}

/* The agent's next process finds the spool, and what was kept with the attempt. */
static void restart(struct log *l)
{
    const uint64_t spooled = l->a.ship.spooled, offset = l->a.ship.spooled_offset;
    struct err e = { 0 };

    ship_fini(&l->a);
    ship_init(&l->a);
    assert_int_equal(ship_resume(&l->a, &e), 0);
    ship_spooled(&l->a, spooled, offset);
}

/* --- tests ------------------------------------------------------------------------------------------------- */

static void test_every_byte_arrives(void **state)
{
    (void)state;
    for (unsigned lose = 0; lose < 6; lose++) {
        struct rig g;
        struct log *l = rig_init(&g, 2);

        g.lose = lose == 1 ? 7 : lose;
        spool(l, 100, 1000);
        spool(&g.logs[1], 10, 65536);
        ship(&g);
        spool(l, 1, 7);
        ship(&g);
        assert_whole(l, &l->sinks[0]);
        assert_whole(&g.logs[1], &g.logs[1].sinks[0]);
        finish(l);
        sink_ack(l, &l->sinks[0], false);
        assert_true(l->settled);
        rig_fini(&g);
    }
}

/* The windows are open, but the socket takes one frame each time: everybody has his turn. */
static void test_turns(void **state)
{
    struct rig g;

    (void)state;
    rig_init(&g, LOGS);
    for (size_t i = 0; i < LOGS; i++)
        spool(&g.logs[i], 100, 60000);
    for (unsigned i = 1; i <= 30; i++) {
        g.queued = 256 << 10;
        ship_pump(&g.attempts); /* no room: the turn stays */
        assert_int_equal(g.frames, 16 * (i - 1));
        g.queued = 0;
        for (unsigned before = g.frames; g.frames < before + 16;)
            ship_pump(&g.attempts);
        for (size_t k = 0; k < LOGS; k++)
            sink_ack(&g.logs[k], &g.logs[k].sinks[0], false);
        if (i == 1)
            break; /* the window is what ends a pump here */
    }
    for (size_t i = 0; i < LOGS; i++)
        assert_true(g.logs[i].sinks[0].seq > 0);
    ship(&g);
    for (size_t i = 0; i < LOGS; i++)
        assert_whole(&g.logs[i], &g.logs[i].sinks[0]);
    rig_fini(&g);
}

static void test_trims_are_told_in_steps(void **state)
{
    struct rig g;
    struct log *l = rig_init(&g, 1);

    (void)state;
    spool(l, 20, 50000);
    ship(&g);
    assert_int_equal(l->trimmed, 0);
    spool(l, 20, 50000);
    ship(&g);
    assert_true(l->trimmed >= 1 << 20);
    g.settings.spool_max = 80000; /* a small one waits for every byte */
    spool(l, 1, 10000);
    ship(&g);
    assert_int_equal(l->trimmed, l->offset);
    rig_fini(&g);
}

/* A damaged chunk is a hole with exactly its bytes; the chain goes on behind it. */
static void test_damaged_chunk(void **state)
{
    static const off_t spots[] = { 1, 10, 60, OVERHEAD + 5 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(spots); i++) {
        struct rig g;
        struct log *l = rig_init(&g, 1);
        const struct sink *k = &l->sinks[0];

        g.lose = i % 2 ? 3 : 0;
        spool(l, 5, 1000);
        damage(l, 3, 1000, spots[i]);
        ship(&g);
        assert_int_equal(k->seq, 5);
        assert_int_equal(k->n_holes, 1);
        assert_int_equal(k->holes[0].from, 2000);
        assert_int_equal(k->holes[0].to, 3000);
        assert_true(k->holes[0].is_lost);
        assert_string_equal(k->holes[0].reason, "the agent's spool is damaged");
        assert_memory_equal(&k->head, &l->head, sizeof(l->head));
        assert_memory_equal(k->bytes.data + 3000, l->all.data + 3000, 2000);
        rig_fini(&g);
    }
}

/* Damage at the end: while more may come it is waited for, and then the rest is a hole. */
static void test_damaged_end(void **state)
{
    struct rig g;
    struct log *l = rig_init(&g, 1);
    const struct sink *k = &l->sinks[0];

    (void)state;
    spool(l, 5, 1000);
    damage(l, 5, 1000, 1);
    ship(&g);
    assert_int_equal(k->seq, 4);
    assert_int_equal(k->n_holes, 0);
    spool(l, 2, 1000);
    ship(&g);
    assert_int_equal(k->seq, 7);
    damage(l, 7, 1000, 1);
    spool(l, 1, 1000);
    damage(l, 8, 1000, 1);
    finish(l);
    ship(&g);
    assert_int_equal(k->seq, 8);
    assert_int_equal(k->n_holes, 2);
    assert_int_equal(k->holes[1].from, 7000);
    assert_int_equal(k->holes[1].to, 8000);
    assert_memory_equal(&k->head, &l->head, sizeof(l->head));
    assert_true(l->settled);
    rig_fini(&g);
}

/* A sink that comes back without what it had acknowledged, when the spool does not have it either. */
static void test_sink_that_lost_its_disk(void **state)
{
    struct rig g;
    struct log *l = rig_init(&g, 1);
    struct sink *k = &l->sinks[0];

    (void)state;
    spool(l, 300, 65536);
    ship(&g);
    assert_whole(l, k);
    buf_reset(&k->bytes);
    k->seq = k->offset = 0;
    chain_start(&l->a.order.task_id, 1, &k->head);
    spool(l, 3, 100);
    sink_ack(l, k, true);
    ship(&g);
    assert_int_equal(k->seq, l->seq);
    assert_int_equal(k->n_holes, 1);
    assert_int_equal(k->holes[0].from, 0);
    assert_string_equal(k->holes[0].reason, "the log sink has lost what it had acknowledged");
    assert_memory_equal(&k->head, &l->head, sizeof(l->head));
    rig_fini(&g);
}

static void test_move(void **state)
{
    (void)state;
    for (unsigned lose = 0; lose < 4; lose++) {
        struct rig g;
        struct log *l = rig_init(&g, 1);
        unsigned frames;

        spool(l, 20, 1000);
        ship(&g);
        spool(l, 20, 1000);
        ship_pump(&g.attempts); /* on its way: the sink has it, but its word does not come */
        assert_whole(l, &l->sinks[0]);
        frames = g.frames;
        move(l, "s2");
        assert_int_equal(l->saves, 1);
        assert_int_equal(l->moves, 1);
        assert_int_equal(l->a.base->seq, 20);
        assert_int_equal(l->a.base->offset, 20000);
        assert_int_equal(l->a.base->lines, 400);
        sink_ack(l, &l->sinks[0], false); /* too late */
        move(l, "s3");                    /* not before the first is committed */
        ship(&g);
        assert_int_equal(g.frames, frames);
        assert_int_equal(l->moves, 1);
        l->a.facts.is_open[FACT_MOVED] = false;
        g.lose = lose ? lose + 1 : 0;
        ship(&g);
        assert_int_equal(l->sinks[1].begin, 20000);
        assert_whole(l, &l->sinks[1]);
        sink_ack(l, &l->sinks[0], true); /* a ghost */
        spool(l, 1, 1000);
        finish(l);
        ship(&g);
        assert_whole(l, &l->sinks[1]);
        assert_true(l->settled);
        rig_fini(&g);
    }
}

static void test_move_of_an_empty_log(void **state)
{
    struct rig g;
    struct log *l = rig_init(&g, 1);

    (void)state;
    move(l, "s2");
    l->a.facts.is_open[FACT_MOVED] = false;
    finish(l);
    assert_true(ship_is_done(&l->a)); /* there is nothing that a sink could acknowledge */
    rig_fini(&g);
}

/* Before its first byte, and behind its last one: the log has to be known at the new sink. */
static void test_move_of_nothing(void **state)
{
    struct rig g;
    struct log *l = rig_init(&g, 1);

    (void)state;
    move(l, "s2");
    assert_int_equal(l->a.base->seq, 0);
    l->a.facts.is_open[FACT_MOVED] = false;
    spool(l, 5, 1000);
    ship(&g);
    assert_whole(l, &l->sinks[1]);
    finish(l);
    ship(&g);
    assert_true(l->settled);
    move(l, "s3");
    assert_int_equal(l->a.base->seq, 5);
    assert_false(ship_is_done(&l->a));
    l->a.facts.is_open[FACT_MOVED] = false;
    g.lose = 2;
    ship(&g);
    assert_int_equal(l->sinks[2].begin, 5000);
    assert_memory_equal(&l->sinks[2].head, &l->head, sizeof(l->head));
    assert_true(l->settled);
    rig_fini(&g);
}

/* What cannot be kept is not told: the log stays where it is, and the scheduler asks again. */
static void test_move_that_cannot_be_kept(void **state)
{
    struct rig g;
    struct log *l = rig_init(&g, 1);

    (void)state;
    spool(l, 5, 1000);
    g.is_disk_full = true;
    move(l, "s2");
    assert_null(l->a.base);
    assert_int_equal(l->moves, 0);
    ship(&g);
    assert_whole(l, &l->sinks[0]);
    g.is_disk_full = false;
    move(l, "s1"); /* it is there */
    assert_int_equal(l->moves, 0);
    move(l, "s2");
    move(l, "s2");
    assert_int_equal(l->moves, 1);
    l->a.facts.is_open[FACT_MOVED] = false;
    ship(&g);
    move(l, "s2"); /* the scheduler has forgotten that it knows */
    assert_int_equal(l->moves, 2);
    rig_fini(&g);
}

/* The new sink loses what it had, base and all: it is told again. */
static void test_new_sink_forgets(void **state)
{
    struct rig g;
    struct log *l = rig_init(&g, 1);
    struct sink *k = &l->sinks[1];

    (void)state;
    spool(l, 5, 1000);
    ship(&g);
    move(l, "s2");
    l->a.facts.is_open[FACT_MOVED] = false;
    spool(l, 5, 1000);
    ship(&g);
    buf_reset(&k->bytes);
    k->seq = k->offset = 0;
    sink_ack(l, k, true);
    ship(&g);
    assert_whole(l, k);
    assert_true(k->n_bases >= 2);
    rig_fini(&g);
}

static void test_restart(void **state)
{
    struct rig g;
    struct log *l = rig_init(&g, 1);

    (void)state;
    restart(l); /* nothing was written */
    spool(l, 300, 65536);
    ship(&g);
    spool(l, 5, 1000);
    restart(l);
    assert_true(l->a.ship.acked > 0);
    ship(&g);
    assert_whole(l, &l->sinks[0]);
    move(l, "s2");
    restart(l);
    assert_int_equal(l->a.base->seq, 305);
    spool(l, 5, 1000);
    ship(&g);
    assert_int_equal(l->sinks[1].offset, 0); /* not committed */
    l->a.facts.is_open[FACT_MOVED] = false;
    ship(&g);
    assert_whole(l, &l->sinks[1]);
    spool(l, 300, 65536);
    ship(&g);
    restart(l);
    assert_true(l->a.ship.acked > 305);
    spool(l, 2, 10);
    finish(l);
    ship(&g);
    assert_whole(l, &l->sinks[1]);
    assert_true(l->settled);
    rig_fini(&g);
}

/* The spool is damaged where the log would be cut: it goes on behind that, and says that nobody has what is between. */
static void test_move_over_damage(void **state)
{
    struct rig g;
    struct log *l = rig_init(&g, 1);

    (void)state;
    spool(l, 5, 1000);
    ship(&g);
    spool(l, 5, 1000);
    damage(l, 6, 1000, 1);
    move(l, "s2");
    assert_int_equal(l->a.base->seq, 6);
    assert_true(l->a.base->lost);
    l->a.facts.is_open[FACT_MOVED] = false;
    ship(&g);
    assert_int_equal(l->sinks[1].seq, l->seq);
    assert_int_equal(l->sinks[1].n_holes, 1);
    assert_true(l->sinks[1].holes[0].is_lost);
    rig_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_arrives),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_trims_are_told_in_steps),
        cmocka_unit_test(test_damaged_chunk),
        cmocka_unit_test(test_damaged_end),
        cmocka_unit_test(test_sink_that_lost_its_disk),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_move_of_an_empty_log),
        cmocka_unit_test(test_move_of_nothing),
        cmocka_unit_test(test_move_that_cannot_be_kept),
        cmocka_unit_test(test_new_sink_forgets),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_move_over_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
