/* err.c - filling in a struct err. The first reason stays: later ones are consequences of it. */
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A cut text must not end inside a UTF-8 character: it travels in messages that refuse invalid text. */
static void text_trim(char *text, size_t size)
{
    size_t len = strlen(text), at = len;

    if (len + 1 < size)
        return;
    while (at > 0 && ((unsigned char)text[at - 1] & 0xC0) == 0x80)
        at--;
    if (at > 0 && ((unsigned char)text[at - 1] & 0xC0) == 0xC0)
        text[at - 1] = '\0';
}

static void text_add(char *text, size_t size, const char *more)
{
    size_t len = strlen(text), n = strnlen(more, size - 1 - len);

    memcpy(text + len, more, n);
    text[len + n] = '\0';
    text_trim(text, size);
}

static bool err_is_set(const struct err *e)
{
    return e->kind != ERR_NONE;
}

__attribute__((format(printf, 4, 0))) static void err_fill(struct err *e, enum err_kind kind, const char *field,
                                                           const char *fmt, va_list ap)
{
    e->kind = kind;
    snprintf(e->field, sizeof(e->field), "%s", field);
    vsnprintf(e->text, sizeof(e->text), fmt, ap);
    text_trim(e->field, sizeof(e->field));
    text_trim(e->text, sizeof(e->text));
}

int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
    va_list ap;

    if (!e || err_is_set(e))
        return -1;
    va_start(ap, fmt);
    err_fill(e, kind, "", fmt, ap);
    va_end(ap);
    return -1;
}

int err_field(struct err *e, const char *field, const char *fmt, ...)
{
    va_list ap;

    if (!e || err_is_set(e))
        return -1;
    va_start(ap, fmt);
    err_fill(e, ERR_INVALID, field, fmt, ap);
    va_end(ap);
    return -1;
}

int err_sys(struct err *e, const char *fmt, ...)
{
    const int number = errno;
    const char *reason = strerrordesc_np(number); /* as strerror, but safe in threads */
    va_list ap;

    if (!e || err_is_set(e))
        return -1;
    va_start(ap, fmt);
    err_fill(e, ERR_SYSTEM, "", fmt, ap);
    va_end(ap);
    text_add(e->text, sizeof(e->text), ": ");
    text_add(e->text, sizeof(e->text), reason ? reason : "unknown error");
    errno = number;
    return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    char text[sizeof(e->text)];
    va_list ap;

    if (!e)
        return -1;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    text_add(text, sizeof(text), ": ");
    text_add(text, sizeof(text), e->text);
    memcpy(e->text, text, sizeof(text));
    if (!err_is_set(e))
        e->kind = ERR_SYSTEM;
    return -1;
}

void err_clear(struct err *e)
{
    if (e)
        *e = (struct err){ 0 };
}

const char *err_kind_name(enum err_kind kind)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",
        [ERR_INVALID] = "invalid",
        [ERR_TOO_LARGE] = "too_large",
        [ERR_DENIED] = "denied",
        [ERR_NOT_FOUND] = "not_found",
        [ERR_CONFLICT] = "conflict",
        [ERR_UNAVAILABLE] = "unavailable",
        [ERR_SYSTEM] = "system",
    };

    return (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}
