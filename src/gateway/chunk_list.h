/* chunk_list.h - what the sinks know of an attempt's chunks (PROTOCOL "log.list"), page by page in the log's order. */
#ifndef ORION_GATEWAY_CHUNK_LIST_H
#define ORION_GATEWAY_CHUNK_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "gateway/log_state.h"
#include "proto/msg.h"

struct chunk_lists;
struct gateway;

enum chunk_place {
    CHUNK_BY_SEQ,      /* from the chunk with that number on */
    CHUNK_BY_OFFSET,   /* from the one that holds that byte on */
    CHUNK_BY_TIME,     /* from the first one that is not older than so many ns since the start */
};

#define CHUNKS_PAGE 256

/* Lies in its reader. */
struct chunk_list {
    TAILQ_ENTRY(chunk_list) entry;
    struct chunk_lists *all;             /* NULL: not joined */
    struct uuid task;
    void (*on_items)(void *arg);         /* a page, or an error, has come; must not leave the list */
    void *arg;
    /* the page */
    struct msg_log_item items[CHUNKS_PAGE];
    uint8_t heads[CHUNKS_PAGE][32];
    size_t n;
    bool is_last;                        /* nothing durable lies behind these */
    char error[257];                     /* why there is none; "": there is one */
    /* the question */
    struct arena arena;                  /* of the segments */
    const struct log_segment *segments;
    size_t n_segments, segment;          /* the one that is asked */
    int64_t attempt;
    enum chunk_place place;
    uint64_t value;
    size_t limit;
    int64_t token;                       /* 0: nothing was asked */
    bool is_sent;
    uint64_t asked_ms, since_ms;
};

struct chunk_lists *chunk_lists_new(struct gateway *g);
void chunk_lists_free(struct chunk_lists **ls);
void chunk_lists_take(struct chunk_lists *ls, const struct msg_log_items *m);   /* from a sink */

/* The members above the page are set by the reader before it. */
void chunk_list_join(struct chunk_lists *ls, struct chunk_list *l);
void chunk_list_leave(struct chunk_list *l);
/* Asks, again and again, until on_items was called. At most `limit` chunks, at most CHUNKS_PAGE. */
void chunk_list_ask(struct chunk_list *l, const struct log_attempt *a, enum chunk_place place, uint64_t value,
                    size_t limit);
bool chunk_list_is_asking(const struct chunk_list *l);

#endif
