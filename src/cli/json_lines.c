/* json_lines.c - a log as JSON lines: whole ones only, each once. After a break the server begins in front of what was
 * not shown of any stream, so with separate streams some lines of another one come again: the same stream and offset
 * tell. Pure. */
#include "cli/json_lines.h"

#include <string.h>

#include "proto/msg.h"

#define GAP_BEGIN "{\"gap\":"

static int stream_number(const char *name)
{
    static const char *const names[JSON_LINES_STREAMS] = { "both", "stdout", "stderr" };

    for (int i = 0; i < JSON_LINES_STREAMS; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return 0;
}

/* 1: to be shown; 0: it was; -1. */
static int take_line(struct json_lines *l, const char *line, size_t len, struct arena *a, struct err *e)
{
    struct msg_log_line m = { 0 };

    if (msg_from_json(MSG_LOG_LINE, line, len, a, &m, e) < 0)
        return err_prefix(e, "the server's line");
    int64_t *shown = &l->shown[stream_number(m.stream)];
    if (m.offset < *shown)
        return 0;
    *shown = m.offset + 1;
    l->next = m.next;
    return 1;
}

static int take_gap(struct json_lines *l, const char *line, size_t len, struct arena *a, struct err *e)
{
    struct msg_log_gap m = { 0 };
    size_t skip = strlen(GAP_BEGIN);

    if (line[len - 1] != '}' ||
        msg_from_json(MSG_LOG_GAP, line + skip, len - skip - 1, a, &m, e) < 0)
        return err_prefix(e, "the server's line");
    if (m.to <= l->next)
        return 0;
    l->next = m.to;
    l->has_gaps = true;
    return 1;
}

static int take(struct json_lines *l, const char *line, size_t len, struct err *e)
{
    struct arena arena = { 0 };
    bool is_gap = len > strlen(GAP_BEGIN) && memcmp(line, GAP_BEGIN, strlen(GAP_BEGIN)) == 0;
    int rc = is_gap ? take_gap(l, line, len, &arena, e) : take_line(l, line, len, &arena, e);

    arena_fini(&arena);
    return rc;
}

int json_lines_feed(struct json_lines *l, const char *data, size_t len, struct buf *out, struct err *e)
{
    size_t seen = l->pending.len, taken = 0;
    const char *end;

    buf_append(&l->pending, data, len);
    while ((end = memchr(l->pending.data + seen, '\n', l->pending.len - seen))) {
        size_t next = (size_t)(end - l->pending.data) + 1;
        int rc = take(l, l->pending.data + taken, next - taken - 1, e);
        if (rc < 0)
            return -1;
        if (rc > 0)
            buf_append(out, l->pending.data + taken, next - taken);
        taken = seen = next;
    }
    buf_consume(&l->pending, taken);
    if (l->pending.len > JSON_LINES_LINE_MAX)
        return err_set(e, ERR_SYSTEM, "the server's line does not end");
    return 0;
}

void json_lines_break(struct json_lines *l)
{
    buf_reset(&l->pending);
}

void json_lines_fini(struct json_lines *l)
{
    buf_fini(&l->pending);
    *l = (struct json_lines){ 0 };
}
