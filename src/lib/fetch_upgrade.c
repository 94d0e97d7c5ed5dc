/* fetch_upgrade.c - the way into a WebSocket: libcurl connects (proxy, TLS, happy eyeballs), we say the handshake.
 *
 *   CONNECTING (curl_multi on our loop) -> ASKING (our request goes out) -> LISTENING (for the 101) -> done
 *
 * With CURLOPT_CONNECT_ONLY the connection belongs to the multi handle, so both handles live as long as it does.
 * Debian 12's libcurl has no WebSocket of its own. Every way out goes through upgrade_end, after which the struct
 * may be gone. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/fetch.h"
#include "lib/fetch_impl.h"
#include "lib/mem.h"
#include "lib/ws.h"

enum { HEAD_MAX = 8192 };

struct fetch_conn {
    CURLM *multi;
    CURL *easy;
    int fd;
    struct buf early;   /* came behind the 101 */
};

/* A descriptor that libcurl wants watched. */
struct curl_watch {
    struct fetch_upgrade *upgrade;
    struct curl_watch *next;
    int fd;
    struct watch *watch;
};

struct fetch_upgrade {
    struct loop *loop;
    fetch_upgraded_fn *fn;
    void *arg;
    char *url, *subprotocol;
    char key[WS_KEY_SIZE];
    char detail[CURL_ERROR_SIZE];
    struct fetch_conn *conn;
    struct curl_watch *watches;
    struct timer *curl_timer, *deadline;
    struct watch *watch;     /* of the connection, when it stands */
    struct buf request, head;
    struct err failed;       /* found out before there was a loop turn to say it in */
};

/* --- the connection ---------------------------------------------------------------------------------- */

int fetch_conn_fd(const struct fetch_conn *c)
{
    return c->fd;
}

/* What libcurl said, as recv(2) and send(2) say it. */
static ssize_t conn_result(CURLcode code, size_t n, int broken)
{
    if (code == CURLE_OK)
        return (ssize_t)n;
    errno = code == CURLE_AGAIN ? EAGAIN : broken;
    return -1;
}

ssize_t fetch_conn_recv(struct fetch_conn *c, void *data, size_t len)
{
    size_t n = 0;

    if (c->early.len == 0) {
        CURLcode code = curl_easy_recv(c->easy, data, len, &n);

        return conn_result(code, n, ECONNRESET);
    }
    n = len < c->early.len ? len : c->early.len;
    memcpy(data, c->early.data, n);
    buf_consume(&c->early, n);
    if (c->early.len == 0)
        buf_fini(&c->early);
    return (ssize_t)n;
}

ssize_t fetch_conn_send(struct fetch_conn *c, const void *data, size_t len)
{
    size_t n = 0;
    CURLcode code = curl_easy_send(c->easy, data, len, &n);

    return conn_result(code, n, EPIPE);
}

void fetch_conn_free(struct fetch_conn **c)
{
    if (!*c)
        return;
    curl_multi_remove_handle((*c)->multi, (*c)->easy);
    curl_easy_cleanup((*c)->easy);
    curl_multi_cleanup((*c)->multi); /* closes the connection */
    buf_fini(&(*c)->early);
    mem_free(c);
}

/* --- the end ----------------------------------------------------------------------------------------- */

/* From here on libcurl must not call us. */
static void curl_detach(struct fetch_upgrade *u)
{
    if (u->conn) {
        curl_multi_setopt(u->conn->multi, CURLMOPT_SOCKETFUNCTION, NULL);
        curl_multi_setopt(u->conn->multi, CURLMOPT_TIMERFUNCTION, NULL);
    }
    while (u->watches) {
        struct curl_watch *w = u->watches;

        u->watches = w->next;
        watch_free(&w->watch);
        mem_free(&w);
    }
    timer_off(u->curl_timer);
}

/* Tells the owner; u may be gone afterwards. */
static void upgrade_end(struct fetch_upgrade *u, const struct err *e)
{
    const struct err why = e ? *e : (struct err){ 0 };
    struct fetch_conn *conn = u->conn;

    curl_detach(u);
    timer_off(u->deadline);
    watch_free(&u->watch);
    u->conn = NULL;
    if (conn)
        curl_easy_setopt(conn->easy, CURLOPT_ERRORBUFFER, NULL); /* it is in u */
    if (e)
        fetch_conn_free(&conn);
    u->fn(u->arg, conn, e ? &why : NULL);
}

static void upgrade_fail(struct fetch_upgrade *u, const char *what)
{
    struct err e = { 0 };
    char *shown = fetch_shown(u->url);

    err_set(&e, ERR_UNAVAILABLE, "%s: %s", shown, what);
    mem_free(&shown);
    upgrade_end(u, &e);
}

