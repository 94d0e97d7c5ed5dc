/* source.h - one attempt's log at a gateway, as it is stored: bytes from an offset, holes, and what is known of its
 * chunks. Each call survives cut connections and a gateway that is away for a while: no byte is missed or told twice. */
#ifndef ORION_CLI_SOURCE_H
#define ORION_CLI_SOURCE_H

#include "cli/api.h"
#include "cli/json_lines.h"

struct source {
    const struct api *api;
    const char *id;
    int64_t attempt;
    struct json_lines *lines;  /* NULL: bytes. Else JSON lines, whose places are the bytes'; holes are lines too */
    bool (*write)(void *arg, const char *data, size_t len);               /* false: wants no more */
    void (*gap)(void *arg, int64_t from, int64_t to, const char *reason);
    void *arg;
};

enum source_end {
    SOURCE_DONE,      /* nothing more is there, or the limit was reached */
    SOURCE_GAP,       /* source_read only: a hole was told and passed */
    SOURCE_STOPPED,   /* `write` said so */
    SOURCE_FAILED,
};

struct source_span {
    int64_t offset;        /* in: where to begin. out: behind what was told */
    int64_t until;         /* 0: as far as there is something */
    const char *place;     /* "&tail=10": begins there instead of at `offset`, until it is known where that is; cleared */
    bool is_waiting;       /* for what is still to come, at most timeout_ms */
    int64_t timeout_ms;    /* 0: the usual */
};

/* One request. SOURCE_FAILED with ERR_UNAVAILABLE: the connection broke; the span says how far it came. */
enum source_end source_read(const struct source *s, struct source_span *span, struct err *e);
/* As many as it takes. Gives up when nobody answers for a minute. */
enum source_end source_copy(const struct source *s, struct source_span *span, struct err *e);

/* Chunks from number `seq` on, `max` at most; tried for patience_ms. They lie in the arena. */
enum { SOURCE_PATIENCE_MS = 60000 };
struct source_page {
    uint64_t seq;
    size_t max;
    int64_t patience_ms;
};
int source_chunks(const struct source *s, const struct source_page *page, struct arena *a,
                  struct msg_log_item_list *items_r, struct err *e);

/* Time for patience: true while `since_ms` (0: begins now) is less than a minute ago; waits a little. */
bool source_is_patient(const struct err *e, int64_t *since_ms);

#endif
