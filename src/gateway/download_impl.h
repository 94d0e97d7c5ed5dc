/* download_impl.h - what the download*.c files share: one answer, how its form is made, what has been made of it.
 *
 * download.c opens and ends it, download_open.c finds where it begins, download_head.c says what it is, download_fill.c
 * drives it; download_text.c, download_lines.c, download_cast.c and download_chunks.c are the forms. */
#ifndef ORION_GATEWAY_DOWNLOAD_IMPL_H
#define ORION_GATEWAY_DOWNLOAD_IMPL_H

#include <sys/queue.h>
#include <sys/types.h>

#include "gateway/cast.h"
#include "gateway/chunk_list.h"
#include "gateway/download.h"
#include "gateway/download_gzip.h"
#include "gateway/follow.h"
#include "gateway/grep.h"
#include "gateway/lines.h"
#include "gateway/tail.h"
#include "gateway/track.h"

struct download;

enum step {
    STEP_ON,     /* something was done: ask again */
    STEP_WAIT,   /* nothing to do until something comes */
};

/* Bytes, and what is known of them. */
struct piece {
    const uint8_t *data;
    size_t len;
    uint64_t offset;
    uint64_t time_ns;      /* of its chunk, if the form asked for chunks */
    unsigned stream;
    bool is_note;
};

struct download_form {
    bool has_chunks;       /* pieces come with their chunk's time and stream */
    size_t piece_max;
    void (*begin)(struct download *d, const struct log_state *s, const struct log_attempt *a);   /* NULL: nothing */
    void (*bytes)(struct download *d, const struct piece *p);
    void (*gap)(struct download *d, const struct follow_gap *gap);
    void (*end)(struct download *d);
};

struct download {
    TAILQ_ENTRY(download) entry;
    struct downloads *all;
    struct request *request;
    struct arena arena;
    struct uuid id;
    struct log_query query;
    struct track_member track;
    struct follow_member follow;
    int64_t attempt;             /* 0: there is none yet */
    uint64_t offset;             /* everything before it was taken */
    uint64_t end;                /* nothing from here on is wanted */

    /* opening */
    size_t stage;
    bool is_asked;               /* the stage's own question is out */
    uint64_t since_ms;           /* it last got on */
    struct tail tail;
    struct buf block;            /* of the tail's search */

    /* the chunks (has_chunks, FORM_CHUNKS, ?since=) */
    struct chunk_list *chunks;
    size_t item;                 /* next one of the page */
    bool has_asked;
    uint64_t asked_seq, last_seq;
    uint64_t chunks_left;        /* FORM_CHUNKS: to show */
    uint64_t unknown_since_ms;   /* the list has nothing for bytes that are there; 0: not so */
    uint64_t retry_ms;           /* and is not asked again before */
    uint64_t time_ns;            /* of the chunk before */

    /* the answer */
    const struct download_form *form;
    bool is_streaming, is_draining;
    bool is_sized;               /* its length was promised */
    bool is_part;                /* and it is a range: nothing but the log's bytes may be in it */
    uint64_t range_from, range_to, range_size;
    uint64_t filled_from, filled_to;   /* the gap that is being filled, in an answer with a length */
    bool is_filling_line;        /* and it begins within a line */
    bool is_over;                /* nothing comes behind what was made */
    bool is_cut;                 /* and the end is to be seen as a break */
    uint64_t over_since_ms;      /* the attempt is over and nothing is left to show; 0: not so */
    struct lines lines;
    struct grep grep;
    int64_t matches;
    bool has_stopped;            /* JSON lines: the last match that was allowed is passed */
    uint64_t line_number;
    bool is_matching[LINE_SOURCES];   /* the line that goes on */
    bool is_inside;              /* the last byte made was no newline */
    struct cast cast;
    struct buf scratch;
    struct buf made;             /* not taken by the socket yet */
    struct gzip *gzip;           /* NULL: as it is */
    struct buf packed;
    size_t taken;                /* bytes of made, or of packed */
};

/* download_open.c */
enum opening { OPENING_ON, OPENING_WAIT, OPENING_OVER };   /* over: answered */
enum opening download_opening(struct download *d);         /* OPENING_ON: the answer can begin */
/* Ends an opening with an answer: the download is gone. */
void download_refuse(struct download *d, int why);         /* enum reading_refusal */
void download_refuse_gap(struct download *d, const struct follow_gap *gap);
void download_refuse_text(struct download *d, unsigned status, const char *text);
bool download_attach(struct download *d, const struct log_attempt *a);   /* false: there are too many */
void download_need_chunks(struct download *d);
void download_ask_chunks(struct download *d, enum chunk_place place, uint64_t value, size_t limit);

/* download_head.c */
enum opening download_conditions(struct download *d);      /* what the request's headers say; never OPENING_WAIT */
void download_begin(struct download *d);                   /* from here on it streams */

/* download_fill.c */
ssize_t download_fill(void *arg, char *out, size_t room);  /* of struct stream_hooks */
void download_finish(struct download *d);                  /* nothing more is to be made */
void download_cut(struct download *d);

/* download_chunks.c */
enum step download_step_chunks(struct download *d);        /* FORM_CHUNKS */
void download_ask_list(struct download *d, uint64_t seq);
/* The chunk that holds d->offset, or the next one behind it; *limit_r: where it ends, or where that one begins. */
enum step download_chunk(struct download *d, struct piece *p, uint64_t *limit_r);

/* download.c */
void download_pack(struct download *d);                    /* unless too many are packed already */
void download_free(struct download *d);
void download_retry_in(struct download *d, uint64_t ms);   /* fill again then */

/* forms */
extern const struct download_form download_form_text, download_form_grep, download_form_lines, download_form_cast;
void download_text_fill_gap(struct download *d, const struct follow_gap *gap);
/* "[orion: bytes FROM-TO of this log are missing: REASON]" */
void download_gap_text(const struct follow_gap *gap, char *text, size_t size);
bool download_may_match(struct download *d);               /* false: as many lines as were asked for have matched */

#endif
