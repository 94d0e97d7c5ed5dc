/* out.c - tables, times, colour and JSON texts on standard output. Rules: man/orion.1. */
#include "cli/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COLUMNS_MAX = 12, CELLS_STEP = 128 };

void out_row(struct out_table *t, const char *const *cells)
{
    for (size_t i = 0; i < t->columns; i++) {
        if (t->n % CELLS_STEP == 0) {
            const char **more = arena_alloc(t->arena, (t->n + CELLS_STEP) * sizeof(*more));
            if (t->n > 0)
                memcpy(more, t->cells, t->n * sizeof(*more));
            t->cells = more;
        }
        t->cells[t->n++] = arena_strdup(t->arena, cells[i] ? cells[i] : "-");
    }
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t width(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

void out_table_print(const struct out_table *t)
{
    size_t widest[COLUMNS_MAX] = { 0 };

    for (size_t i = 0; i < t->n; i++) {
        size_t w = width(t->cells[i]), *most = &widest[i % t->columns];
        *most = w > *most ? w : *most;
    }
    for (size_t i = 0; i < t->n; i++) {
        size_t column = i % t->columns;
        if (column + 1 == t->columns)
            printf("%s\n", t->cells[i]);
        else
            printf("%s%*s", t->cells[i], (int)(widest[column] - width(t->cells[i]) + 2), "");
    }
}

bool out_has_colour(void)
{
    const char *no = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && !(no && *no);
}

const char *out_time(struct arena *a, bool has, int64_t wall_ms)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[32];

    if (!has || !localtime_r(&t, &tm))
        return NULL;
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    return arena_strdup(a, text);
}

const char *out_span(struct arena *a, int64_t ms)
{
    int64_t s = ms / 1000;

    if (ms < 0)
        return NULL;
    if (s < 10)
        return arena_printf(a, "%lld.%lld s", (long long)s, (long long)(ms % 1000 / 100));
    if (s < 60)
        return arena_printf(a, "%lld s", (long long)s);
    if (s < 3600)
        return arena_printf(a, "%lldm %02llds", (long long)(s / 60), (long long)(s % 60));
    return arena_printf(a, "%lldh %02lldm", (long long)(s / 3600), (long long)(s % 3600 / 60));
}

void out_state(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = { { "succeeded", "32" }, { "running", "36" }, { "failed", "31" }, { "lost", "31" },
                    { "timed_out", "31" }, { "cancelled", "33" }, { "superseded", "33" } };

    if (out_has_colour()) {
        for (size_t i = 0; i < ARRAY_LEN(colours); i++) {
            if (strcmp(colours[i].state, state) == 0) {
                printf("\033[%sm%s\033[0m", colours[i].colour, state);
                return;
            }
        }
    }
    fputs(state, stdout);
}

const char *out_short(struct arena *a, const char *text, size_t max)
{
    if (!text || width(text) <= max)
        return text;
    size_t at = 0;
    for (size_t chars = 0; text[at]; at++) {
        if (((unsigned char)text[at] & 0xC0) != 0x80 && ++chars > max - 3)
            break;
    }
    return arena_printf(a, "%.*s...", (int)at, text);
}

void out_document(const struct buf *body)
{
    if (body->len == 0)
        return;
    fwrite(body->data, 1, body->len, stdout);
    if (body->data[body->len - 1] != '\n')
        putchar('\n');
}

static void put_escaped(struct buf *to, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
    const char *at = c ? strchr(from, c) : NULL;

    if (at)
        buf_printf(to, "\\%c", into[at - from]);
    else if ((unsigned char)c < 0x20 || c == 0x7f)
        buf_printf(to, "\\u%04x", (unsigned)(unsigned char)c);
    else
        buf_putc(to, c);
}

void out_json_text(struct buf *to, const char *text)
{
    struct out_utf8 u = { 0 };

    if (!text) {
        buf_puts(to, "null");
        return;
    }
    buf_putc(to, '"');
    out_json_bytes(&u, to, text, strlen(text));
    out_json_bytes_end(&u, to);
    buf_putc(to, '"');
}

static size_t sequence_length(unsigned char first)
{
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    if (first >= 0xF0 && first <= 0xF4)
        return 4;
    return 0;
}

/* May `byte` stand at place `at` (1..) of a sequence that begins with `first`? Keeps out overlong forms,
 * surrogates and what is above U+10FFFF. */
static bool may_follow(unsigned char first, size_t at, unsigned char byte)
{
    if ((byte & 0xC0) != 0x80)
        return false;
    if (at > 1)
        return true;
    switch (first) {
    case 0xE0:
        return byte >= 0xA0;
    case 0xED:
        return byte <= 0x9F;
    case 0xF0:
        return byte >= 0x90;
    case 0xF4:
        return byte <= 0x8F;
    default:
        return true;
    }
}

#define REPLACEMENT "\xEF\xBF\xBD"

static void put_byte(struct out_utf8 *u, struct buf *to, unsigned char byte)
{
    if (u->n > 0 && !may_follow(u->held[0], u->n, byte)) {
        buf_puts(to, REPLACEMENT);
        u->n = 0;
    }
    if (u->n == 0 && byte < 0x80) {
        put_escaped(to, (char)byte);
        return;
    }
    if (u->n == 0 && sequence_length(byte) == 0) {
        buf_puts(to, REPLACEMENT);
        return;
    }
    u->held[u->n++] = byte;
    if (u->n == sequence_length(u->held[0])) {
        buf_append(to, u->held, u->n);
        u->n = 0;
    }
}

void out_json_bytes(struct out_utf8 *u, struct buf *to, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put_byte(u, to, (unsigned char)data[i]);
}

void out_json_bytes_end(struct out_utf8 *u, struct buf *to)
{
    if (u->n > 0)
        buf_puts(to, REPLACEMENT);
    u->n = 0;
}
