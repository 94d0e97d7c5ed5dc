/* follow_impl.h - what follow.c (who follows, what they see) and follow_read.c (what comes from the sinks) share. */
#ifndef ORION_GATEWAY_FOLLOW_IMPL_H
#define ORION_GATEWAY_FOLLOW_IMPL_H

#include <sys/queue.h>

#include "gateway/encoded.h"
#include "gateway/follow.h"
#include "gateway/ring.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/table.h"

enum { FOLLOW_PAGES = 4, FOLLOW_QUIET_MS = 1000 };

TAILQ_HEAD(follow_members, follow_member);

struct page {
    uint64_t offset;
    struct buf data;
    unsigned pins;     /* viewers that have not looked yet */
    uint64_t used;     /* for the least recently filled */
    uint64_t filled_ms;
};

/* The one read that is under way. */
struct follow_read {
    int64_t token;             /* 0: none is */
    uint64_t offset;
    uint64_t until;            /* where its segment ends; UINT64_MAX: it is the last one */
    const char *sink;
    uint64_t asked_ms;
};

struct follow {
    struct follows *all;
    TAILQ_ENTRY(follow) entry;
    TAILQ_ENTRY(follow) news;
    bool has_news;
    struct follow_members members;         /* to be told */
    struct follow_members told;            /* told already, and not listening again yet */
    TAILQ_HEAD(, follow_member) wants;
    size_t users[FOLLOW_FORMS];
    struct uuid key;
    struct uuid task;
    int64_t attempt;
    struct arena arena;                    /* of the segments */
    const struct log_segment *segments;
    size_t n_segments;
    const char *live_sink;                 /* NULL: not subscribed */
    bool was_cut;                          /* follow_is_cut, when it was last asked */
    uint64_t total;                        /* bytes that the result counted; 0: not known, or none */
    bool is_closed;                        /* SQL says that the log is sealed */
    struct ring ring;
    struct encoded encoded[FOLLOW_FORMS];
    struct page pages[FOLLOW_PAGES];
    uint64_t fills;
    struct gaps gaps;
    uint64_t durable;
    enum follow_end_kind kind;
    struct follow_read read;
    uint64_t retry_ms;
    uint64_t progress_ms;                  /* the last time bytes came */
    uint64_t failing_since_ms;             /* 0: reading works */
    char error[GAP_REASON_SIZE];           /* what the sink answered to the last read; "": no answer, or a good one */
    uint64_t empty_since_ms;               /* 0: there are viewers */
    struct timer *quiet;
};

struct follows {
    struct gateway *g;
    struct timer *tick;
    struct hook *hook;
    TAILQ_HEAD(, follow) list;
    TAILQ_HEAD(, follow) news;             /* those whose members are to be told */
    struct table by_attempt;
    int64_t last_token;
    size_t ring_bytes, encoded_bytes;
    struct buf scratch;
};

/* follow.c */
void follow_tell(struct follow *f);                        /* its members, before the loop sleeps */
void follow_note_progress(struct follow *f);
struct follow *follow_find(struct follows *all, const struct uuid *task, int64_t attempt);   /* NULL: not followed */
bool follow_is_missing(const struct follow *f, uint64_t offset, struct follow_gap *gap_r);   /* as follow_gap */

/* follow_read.c */
void follow_pump(struct follow *f);                        /* asks for what the first in line wants, if it can */
void follow_read_tick(struct follow *f, uint64_t now_ms);  /* reads that nobody answered, wishes that came true */
void follow_stop_wanting(struct follow_member *m);
void follow_note_failure(struct follow *f, const char *why);   /* what the sink said; "": nothing */
void follow_take_segments(struct follow *f, const struct log_attempt *a);
void follow_live_at(struct follow *f, const char *sink);   /* subscribed there and nowhere else; NULL: nowhere */
bool follow_is_cut(const struct follow *f);                /* the last segment's sink is lost and not here */

#endif
