/* fuzz_url.c - request targets: path, query, positions. */
/* fuzz-links: src/gateway/route.c src/gateway/query.c src/lib/text.c src/lib/mem.c src/lib/err.c */
#include <string.h>

#include "gateway/query.h"
#include "gateway/route.h"
#include "tests/fuzz/count.h"

static struct fuzz_branch branches[] = { { "route", 0 }, { "param", 0 }, { "query", 0 }, { "number", 0 },
                                         { "position", 0 } };

static const struct route table[] = {
    { HTTP_GET, "/v1/tasks", NULL, false },
    { HTTP_GET, "/v1/tasks/{id}/log", NULL, false },
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, ARRAY_LEN(branches));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const known[] = { "offset", "limit", NULL };
    struct arena a = { 0 };
    char *text = arena_strndup(&a, (const char *)data, size);
    char *question = strchr(text, '?');
    struct route_match m;
    struct err e = { 0 };
    struct query q;
    int64_t n, offset;

    branches[4].count += query_position(text, &n, &offset) == 0;
    if (question)
        *question++ = '\0';
    if (route_find(table, ARRAY_LEN(table), HTTP_GET, text, &a, &m, &e) == ROUTE_FOUND) {
        branches[0].count++;
        branches[1].count += m.param != NULL;
    }
    err_clear(&e);
    if (question && query_parse(question, &a, &q, &e) == 0 && q.n > 0) {
        branches[2].count += query_check(&q, known, &e) == 0;
        branches[3].count += query_number(&q, "offset", INT64_MAX, -1, &n, &e) == 0 && n >= 0;
    }
    arena_fini(&a);
    return 0;
}
