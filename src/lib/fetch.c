/* fetch.c - one blocking HTTP request with libcurl, for programs that people wait for.
 *
 * Given a request, gives the status and either streams a 2xx body to the caller or collects the body up to a
 * bound. HTTP/1.1, no redirects; proxies and NO_PROXY from the environment as curl(1) has them. libcurl keeps
 * SIGPIPE away by itself as long as CURLOPT_NOSIGNAL is not set. */
#include "lib/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fetch_impl.h"
#include "lib/mem.h"

enum {
    BODY_MAX = 64 << 20,
    CONNECT_TIMEOUT_MS = 10000,
};

static const struct {
    CURLcode code;
    enum err_kind kind;
} code_kinds[] = {
    { CURLE_URL_MALFORMAT, ERR_INVALID },
    { CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID },
    { CURLE_SSL_CACERT_BADFILE, ERR_INVALID },
    { CURLE_PEER_FAILED_VERIFICATION, ERR_DENIED },
};

int fetch_fail(int code, const char *detail, const char *url, struct err *e)
{
    enum err_kind kind = ERR_UNAVAILABLE;
    char *shown = fetch_shown(url);

    for (size_t i = 0; i < ARRAY_LEN(code_kinds); i++)
        if ((int)code_kinds[i].code == code)
            kind = code_kinds[i].kind;
    err_set(e, kind, "cannot reach %s: %s", shown, *detail ? detail : curl_easy_strerror((CURLcode)code));
    mem_free(&shown);
    return -1;
}

void *fetch_easy(const char *url, const char *ca_file, char *detail)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        abort(); /* no memory */
    fetch_easy_set(easy, url, ca_file, detail);
    return easy;
}

void fetch_easy_set(void *easy, const char *url, const char *ca_file, char *detail)
{
    *detail = '\0';
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "orion/" PACKAGE_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* else the system's are trusted as well */
    }
}

/* What the callbacks of one request need. */
struct transfer {
    CURL *easy;
    const struct fetch_request *q;
    struct fetch_response *r;
    bool is_too_large;
    bool has_head;          /* the whole of it */
};

/* One line of a head: its empty one is the last, unless it was an interim answer's. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;

    (void)size; /* always 1 */
    t->has_head = n <= 2 && (line[0] == '\r' || line[0] == '\n');
    return n;
}

/* Anything but n ends the transfer. */
static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;

    (void)size; /* always 1 */
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->r->status);
    if (t->q->on_data && t->r->status >= 200 && t->r->status < 300) {
        t->r->stopped = !t->q->on_data(t->q->arg, data, n);
        return t->r->stopped ? CURL_WRITEFUNC_ERROR : n;
    }
    t->is_too_large = n > BODY_MAX - t->r->body.len;
    if (t->is_too_large)
        return CURL_WRITEFUNC_ERROR;
    buf_append(&t->r->body, data, n);
    return n;
}

static struct curl_slist *headers_list(const char *const *headers)
{
    /* libcurl would wait a second for "100 Continue" before larger bodies */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (; list && headers && *headers; headers++) {
        struct curl_slist *more = curl_slist_append(list, *headers);

        if (!more)
            curl_slist_free_all(list);
        list = more;
    }
    if (!list)
        abort(); /* no memory */
    return list;
}

static void method_set(CURL *easy, const struct fetch_request *q)
{
    const char *method = q->method ? q->method : "GET";

    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (q->body || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(q->body ? q->body_len : 0));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, q->body ? q->body : "");
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void header_take(CURL *easy, const char *name, struct fetch_response *r)
{
    struct curl_header *h;

    if (name && curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK &&
        strlen(h->value) < sizeof(r->header))
        memcpy(r->header, h->value, strlen(h->value) + 1);
}

int fetch_http(const struct fetch_request *q, struct fetch_response *r, struct err *e)
{
    char detail[CURL_ERROR_SIZE];
    struct transfer t = { .easy = fetch_easy(q->url, q->ca_file, detail), .q = q, .r = r };
    struct curl_slist *headers = headers_list(q->headers);
    CURLcode code;
    int rc = 0;

    *r = (struct fetch_response){ 0 };
    method_set(t.easy, q);
    curl_easy_setopt(t.easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(t.easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t.easy, CURLOPT_HEADERDATA, &t);
    curl_easy_setopt(t.easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t.easy, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(t.easy, CURLOPT_TIMEOUT_MS, (long)q->timeout_ms);
    code = curl_easy_perform(t.easy);
    curl_easy_getinfo(t.easy, CURLINFO_RESPONSE_CODE, &r->status);
    header_take(t.easy, q->header, r);
    if (t.is_too_large)
        rc = err_set(e, ERR_TOO_LARGE, "the answer is larger than %d MiB", BODY_MAX >> 20);
    else if (code != CURLE_OK && !r->stopped)
        rc = fetch_fail((int)code, detail, q->url, e);
    else if (!t.has_head) /* libcurl takes a connection that closes within the head for an answer without a body */
        rc = fetch_fail((int)CURLE_PARTIAL_FILE, "the answer breaks off in its head", q->url, e);
    curl_slist_free_all(headers);
    curl_easy_cleanup(t.easy);
    return rc;
}

void fetch_response_fini(struct fetch_response *r)
{
    buf_fini(&r->body);
}
