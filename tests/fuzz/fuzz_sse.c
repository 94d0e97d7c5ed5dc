/* fuzz_sse.c - log bytes to events: whatever a build writes, events end where they should and hold valid text. */
/* fuzz-links: src/gateway/sse.c src/lib/text.c src/lib/pg_array.c src/lib/buf.c src/lib/mem.c src/lib/err.c */
#include <stdlib.h>
#include <string.h>

#include "lib/pg.h"
#include "gateway/sse.h"
#include "lib/text.h"
#include "tests/fuzz/count.h"

static struct fuzz_branch branches[] = { { "line", 0 }, { "part", 0 }, { "replaced", 0 }, { "array", 0 } };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_branches(branches, ARRAY_LEN(branches));
    return 0;
}

/* Every LF in an event's text begins a new data line; nothing else could end the event. */
static void check_text(const char *out, size_t len)
{
    if (!text_is_valid(out, len) || memchr(out, '\0', len) || memchr(out, '\r', len))
        abort();
    for (const char *p = out; (p = memchr(p, '\n', (size_t)(out + len - p))); p++)
        if ((size_t)(out + len - p) < 7 || memcmp(p, "\ndata: ", 7) != 0)
            abort();
}

static void show(const uint8_t *data, size_t len, size_t room)
{
    char out[4096];
    size_t written;

    for (size_t at = 0; at < len;) {
        size_t done = sse_text(data + at, len - at, out, room, &written);
        if (done == 0 || written > room)
            abort();
        check_text(out, written);
        branches[2].count += written > done;
        at += done;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = { 0 };
    const char *const *texts;
    size_t n;
    struct sse_event event;

    if (size == 0)
        return 0;
    enum sse_rest rest = data[0] % 3;
    size_t room = SSE_STEP_MAX + data[0];
    branches[3].count += pg_array_read(arena_strndup(&a, (const char *)data, size), &a, &texts, &n) == 0 && n > 0;
    arena_fini(&a);
    data++;
    size--;
    while (sse_next(data, size, rest, &event)) {
        if (event.taken == 0 || event.taken > size || event.shown > event.taken)
            abort();
        branches[event.is_part].count++;
        show(data, event.shown, room);
        data += event.taken;
        size -= event.taken;
    }
    if (rest == SSE_LAST && size > 0)
        abort();
    return 0;
}
