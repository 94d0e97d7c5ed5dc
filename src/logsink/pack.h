/* pack.h - one sealed log becomes N.zst, some 10 ms at a time, so that a long one does not hold up the others' writes.
 *
 * N.zst-new is written, synced, read back and compared with what it was made from, and renamed. Until then nothing of
 * the log is touched: a crash leaves N.zst-new, which the next try writes anew. A log that was packed before and went on
 * (late output behind a gap) is packed again from N.zst and the sparse N.log. One thread at a time. */
#ifndef ORION_LOGSINK_PACK_H
#define ORION_LOGSINK_PACK_H

#include <stdint.h>

#include "lib/err.h"
#include "logsink/frames.h"
#include "logsink/key.h"

#define PACK_BYTES_MIN 4096   /* shorter logs are not worth it: a file takes a block of the disk anyway */

struct pack;

/* Of the log's first `bytes` bytes. NULL: it cannot be read, or there is no room. */
struct pack *pack_start(int dir_fd, struct unpacker *u, const struct log_key *key, uint64_t bytes, int level,
                        struct err *e);
const struct log_key *pack_key(const struct pack *p);
/* 1: call it again. 0: N.zst is there and durable, and N.log no longer needed. -1: failed; nothing has changed. */
int pack_step(struct pack *p, struct err *e);
void pack_free(struct pack **p);   /* of one that is not finished: removes N.zst-new */

#endif