/* --- the handshake ----------------------------------------------------------------------------------- */

/* The head is complete: `len` bytes with the empty line. */
static void answer_take(struct fetch_upgrade *u, size_t len)
{
    struct err e = { 0 };
    char *shown;

    if (fetch_handshake_check(u->head.data, len, u->key, u->subprotocol, &e) == 0) {
        buf_append(&u->conn->early, u->head.data + len, u->head.len - len);
        upgrade_end(u, NULL);
        return;
    }
    shown = fetch_shown(u->url);
    err_prefix(&e, "%s", shown);
    mem_free(&shown);
    upgrade_end(u, &e);
}

static void answer_read(struct fetch_upgrade *u)
{
    for (;;) {
        char *at = buf_reserve(&u->head, 4096), *end;
        ssize_t n = fetch_conn_recv(u->conn, at, 4096);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            upgrade_fail(u, "the connection was closed before the answer to the handshake");
            return;
        }
        buf_commit(&u->head, (size_t)n);
        end = memmem(u->head.data, u->head.len, "\r\n\r\n", 4);
        if (end && end + 4 - u->head.data <= HEAD_MAX) {
            answer_take(u, (size_t)(end + 4 - u->head.data));
            return;
        }
        if (u->head.len > HEAD_MAX) {
            upgrade_fail(u, "the answer to the handshake is longer than 8 KiB");
            return;
        }
    }
}

static void on_conn(void *arg, uint32_t events)
{
    struct fetch_upgrade *u = arg;

    (void)events;
    while (u->request.len) {
        ssize_t n = fetch_conn_send(u->conn, u->request.data, u->request.len);

        if (n < 0 && errno != EAGAIN) {
            upgrade_fail(u, "the connection was closed during the handshake");
            return;
        }
        if (n < 0)
            return;
        buf_consume(&u->request, (size_t)n);
    }
    watch_events(u->watch, EPOLLIN);
    answer_read(u);
}

/* --- libcurl connects -------------------------------------------------------------------------------- */

static void connected(struct fetch_upgrade *u, CURLcode code)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (code == CURLE_OK)
        code = curl_easy_getinfo(u->conn->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (code == CURLE_OK && fd == CURL_SOCKET_BAD)
        code = CURLE_COULDNT_CONNECT;
    if (code != CURLE_OK) {
        struct err e = { 0 };

        fetch_fail((int)code, u->detail, u->url, &e);
        upgrade_end(u, &e);
        return;
    }
    curl_detach(u);
    u->conn->fd = fd;
    u->watch = loop_watch(u->loop, fd, EPOLLIN | EPOLLOUT, on_conn, u);
}

static void curl_step(struct fetch_upgrade *u, curl_socket_t fd, int what)
{
    int running = 0, left = 0;
    CURLMsg *message;

    curl_multi_socket_action(u->conn->multi, fd, what, &running);
    message = curl_multi_info_read(u->conn->multi, &left);
    if (message && message->msg == CURLMSG_DONE)
        connected(u, message->data.result);
}

