/* viewer_storm.c - many readers of one log in one process, each of which is cut off again and again.
 *
 *   viewer_storm sse|text TASK VIEWERS CUTS BYTES SEED OUT PORT...
 *
 * Each viewer reads the task's log through one of the ports (proxies in front of a gateway), drops its connection CUTS
 * times, each time after a random number of bytes (less than BYTES) or a random time, and goes on where it was: as
 * events behind the last whole one, by header and by query in turn; as text at its offset. What a viewer puts together is compared byte for
 * byte with what all others have (their bytes are kept once) and, as events, with the offsets of their ids. At its end
 * a reader of events comes back until it gets 204, which a worker that has not heard of the end yet does not say.
 *
 * Ends with 0 when all have read to the end and agree; the log is in the file OUT then, and standard output says how
 * it went. Whatever the answer is lost to - 502, a stream that ends early - is a break, after which a viewer comes
 * again. Rules: docs/ARCHITECTURE.md "The life of a task", point 5. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum {
    HEAD_MAX = 8192,
    EVENTS = 256,        /* of one epoll_wait */
    TICK_MS = 5,
    PAUSE_MS = 50,       /* before coming again after a break */
    CUT_MS_MAX = 400,
    QUIET_S = 60,        /* nothing at all for so long: something hangs */
};

enum phase { PHASE_PAUSE, PHASE_CONNECT, PHASE_HEAD, PHASE_BODY, PHASE_DONE };
enum body { BODY_TO_CLOSE, BODY_LENGTH, BODY_CHUNK_SIZE, BODY_CHUNK, BODY_CHUNK_END, BODY_TRAILER, BODY_OVER };

struct storm;

struct viewer {
    struct storm *storm;
    int number, fd, port;
    enum phase phase;
    int cuts_left, requests;
    uint64_t wake_ms;       /* pause or connection ends then; 0: never */
    uint64_t budget;        /* bytes of the body until the cut */

    struct buf head;
    int status;
    enum body body;
    uint64_t left;          /* of the body or the chunk */
    struct buf line;        /* chunk size or trailer being read */

    uint64_t offset;        /* of the log: all in front was taken */
    uint64_t request_offset;
    char last_id[64];
    struct buf event_line;  /* not whole yet */
    struct buf data;
    char event[16], id[64];
    bool has_data, has_ended;
};

struct storm {
    int epoll;
    bool is_text;
    const char *task;
    struct viewer *viewers;
    int n, done;
    unsigned cut_bytes;
    struct buf log;         /* the longest that any viewer has */
    uint64_t cuts, breaks, by_header, by_query, again, moved_ms;
    unsigned seed;
};

static unsigned random_below(struct storm *s, unsigned n)
{
    return (unsigned)rand_r(&s->seed) % n;
}

__attribute__((noreturn, format(printf, 2, 3))) static void fail(const struct viewer *v, const char *fmt, ...)
{
    va_list ap;

    printf("viewer %d on port %d at byte %" PRIu64 " (id %s): ", v->number, v->port, v->offset, v->last_id);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    exit(1);
}

/* --- the log ----------------------------------------------------------------------------------------------------- */

static void take(struct viewer *v, const char *data, size_t len)
{
    struct buf *log = &v->storm->log;
    size_t known = v->offset < log->len ? log->len - v->offset : 0, same = known < len ? known : len;

    if (v->offset > log->len)
        fail(v, "its bytes do not begin where those of the others end");
    for (size_t i = 0; i < same; i++) {
        if (log->data[v->offset + i] != data[i])
            fail(v, "byte %" PRIu64 " is 0x%02x, others have 0x%02x", v->offset + i, (unsigned char)data[i],
                 (unsigned char)log->data[v->offset + i]);
    }
    buf_append(log, data + same, len - same);
    v->offset += len;
    v->storm->moved_ms = clock_boot_ms();
}

/* --- events ------------------------------------------------------------------------------------------------------ */

static void dispatch(struct viewer *v)
{
    char want[64];
    bool is_log = strcmp(v->event, "log") == 0, is_part = strcmp(v->event, "part") == 0;

    if (strcmp(v->event, "gap") == 0)
        fail(v, "a gap: %s", v->data.data ? v->data.data : "");
    if (v->has_data && (is_log || is_part)) {
        if (is_log)
            buf_putc(&v->data, '\n');
        take(v, v->data.data ? v->data.data : "", v->data.len);
        snprintf(want, sizeof(want), "1.%" PRIu64, v->offset);
        if (strcmp(v->id, want) != 0)
            fail(v, "the event's id is %s, its bytes end at %s", v->id, want);
    }
    if (strcmp(v->event, "end") == 0)
        v->has_ended = true;
    if (v->id[0])
        memcpy(v->last_id, v->id, sizeof(v->id));
    buf_reset(&v->data);
    v->event[0] = v->id[0] = '\0';
    v->has_data = false;
}

