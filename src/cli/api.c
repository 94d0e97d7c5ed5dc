/* api.c - the CLI's side of HTTP: finds the server, sends a request, turns refusals into errors.
 *
 * Given: options and the environment. Rules: docs/ARCHITECTURE.md "Names that users meet", RFC 9457. */
#include "cli/api.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/lab.h"
#include "lib/clock.h"
#include "lib/fetch.h"

#define DEFAULT_URL "http://127.0.0.1:8004"
/* REQUEST_MS: more than a gateway waits for its scheduler, and little enough that patience is left for another one. */
enum { REQUEST_MS = 12000, PAUSE_FIRST_MS = 100, PAUSE_MAX_MS = 2000 };

static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

/* Loopback is never behind a proxy, whatever http_proxy says. */
static void spare_proxy(struct arena *a)
{
    const char *old = environment("no_proxy") ? environment("no_proxy") : environment("NO_PROXY");

    setenv("no_proxy", arena_printf(a, "%s%s127.0.0.1,localhost,::1", old ? old : "", old ? "," : ""), 1);
}

int api_open(struct api *api, const struct cli_server *options, struct arena *a, struct err *e)
{
    const char *url = options->url ? options->url : environment("ORION_URL");

    if (!url)
        url = environment("ORION_API_URL");
    if (!url)
        url = lab_default_url(a);
    if (!url)
        url = DEFAULT_URL;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return err_field(e, "url", "%s is not a server's URL (such as %s)", url, DEFAULT_URL);
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    spare_proxy(a);
    *api = (struct api){ a, arena_strndup(a, url, len),
                         options->ca_file ? options->ca_file : environment("ORION_CA_FILE") };
    return 0;
}

static enum err_kind status_kind(long status)
{
    switch (status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
    case 410:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    case 413:
        return ERR_TOO_LARGE;
    case 429:
    case 502:
    case 503:
    case 504:
        return ERR_UNAVAILABLE;
    default:
        return status >= 400 && status < 500 ? ERR_INVALID : ERR_SYSTEM;
    }
}

int api_problem(long status, const struct buf *body, struct err *e)
{
    struct arena arena = { 0 };
    struct msg_problem p = { 0 };
    struct err ignored = { 0 };

    if (body->len > 0 && msg_from_json(MSG_PROBLEM, body->data, body->len, &arena, &p, &ignored) == 0)
        err_set(e, status_kind(status), "%s", p.detail ? p.detail : p.title);
    else
        err_set(e, status_kind(status), "the server answered %ld", status);
    arena_fini(&arena);
    return -1;
}

/* One request. A body is returned only for 2xx. */
static int request(const struct api *api, struct fetch_request *q, const char *path, struct buf *body_r, struct err *e)
{
    struct fetch_response r = { 0 };
    int rc = -1;

    q->url = arena_printf(api->arena, "%s%s", api->url, path);
    q->ca_file = api->ca_file;
    q->timeout_ms = REQUEST_MS;
    if (fetch_http(q, &r, e) < 0) {
        fetch_response_fini(&r);
        return -1;
    }
    if (r.status < 200 || r.status > 299) {
        api_problem(r.status, &r.body, e);
    } else {
        *body_r = r.body;
        r.body = (struct buf){ 0 };
        rc = 0;
    }
    fetch_response_fini(&r);
    return rc;
}

void api_pause(int64_t ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

static int request_patiently(const struct api *api, struct fetch_request *q, const char *path, int64_t patience_ms,
                             struct buf *body_r, struct err *e)
{
    int64_t until = (int64_t)clock_boot_ms() + patience_ms;

    for (int64_t pause = PAUSE_FIRST_MS;; pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS) {
        struct err now = { 0 };
        if (request(api, q, path, body_r, &now) == 0)
            return 0;
        if (now.kind != ERR_UNAVAILABLE || (int64_t)clock_boot_ms() + pause > until) {
            *e = now;
            return -1;
        }
        api_pause(pause);
    }
}

int api_get(const struct api *api, const char *path, struct buf *body_r, struct err *e)
{
    return api_get_patiently(api, path, 0, body_r, e);
}

int api_get_patiently(const struct api *api, const char *path, int64_t patience_ms, struct buf *body_r, struct err *e)
{
    const char *const headers[] = { "Accept: application/json", NULL };
    struct fetch_request q = { .headers = headers };

    return request_patiently(api, &q, path, patience_ms, body_r, e);
}

/* The same for every time the request is sent. */
static const char *new_key(struct arena *a)
{
    char text[UUID_TEXT_SIZE];
    struct uuid id;

    uuid_v7(&id, clock_wall_ms());
    uuid_format(&id, text);
    return arena_printf(a, "orion-cli-%s", text);
}

int api_change(const struct api *api, const struct api_change *change, struct buf *body_r, struct err *e)
{
    const char *key = change->idempotency_key ? change->idempotency_key : new_key(api->arena);
    const char *const headers[] = { "Content-Type: application/json", "Accept: application/json",
                                    arena_printf(api->arena, "Idempotency-Key: %s", key), NULL };
    struct fetch_request q = { .method = change->method, .headers = headers, .body = "{}", .body_len = 2 };

    if (change->body) {
        q.body = change->body->data;
        q.body_len = change->body->len;
    }
    return request_patiently(api, &q, change->path, change->patience_ms, body_r, e);
}

int api_decode(const struct api *api, const char *path, const struct buf *body, enum msg_type type, void *message_r,
               struct err *e)
{
    if (msg_from_json(type, body->data ? body->data : "", body->len, api->arena, message_r, e) < 0)
        return err_prefix(e, "%s%s", api->url, path);
    return 0;
}

int api_read(const struct api *api, const char *path, enum msg_type type, void *message_r, struct buf *body_r,
             struct err *e)
{
    if (api_get_patiently(api, path, API_LOOK_MS, body_r, e) < 0)
        return -1;
    return api_decode(api, path, body_r, type, message_r, e);
}

int api_read_task(const struct api *api, const char *id, struct msg_v1_task *task_r, struct buf *body_r,
                  struct err *e)
{
    return api_read(api, arena_printf(api->arena, "/v1/tasks/%s", id), MSG_V1_TASK, task_r, body_r, e);
}

/* RFC 3986: everything but its unreserved characters. */
static void escape(struct buf *to, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (; *text; text++) {
        if (strchr(plain, *text))
            buf_putc(to, *text);
        else
            buf_printf(to, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

void api_query(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(path, "%c%s=", path->data && strchr(path->data, '?') ? '&' : '?', name);
    escape(path, value);
}

const char *api_path(struct arena *a, const char *before, const char *name, const char *behind)
{
    struct buf path = { 0 };

    buf_puts(&path, before);
    escape(&path, name);
    buf_puts(&path, behind);
    const char *kept = arena_strdup(a, path.data);
    buf_fini(&path);
    return kept;
}

const char *api_task_id(struct arena *a, const char *text, struct err *e)
{
    char form[UUID_TEXT_SIZE];
    struct uuid id;

    if (uuid_parse(text, strlen(text), &id) < 0) {
        err_field(e, "id", "%s is not a task's id (such as 01938f2e-7c1a-7000-8000-0123456789ab)", text);
        return NULL;
    }
    uuid_format(&id, form);
    return arena_strdup(a, form);
}
