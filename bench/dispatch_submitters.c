/* dispatch_submitters.c - people and forges: POST /v1/tasks on keep-alive connections, one request outstanding on each.
 *
 * Paced, submissions are sent at their moment by whichever connection is free, or as soon as one is. The body is as
 * long as that of the other queues' load clients. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/dispatch.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { BODY_LEN = 200, NS_PER_MS = 1000000 };

struct submitter {
    struct submitters *all;
    int fd;
    struct watch *watch;
    struct buf in;
    bool is_busy;
};

struct submitters {
    struct bench *bench;
    struct timer *pace;
    struct submitter *v;
    struct buf request;        /* head and the part of the body that is the same in all */
    size_t stamp_at;
};

/* --- requests ------------------------------------------------------------------------------------------------- */

/* The stamp's place is left open. */
static void request_make(struct submitters *s)
{
    const struct settings *set = s->bench->settings;
    struct buf body = { 0 };

    buf_printf(&body, "{\"repo\":\"%s\",\"project\":\"%s\",\"args\":[\"", set->repo, set->project);
    s->stamp_at = body.len;
    buf_printf(&body, "%*s ", STAMP_LEN, "");
    while (body.len + 3 < BODY_LEN)
        buf_putc(&body, 'x');
    buf_puts(&body, "\"]}");
    buf_printf(&s->request, "POST /v1/tasks HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n\r\n", strstr(set->url, "://") + 3, body.len);
    s->stamp_at += s->request.len;
    buf_append(&s->request, body.data, body.len);
    buf_fini(&body);
}

static void submit(struct submitter *one)
{
    struct submitters *s = one->all;
    struct bench *b = s->bench;
    char stamp[STAMP_LEN + 1];

    snprintf(stamp, sizeof(stamp), STAMP_FORMAT, clock_boot_ns(), b->posted++);
    memcpy(s->request.data + s->stamp_at, stamp, STAMP_LEN);
    one->is_busy = true;
    if (send(one->fd, s->request.data, s->request.len, MSG_NOSIGNAL) != (ssize_t)s->request.len)
        bench_die("a request was not taken: %s", strerror(errno));
}

static bool has_more(const struct bench *b)
{
    return b->posted < b->settings->tasks;
}

/* Paced: everything that is due, on the connections that are free. */
static void tick_pace(void *arg)
{
    struct submitters *s = arg;
    struct bench *b = s->bench;
    const double gap_ns = 1e9 / b->settings->rate;
    uint64_t since_ns = clock_boot_ns() - b->begun_ns, due_ns;

    for (size_t i = 0; i < b->settings->submitters && has_more(b); i++)
        if (!s->v[i].is_busy && (double)b->posted * gap_ns <= (double)since_ns)
            submit(&s->v[i]);
    due_ns = (uint64_t)((double)b->posted * gap_ns);
    if (has_more(b))
        timer_in(s->pace, due_ns > since_ns ? (due_ns - since_ns + NS_PER_MS - 1) / NS_PER_MS : 1);
}

/* --- answers -------------------------------------------------------------------------------------------------- */

/* Bytes of the whole answer at the front of `in`; 0: not all there. */
static size_t answer_len(const struct buf *in)
{
    const char *end = in->len ? strstr(in->data, "\r\n\r\n") : NULL;
    const char *length = end ? strcasestr(in->data, "\r\nContent-Length:") : NULL;

    if (!end)
        return 0;
    if (!length || length > end)
        bench_die("an answer without Content-Length: %s", in->data);
    size_t len = (size_t)(end + 4 - in->data) + strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    return len <= in->len ? len : 0;
}

static void answered(struct submitter *one)
{
    struct bench *b = one->all->bench;

    one->is_busy = false;
    if (++b->kept == b->settings->tasks)
        b->kept_ns = clock_boot_ns();
    if (b->settings->rate <= 0 && has_more(b))
        submit(one);
    bench_check_end(b);
}

static void on_socket(void *arg, uint32_t events)
{
    static const char kept[] = "HTTP/1.1 201 ";
    struct submitter *one = arg;
    ssize_t n = recv(one->fd, buf_reserve(&one->in, 4096), 4096, MSG_DONTWAIT);
    size_t len;

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        bench_die("the gateway closed a connection: %s", n ? strerror(errno) : "end of stream");
    buf_commit(&one->in, (size_t)n);
    while ((len = answer_len(&one->in))) {
        if (strncmp(one->in.data, kept, strlen(kept)) != 0)
            bench_die("a task was not kept: %s", one->in.data);
        buf_consume(&one->in, len);
        answered(one);
    }
}

/* --- life ----------------------------------------------------------------------------------------------------- */

static int dial(const char *url)
{
    const char *port = strrchr(url, ':');
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    to.sin_port = htons((uint16_t)atoi(port + 1));
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        bench_die("%s: %s", url, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

struct submitters *submitters_new(struct bench *b)
{
    struct submitters *s = mem_zalloc(sizeof(*s));

    s->bench = b;
    s->pace = loop_timer(b->loop, tick_pace, s);
    s->v = mem_array(b->settings->submitters, sizeof(*s->v));
    request_make(s);
    for (size_t i = 0; i < b->settings->submitters; i++) {
        s->v[i] = (struct submitter){ .all = s, .fd = dial(b->settings->url) };
        s->v[i].watch = loop_watch(b->loop, s->v[i].fd, EPOLLIN, on_socket, &s->v[i]);
    }
    return s;
}

void submitters_start(struct submitters *s)
{
    if (s->bench->settings->rate > 0) {
        tick_pace(s);
        return;
    }
    for (size_t i = 0; i < s->bench->settings->submitters && has_more(s->bench); i++)
        submit(&s->v[i]);
}

void submitters_free(struct submitters **sp)
{
    struct submitters *s = *sp;

    for (size_t i = 0; i < s->bench->settings->submitters; i++) {
        watch_free(&s->v[i].watch);
        close(s->v[i].fd);
        buf_fini(&s->v[i].in);
    }
    timer_free(&s->pace);
    buf_fini(&s->request);
    mem_free(&s->v);
    mem_free(sp);
}