static void on_line(struct viewer *v, const char *line, size_t len)
{
    if (len == 0) {
        dispatch(v);
    } else if (len >= 6 && memcmp(line, "data: ", 6) == 0) {
        if (v->has_data)
            buf_putc(&v->data, '\n');
        buf_append(&v->data, line + 6, len - 6);
        v->has_data = true;
    } else if (len >= 7 && memcmp(line, "event: ", 7) == 0) {
        snprintf(v->event, sizeof(v->event), "%.*s", (int)(len - 7), line + 7);
    } else if (len >= 4 && memcmp(line, "id: ", 4) == 0) {
        snprintf(v->id, sizeof(v->id), "%.*s", (int)(len - 4), line + 4);
    } else if (line[0] != ':' && (len < 6 || memcmp(line, "retry:", 6) != 0)) {
        fail(v, "no line of an event: %.*s", (int)len, line);
    }
}

static void on_text(struct viewer *v, const char *data, size_t len)
{
    const char *end;

    if (v->storm->is_text) {
        take(v, data, len);
        return;
    }
    while (len > 0 && (end = memchr(data, '\n', len))) {
        size_t n = (size_t)(end - data);
        buf_append(&v->event_line, data, n);
        on_line(v, v->event_line.data ? v->event_line.data : "", v->event_line.len);
        buf_reset(&v->event_line);
        data += n + 1;
        len -= n + 1;
    }
    buf_append(&v->event_line, data, len);
}

/* --- one connection ---------------------------------------------------------------------------------------------- */

static void drop(struct viewer *v, unsigned pause_ms)
{
    const struct linger reset = { .l_onoff = 1 };

    if (v->fd >= 0 && random_below(v->storm, 2))
        setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (v->fd >= 0)
        close(v->fd);
    v->fd = -1;
    v->phase = PHASE_PAUSE;
    v->wake_ms = clock_boot_ms() + pause_ms;
    buf_reset(&v->head);
    buf_reset(&v->line);
    buf_reset(&v->event_line);
    buf_reset(&v->data);
    v->event[0] = v->id[0] = '\0';
    v->has_data = false;
}

static void cut(struct viewer *v)
{
    v->cuts_left--;
    v->storm->cuts++;
    drop(v, random_below(v->storm, 4) == 0 ? random_below(v->storm, 20) : 0);
}

static void break_off(struct viewer *v)
{
    v->storm->breaks++;
    drop(v, PAUSE_MS);
}

static void leave(struct viewer *v)
{
    drop(v, 0);
    v->phase = PHASE_DONE;
    v->storm->done++;
    v->storm->moved_ms = clock_boot_ms();
}

static void connect_to(struct viewer *v)
{
    struct storm *s = v->storm;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)v->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event ev = { .events = EPOLLOUT, .data.ptr = v };
    int one = 1;

    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (v->fd < 0)
        fail(v, "socket: %s", strerror(errno));
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    v->wake_ms = 0;
    if (connect(v->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
        break_off(v);
        return;
    }
    epoll_ctl(s->epoll, EPOLL_CTL_ADD, v->fd, &ev);
    v->phase = PHASE_CONNECT;
}

static void request(struct viewer *v)
{
    struct storm *s = v->storm;
    char text[512], header[96] = "", query[96] = "";
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = v };
    int error = 0;
    socklen_t len = sizeof(error);

    getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        break_off(v);
        return;
    }
    v->request_offset = v->offset;
    if (s->is_text) {
        snprintf(query, sizeof(query), "format=text&follow=1&attempt=1&offset=%" PRIu64, v->offset);
    } else if (v->last_id[0] && v->requests % 2) {
        snprintf(query, sizeof(query), "format=sse&last_event_id=%s", v->last_id);
        s->by_query++;
    } else {
        snprintf(query, sizeof(query), "format=sse");
        if (v->last_id[0])
            snprintf(header, sizeof(header), "Last-Event-ID: %s\r\n", v->last_id);
        s->by_header += v->last_id[0] != '\0';
    }
    v->requests++;
    int n = snprintf(text, sizeof(text), "GET /v1/tasks/%s/log?%s HTTP/1.1\r\nHost: storm\r\n%s\r\n", s->task, query,
                     header);
    if (write(v->fd, text, (size_t)n) != n) {
        break_off(v);
        return;
    }
    epoll_ctl(s->epoll, EPOLL_CTL_MOD, v->fd, &ev);
    v->phase = PHASE_HEAD;
    v->budget = v->cuts_left > 0 ? random_below(s, s->cut_bytes) : UINT64_MAX;
    v->wake_ms = v->cuts_left > 0 ? clock_boot_ms() + 1 + random_below(s, CUT_MS_MAX) : 0;
}

