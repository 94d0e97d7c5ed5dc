/* logsink_gaps.c - a real log sink and logs with something missing: one that begins at a base, holes, damage on the
 * disk, late output after a gap; what it answers to reads and lists, what it says of seals and of itself. TAP.
 *
 * The steps run one after the other: each does something, then its condition must come true. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "proto/chain.h"
#include "tests/faults/logsink_rig.h"

enum { STEP_MS = 15000, CHUNK = 1000, LOG_MAX = 1 << 20, ITEMS_MAX = 64 };

/* A log as its agent has it: bytes that were never sent stay zero. */
struct made {
    struct uuid task;
    struct chain_chunk last;
    struct hash head;
    uint8_t bytes[LOG_MAX];
    uint64_t len, newlines;
    uint64_t acked;
    bool is_rewound;
    char state[16];              /* as sealed */
    unsigned sealed;             /* how often that was said */
    int64_t sealed_bytes, sealed_lines;
};

struct test {
    struct loop *loop;
    struct rig *rig;
    struct timer *tick;
    unsigned step, tests, failed;
    bool is_begun, is_up, is_damaging;
    uint64_t step_ms;
    struct made moved, holed, late;
    struct msg_sink_state state;
    char state_word[16];
    /* the last answer */
    bool has_data, has_items;
    struct msg_log_data data;
    uint8_t data_bytes[LOG_MAX];
    char error[257];
    struct msg_log_items items;
    struct msg_log_item item[ITEMS_MAX];
    struct hash item_head[ITEMS_MAX];
};

struct step {
    const char *name;
    void (*start)(struct test *t);
    bool (*is_done)(struct test *t);
};

/* --- the agent ------------------------------------------------------------------------------------------------ */

static void make_chunk(struct made *m)
{
    m->last = (struct chain_chunk){ .seq = m->last.seq + 1, .offset = m->len, .length = CHUNK, .time_ns = m->len };
    for (unsigned i = 0; i < CHUNK; i++)
        m->bytes[m->len + i] = i % 100 == 99 ? '\n' : (uint8_t)('a' + (m->last.seq + i) % 26);
    m->newlines += CHUNK / 100;
    chain_next(&m->head, &m->last, m->bytes + m->len);
    m->len += CHUNK;
}

static void send_chunk(struct test *t, struct made *m)
{
    make_chunk(m);
    const struct msg_log_chunk c = {
        .sink = "sink-1", .task_id = m->task, .attempt = 1, .seq = (int64_t)m->last.seq,
        .offset = (int64_t)m->last.offset, .time_ns = (int64_t)m->last.time_ns,
        .head = { m->head.b, sizeof(m->head.b) }, .data = { m->bytes + m->last.offset, CHUNK },
    };
    rig_send(t->rig, MSG_LOG_CHUNK, 42, &c);
}

/* Chunks that the sink never gets, and a base behind them. */
static void send_base(struct test *t, struct made *m, unsigned chunks, const char *reason, bool is_lost)
{
    for (unsigned i = 0; i < chunks; i++)
        make_chunk(m);
    const struct msg_log_base b = {
        .sink = "sink-1", .task_id = m->task, .attempt = 1, .seq = (int64_t)m->last.seq, .offset = (int64_t)m->len,
        .lines = (int64_t)m->newlines, .head = { m->head.b, sizeof(m->head.b) }, .reason = reason,
        .lost = is_lost, .has.lost = is_lost,
    };
    rig_send(t->rig, MSG_LOG_BASE, 42, &b);
}

static void make_log(struct made *m)
{
    uuid_v7(&m->task, clock_wall_ms());
    chain_start(&m->task, 1, &m->head);
}

static struct made *find(struct test *t, const struct uuid *task)
{
    struct made *const all[] = { &t->moved, &t->holed, &t->late };
    for (unsigned i = 0; i < ARRAY_LEN(all); i++)
        if (uuid_cmp(&all[i]->task, task) == 0)
            return all[i];
    return NULL;
}

static void on_ack(void *arg, const struct msg_log_ack *m)
{
    struct made *l = find(arg, &m->task_id);
    l->acked = (uint64_t)m->seq;
    l->is_rewound |= m->rewind;
}

/* --- the scheduler and the gateway ----------------------------------------------------------------------------- */

static void ask_seal(struct test *t, const struct made *m, bool is_known, bool is_forced)
{
    struct msg_log_seal s = { .task_id = m->task, .attempt = 1, .force = is_forced, .has.force = is_forced };
    if (is_known) {
        s.bytes = (int64_t)m->len;
        s.chunks = (int64_t)m->last.seq;
        s.head = (struct msg_bytes){ m->head.b, sizeof(m->head.b) };
        s.has.bytes = s.has.chunks = true;
    }
    rig_order(t->rig, MSG_LOG_SEAL, &s);
}

