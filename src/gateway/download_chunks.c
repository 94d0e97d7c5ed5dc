/* download_chunks.c - a download and the list of its log's chunks: which of them a byte lies in, and the form that is
 * the list itself (PROTOCOL "log.item"), from which anybody can recompute the hash chain. */
#include "gateway/download_impl.h"

#include "lib/clock.h"
#include "proto/chain.h"

enum { RETRY_MS = 20, UNKNOWN_MS = 5000 };

/* --- which chunk a byte lies in -------------------------------------------------------------------------------- */

static bool is_behind(const struct msg_log_item *item, uint64_t offset)
{
    return (uint64_t)(item->offset + item->length) <= offset || (item->flags & CHAIN_BASE);
}

static void ask_page(struct download *d)
{
    d->retry_ms = 0;
    d->asked_seq = d->last_seq ? d->last_seq + 1 : 0;
    if (d->asked_seq)
        download_ask_chunks(d, CHUNK_BY_SEQ, d->asked_seq, CHUNKS_PAGE);
    else
        download_ask_chunks(d, CHUNK_BY_OFFSET, d->offset, CHUNKS_PAGE);
    d->has_asked = true;
    d->item = 0;
}

/* The last question brought nothing that was not known. */
static bool is_page_empty(const struct download *d)
{
    const struct chunk_list *l = d->chunks;

    return d->has_asked && (l->n == 0 || (uint64_t)l->items[l->n - 1].seq < d->asked_seq);
}

/* Bytes are there of which the list says nothing (yet). It may be a moment behind them; when it stays so, they are
 * shown with what is known of the chunk before. */
static enum step step_page(struct download *d, struct piece *p)
{
    uint64_t now_ms = clock_boot_ms();

    if (now_ms < d->retry_ms)
        return STEP_WAIT;
    if (!is_page_empty(d) || d->retry_ms != 0) {
        ask_page(d);
        return STEP_WAIT;
    }
    if (d->unknown_since_ms == 0)
        d->unknown_since_ms = now_ms;
    if (now_ms - d->unknown_since_ms < UNKNOWN_MS) {
        download_retry_in(d, RETRY_MS);
        return STEP_WAIT;
    }
    p->time_ns = d->time_ns;
    return STEP_ON;
}

static const struct msg_log_item *find_item(struct download *d)
{
    const struct chunk_list *l = d->chunks;

    for (; d->item < l->n; d->item++) {
        const struct msg_log_item *item = &l->items[d->item];
        d->last_seq = (uint64_t)item->seq;
        if (!is_behind(item, d->offset))
            return item;
    }
    return NULL;
}

enum step download_chunk(struct download *d, struct piece *p, uint64_t *limit_r)
{
    if (chunk_list_is_asking(d->chunks))
        return STEP_WAIT;
    if (d->chunks->error[0]) {
        download_cut(d);
        return STEP_ON;
    }
    const struct msg_log_item *item = find_item(d);
    if (!item)
        return step_page(d, p);
    d->unknown_since_ms = d->retry_ms = 0;
    uint64_t limit = (uint64_t)item->offset;
    if (limit <= d->offset) {
        limit += (uint64_t)item->length;
        d->time_ns = (uint64_t)item->time_ns;
        p->stream = (unsigned)item->stream;
        p->is_note = item->flags & CHAIN_NOTE;
    }
    p->time_ns = d->time_ns;
    if (limit < *limit_r)
        *limit_r = limit;
    return STEP_ON;
}

/* --- the list itself ------------------------------------------------------------------------------------------- */

void download_ask_list(struct download *d, uint64_t seq)
{
    download_ask_chunks(d, CHUNK_BY_SEQ, seq, d->chunks_left < CHUNKS_PAGE ? (size_t)d->chunks_left : CHUNKS_PAGE);
    d->item = 0;
}

/* A base counts for nothing: it may stand in front of the first chunk that was asked for. */
static void put_item(struct download *d, const struct msg_log_item *item)
{
    bool is_base = item->flags & CHAIN_BASE;

    if (!is_base && ((uint64_t)item->seq <= d->last_seq || d->chunks_left == 0))
        return;
    d->chunks_left -= !is_base;
    d->last_seq = (uint64_t)item->seq;
    msg_to_json(MSG_LOG_ITEM, item, false, &d->made);
    buf_putc(&d->made, '\n');
}

enum step download_step_chunks(struct download *d)
{
    const struct chunk_list *l = d->chunks;

    if (chunk_list_is_asking(l))
        return STEP_WAIT;
    if (l->error[0])
        download_cut(d);
    else if (d->item < l->n)
        put_item(d, &l->items[d->item++]);
    else if (d->chunks_left == 0 || l->is_last)
        download_finish(d);
    else
        download_ask_list(d, d->last_seq + 1);
    return STEP_ON;
}
