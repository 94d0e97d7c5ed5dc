/* download_gzip.c - an answer packed while it is made: zlib, the gzip format. Given bytes; changes nothing but the
 * buffer. The fastest level: a worker has one thread, and logs shrink well at any. */
#include "gateway/download_gzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

#include "lib/mem.h"

enum { WINDOW_BITS = 15, AS_GZIP = 16, MEMORY_LEVEL = 8, STEP = 16384 };

struct gzip {
    z_stream z;
    bool has_more;   /* bytes were added since the last flush */
};

struct gzip *gzip_new(void)
{
    struct gzip *g = mem_zalloc(sizeof(*g));

    if (deflateInit2(&g->z, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS + AS_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();   /* no memory */
    return g;
}

static void deflate_all(struct gzip *g, int flush, struct buf *out)
{
    do {
        g->z.next_out = (Bytef *)buf_reserve(out, STEP);
        g->z.avail_out = STEP;
        deflate(&g->z, flush);
        buf_commit(out, STEP - g->z.avail_out);
    } while (g->z.avail_out == 0);
}

void gzip_add(struct gzip *g, const void *data, size_t len, struct buf *out)
{
    if (len == 0)
        return;
    g->z.next_in = (z_const Bytef *)data;
    g->z.avail_in = (uInt)len;
    g->has_more = true;
    deflate_all(g, Z_NO_FLUSH, out);
}

void gzip_flush(struct gzip *g, struct buf *out)
{
    if (!g->has_more)
        return;
    g->has_more = false;
    deflate_all(g, Z_SYNC_FLUSH, out);
}

void gzip_end(struct gzip *g, struct buf *out)
{
    deflate_all(g, Z_FINISH, out);
}

void gzip_free(struct gzip **gp)
{
    if (!*gp)
        return;
    deflateEnd(&(*gp)->z);
    mem_free(gp);
}