static void on_sealed(void *arg, const struct msg_log_sealed *m)
{
    struct made *l = find(arg, &m->task_id);
    snprintf(l->state, sizeof(l->state), "%s", m->state);
    l->sealed++;
    l->sealed_bytes = m->bytes;
    l->sealed_lines = m->lines;
}

static void on_state(void *arg, const struct msg_sink_state *m)
{
    struct test *t = arg;
    t->state = *m;
    snprintf(t->state_word, sizeof(t->state_word), "%s", m->state);
}

static void ask(struct test *t, const struct made *m, uint64_t offset)
{
    const struct msg_log_read q = { .token = 1, .task_id = m->task, .attempt = 1, .offset = (int64_t)offset,
                                    .limit = 1048576 };
    t->has_data = false;
    rig_send(t->rig, MSG_LOG_READ, 0, &q);
}

static void on_data(void *arg, const struct msg_log_data *m, bool is_live)
{
    struct test *t = arg;
    if (is_live)
        return;
    t->has_data = true;
    t->data = *m;
    memcpy(t->data_bytes, m->data.data, m->data.len);
    snprintf(t->error, sizeof(t->error), "%s", m->error ? m->error : "");
}

static void ask_list(struct test *t, const struct made *m, uint64_t seq)
{
    const struct msg_log_list q = { .token = 1, .task_id = m->task, .attempt = 1, .seq = (int64_t)seq, .has.seq = true,
                                    .limit = ITEMS_MAX - 1 };
    t->has_items = false;
    rig_send(t->rig, MSG_LOG_LIST, 0, &q);
}

static void on_items(void *arg, const struct msg_log_items *m)
{
    struct test *t = arg;
    t->has_items = true;
    t->items = *m;
    for (size_t i = 0; i < m->items.n && i < ITEMS_MAX; i++) {
        t->item[i] = m->items.v[i];
        if (t->item[i].head.len == sizeof(struct hash))
            memcpy(t->item_head[i].b, t->item[i].head.data, sizeof(struct hash));
    }
}

/* The answer says that [offset, to) is missing, for that reason. */
static bool is_gap(const struct test *t, uint64_t to, const char *reason)
{
    return t->has_data && t->data.data.len == 0 && t->data.has.gap_to && (uint64_t)t->data.gap_to == to &&
           strstr(t->error, reason);
}

static bool is_bytes(const struct test *t, const struct made *m, uint64_t offset, uint64_t len)
{
    return t->has_data && t->data.data.len == len && !t->data.has.gap_to &&
           memcmp(t->data_bytes, m->bytes + offset, len) == 0;
}

static void flip(struct test *t, const struct made *m, const char *suffix, uint64_t offset)
{
    char id[UUID_TEXT_SIZE];
    uint8_t byte;
    uuid_format(&m->task, id);
    char *path = mem_printf("%s/log/%02x/%s/1.%s", rig_dir(t->rig), m->task.b[15], id, suffix);
    int fd = open(path, O_RDWR);
    if (fd < 0 || pread(fd, &byte, 1, (off_t)offset) != 1 || (byte ^= 4, pwrite(fd, &byte, 1, (off_t)offset) != 1)) {
        printf("Bail out! cannot damage %s\n", path);
        exit(1);
    }
    close(fd);
    mem_free(&path);
}

/* --- the steps ------------------------------------------------------------------------------------------------- */

static void do_nothing(struct test *t) { (void)t; }
static bool is_ok_told(struct test *t)
{
    return t->is_up && strcmp(t->state_word, "ok") == 0 && t->state.free_bytes > 0;
}

static void begin_at_base(struct test *t)
{
    for (unsigned i = 0; i < 5; i++)
        make_chunk(&t->moved);
    send_chunk(t, &t->moved);
}
static bool is_moved_rewound(struct test *t) { return t->moved.is_rewound && t->moved.acked == 0; }

static void base_the_moved(struct test *t)
{
    send_base(t, &t->moved, 0, "sink-9 is lost", false);
    send_chunk(t, &t->moved);
    send_chunk(t, &t->moved);
}
static bool is_moved_acked(struct test *t) { return t->moved.acked == t->moved.last.seq; }

