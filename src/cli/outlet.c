/* outlet.c - where the bytes of a log go. Given: a descriptor or a path, which is made or emptied. */
#include "cli/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int outlet_open(struct outlet *o, const char *path, struct err *e)
{
    o->path = path;
    o->fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
    return o->fd < 0 ? err_sys(e, "cannot write %s", path) : 0;
}

static bool put(struct outlet *o, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(o->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            o->error = errno;
            return false;
        }
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static bool put_plain(struct outlet *o, const char *data, size_t len)
{
    struct buf out = { 0 };

    if (!o->is_plain)
        return put(o, data, len);
    plain_feed(&o->plain, data, len, &out);
    bool is_put = put(o, out.data, out.len);
    buf_fini(&out);
    return is_put;
}

bool outlet_write(void *arg, const char *data, size_t len)
{
    struct outlet *o = arg;
    struct buf out = { 0 };

    if (!o->filter.text)
        return put_plain(o, data, len);
    line_filter_feed(&o->filter, data, len, &out);
    bool is_put = put_plain(o, out.data, out.len);
    buf_fini(&out);
    return is_put;
}

int outlet_close(struct outlet *o, struct err *e)
{
    struct buf out = { 0 };

    if (o->filter.text && o->error == 0) {
        line_filter_end(&o->filter, &out);
        put_plain(o, out.data, out.len);
        buf_fini(&out);
    }
    line_filter_fini(&o->filter);
    if (o->path && close(o->fd) < 0 && o->error == 0)
        o->error = errno;
    errno = o->error;
    if (o->error == EPIPE && !o->path)
        return -1;
    return o->error ? err_sys(e, "cannot write %s", o->path ? o->path : "standard output") : 0;
}
