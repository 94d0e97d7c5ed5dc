/* events.c - a stream of server-sent events cut into whole ones (WHATWG HTML, "Server-sent events"; the server ends
 * its lines with LF). Pure. */
#include "cli/events.h"

#include <stdio.h>
#include <string.h>

/* The value of a line if it is of that field; NULL. */
static const char *value_of(const char *line, size_t len, const char *field, size_t *value_len_r)
{
    size_t n = strlen(field);

    if (len < n + 1 || memcmp(line, field, n) != 0 || line[n] != ':')
        return NULL;
    size_t skip = n + 1 + (len > n + 1 && line[n + 1] == ' ');
    *value_len_r = len - skip;
    return line + skip;
}

/* One block of lines, its empty line included. */
static void take_event(struct events *s, const char *block, size_t len, struct buf *out)
{
    const char *id = NULL, *v;
    size_t id_len = 0, n;
    bool has_data = false;

    for (const char *line = block; line < block + len;) {
        const char *end = memchr(line, '\n', (size_t)(block + len - line));
        size_t line_len = (size_t)(end - line);
        has_data |= value_of(line, line_len, "data", &n) != NULL;
        if ((v = value_of(line, line_len, "id", &n))) {
            id = v;
            id_len = n;
        }
        if ((v = value_of(line, line_len, "event", &n)) && n == 3 && memcmp(v, "end", 3) == 0)
            s->has_ended = true;
        line = end + 1;
    }
    if (id && id_len < sizeof(s->last_id))
        snprintf(s->last_id, sizeof(s->last_id), "%.*s", (int)id_len, id);
    if (has_data)
        buf_append(out, block, len);
}

bool events_feed(struct events *s, const char *data, size_t len, struct buf *out)
{
    size_t seen = s->pending.len > 0 ? s->pending.len - 1 : 0; /* the first of two LFs may be there already */
    size_t taken = 0;
    const char *end;

    buf_append(&s->pending, data, len);
    while ((end = memmem(s->pending.data + seen, s->pending.len - seen, "\n\n", 2))) {
        size_t next = (size_t)(end - s->pending.data) + 2;
        take_event(s, s->pending.data + taken, next - taken, out);
        taken = seen = next;
    }
    buf_consume(&s->pending, taken);
    return s->pending.len <= EVENTS_PENDING_MAX;
}

void events_break(struct events *s)
{
    buf_reset(&s->pending);
}

void events_fini(struct events *s)
{
    buf_fini(&s->pending);
}