static void read_moved_front(struct test *t) { ask(t, &t->moved, 10); }
static bool is_moved_front_gap(struct test *t) { return is_gap(t, 6 * CHUNK, "sink-9 is lost"); }
static void read_moved_rest(struct test *t) { ask(t, &t->moved, 6 * CHUNK); }
static bool is_moved_rest(struct test *t) { return is_bytes(t, &t->moved, 6 * CHUNK, 2 * CHUNK); }
static void seal_moved(struct test *t) { ask_seal(t, &t->moved, true, false); }
static bool is_moved_complete(struct test *t)
{
    return strcmp(t->moved.state, "complete") == 0 && t->moved.sealed_bytes == 8 * CHUNK &&
           t->moved.sealed_lines == (int64_t)t->moved.newlines;
}

static void send_holed(struct test *t)
{
    for (unsigned i = 0; i < 10; i++)
        send_chunk(t, &t->holed);
    send_base(t, &t->holed, 3, "the agent's spool is damaged", true);
    for (unsigned i = 0; i < 10; i++)
        send_chunk(t, &t->holed);
}
static bool is_holed_acked(struct test *t) { return t->holed.acked == t->holed.last.seq; }
static void list_holed(struct test *t) { ask_list(t, &t->holed, 1); }
static bool is_holed_listed(struct test *t)
{
    struct hash head;
    if (!t->has_items || t->items.items.n != 21 || t->items.chunks != 23 || t->item[10].flags != CHAIN_BASE)
        return false;
    chain_start(&t->holed.task, 1, &head);
    for (unsigned i = 0; i < 21; i++) {
        const struct msg_log_item *m = &t->item[i];
        const struct chain_chunk c = { .seq = (uint64_t)m->seq, .offset = (uint64_t)m->offset, .length = CHUNK,
                                       .time_ns = (uint64_t)m->time_ns };
        if (m->flags & CHAIN_BASE)
            head = t->item_head[i];
        else
            chain_next(&head, &c, t->holed.bytes + m->offset);
        if (memcmp(&head, &t->item_head[i], sizeof(head)) != 0)
            return false;
    }
    return true;
}
static void read_hole(struct test *t) { ask(t, &t->holed, 10 * CHUNK); }
static bool is_hole(struct test *t) { return is_gap(t, 13 * CHUNK, "spool is damaged"); }

/* Chunk 4's bytes and chunk 17's record, damaged between two lives: what the journal still has it makes good, so the
 * first start comes in front of the damage. */
static void on_killed(void *arg)
{
    struct test *t = arg;
    if (t->is_damaging) {
        flip(t, &t->holed, "log", 3 * CHUNK + 500);
        flip(t, &t->holed, "chunks", 64 * 16); /* ten chunks, two records of the base, then 14 to 17 */
    }
    rig_start(t->rig);
}
static void restart(struct test *t)
{
    t->is_up = false;
    t->state_word[0] = '\0';
    rig_kill(t->rig, on_killed, t);
}
static void damage_holed(struct test *t)
{
    t->is_damaging = true;
    restart(t);
}
static void read_damaged(struct test *t) { ask(t, &t->holed, 3 * CHUNK + 7); }
static bool is_chunk_a_gap(struct test *t) { return is_gap(t, 4 * CHUNK, "damaged on the log sink's disk"); }
static void read_record(struct test *t) { ask(t, &t->holed, 16 * CHUNK); }
static bool is_record_a_gap(struct test *t) { return is_gap(t, 17 * CHUNK, "record of these bytes is damaged"); }
static void read_behind(struct test *t) { ask(t, &t->holed, 4 * CHUNK); }
static bool is_behind_right(struct test *t) { return is_bytes(t, &t->holed, 4 * CHUNK, 6 * CHUNK); }
static void read_other(struct test *t) { ask(t, &t->moved, 6 * CHUNK); }
static void go_on_holed(struct test *t) { send_chunk(t, &t->holed); }
static void seal_holed(struct test *t) { ask_seal(t, &t->holed, true, false); }
static bool is_holed_a_gap(struct test *t)
{
    return strcmp(t->holed.state, "gap") == 0 && t->holed.sealed_bytes == (int64_t)t->holed.len;
}

