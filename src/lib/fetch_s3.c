/* fetch_s3.c - whole objects to and from S3-compatible storage with libcurl.
 *
 * libcurl 7.88 signs the path as it is, with every header that it is given and the body's hash from the header
 * x-amz-content-sha256. So paths hold only letters that need no encoding, there are no queries, and the hash is ours:
 * without the header it would not be sent, and some servers insist on it. */
#include "lib/fetch_s3.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fetch_impl.h"
#include "lib/mem.h"

#define ANSWER_MAX 4096         /* of a refusal: code and sentence stand at its beginning */
#define SHA256_TEXT_SIZE 65
#define HASH_BLOCK (256 * 1024)

struct s3 {
    const struct s3_settings *set;
    CURL *easy;                 /* keeps the connection between requests */
    char *sigv4;                /* CURLOPT_AWS_SIGV4 */
};

/* One request. */
struct transfer {
    struct s3 *s3;
    const char *method, *key;
    int in_fd, out_fd;          /* -1: none */
    const char *bytes;          /* instead of in_fd */
    uint64_t len, at;           /* of what is sent */
    uint64_t got, max;          /* of what is received */
    int file_errno;
    bool is_too_large;
    struct buf answer;          /* of a refusal, at most ANSWER_MAX */
};

/* --- addresses ------------------------------------------------------------------------------------------ */

static bool is_plain_path(const char *path)
{
    for (const char *p = path; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-/", *p))
            return false;
    return !strstr(path, "//") && !strstr(path, "/.");
}

int s3_url_check(const char *url, const char *setting, struct err *e)
{
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(url, schemes[i], len) != 0)
            continue;
        const char *host = url + len, *path = strchr(host, '/');
        if (path && path > host && path[1] && !memchr(host, '@', (size_t)(path - host)) && is_plain_path(path) &&
            path[strlen(path) - 1] != '/')
            return 0;
    }
    return err_field(e, setting, "%s: \"%s\" is not http(s)://HOST[:PORT]/BUCKET[/PREFIX], the path of letters, digits "
                     "and . _ -", setting, url);
}

/* --- what libcurl calls ----------------------------------------------------------------------------------- */

static size_t on_send(char *to, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    uint64_t left = t->len - t->at;
    size_t room = size * n;
    ssize_t got = (ssize_t)(left < room ? left : room);
    if (t->bytes)
        memcpy(to, t->bytes + t->at, (size_t)got);
    else if (got > 0)
        got = pread(t->in_fd, to, (size_t)got, (off_t)t->at);
    if (got < 0) {
        t->file_errno = errno;
        return CURL_READFUNC_ABORT;
    }
    t->at += (uint64_t)got;
    return (size_t)got;
}

/* A kept connection that turns out to be closed makes libcurl begin again. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    t->at = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t receive(struct transfer *t, const char *data, size_t len)
{
    if (t->got + len > t->max) {
        t->is_too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(t->out_fd, data + done, len - done, (off_t)(t->got + done));
        if (n < 0 && errno != EINTR) {
            t->file_errno = errno;
            return CURL_WRITEFUNC_ERROR;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    t->got += len;
    return len;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    long status = 0;
    size_t len = size * n;
    curl_easy_getinfo(t->s3->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300 && t->out_fd >= 0)
        return receive(t, data, len);
    size_t room = ANSWER_MAX - t->answer.len;
    buf_append(&t->answer, data, len < room ? len : room);
    return len;
}

static int on_progress(void *arg, curl_off_t down, curl_off_t downed, curl_off_t up, curl_off_t upped)
{
    const struct transfer *t = arg;
    (void)down, (void)downed, (void)up, (void)upped;
    return t->s3->set->is_stopped && atomic_load(t->s3->set->is_stopped);
}

/* --- one request ------------------------------------------------------------------------------------------ */

static int hash_file(EVP_MD_CTX *md, const struct transfer *t, struct err *e)
{
    char *block = mem_alloc(HASH_BLOCK);
    ssize_t n = 0;
    for (uint64_t at = 0; at < t->len && n >= 0; at += (uint64_t)n) {
        size_t want = t->len - at < HASH_BLOCK ? (size_t)(t->len - at) : HASH_BLOCK;
        n = pread(t->in_fd, block, want, (off_t)at);
        if (n == 0) {
            errno = ENODATA;
            n = -1;
        }
        if (n > 0)
            EVP_DigestUpdate(md, block, (size_t)n);
    }
    mem_free(&block);
    return n < 0 ? err_sys(e, "cannot read what is to be sent as %s", t->key) : 0;
}

/* Of the body, as text. */
static int hash_body(const struct transfer *t, char out[SHA256_TEXT_SIZE], struct err *e)
{
    unsigned char raw[32];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (!md || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
        abort(); /* no memory */
    int rc = 0;
    if (t->bytes)
        EVP_DigestUpdate(md, t->bytes, (size_t)t->len);
    else if (t->in_fd >= 0)
        rc = hash_file(md, t, e);
    EVP_DigestFinal_ex(md, raw, NULL);
    EVP_MD_CTX_free(md);
    for (size_t i = 0; i < sizeof(raw); i++) {
        out[2 * i] = "0123456789abcdef"[raw[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
    }
    out[SHA256_TEXT_SIZE - 1] = '\0';
    return rc;
}

static void set_body(CURL *easy, struct transfer *t)
{
    if (t->in_fd < 0 && !t->bytes) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, t->method);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L); /* PUT */
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->len);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(easy, CURLOPT_READDATA, t);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
}

