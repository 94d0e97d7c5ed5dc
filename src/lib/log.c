/* log.c - events as single lines on stderr, key=value or JSON, one write(2) each.
 *
 * Given a process name and levels once, at start. Changes nothing but stderr. */
#include "lib/log.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/text.h"

/* The one exception to "no variables at file scope": a log line must be possible from anywhere, and handing a
 * logger through every call would cost more than this struct. It is written by log_init, before any thread
 * exists, and only read afterwards. */
static struct {
    char process[32];
    enum log_level level;
    bool is_json;
} logger = { .process = "orion", .level = LOG_LEVEL_INFO };

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

static int level_parse(const char *word, size_t len, enum log_level *level_r)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (strlen(level_names[i]) == len && strncmp(word, level_names[i], len) == 0) {
            *level_r = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

/* "info,gateway=debug": a bare level counts for everybody, one with our name wins. A process name may have a
 * part behind a slash ("gateway/1"), which the names in `levels` leave out. */
static int levels_parse(const char *process, const char *levels, enum log_level *level_r, struct err *e)
{
    const size_t name_len = strcspn(process, "/");
    bool is_own = false;

    for (const char *at = levels, *end; *at; at = *end ? end + 1 : end) {
        const char *equals, *word = at;
        enum log_level level;

        end = at + strcspn(at, ",");
        equals = memchr(at, '=', (size_t)(end - at));
        if (equals)
            word = equals + 1;
        if (level_parse(word, (size_t)(end - word), &level))
            return err_field(e, "ORION_LOG", "\"%.*s\" is not a log level; choose error, warn, info or debug",
                             (int)(end - word), word);
        if (equals && (size_t)(equals - at) == name_len && strncmp(at, process, name_len) == 0) {
            *level_r = level;
            is_own = true;
        } else if (!equals && !is_own) {
            *level_r = level;
        }
    }
    return 0;
}

int log_init(const char *process, const char *levels, const char *format, struct err *e)
{
    enum log_level level = LOG_LEVEL_INFO;

    if (levels && levels_parse(process, levels, &level, e))
        return -1;
    if (format && strcmp(format, "json") != 0 && strcmp(format, "text") != 0)
        return err_field(e, "ORION_LOG_FORMAT", "\"%s\" is not a log format; choose text or json", format);
    snprintf(logger.process, sizeof(logger.process), "%s", process);
    logger.level = level;
    logger.is_json = format && strcmp(format, "json") == 0;
    return 0;
}

bool log_enabled(enum log_level level)
{
    return level <= logger.level;
}

static void put_escaped(struct buf *line, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    while (*s) {
        const int n = text_step(s, strnlen((const char *)s, 4));

        if (n <= 0) {
            buf_printf(line, logger.is_json ? "\\ufffd" : "\\x%02x", *s);
            s++;
            continue;
        }
        if (*s == '"' || *s == '\\')
            buf_printf(line, "\\%c", *s);
        else if (*s == '\n')
            buf_puts(line, "\\n");
        else if (*s < 0x20 || *s == 0x7F)
            buf_printf(line, logger.is_json ? "\\u%04x" : "\\x%02x", *s);
        else
            buf_append(line, s, (size_t)n);
        s += n;
    }
}

static bool needs_quotes(const char *text)
{
    if (!*text)
        return true;
    for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
        if (*s <= ' ' || *s == '"' || *s == '\\' || *s == '=' || *s >= 0x7F)
            return true;
    }
    return false;
}

static void put_quoted(struct buf *line, const char *text)
{
    buf_putc(line, '"');
    put_escaped(line, text);
    buf_putc(line, '"');
}

static void put_text_line(struct buf *line, const char *time, enum log_level level, const char *event,
                          const struct log_kv *kv)
{
    buf_printf(line, "%s %s %s: ", time, level_names[level], logger.process);
    put_escaped(line, event);
    for (; kv->key; kv++) {
        buf_printf(line, " %s=", kv->key);
        if (!kv->text)
            buf_printf(line, "%lld", (long long)kv->number);
        else if (needs_quotes(kv->text))
            put_quoted(line, kv->text);
        else
            buf_puts(line, kv->text);
    }
    buf_putc(line, '\n');
}

static void put_json_line(struct buf *line, const char *time, enum log_level level, const char *event,
                          const struct log_kv *kv)
{
    buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"process\":", time, level_names[level]);
    put_quoted(line, logger.process);
    buf_puts(line, ",\"event\":");
    put_quoted(line, event);
    for (; kv->key; kv++) {
        buf_putc(line, ',');
        put_quoted(line, kv->key);
        buf_putc(line, ':');
        if (kv->text)
            put_quoted(line, kv->text);
        else
            buf_printf(line, "%lld", (long long)kv->number);
    }
    buf_puts(line, "}\n");
}

void log_write(enum log_level level, const char *event, const struct log_kv *kv)
{
    struct buf line = { 0 };
    char time[CLOCK_TEXT_SIZE];
    ssize_t written;

    clock_format(clock_wall_ms(), time);
    if (logger.is_json)
        put_json_line(&line, time, level, event, kv);
    else
        put_text_line(&line, time, level, event, kv);
    /* a log that cannot be written has nowhere to complain; the process goes on */
    written = write(STDERR_FILENO, line.data, line.len);
    (void)written;
    buf_fini(&line);
}
