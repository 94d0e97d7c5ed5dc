/* verify.c - recomputes the hash chain of a log from its bytes (ARCHITECTURE "Log format"). Bounded memory: one page of
 * chunks, one chunk's bytes. Pure. */
#include "cli/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void verify_init(struct verify *v, const struct uuid *task, uint32_t attempt)
{
    memset(v, 0, sizeof(*v));
    chain_start(task, attempt, &v->head);
    v->is_chained = true;
}

static void break_at(struct verify *v, uint64_t seq, uint64_t offset, const char *what)
{
    if (v->broken.is_there)
        return;
    v->broken = (struct verify_break){ .is_there = true, .seq = seq, .offset = offset };
    snprintf(v->broken.what, sizeof(v->broken.what), "%s", what);
}

/* --- the list --------------------------------------------------------------------------------------------------- */

static void copy_item(struct verify *v, const struct msg_log_item *item)
{
    struct hash *head = &v->given[v->n];

    v->page[v->n] = *item;
    if (item->head.len == sizeof(head->b)) {
        memcpy(head->b, item->head.data, sizeof(head->b));
        v->page[v->n].head.data = head->b;
    }
    v->n++;
}

static bool is_base(const struct msg_log_item *item)
{
    return item->flags & CHAIN_BASE;
}

void verify_page(struct verify *v, const struct msg_log_item *items, size_t n)
{
    uint64_t seq = v->seq, offset = v->at;

    v->n = v->next = 0;
    for (size_t i = 0; i < n && v->n < VERIFY_PAGE; i++) {
        const struct msg_log_item *item = &items[i];
        uint64_t item_seq = (uint64_t)item->seq, item_offset = (uint64_t)item->offset;

        if (item_seq < seq || (item_seq == seq && !is_base(item)))
            continue; /* another sink's list begins with what was seen already */
        if (!is_base(item) && item_seq != seq + 1)
            break_at(v, seq + 1, offset, "the list of chunks leaves it out");
        else if (!is_base(item) && item_offset != offset)
            break_at(v, item_seq, offset, "the list of chunks has it at another place");
        else if (is_base(item) && item_offset < offset)
            break_at(v, item_seq, offset, "the list of chunks goes back");
        seq = item_seq;
        offset = item_offset + (uint64_t)item->length;
        copy_item(v, item);
    }
}

uint64_t verify_page_end(const struct verify *v)
{
    const struct msg_log_item *last = v->n > 0 ? &v->page[v->n - 1] : NULL;

    return last ? (uint64_t)(last->offset + last->length) : v->at;
}

/* --- chunks ------------------------------------------------------------------------------------------------------ */

static bool has_head(const struct msg_log_item *item)
{
    return item->head.len == sizeof(struct hash);
}

static bool is_head(const struct verify *v, const struct msg_log_item *item)
{
    return memcmp(v->head.b, item->head.data, sizeof(v->head.b)) == 0;
}

static void take_head(struct verify *v, const void *head)
{
    memcpy(v->head.b, head, sizeof(v->head.b));
    v->is_chained = true;
}

/* The chunk at hand was passed without all of its bytes, or a base stands here. */
static void pass_unseen(struct verify *v, const struct msg_log_item *item)
{
    v->is_chained = false;
    v->unproven += v->have;
    v->have = 0;
    v->seq = (uint64_t)item->seq;
    if (has_head(item))
        take_head(v, item->head.data);
    v->is_spoilt = false;
    v->next++;
}

static void pass_whole(struct verify *v, const struct msg_log_item *item)
{
    const struct chain_chunk c = { .seq = (uint64_t)item->seq, .offset = (uint64_t)item->offset,
                                   .length = (uint32_t)item->length, .stream = (uint8_t)item->stream,
                                   .flags = (uint16_t)item->flags, .time_ns = (uint64_t)item->time_ns };

    if (!v->is_chained) {
        pass_unseen(v, item);
        return;
    }
    chain_next(&v->head, &c, v->data);
    if (has_head(item) && !is_head(v, item))
        break_at(v, c.seq, c.offset, "its bytes do not give the hash that the log sink has for it");
    v->seq = c.seq;
    v->have = 0;
    v->next++;
}

/* A base: the chain goes on behind it, whatever was in front. Without a hole it must fit. */
static void pass_base(struct verify *v, const struct msg_log_item *item)
{
    if (v->is_chained && (v->seq != (uint64_t)item->seq || (has_head(item) && !is_head(v, item))))
        break_at(v, v->seq, v->at, "another log sink goes on behind it with another hash");
    pass_unseen(v, item);
}

/* Passes what ends at or before v->at and is not a chunk to be read; the item at hand, or NULL: the page is done. */
static const struct msg_log_item *item_at_hand(struct verify *v)
{
    while (v->next < v->n) {
        const struct msg_log_item *item = &v->page[v->next];
        uint64_t offset = (uint64_t)item->offset, end = offset + (uint64_t)item->length;

        if (is_base(item) && offset <= v->at)
            pass_base(v, item);
        else if (is_base(item) || v->at < end)
            return item;
        else if (item->length == 0 && !v->is_spoilt)
            pass_whole(v, item);
        else
            pass_unseen(v, item);
    }
    return NULL;
}