static void set_all(struct transfer *t, const char *url, char *detail, struct curl_slist *headers)
{
    CURL *easy = t->s3->easy;
    const struct s3_settings *set = t->s3->set;
    curl_easy_reset(easy);
    fetch_easy_set(easy, url, NULL, detail);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, t->s3->sigv4);
    curl_easy_setopt(easy, CURLOPT_USERNAME, set->key_id);
    curl_easy_setopt(easy, CURLOPT_PASSWORD, set->secret);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(set->stall_ms + 999) / 1000);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, t);
    set_body(easy, t);
}

/* The text between <name> and </name> in a refusal; "" when there is none. */
static char *element(const struct buf *answer, const char *name)
{
    char *open = mem_printf("<%s>", name), *found = NULL;
    const char *from = answer->data ? strstr(answer->data, open) : NULL;
    if (from) {
        from += strlen(open);
        found = mem_strndup(from, strcspn(from, "<\r\n"));
    }
    mem_free(&open);
    return found ? found : mem_strdup("");
}

static enum err_kind kind_of(long status)
{
    if (status == 401 || status == 403)
        return ERR_DENIED;
    if (status == 404)
        return ERR_NOT_FOUND;
    return status >= 500 || status == 408 || status == 409 || status == 429 ? ERR_UNAVAILABLE : ERR_INVALID;
}

static int refuse(const struct transfer *t, long status, struct err *e)
{
    char *code = element(&t->answer, "Code"), *text = element(&t->answer, "Message");
    err_set(e, kind_of(status), "the archive refused %s %s with %ld%s%s%s%.150s", t->method, t->key, status,
            *code ? " " : "", code, *text ? ": " : "", text);
    mem_free(&code);
    mem_free(&text);
    return -1;
}

static int judge(const struct transfer *t, CURLcode code, const char *detail, struct err *e)
{
    long status = 0;
    curl_easy_getinfo(t->s3->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->file_errno) {
        errno = t->file_errno;
        return err_sys(e, "the file of %s", t->key);
    }
    if (t->is_too_large)
        return err_set(e, ERR_TOO_LARGE, "%s is longer in the archive than it can be", t->key);
    /* A refusal may come, and the connection be closed, before everything is sent. */
    if (status >= 300)
        return refuse(t, status, e);
    return code == CURLE_OK ? 0 : fetch_fail((int)code, detail, t->s3->set->url, e);
}

static int perform(struct transfer *t, struct err *e)
{
    char detail[CURL_ERROR_SIZE], hash[SHA256_TEXT_SIZE];
    if (hash_body(t, hash, e))
        return -1;
    char *header = mem_printf("x-amz-content-sha256: %s", hash);
    char *url = mem_printf("%s/%s", t->s3->set->url, t->key);
    struct curl_slist *headers = curl_slist_append(NULL, header);
    if (!headers)
        abort(); /* no memory */
    set_all(t, url, detail, headers);
    int rc = judge(t, curl_easy_perform(t->s3->easy), detail, e);
    curl_slist_free_all(headers);
    buf_fini(&t->answer);
    mem_free(&header);
    mem_free(&url);
    return rc;
}

/* --- the verbs -------------------------------------------------------------------------------------------- */

struct s3 *s3_new(const struct s3_settings *set)
{
    struct s3 *s = mem_zalloc(sizeof(*s));
    s->set = set;
    s->sigv4 = mem_printf("aws:amz:%s:s3", set->region);
    s->easy = curl_easy_init();
    if (!s->easy)
        abort(); /* no memory */
    return s;
}

void s3_free(struct s3 **s)
{
    if (!*s)
        return;
    curl_easy_cleanup((*s)->easy);
    mem_free(&(*s)->sigv4);
    mem_free(s);
}

static int put(struct transfer *t, struct err *e)
{
    if (t->len > (uint64_t)S3_OBJECT_MAX)
        return err_set(e, ERR_TOO_LARGE, "%s is longer than one request takes (5 GiB)", t->key);
    return perform(t, e);
}

int s3_put(struct s3 *s, const char *key, int fd, uint64_t len, struct err *e)
{
    struct transfer t = { .s3 = s, .method = "PUT", .key = key, .in_fd = fd, .out_fd = -1, .len = len };
    return put(&t, e);
}

int s3_put_bytes(struct s3 *s, const char *key, const void *data, size_t len, struct err *e)
{
    struct transfer t = { .s3 = s, .method = "PUT", .key = key, .in_fd = -1, .out_fd = -1, .bytes = data, .len = len };
    return put(&t, e);
}

int s3_get(struct s3 *s, const char *key, int fd, uint64_t max, struct err *e)
{
    struct transfer t = { .s3 = s, .method = "GET", .key = key, .in_fd = -1, .out_fd = fd, .max = max };
    return perform(&t, e);
}

int s3_delete(struct s3 *s, const char *key, struct err *e)
{
    struct transfer t = { .s3 = s, .method = "DELETE", .key = key, .in_fd = -1, .out_fd = -1 };
    struct err why = { 0 };
    if (perform(&t, &why) == 0 || why.kind == ERR_NOT_FOUND)
        return 0;
    return err_set(e, why.kind, "%s", why.text);
}
