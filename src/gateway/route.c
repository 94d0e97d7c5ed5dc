/* route.c - finds the row of a routes table that serves a method and path. Pure; the table is gateway/routes.c. */
#include "gateway/route.h"

#include <stdio.h>
#include <string.h>

#include "gateway/query.h"

enum { SEGMENTS_MAX = 8 };

struct segments {
    const char *v[SEGMENTS_MAX];
    size_t n;
};

/* Decodes each segment by itself, so that an escaped slash does not divide. A longer path matches nothing. */
static int split(const char *path, struct arena *a, struct segments *s_r, struct err *e)
{
    s_r->n = 0;
    if (*path != '/')
        return err_set(e, ERR_INVALID, "the path does not begin with a slash");
    while (*path == '/') {
        const char *text;
        size_t len = strcspn(++path, "/");
        if (query_decode(path, len, false, a, &text, e) < 0)
            return -1;
        if (s_r->n < SEGMENTS_MAX)
            s_r->v[s_r->n] = text;
        s_r->n++;
        path += len;
    }
    return 0;
}

static bool matches(const char *pattern, const struct segments *s, const char **param_r)
{
    size_t i = 0;

    *param_r = NULL;
    for (; *pattern == '/'; i++) {
        size_t len = strcspn(++pattern, "/");
        if (i >= s->n)
            return false;
        if (*pattern == '{') {
            if (*s->v[i] == '\0')
                return false;
            *param_r = s->v[i];
        } else if (strlen(s->v[i]) != len || memcmp(s->v[i], pattern, len) != 0) {
            return false;
        }
        pattern += len;
    }
    return i == s->n;
}

static unsigned methods_of(const struct route *row)
{
    return row->method == HTTP_GET ? HTTP_GET | HTTP_HEAD : row->method;
}

enum route_end route_find(const struct route *table, size_t n, enum http_method method, const char *path,
                          struct arena *a, struct route_match *m_r, struct err *e)
{
    struct segments s;

    *m_r = (struct route_match){ 0 };
    if (split(path, a, &s, e) < 0)
        return ROUTE_BAD_PATH;
    if (s.n > SEGMENTS_MAX)
        return ROUTE_NOT_FOUND;
    for (size_t i = 0; i < n; i++) {
        const char *param;
        if (!matches(table[i].pattern, &s, &param))
            continue;
        if (methods_of(&table[i]) & method) {
            m_r->route = &table[i];
            m_r->param = param;
            return ROUTE_FOUND;
        }
        m_r->allowed |= methods_of(&table[i]);
    }
    return m_r->allowed ? ROUTE_WRONG_METHOD : ROUTE_NOT_FOUND;
}

static const struct {
    enum http_method method;
    const char *name;
} methods[] = {
    { HTTP_GET, "GET" }, { HTTP_HEAD, "HEAD" }, { HTTP_POST, "POST" }, { HTTP_PUT, "PUT" }, { HTTP_DELETE, "DELETE" },
};

enum http_method route_method(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    return HTTP_OTHER;
}

const char *route_method_name(enum http_method method)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (methods[i].method == method)
            return methods[i].name;
    return "other";
}

void route_allow(unsigned allowed, char out[32])
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (allowed & methods[i].method)
            len += (size_t)snprintf(out + len, 32 - len, "%s%s", len ? ", " : "", methods[i].name);
}
