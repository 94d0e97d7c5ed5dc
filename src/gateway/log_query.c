/* log_query.c - what is asked of GET /v1/tasks/{id}/log. Given the query and the Accept header, which come from
 * anybody. Pure. Every form takes its own parameters (docs/LOGS.md); others are refused by name. */
#include "gateway/log_query.h"

#include <stddef.h>
#include <string.h>

#include "gateway/accept.h"
#include "gateway/moment.h"
#include "lib/mem.h"

enum {
    ATTEMPTS_MAX = 1000000,
    TAIL_MAX = 100000,
    MATCHES_MAX = 100000,
    MATCHES = 1000,
    GREP_MAX = 1024,
    COLS_MIN = 10,
    COLS_MAX = 1000,
    COLS = 80,
};

/* --- forms ----------------------------------------------------------------------------------------------------- */

static const char *const form_names[LOG_FORMS] = { "text", "sse", "jsonl", "cast", "chunks" };

/* The first type of each form is what ?format= answers with; `types` follows the same order. */
static const enum log_form type_forms[] = { FORM_TEXT, FORM_SSE, FORM_JSONL, FORM_JSONL, FORM_CAST, FORM_CHUNKS };
static const char *const types[] = { "text/plain", "text/event-stream", "application/jsonl", "application/x-ndjson",
                                     "application/x-asciicast", "application/vnd.orion.chunks+jsonl", NULL };

static void take_type(struct log_query *lq, size_t i)
{
    lq->form = type_forms[i];
    lq->type = lq->form == FORM_TEXT ? "text/plain; charset=utf-8" : types[i];
}

static int form_by_name(const char *name, struct log_query *lq, struct err *e)
{
    for (size_t i = 0; types[i]; i++) {
        if (strcmp(form_names[type_forms[i]], name) != 0)
            continue;
        take_type(lq, i);
        return 0;
    }
    return err_field(e, "format", "a log comes as format=text, sse, jsonl, cast or chunks");
}

int log_query_form(const struct query *q, const char *accept, struct log_query *lq_r, struct err *e)
{
    const char *name = query_get(q, "format");

    *lq_r = (struct log_query){ 0 };
    if (name)
        return form_by_name(name, lq_r, e);
    int best = accept_best(accept, types);
    if (best < 0)
        return err_set(e, ERR_INVALID, "a log comes as text/plain, text/event-stream, application/jsonl or "
                                       "application/x-asciicast; or say ?format=");
    take_type(lq_r, (size_t)best);
    return 0;
}

/* --- parameters ------------------------------------------------------------------------------------------------ */

#define IN(form) (1u << FORM_##form)

struct reading_of_query {
    const struct query *q;
    struct log_query *lq;
    int64_t now_ms;
};

static int take_gaps(const struct reading_of_query *r, const char *value, struct err *e)
{
    r->lq->stops_at_gaps = strcmp(value, "stop") == 0;
    if (r->lq->stops_at_gaps || strcmp(value, "mark") == 0)
        return 0;
    return err_field(e, "gaps", "query parameter gaps must be mark (the default) or stop");
}

static int take_since(const struct reading_of_query *r, const char *value, struct err *e)
{
    if (moment_parse(value, r->now_ms, &r->lq->since_ms) == 0 && r->lq->since_ms >= 0)
        return 0;
    return err_field(e, "since", "query parameter since must be how long ago (90s, 5min, 2h, 1d) or a time such as "
                                 "2026-11-21T14:30:00Z");
}

static int take_grep(const struct reading_of_query *r, const char *value, struct err *e)
{
    size_t len = strlen(value);

    if (len == 0 || len > GREP_MAX || strchr(value, '\n'))
        return err_field(e, "grep", "query parameter grep must be a text of 1 to %d bytes within one line", GREP_MAX);
    r->lq->grep = value;
    return 0;
}

static int take_cols(const struct reading_of_query *r, const char *value, struct err *e)
{
    (void)value;
    if (query_number(r->q, "cols", COLS_MAX, COLS, &r->lq->cols, e) == 0 && r->lq->cols >= COLS_MIN)
        return 0;
    err_clear(e);
    return err_field(e, "cols", "query parameter cols must be a number from %d to %d", COLS_MIN, COLS_MAX);
}

