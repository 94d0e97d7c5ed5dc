/* sse.c - log bytes as server-sent events (WHATWG HTML, "Server-sent events"; ARCHITECTURE "The life of a task").
 *
 * Pure. A build may write anything; whatever it writes must not end an event early or begin a field. */
#include "gateway/sse.h"

#include <string.h>

#include "lib/text.h"

size_t sse_cut_character(const uint8_t *data, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++)
        if (data[len - back] >= 0xC0)
            return text_step(data + len - back, back) < 0 ? back : 0;
    return 0;
}

/* Bytes at the end that must wait for what follows: a cut character, or a CR whose LF may be next. */
static size_t undecided(const uint8_t *data, size_t len)
{
    return len > 0 && data[len - 1] == '\r' ? 1 : sse_cut_character(data, len);
}

static bool take_part(const uint8_t *data, size_t len, bool is_last, struct sse_event *event_r)
{
    size_t n = is_last ? len : len - undecided(data, len);

    *event_r = (struct sse_event){ n, n, true };
    return n > 0;
}

bool sse_next(const uint8_t *data, size_t len, enum sse_rest rest, struct sse_event *event_r)
{
    size_t look = len < SSE_LINE_MAX + 1 ? len : SSE_LINE_MAX + 1;
    const uint8_t *end = look ? memchr(data, '\n', look) : NULL;

    if (end) {
        size_t n = (size_t)(end - data);
        *event_r = (struct sse_event){ n > 0 && data[n - 1] == '\r' ? n - 1 : n, n + 1, false };
        return true;
    }
    if (len > SSE_LINE_MAX)
        return take_part(data, SSE_LINE_MAX, false, event_r);
    return rest != SSE_WAIT && take_part(data, len, rest == SSE_LAST, event_r);
}

/* A run of plain characters, copied at once. */
static size_t copy_plain(const uint8_t *data, size_t len, char *out, size_t room)
{
    size_t n = 0;
    size_t max = len < room ? len : room;

    while (n < max && data[n] < 0x80 && data[n] != '\0' && data[n] != '\r' && data[n] != '\n')
        n++;
    memcpy(out, data, n);
    return n;
}

size_t sse_text(const uint8_t *data, size_t len, char *out, size_t room, size_t *written_r)
{
    static const char fresh_line[] = "\ndata: ";
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t done = 0;
    size_t written = 0;

    while (done < len) {
        size_t plain = copy_plain(data + done, len - done, out + written, room - written);
        done += plain;
        written += plain;
        if (done == len || room - written < SSE_STEP_MAX)
            break;
        int step = text_step(data + done, len - done);
        const char *text = (const char *)data + done;
        size_t n = (size_t)step;
        if (data[done] == '\r' || data[done] == '\n') {
            text = fresh_line;
            n = sizeof(fresh_line) - 1;
        } else if (step <= 0 || data[done] == '\0') {
            text = replacement;
            n = sizeof(replacement) - 1;
        }
        memcpy(out + written, text, n);
        written += n;
        done += step > 0 ? (size_t)step : 1;
    }
    *written_r = written;
    return done;
}

/* Decimal digits; returns behind them. */
static char *put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0)
        *at++ = digits[--n];
    return at;
}

static char *put_word(char *at, const char *word)
{
    size_t len = strlen(word);

    memcpy(at, word, len);
    return at + len;
}

size_t sse_head(const struct sse_form *form, bool is_part, uint64_t next, char out[SSE_HEAD_MAX])
{
    char *at = out;

    if (form->is_named)
        at = put_word(at, is_part ? "event: part\n" : "event: log\n");
    at = put_number(put_word(at, "id: "), (uint64_t)form->attempt);
    *at++ = '.';
    at = put_word(put_number(at, next), "\ndata: ");
    return (size_t)(at - out);
}

void sse_put(const struct sse_form *form, const struct sse_event *event, const uint8_t *data, uint64_t offset,
             struct buf *out)
{
    char *head = buf_reserve(out, SSE_HEAD_MAX);
    size_t done = 0;

    buf_commit(out, sse_head(form, event->is_part, offset + event->taken, head));
    while (done < event->shown) {
        size_t room = event->shown - done + SSE_STEP_MAX;
        size_t written;
        done += sse_text(data + done, event->shown - done, buf_reserve(out, room), room, &written);
        buf_commit(out, written);
    }
    buf_append(out, SSE_TAIL, sizeof(SSE_TAIL) - 1);
}
