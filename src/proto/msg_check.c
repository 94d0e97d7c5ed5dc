/* msg_check.c - the rules that hold whatever a message travels as: valid texts, limits, required fields; and the
 * sentences that say which field breaks them. Given values and their place in a message; changes only the error. */
#include "proto/msg_impl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"

/* Innermost part last: held[3].state. What does not fit is cut at the end. */
static void path_append(const struct msg_where *w, char *out, size_t size)
{
    size_t len;

    if (w->up)
        path_append(w->up, out, size);
    len = strlen(out);
    if (w->index != MSG_NO_INDEX)
        snprintf(out + len, size - len, "[%zu]", w->index);
    else
        snprintf(out + len, size - len, "%s%s", len ? "." : "", w->name);
}

int msg_fail(struct err *e, const struct msg_where *w, const char *fmt, ...)
{
    char path[sizeof(((struct err *)0)->field)] = "";
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    path_append(w, path, sizeof(path));
    return err_field(e, path, "%s %s", path, text);
}

int msg_fail_missing(struct err *e, const struct msg_where *up, const char *name)
{
    return msg_fail(e, &(struct msg_where){ up, name, MSG_NO_INDEX }, "is missing");
}

static const char *name_nearest(const struct msg_desc *d, const char *name)
{
    const char *best = NULL;
    size_t best_distance = strlen(name) / 3 + 2;   /* further away it is no slip of the pen */

    for (size_t i = 0; i < d->n; i++) {
        size_t distance = text_distance(name, d->fields[i].name);

        if (distance < best_distance) {
            best_distance = distance;
            best = d->fields[i].name;
        }
    }
    return best;
}

int msg_fail_unknown(struct err *e, const struct msg_where *up, const struct msg_desc *d, const char *name)
{
    const char *near = name_nearest(d, name);
    char path[sizeof(((struct err *)0)->field)] = "";

    path_append(&(struct msg_where){ up, name, MSG_NO_INDEX }, path, sizeof(path));
    if (near)
        return err_field(e, path, "unknown field \"%s\"; did you mean \"%s\"?", path, near);
    return err_field(e, path, "unknown field \"%s\"", path);
}

int msg_check_len(size_t len, int64_t limit, const char *unit, const struct msg_where *w, struct err *e)
{
    if (len > (uint64_t)limit)
        return msg_fail(e, w, "has %zu %s; at most %" PRId64 " are allowed", len, unit, limit);
    return 0;
}

int msg_check_text(const char *data, size_t len, int64_t limit, const struct msg_where *w, struct err *e)
{
    if (msg_check_len(len, limit, "bytes", w, e))
        return -1;
    if (len && memchr(data, 0, len))
        return msg_fail(e, w, "must not contain NUL");
    if (!text_is_valid(data, len))
        return msg_fail(e, w, "must be valid UTF-8");
    return 0;
}

/* Keys of PAIRS become names of environment variables. */
int msg_check_key(const char *data, size_t len, const struct msg_where *w, struct err *e)
{
    if (!len)
        return msg_fail(e, w, "must not have an empty name");
    if (memchr(data, '=', len))
        return msg_fail(e, w, "must not have '=' in a name");
    if (len > MSG_KEY_MAX)
        return msg_fail(e, w, "has a name of %zu bytes; at most %d are allowed", len, MSG_KEY_MAX);
    if (memchr(data, 0, len))
        return msg_fail(e, w, "must not have NUL in a name");
    if (!text_is_valid(data, len))
        return msg_fail(e, w, "must have names in valid UTF-8");
    return 0;
}

int msg_check_int(int64_t v, const struct msg_field *f, const struct msg_where *w, struct err *e)
{
    int64_t min = f->kind == KIND_S64 ? -f->limit : 0;
    int64_t max = f->kind == KIND_TIME && f->limit > MSG_TIME_MAX ? MSG_TIME_MAX : f->limit;

    if (v < min || v > max)
        return msg_fail(e, w, "must be between %" PRId64 " and %" PRId64, min, max);
    return 0;
}

int msg_check_required(const struct msg_desc *d, const void *message, const struct msg_where *up, struct err *e)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct msg_field *f = &d->fields[i];

        if (f->need == NEED_REQ && !*(const bool *)((const char *)message + f->has))
            return msg_fail_missing(e, up, f->name);
    }
    return 0;
}