static void begin_late(struct test *t)
{
    send_chunk(t, &t->late);
    send_chunk(t, &t->late);
}
static bool is_late_acked(struct test *t) { return t->late.acked == t->late.last.seq; }
static void seal_late(struct test *t)
{
    ask_seal(t, &t->late, false, false);
    ask_seal(t, &t->late, false, true);
}
static bool is_late_a_gap(struct test *t)
{
    return strcmp(t->late.state, "gap") == 0 && t->late.sealed_bytes == 2 * CHUNK && t->late.sealed == 1;
}
static void send_late(struct test *t)
{
    struct made end = t->late;
    make_chunk(&end);
    make_chunk(&end);
    ask_seal(t, &end, true, false);
    send_chunk(t, &t->late);
    send_chunk(t, &t->late);
}
static bool is_late_complete(struct test *t)
{
    return strcmp(t->late.state, "complete") == 0 && t->late.sealed_bytes == 4 * CHUNK &&
           t->late.sealed_lines == (int64_t)t->late.newlines;
}
static void send_too_late(struct test *t)
{
    t->late.acked = 0;
    send_chunk(t, &t->late);
}
static bool is_too_late(struct test *t) { return t->late.acked == 4; }
static void read_late(struct test *t) { ask(t, &t->late, 0); }
static bool is_late_whole(struct test *t)
{
    return is_bytes(t, &t->late, 0, 4 * CHUNK) && strcmp(t->late.state, "complete") == 0;
}

static const struct step steps[] = {
    { "a scheduler hears that the sink is ok", do_nothing, is_ok_told },
    { "a chunk of a log that is not here is asked for from the beginning", begin_at_base, is_moved_rewound },
    { "a base and chunks behind it are taken", base_the_moved, is_moved_acked },
    { "what is in front of the base is a gap with its reason", read_moved_front, is_moved_front_gap },
    { "and the rest is there", read_moved_rest, is_moved_rest },
    { "the part is complete, with the whole log's bytes and lines", seal_moved, is_moved_complete },
    { "a base inside a log is taken", send_holed, is_holed_acked },
    { "the list has every chunk and the base, and the chain can be recomputed from it", list_holed, is_holed_listed },
    { "the hole is a gap", read_hole, is_hole },
    { "the sink starts again", restart, is_ok_told },
    { "the sink starts again on a disk with damage", damage_holed, is_ok_told },
    { "a flipped bit makes its chunk a gap", read_damaged, is_chunk_a_gap },
    { "and one in a record too", read_record, is_record_a_gap },
    { "the chunks behind it are right", read_behind, is_behind_right },
    { "another log is not touched", read_other, is_moved_rest },
    { "the damaged log goes on", go_on_holed, is_holed_acked },
    { "and is sealed as a gap, with all its bytes", seal_holed, is_holed_a_gap },
    { "another log begins", begin_late, is_late_acked },
    { "without an end it is sealed when forced, once", seal_late, is_late_a_gap },
    { "late output makes the gap complete, told unasked", send_late, is_late_complete },
    { "what comes after that is not taken", send_too_late, is_too_late },
    { "all of it is there", read_late, is_late_whole },
};

static void ok(struct test *t, bool is_good, const char *name)
{
    t->tests++;
    t->failed += !is_good;
    printf("%sok %u - %s\n", is_good ? "" : "not ", t->tests, name);
    if (!is_good)
        printf("# data %d len %zu gap_to %lld error '%s'; items %zu\n", t->has_data, t->data.data.len,
               (long long)t->data.gap_to, t->error, t->items.items.n);
}

static void on_stopped(void *arg, int wstatus)
{
    struct test *t = arg;
    ok(t, WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0, "SIGTERM ends the sink with 0");
    loop_stop(t->loop, 0);
}

static void on_up(void *arg)
{
    ((struct test *)arg)->is_up = true;
}

static void tick(void *arg)
{
    struct test *t = arg;
    uint64_t now_ms = clock_boot_ms();
    const struct step *s = &steps[t->step];
    if (!t->is_begun) {
        t->is_begun = true;
        t->step_ms = now_ms;
        s->start(t);
    } else if (s->is_done(t) || now_ms - t->step_ms > STEP_MS) {
        ok(t, s->is_done(t), s->name);
        t->is_begun = false;
        t->step++;
    }
    if (t->step == ARRAY_LEN(steps) || t->failed)
        rig_stop(t->rig, on_stopped, t);
    else
        timer_in(t->tick, 5);
}

int main(void)
{
    static const struct rig_hooks hooks = { .on_up = on_up, .on_ack = on_ack, .on_data = on_data,
                                            .on_sealed = on_sealed, .on_items = on_items, .on_state = on_state };
    struct test *t = mem_zalloc(sizeof(*t));
    t->loop = loop_new();
    t->rig = rig_new(t->loop, &hooks, t);
    t->tick = loop_timer(t->loop, tick, t);
    make_log(&t->moved);
    make_log(&t->holed);
    make_log(&t->late);
    rig_start(t->rig);
    timer_in(t->tick, 5);
    loop_run(t->loop);
    int rc = t->failed ? 1 : 0;
    printf("1..%u\n", t->tests);
    rig_free(&t->rig);
    timer_free(&t->tick);
    loop_free(&t->loop);
    mem_free(&t);
    return rc;
}