/* --- bytes and holes --------------------------------------------------------------------------------------------- */

static void tell_gap(struct verify *v)
{
    if (v->gap.to == v->gap.from)
        return;
    v->gaps++;
    v->missing += v->gap.to - v->gap.from;
    if (v->on_gap)
        v->on_gap(v->arg, &v->gap);
    v->gap = (struct verify_gap){ 0 };
}

static void count(struct verify *v, const uint8_t *data, size_t len)
{
    v->bytes += len;
    for (const uint8_t *at = data, *end = data + len; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        v->newlines++;
    v->is_line_open = data[len - 1] != '\n';
}

/* Bytes of one chunk, or of the place in front of it: how many were taken. */
static size_t take_bytes(struct verify *v, const uint8_t *data, size_t len)
{
    const struct msg_log_item *item = item_at_hand(v);
    uint64_t offset = item ? (uint64_t)item->offset : UINT64_MAX;

    if (!item || v->at < offset) {
        uint64_t room = offset - v->at;
        break_at(v, v->seq + 1, v->at, "bytes are there that belong to no chunk");
        len = len < room ? len : (size_t)room;
        v->at += len;
        v->unproven += len;
        return len;
    }
    size_t place = (size_t)(v->at - offset), room = (size_t)item->length - place;
    len = len < room ? len : room;
    memcpy(v->data + place, data, len);
    v->at += len;
    v->have += len;
    if (len == room && v->is_spoilt)
        pass_unseen(v, item);
    else if (len == room)
        pass_whole(v, item);
    return len;
}

void verify_bytes(struct verify *v, const void *data, size_t len)
{
    const uint8_t *at = data;

    tell_gap(v);
    while (len > 0) {
        size_t n = take_bytes(v, at, len);
        count(v, at, n);
        at += n;
        len -= n;
    }
    item_at_hand(v);
}

void verify_missing(struct verify *v, uint64_t to, const char *reason)
{
    const struct msg_log_item *item;

    if (to <= v->at)
        return;
    if (v->gap.to != v->at || strncmp(v->gap.reason, reason, sizeof(v->gap.reason) - 1) != 0) {
        tell_gap(v);
        v->gap.from = v->at;
        snprintf(v->gap.reason, sizeof(v->gap.reason), "%s", reason);
    }
    v->gap.to = to;
    v->is_chained = false;
    while ((item = item_at_hand(v)) && (uint64_t)item->offset < to) {
        uint64_t end = (uint64_t)(item->offset + item->length);
        v->is_spoilt = true;
        v->at = end < to ? end : to;
        if (end > to)
            return;
    }
    v->is_chained &= v->at == to;   /* a chunk that the hole cuts was passed with its hash */
    v->at = to;
    item_at_hand(v);
}

/* --- the end ----------------------------------------------------------------------------------------------------- */

uint64_t verify_lines(const struct verify *v)
{
    return v->newlines + v->is_line_open;
}

/* What the result said, against what was found when nothing is missing. */
static void hold_against(struct verify *v, const struct verify_facts *f)
{
    char what[VERIFY_SENTENCE_SIZE], have[HASH_TEXT_SIZE], want[HASH_TEXT_SIZE];

    if (f->has_bytes && v->at > f->bytes) {
        snprintf(what, sizeof(what), "the log goes on behind its end: the result said %" PRIu64 " bytes", f->bytes);
        break_at(v, v->seq, v->at, what);
    }
    if (f->has_head && v->is_chained && memcmp(f->head.b, v->head.b, sizeof(f->head.b)) != 0) {
        hash_format(&v->head, have);
        hash_format(&f->head, want);
        snprintf(what, sizeof(what), "the chain leads to head %.16s, the result said %.16s", have, want);
        break_at(v, v->seq, v->at, what);
    }
    if (f->has_lines && v->gaps == 0 && v->unproven == 0 && verify_lines(v) != f->lines) {
        snprintf(what, sizeof(what), "%" PRIu64 " lines, the result said %" PRIu64, verify_lines(v), f->lines);
        break_at(v, v->seq, v->at, what);
    }
}

enum verify_verdict verify_end(struct verify *v, const struct verify_facts *f)
{
    bool is_open = strcmp(f->log_state, "open") == 0, is_short = f->has_bytes && v->at < f->bytes;

    if (v->broken.is_there) {
        tell_gap(v);
        return VERIFY_BROKEN;
    }
    if (is_short && strcmp(f->log_state, "gap") == 0)
        verify_missing(v, f->bytes, "it never came to a log sink");
    else if (is_short && !is_open)
        break_at(v, v->seq + 1, v->at, "the log ends here, in front of its end");
    tell_gap(v);
    if (!is_short || !is_open)
        hold_against(v, f);
    if (v->broken.is_there)
        return VERIFY_BROKEN;
    if (v->gaps > 0)
        return VERIFY_GAPS;
    if (!f->has_head || is_short)
        return VERIFY_OPEN;
    return v->unproven > 0 || !v->is_chained ? VERIFY_BROKEN : VERIFY_COMPLETE;
}
