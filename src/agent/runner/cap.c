/* cap.c - the limit of a log (PROTOCOL "runner.job" log_max): what comes past it is left out, but its last part is
 * kept, so that a failing build's last words are there. Whole lines at both borders where there are any. Pure.
 *
 * The kept part is a ring of bytes, and beside it a ring of pieces that say whose they are and when they came; both
 * are bounded, and what falls out at the old end is counted. */
#include "agent/runner/cap.h"

#include <string.h>

#include "lib/mem.h"
#include "proto/chain.h"

enum { PIECES_MAX = 16384, TAIL_MAX = 1 << 20, SAME_MS = 10 };

struct tail_piece {
    uint32_t len;
    uint8_t stream;
    uint64_t time_ns;
};

struct cap {
    uint64_t head_max, head;         /* bytes of the build's output in front of the limit */
    bool is_reached, is_settled;
    size_t tail_max, first, used;    /* the ring of bytes; its size is fixed once the limit is reached */
    uint8_t *bytes;
    size_t first_piece, n_pieces;
    struct tail_piece *pieces;
    uint64_t left_out, lines_left_out;
    bool is_line_cut;                /* the last byte that was left out was not the end of a line */
};

/* --- in front of the limit ------------------------------------------------------------------------------------ */

/* Where the last line of data ends; 0: there is no end in it. */
static size_t last_end(const uint8_t *data, size_t len)
{
    const uint8_t *at = len ? memrchr(data, '\n', len) : NULL;

    return at ? (size_t)(at - data) + 1 : 0;
}

size_t cap_admit(struct cap *c, const uint8_t *data, size_t len, bool is_line_open)
{
    const uint64_t room = c->head_max - c->head;
    size_t n = len;

    if (c->is_reached)
        return 0;
    if (len > room) {
        n = last_end(data, (size_t)room);
        if (!n && (is_line_open || !c->head)) /* inside a line that began before, or all there is is one line */
            n = (size_t)room;
        c->is_reached = true;
    }
    c->head += n;
    if (c->is_reached) /* what the first part does not use */
        c->tail_max += (size_t)(c->head_max - c->head);
    return n;
}

bool cap_is_reached(const struct cap *c)
{
    return c->is_reached;
}

/* --- the ring ------------------------------------------------------------------------------------------------- */

static struct tail_piece *piece_at(const struct cap *c, size_t i)
{
    return &c->pieces[(c->first_piece + i) % PIECES_MAX];
}

/* The bytes from the `at`th on, as far as they lie in one stretch. */
static const uint8_t *stretch_at(const struct cap *c, size_t at, size_t *len_r)
{
    const size_t place = (c->first + at) % c->tail_max, to_edge = c->tail_max - place;

    *len_r = c->used - at < to_edge ? c->used - at : to_edge;
    return c->bytes + place;
}