static int take_flag(const struct reading_of_query *r, const char *name, bool *flag_r, struct err *e)
{
    int64_t n;

    if (query_number(r->q, name, 1, 0, &n, e) < 0)
        return -1;
    *flag_r = n == 1;
    return 0;
}

static int take_follow(const struct reading_of_query *r, const char *value, struct err *e)
{
    (void)value;
    return take_flag(r, "follow", &r->lq->is_following, e);
}

static int take_case(const struct reading_of_query *r, const char *value, struct err *e)
{
    (void)value;
    return take_flag(r, "ignore_case", &r->lq->ignores_case, e);
}

#define NUMBER(name, member, most) name, NULL, offsetof(struct log_query, member), most
#define SPECIAL(name, fn) name, fn, 0, 0
static const struct parameter {
    const char *name;
    int (*take)(const struct reading_of_query *r, const char *value, struct err *e);   /* NULL: a plain number */
    size_t member;
    int64_t most;
    unsigned forms;
} parameters[] = {
    { SPECIAL("format", NULL), IN(TEXT) | IN(JSONL) | IN(CAST) | IN(CHUNKS) },
    { NUMBER("attempt", attempt, ATTEMPTS_MAX), IN(TEXT) | IN(JSONL) | IN(CAST) | IN(CHUNKS) },
    { NUMBER("offset", offset, INT64_MAX), IN(TEXT) | IN(JSONL) },
    { NUMBER("limit", limit, INT64_MAX), IN(TEXT) | IN(JSONL) | IN(CHUNKS) },
    { NUMBER("seq", seq, INT64_MAX), IN(CHUNKS) },
    { NUMBER("tail", tail, TAIL_MAX), IN(TEXT) | IN(JSONL) },
    { NUMBER("max_matches", max_matches, MATCHES_MAX), IN(TEXT) | IN(JSONL) },
    { SPECIAL("follow", take_follow), IN(TEXT) | IN(JSONL) | IN(CAST) },
    { SPECIAL("since", take_since), IN(TEXT) | IN(JSONL) },
    { SPECIAL("grep", take_grep), IN(TEXT) | IN(JSONL) },
    { SPECIAL("ignore_case", take_case), IN(TEXT) | IN(JSONL) },
    { SPECIAL("gaps", take_gaps), IN(TEXT) },
    { SPECIAL("cols", take_cols), IN(CAST) },
};

static int check_names(const struct query *q, enum log_form form, struct err *e)
{
    const char *names[ARRAY_LEN(parameters) + 1] = { NULL };

    for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
        names[i] = parameters[i].name;
    if (query_check(q, names, e) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
        if (query_get(q, names[i]) && !(parameters[i].forms & (1u << form)))
            return err_field(e, names[i], "query parameter %s does not go with format=%s: leave it out", names[i],
                             form_names[form]);
    return 0;
}

/* Those that only mean something beside another one. */
static int check_pairs(const struct query *q, struct err *e)
{
    if (query_get(q, "grep"))
        return 0;
    if (query_get(q, "ignore_case"))
        return err_field(e, "ignore_case", "query parameter ignore_case goes with grep: give grep=TEXT as well");
    if (query_get(q, "max_matches"))
        return err_field(e, "max_matches", "query parameter max_matches goes with grep: give grep=TEXT as well");
    return 0;
}

int log_query_read(const struct query *q, int64_t now_ms, struct log_query *lq, struct err *e)
{
    const struct reading_of_query r = { q, lq, now_ms };

    lq->limit = INT64_MAX;
    lq->seq = 1;
    lq->tail = lq->since_ms = -1;
    lq->max_matches = MATCHES;
    lq->cols = COLS;
    if (check_names(q, lq->form, e) < 0 || check_pairs(q, e) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
        const struct parameter *p = &parameters[i];
        const char *value = query_get(q, p->name);
        if (!value)
            continue;
        int64_t *member = (int64_t *)((char *)lq + p->member);
        if (p->take ? p->take(&r, value, e) < 0
                    : p->most > 0 && query_number(q, p->name, p->most, 0, member, e) < 0)
            return -1;
    }
    return 0;
}
