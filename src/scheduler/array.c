/* array.c - PostgreSQL's text form of a one-dimensional array, read. */
#include <string.h>

#include "lib/mem.h"
#include "scheduler/db.h"

/* One element from *at on, unescaped into `out`, which has room; *at then stands on the comma or brace behind it. */
static const char *element(const char **at, char *out)
{
    const char *start = out, *p = *at;
    bool is_quoted = *p == '"';

    for (p += is_quoted; *p && (is_quoted ? *p != '"' : *p != ',' && *p != '}'); p++) {
        if (*p == '\\' && p[1])
            p++;
        *out++ = *p;
    }
    *out = '\0';
    *at = p + (is_quoted && *p == '"');
    return !is_quoted && strcmp(start, "NULL") == 0 ? "" : start;
}

struct msg_strs array_read(const char *literal, struct arena *a)
{
    size_t len = literal ? strlen(literal) : 0, n = 0;
    const char *at = literal, **v;
    char *texts;

    if (len < 3 || *at != '{')
        return (struct msg_strs){ 0 };
    v = arena_alloc(a, len * sizeof *v);      /* at most one element per two characters, and their ends */
    texts = arena_alloc(a, len + 1);
    for (at++; *at && *at != '}'; at += *at == ',') {
        v[n] = element(&at, texts);
        texts += strlen(texts) + 1;
        n++;
    }
    return (struct msg_strs){ v, n };
}