/* The answer has been read to its end. */
static void on_over(struct viewer *v)
{
    if (v->storm->is_text && v->status == 200 && v->offset == v->request_offset)
        leave(v);
    else if (v->storm->is_text && v->status == 200)
        drop(v, 0); /* the end, perhaps: asked again */
    else
        break_off(v);
}

/* --- HTTP -------------------------------------------------------------------------------------------------------- */

static const char *header_value(const struct viewer *v, const char *name)
{
    char line[64];

    snprintf(line, sizeof(line), "\r\n%s:", name);
    const char *at = strcasestr(v->head.data, line);
    return at ? at + strlen(line) + strspn(at + strlen(line), " ") : NULL;
}

static void begin_body(struct viewer *v)
{
    const char *length = header_value(v, "Content-Length"), *coding = header_value(v, "Transfer-Encoding");

    v->status = atoi(v->head.data + strlen("HTTP/1.1 "));
    v->phase = PHASE_BODY;
    v->body = BODY_TO_CLOSE;
    if (coding && strncasecmp(coding, "chunked", 7) == 0)
        v->body = BODY_CHUNK_SIZE;
    else if (length && (v->left = strtoull(length, NULL, 10)) == 0)
        v->body = BODY_OVER;
    else if (length)
        v->body = BODY_LENGTH;
    if (v->status == 204 && v->has_ended)
        leave(v);
    else if (v->status == 204)
        fail(v, "204 in front of the end");
    else if (v->status != 200 && v->status < 500)
        fail(v, "the answer is %.80s", v->head.data);
    else if (v->status != 200)
        break_off(v);
    else if (v->has_ended) {
        v->storm->again++; /* a worker that has not heard of the end yet: it tells the end once more */
        break_off(v);
    }
}

/* Bytes of the body as they are meant; false: the connection is no more. */
static bool pass(struct viewer *v, const char *data, size_t len)
{
    size_t n = len < v->budget ? len : (size_t)v->budget;

    if (v->budget != UINT64_MAX)
        v->budget -= n;
    on_text(v, data, n);
    if (v->has_ended) {
        drop(v, 0);
        v->cuts_left = 0;
    } else if (v->budget == 0) {
        cut(v);
    }
    return v->fd >= 0;
}

static size_t take_line(struct viewer *v, const char *data, size_t len, bool *is_whole)
{
    const char *end = memchr(data, '\n', len);
    size_t n = end ? (size_t)(end - data) + 1 : len;

    buf_append(&v->line, data, n);
    *is_whole = end != NULL;
    return n;
}

/* A line of the chunked coding: a size, the end of a chunk, or the end of all. */
static void on_coding_line(struct viewer *v)
{
    if (v->body == BODY_CHUNK_SIZE) {
        v->left = strtoull(v->line.data, NULL, 16);
        v->body = v->left > 0 ? BODY_CHUNK : BODY_TRAILER;
    } else if (v->body == BODY_CHUNK_END) {
        v->body = BODY_CHUNK_SIZE;
    } else if (v->line.len <= 2) {
        v->body = BODY_OVER;
    }
    buf_reset(&v->line);
}

static void on_body(struct viewer *v, const char *data, size_t len)
{
    bool is_whole;

    while (len > 0 && v->fd >= 0 && v->body != BODY_OVER) {
        size_t n = len;
        if (v->body == BODY_CHUNK || v->body == BODY_LENGTH)
            n = len < v->left ? len : (size_t)v->left;
        if (v->body == BODY_CHUNK || v->body == BODY_LENGTH || v->body == BODY_TO_CLOSE) {
            if (!pass(v, data, n))
                return;
            v->left -= n;
            if (v->left == 0 && v->body != BODY_TO_CLOSE)
                v->body = v->body == BODY_CHUNK ? BODY_CHUNK_END : BODY_OVER;
        } else {
            n = take_line(v, data, len, &is_whole);
            if (is_whole)
                on_coding_line(v);
        }
        data += n;
        len -= n;
    }
    if (v->fd >= 0 && v->body == BODY_OVER)
        on_over(v);
}

