/* db_array.c - reads PostgreSQL's text form of a one-dimensional array (manual, 8.15.6). Pure. */
#include "gateway/db_array.h"

#include <string.h>

/* An element that ends at an unquoted comma or brace; where it ends, or NULL. */
static const char *parse_element(const char *p, struct arena *a, const char **out_r)
{
    bool is_quoted = *p == '"';
    char *out = arena_alloc(a, strlen(p) + 1);
    size_t n = 0;

    for (p += is_quoted; *p && (is_quoted ? *p != '"' : *p != ',' && *p != '}'); p++) {
        if (*p == '\\' && *++p == '\0')
            return NULL;
        out[n++] = *p;
    }
    *out_r = !is_quoted && strcmp(out, "NULL") == 0 ? "" : out;
    if (is_quoted && *p++ != '"')
        return NULL;
    return *p == ',' || *p == '}' ? p : NULL;
}

static size_t count_at_most(const char *literal)
{
    size_t n = 1;

    for (; *literal; literal++)
        n += *literal == ',';
    return n;
}

int db_array_parse(const char *literal, struct arena *a, struct msg_strs *out_r)
{
    *out_r = (struct msg_strs){ 0 };
    if (!literal || *literal != '{')
        return -1;
    const char **v = arena_alloc(a, count_at_most(literal) * sizeof(*v));
    const char *p = literal + 1;
    size_t n = 0;
    while (*p != '}') {
        p = parse_element(p, a, &v[n]);
        if (!p)
            return -1;
        n++;
        if (*p == ',' && *++p == '}')
            return -1;
    }
    if (p[1] != '\0')
        return -1;
    *out_r = (struct msg_strs){ v, n };
    return 0;
}
