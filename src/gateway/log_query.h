/* log_query.h - what is asked of GET /v1/tasks/{id}/log: in which form, and which part. */
#ifndef ORION_GATEWAY_LOG_QUERY_H
#define ORION_GATEWAY_LOG_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/query.h"
#include "lib/err.h"

enum log_form { FORM_TEXT, FORM_SSE, FORM_JSONL, FORM_CAST, FORM_CHUNKS, LOG_FORMS };

struct log_query {
    enum log_form form;
    const char *type;        /* of the answer */
    int64_t attempt;         /* 0: the latest */
    int64_t offset, limit;   /* bytes; of chunks: how many */
    int64_t seq;             /* of chunks: the first */
    bool is_following;
    bool stops_at_gaps;
    bool ignores_case;
    int64_t tail;            /* lines; -1: not asked */
    int64_t since_ms;        /* wall clock; -1: not asked */
    const char *grep;        /* NULL: not asked */
    int64_t max_matches;
    int64_t cols;
};

/* By ?format=, else by Accept: 0, or -1 when there is no such form. */
int log_query_form(const struct query *q, const char *accept, struct log_query *lq_r, struct err *e);
/* The other parameters that the form takes (not those of FORM_SSE). Texts are the query's. */
int log_query_read(const struct query *q, int64_t now_ms, struct log_query *lq, struct err *e);

#endif