static void on_head(struct viewer *v, const char *data, size_t len)
{
    size_t before = v->head.len;

    buf_append(&v->head, data, len);
    const char *end = strstr(v->head.data, "\r\n\r\n");
    if (!end && v->head.len > HEAD_MAX)
        fail(v, "a head without end");
    if (!end)
        return;
    size_t used = (size_t)(end - v->head.data) + 4 - before;
    begin_body(v);
    if (v->phase == PHASE_BODY)
        on_body(v, data + used, len - used);
}

static void on_readable(struct viewer *v)
{
    char data[65536];
    ssize_t n = read(v->fd, data, sizeof(data));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 && v->phase == PHASE_BODY && v->body == BODY_TO_CLOSE && n == 0)
        on_over(v);
    else if (n <= 0)
        break_off(v);
    else if (v->phase == PHASE_HEAD)
        on_head(v, data, (size_t)n);
    else
        on_body(v, data, (size_t)n);
}

/* --- all of them ------------------------------------------------------------------------------------------------- */

static void on_event(struct viewer *v)
{
    if (v->fd < 0)
        return;
    if (v->phase == PHASE_CONNECT)
        request(v);
    else
        on_readable(v);
}

static void tick(struct storm *s)
{
    uint64_t now_ms = clock_boot_ms();

    for (int i = 0; i < s->n; i++) {
        struct viewer *v = &s->viewers[i];
        if (v->wake_ms == 0 || now_ms < v->wake_ms || v->phase == PHASE_DONE)
            continue;
        if (v->phase == PHASE_PAUSE)
            connect_to(v);
        else
            cut(v);
    }
    if (now_ms - s->moved_ms > QUIET_S * 1000) {
        for (int i = 0; i < s->n; i++) {
            if (s->viewers[i].phase != PHASE_DONE)
                fail(&s->viewers[i], "nothing came for %d s (phase %d, %d of %d done)", QUIET_S, s->viewers[i].phase,
                     s->done, s->n);
        }
    }
}

static void run(struct storm *s)
{
    struct epoll_event events[EVENTS];
    uint64_t next_ms = 0;

    while (s->done < s->n) {
        int n = epoll_wait(s->epoll, events, EVENTS, TICK_MS);
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr);
        if (clock_boot_ms() >= next_ms) {
            tick(s);
            next_ms = clock_boot_ms() + TICK_MS;
        }
    }
}

static void end(struct storm *s)
{
    for (int i = 0; i < s->n; i++) {
        buf_fini(&s->viewers[i].head);
        buf_fini(&s->viewers[i].line);
        buf_fini(&s->viewers[i].event_line);
        buf_fini(&s->viewers[i].data);
    }
    buf_fini(&s->log);
    mem_free(&s->viewers);
    close(s->epoll);
}

static int write_log(const struct storm *s, const char *path)
{
    FILE *f = fopen(path, "we");
    bool is_written = f && fwrite(s->log.data ? s->log.data : "", 1, s->log.len, f) == s->log.len;

    if (f && fclose(f) != 0)
        is_written = false;
    if (!is_written)
        perror(path);
    return is_written ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct storm s = { .epoll = epoll_create1(EPOLL_CLOEXEC), .moved_ms = clock_boot_ms() };

    if (argc < 9) {
        fprintf(stderr, "usage: viewer_storm sse|text TASK VIEWERS CUTS BYTES SEED OUT PORT...\n");
        return 2;
    }
    s.is_text = strcmp(argv[1], "text") == 0;
    s.task = argv[2];
    s.n = atoi(argv[3]);
    s.cut_bytes = (unsigned)atoi(argv[5]);
    s.seed = (unsigned)atoi(argv[6]);
    s.viewers = mem_array((size_t)s.n, sizeof(*s.viewers));
    for (int i = 0; i < s.n; i++) {
        s.viewers[i] = (struct viewer){ .storm = &s, .number = i, .fd = -1, .cuts_left = atoi(argv[4]),
                                        .port = atoi(argv[8 + i % (argc - 8)]), .wake_ms = 1 };
    }
    run(&s);
    for (int i = 0; i < s.n; i++) {
        if (s.viewers[i].offset != s.log.len)
            fail(&s.viewers[i], "its log is shorter than that of others");
    }
    printf("%d viewers read %zu bytes each; %" PRIu64 " cuts, %" PRIu64 " other breaks, resumed %" PRIu64
           " times by header, %" PRIu64 " by query; %" PRIu64 " answers behind the end before 204\n", s.n, s.log.len, s.cuts,
           s.breaks, s.by_header, s.by_query, s.again);
    int rc = write_log(&s, argv[7]);
    end(&s);
    return rc;
}