static void on_curl_watch(void *arg, uint32_t events)
{
    struct curl_watch *w = arg;

    curl_step(w->upgrade, w->fd, (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                                     (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
}

static void curl_watch_drop(struct fetch_upgrade *u, int fd)
{
    for (struct curl_watch **at = &u->watches; *at; at = &(*at)->next) {
        struct curl_watch *w = *at;

        if (w->fd != fd)
            continue;
        *at = w->next;
        watch_free(&w->watch);
        mem_free(&w);
        return;
    }
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct fetch_upgrade *u = arg;
    struct curl_watch *w = u->watches;
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

    (void)easy;
    (void)socket_arg;
    if (what == CURL_POLL_REMOVE) {
        curl_watch_drop(u, fd);
        return 0;
    }
    while (w && w->fd != fd)
        w = w->next;
    if (w) {
        watch_events(w->watch, events);
        return 0;
    }
    w = mem_zalloc(sizeof(*w));
    *w = (struct curl_watch){ .upgrade = u, .next = u->watches, .fd = fd };
    w->watch = loop_watch(u->loop, fd, events, on_curl_watch, w);
    u->watches = w;
    return 0;
}

static int on_curl_timeout(CURLM *multi, long timeout_ms, void *arg)
{
    struct fetch_upgrade *u = arg;

    (void)multi;
    if (timeout_ms < 0)
        timer_off(u->curl_timer);
    else
        timer_in(u->curl_timer, (uint64_t)timeout_ms);
    return 0;
}

static void on_curl_timer(void *arg)
{
    curl_step(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void on_deadline(void *arg)
{
    struct fetch_upgrade *u = arg;

    if (u->failed.kind != ERR_NONE)
        upgrade_end(u, &u->failed);
    else
        upgrade_fail(u, u->watch ? "no answer to the handshake in time" : "no connection in time");
}

/* --- what the URL says ------------------------------------------------------------------------------- */

static const struct {
    const char *scheme, *of_curl;
} schemes[] = { { "http", "http" }, { "https", "https" }, { "ws", "http" }, { "wss", "https" } };

/* One part, NULL when there is none. The caller frees it with curl_free. */
static char *url_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;

    return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

static int scheme_map(CURLU *url, struct err *e)
{
    char *scheme = url_part(url, CURLUPART_SCHEME), *user = url_part(url, CURLUPART_USER);
    int rc = 1;

    for (size_t i = 0; scheme && i < ARRAY_LEN(schemes); i++)
        if (strcmp(scheme, schemes[i].scheme) == 0)
            rc = (int)curl_url_set(url, CURLUPART_SCHEME, schemes[i].of_curl, 0);
    if (rc != 0)
        err_set(e, ERR_INVALID, "the URL must begin with http://, https://, ws:// or wss://");
    else if (user)
        rc = err_set(e, ERR_INVALID, "a user name in the URL is not supported");
    curl_free(scheme);
    curl_free(user);
    return rc == 0 ? 0 : -1;
}

/* The request into u->request and the URL as libcurl must see it; curl_free it. */
static char *request_make(struct fetch_upgrade *u, struct err *e)
{
    CURLU *url = curl_url();
    char *host, *port, *path, *query, *whole = NULL, *address, *target;

    if (!url)
        abort(); /* no memory */
    if (curl_url_set(url, CURLUPART_URL, u->url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        err_set(e, ERR_INVALID, "not a URL");
    if (e->kind != ERR_NONE || scheme_map(url, e) < 0)
        goto out;
    host = url_part(url, CURLUPART_HOST);
    port = url_part(url, CURLUPART_PORT);
    path = url_part(url, CURLUPART_PATH);
    query = url_part(url, CURLUPART_QUERY);
    whole = url_part(url, CURLUPART_URL);
    address = mem_printf("%s%s%s", host ? host : "", port ? ":" : "", port ? port : "");
    target = mem_printf("%s%s%s", path ? path : "/", query ? "?" : "", query ? query : "");
    fetch_handshake_request(&u->request, address, target, u->key, u->subprotocol);
    mem_free(&address);
    mem_free(&target);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(query);
out:
    curl_url_cleanup(url);
    return whole;
}

/* --- the owner's side -------------------------------------------------------------------------------- */

static void connect_start(struct fetch_upgrade *u, const char *url, const char *ca_file)
{
    struct fetch_conn *c = mem_zalloc(sizeof(*c));

    u->conn = c;
    c->fd = -1;
    c->multi = curl_multi_init();
    if (!c->multi)
        abort(); /* no memory */
    c->easy = fetch_easy(url, ca_file, u->detail);
    curl_easy_setopt(c->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(c->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, u);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_curl_timeout);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, u);
    curl_multi_add_handle(c->multi, c->easy); /* sets curl_timer: the rest happens on the loop */
}

struct fetch_upgrade *fetch_upgrade(struct loop *l, const char *url, const char *subprotocol, const char *ca_file,
                                    int64_t timeout_ms, fetch_upgraded_fn *fn, void *arg)
{
    struct fetch_upgrade *u = mem_zalloc(sizeof(*u));
    char *whole;

    u->loop = l;
    u->fn = fn;
    u->arg = arg;
    u->url = mem_strdup(url);
    u->subprotocol = mem_strdup(subprotocol);
    ws_key(u->key);
    u->curl_timer = loop_timer(l, on_curl_timer, u);
    u->deadline = loop_timer(l, on_deadline, u);
    whole = request_make(u, &u->failed);
    if (whole) {
        connect_start(u, whole, ca_file);
        timer_in(u->deadline, (uint64_t)timeout_ms);
    } else {
        char *shown = fetch_shown(url);

        err_prefix(&u->failed, "%s", shown);
        mem_free(&shown);
        timer_in(u->deadline, 0);
    }
    curl_free(whole);
    return u;
}

void fetch_upgrade_free(struct fetch_upgrade **pointer)
{
    struct fetch_upgrade *u = *pointer;

    *pointer = NULL;
    if (!u)
        return;
    curl_detach(u);
    watch_free(&u->watch);
    fetch_conn_free(&u->conn);
    timer_free(&u->curl_timer);
    timer_free(&u->deadline);
    buf_fini(&u->request);
    buf_fini(&u->head);
    mem_free(&u->url);
    mem_free(&u->subprotocol);
    mem_free(&u);
}
