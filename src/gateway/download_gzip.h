/* download_gzip.h - an answer packed while it is made, in constant memory. */
#ifndef ORION_GATEWAY_DOWNLOAD_GZIP_H
#define ORION_GATEWAY_DOWNLOAD_GZIP_H

#include "lib/buf.h"

struct gzip;

struct gzip *gzip_new(void);
/* Packed bytes are appended to `out`, some of them later. */
void gzip_add(struct gzip *g, const void *data, size_t len, struct buf *out);
void gzip_flush(struct gzip *g, struct buf *out);   /* everything added so far can be unpacked now */
void gzip_end(struct gzip *g, struct buf *out);
void gzip_free(struct gzip **g);

#endif
