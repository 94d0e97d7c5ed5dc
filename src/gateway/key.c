/* key.c - reads and checks Idempotency-Key, and hashes the request that carries it. The scheduler keeps both and knows
 * a call that comes again (a proxy that replays POSTs, a client that heard no answer). */
#include "gateway/key.h"

#include <string.h>

#include "gateway/request.h"

enum { KEY_MAX = 255 };

int key_check(const char *text, struct err *e)
{
    size_t len = strlen(text);

    if (len == 0 || len > KEY_MAX)
        return err_field(e, "Idempotency-Key", "Idempotency-Key must have 1 to %d characters", KEY_MAX);
    for (size_t i = 0; i < len; i++)
        if (text[i] < '!' || text[i] > '~')
            return err_field(e, "Idempotency-Key", "Idempotency-Key must be visible ASCII characters only");
    return 0;
}

static void hash_request(const struct request *r, enum key_scope scope, struct hash *hash_r)
{
    const char *body = r->body.data ? r->body.data : "";
    const char *method = route_method_name(r->method);
    const void *parts[] = { method, " ", r->path, "\n", body };
    const size_t lens[] = { strlen(method), 1, strlen(r->path), 1, r->body.len };

    if (scope == KEY_BODY)
        hash_bytes(hash_r, body, r->body.len);
    else
        hash_parts(hash_r, parts, lens, ARRAY_LEN(parts));
}

int key_read(struct request *r, enum key_scope scope, struct key *key_r, struct err *e)
{
    const char *text = request_header(r, "Idempotency-Key");

    *key_r = (struct key){ 0 };
    if (!text)
        return 0;
    if (key_check(text, e) < 0)
        return -1;
    struct hash *hash = arena_alloc(&r->arena, sizeof(*hash));
    hash_request(r, scope, hash);
    key_r->text = arena_strdup(&r->arena, text);
    key_r->hash = (struct msg_bytes){ hash->b, sizeof(hash->b) };
    return 0;
}
