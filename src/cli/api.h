/* api.h - asking a gateway: where it is, one request, and what a refusal means. */
#ifndef ORION_CLI_API_H
#define ORION_CLI_API_H

#include "cli/cli.h"
#include "lib/buf.h"
#include "proto/msg.h"

struct api {
    struct arena *arena;
    const char *url;       /* without a slash at the end */
    const char *ca_file;
};

/* The server of --url, ORION_URL, ORION_API_URL, the user's running default lab, or 127.0.0.1:8004. */
int api_open(struct api *api, const struct cli_server *options, struct arena *a, struct err *e);

enum { API_LOOK_MS = 2000 }; /* patience of a look: a gateway that is started again is soon there */

/* A 2xx body, to be released by the caller. Other answers are errors with the server's own words: ERR_INVALID,
 * ERR_NOT_FOUND, ERR_DENIED; ERR_UNAVAILABLE for nobody there and for 502, 503 and 504. */
int api_get(const struct api *api, const char *path, struct buf *body_r, struct err *e);
/* The same, tried again while it is unavailable, for at most `patience_ms`. */
int api_get_patiently(const struct api *api, const char *path, int64_t patience_ms, struct buf *body_r, struct err *e);

/* What changes something. Its key makes it safe to send again, which is done for at most patience_ms. */
struct api_change {
    const char *method, *path;
    const char *idempotency_key;  /* NULL: a new one */
    const struct buf *body;       /* JSON; NULL: an empty object */
    int64_t patience_ms;
};
int api_change(const struct api *api, const struct api_change *change, struct buf *body_r, struct err *e);

/* The message in a body; it lives in api->arena. */
int api_decode(const struct api *api, const char *path, const struct buf *body, enum msg_type type, void *message_r,
               struct err *e);
/* GET and decode: the body stays with the caller. */
int api_read(const struct api *api, const char *path, enum msg_type type, void *message_r, struct buf *body_r,
             struct err *e);
int api_read_task(const struct api *api, const char *id, struct msg_v1_task *task_r, struct buf *body_r,
                  struct err *e);

/* "?name=value" or "&name=value" behind a path, escaped; nothing when value is NULL. */
void api_query(struct buf *path, const char *name, const char *value);
/* `name`, escaped, between two pieces of a path. */
const char *api_path(struct arena *a, const char *before, const char *name, const char *behind);
/* A task id as people give it, checked and in its usual form; NULL: not an id. */
const char *api_task_id(struct arena *a, const char *text, struct err *e);
int api_problem(long status, const struct buf *body, struct err *e);  /* -1 */
void api_pause(int64_t ms);

#endif
