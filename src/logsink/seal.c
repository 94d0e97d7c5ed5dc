/* seal.c - the end of a log to bytes and back. Pure. */
#include "logsink/seal.h"

#include <string.h>

#include "logsink/little.h"

static const char magic[8] = { 'O', 'R', 'I', 'O', 'N', 'S', 'E', 'A' };

enum { VERSION = 8, STATE = 12, TASK = 16, ATTEMPT = 32, CHUNKS = 40, BYTES = 48, LINES = 56, HEAD = 64, SEALED_AT = 96,
       KEEP = 104, REMOVED_AT = 112, REMOVED = 120, FLAGS = 121, CRC = 124 };

const char *seal_state_name(enum seal_state s)
{
    static const char *const names[] = { "open", "complete", "gap" };
    return names[s];
}

const char *seal_removed_reason(enum seal_removed r)
{
    static const char *const reasons[] = {
        [SEAL_KEPT] = NULL,
        [SEAL_EXPIRED] = "removed: older than logs are kept",
        [SEAL_SPACE] = "removed: the disk was filling up",
        [SEAL_ABANDONED] = "removed: never finished",
    };
    return reasons[r];
}

void seal_encode(const struct seal *s, const struct log_key *key, uint8_t out[SEAL_SIZE])
{
    memset(out, 0, SEAL_SIZE);
    memcpy(out, magic, sizeof(magic));
    little_put32(out + VERSION, SEAL_VERSION);
    little_put32(out + STATE, s->state);
    memcpy(out + TASK, key->task.b, sizeof(key->task.b));
    little_put32(out + ATTEMPT, key->attempt);
    little_put64(out + CHUNKS, s->chunks);
    little_put64(out + BYTES, s->bytes);
    little_put64(out + LINES, s->lines);
    memcpy(out + HEAD, s->head.b, sizeof(s->head.b));
    little_put64(out + SEALED_AT, s->sealed_at_ms);
    little_put64(out + KEEP, s->keep_ms);
    little_put64(out + REMOVED_AT, s->removed_at_ms);
    out[REMOVED] = (uint8_t)s->removed;
    out[FLAGS] = s->flags;
    little_put32(out + CRC, hash_crc32c(0, out, CRC));
}

int seal_decode(const uint8_t *in, size_t len, const struct log_key *key, struct seal *s_r, struct err *e)
{
    if (len != SEAL_SIZE || memcmp(in, magic, sizeof(magic)) != 0)
        return err_set(e, ERR_INVALID, "not a seal");
    if (hash_crc32c(0, in, CRC) != little_get32(in + CRC))
        return err_set(e, ERR_INVALID, "the seal is damaged");
    uint32_t version = little_get32(in + VERSION);
    if (version > SEAL_VERSION)
        return err_set(e, ERR_CONFLICT, "seal format %u is newer than this program's %d", version, SEAL_VERSION);
    uint32_t state = little_get32(in + STATE);
    if (state != SEAL_COMPLETE && state != SEAL_GAP)
        return err_set(e, ERR_INVALID, "the seal says neither complete nor gap");
    if (in[REMOVED] > SEAL_ABANDONED)
        return err_set(e, ERR_INVALID, "the seal has no known reason for the removal");
    if (little_get32(in + ATTEMPT) != key->attempt || memcmp(in + TASK, key->task.b, sizeof(key->task.b)) != 0)
        return err_set(e, ERR_INVALID, "the seal is another attempt's");
    *s_r = (struct seal){ .state = (enum seal_state)state, .chunks = little_get64(in + CHUNKS),
                          .bytes = little_get64(in + BYTES), .lines = little_get64(in + LINES),
                          .sealed_at_ms = little_get64(in + SEALED_AT), .keep_ms = little_get64(in + KEEP),
                          .removed_at_ms = little_get64(in + REMOVED_AT), .removed = (enum seal_removed)in[REMOVED],
                          .flags = in[FLAGS] };
    memcpy(s_r->head.b, in + HEAD, sizeof(s_r->head.b));
    return 0;
}