static uint64_t line_ends(const uint8_t *data, size_t len)
{
    uint64_t n = 0;

    for (const uint8_t *at = data, *end = data + len; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        n++;
    return n;
}

static void leave_out(struct cap *c, const uint8_t *data, size_t len)
{
    if (!len)
        return;
    c->left_out += len;
    c->lines_left_out += line_ends(data, len);
    c->is_line_cut = data[len - 1] != '\n';
}

/* Takes `len` bytes off the ring's old end; they are in it. */
static void ring_consume(struct cap *c, size_t len)
{
    c->first = (c->first + len) % c->tail_max;
    c->used -= len;
    while (len) {
        struct tail_piece *p = piece_at(c, 0);
        const size_t n = len < p->len ? len : p->len;

        p->len -= (uint32_t)n;
        len -= n;
        if (!p->len) {
            c->first_piece = (c->first_piece + 1) % PIECES_MAX;
            c->n_pieces--;
        }
    }
}

static void ring_leave_out(struct cap *c, size_t len)
{
    while (len) {
        size_t n;
        const uint8_t *data = stretch_at(c, 0, &n);

        n = n < len ? n : len;
        leave_out(c, data, n);
        ring_consume(c, n);
        len -= n;
    }
}

static void ring_append(struct cap *c, const uint8_t *data, size_t len)
{
    const size_t place = (c->first + c->used) % c->tail_max, to_edge = c->tail_max - place;
    const size_t n = len < to_edge ? len : to_edge;

    memcpy(c->bytes + place, data, n);
    memcpy(c->bytes, data + n, len - n);
    c->used += len;
}

static void piece_append(struct cap *c, size_t len, uint8_t stream, uint64_t time_ns)
{
    struct tail_piece *last = c->n_pieces ? piece_at(c, c->n_pieces - 1) : NULL;

    if (last && last->stream == stream && last->len + len <= CHAIN_DATA_MAX &&
        time_ns - last->time_ns < SAME_MS * 1000000ull) {
        last->len += (uint32_t)len;
        return;
    }
    c->n_pieces++;
    *piece_at(c, c->n_pieces - 1) = (struct tail_piece){ (uint32_t)len, stream, time_ns };
}

void cap_put(struct cap *c, const struct piece *p)
{
    const uint8_t *data = p->data;
    size_t len = p->len;

    if (!c->bytes) {
        c->bytes = mem_alloc(c->tail_max + 1);
        c->pieces = mem_array(PIECES_MAX, sizeof(*c->pieces));
    }
    if (len > c->tail_max) {
        ring_leave_out(c, c->used);
        leave_out(c, data, len - c->tail_max);
        data += len - c->tail_max;
        len = c->tail_max;
    }
    if (c->used + len > c->tail_max)
        ring_leave_out(c, c->used + len - c->tail_max);
    if (c->n_pieces == PIECES_MAX)
        ring_leave_out(c, piece_at(c, 0)->len);
    if (!len)
        return;
    ring_append(c, data, len);
    piece_append(c, len, p->stream, p->time_ns);
}

/* --- the end -------------------------------------------------------------------------------------------------- */

/* How many bytes the kept part's first line has, the end included; 0: there is no end. */
static size_t first_line(const struct cap *c)
{
    for (size_t at = 0, n; at < c->used; at += n) {
        const uint8_t *data = stretch_at(c, at, &n), *end = memchr(data, '\n', n);

        if (end)
            return at + (size_t)(end - data) + 1;
    }
    return 0;
}

void cap_settle(struct cap *c, struct cap_end *end_r)
{
    const size_t rest = !c->is_settled && c->is_line_cut ? first_line(c) : 0;

    c->is_settled = true;
    if (rest < c->used)
        ring_leave_out(c, rest);
    *end_r = (struct cap_end){ .bytes = c->left_out,
                               .lines = c->lines_left_out,
                               .time_ns = c->n_pieces ? piece_at(c, 0)->time_ns : 0 };
}

bool cap_first(const struct cap *c, struct piece *p_r)
{
    const struct tail_piece *first = c->n_pieces ? piece_at(c, 0) : NULL;
    size_t n;

    if (!first)
        return false;
    p_r->data = stretch_at(c, 0, &n);
    p_r->len = n < first->len ? n : first->len;
    p_r->stream = first->stream;
    p_r->flags = 0;
    p_r->time_ns = first->time_ns;
    return true;
}

void cap_drop(struct cap *c, size_t len)
{
    ring_consume(c, len);
}

struct cap *cap_new(uint64_t log_max)
{
    struct cap *c = mem_zalloc(sizeof(*c));

    c->tail_max = log_max / 4 < TAIL_MAX ? (size_t)(log_max / 4) : TAIL_MAX;
    c->head_max = log_max - c->tail_max;
    return c;
}

void cap_free(struct cap **c)
{
    if (*c) {
        mem_free(&(*c)->bytes);
        mem_free(&(*c)->pieces);
    }
    mem_free(c);
}
