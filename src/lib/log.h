/* log.h - what a process tells its operator: one event per line, key=value or JSON, on stderr.
 *
 *     log_info("task assigned", log_str("task", id), log_int("attempt", n));
 *
 * Logged once, where an error is handled, never at every level it passes through. */
#ifndef ORION_LIB_LOG_H
#define ORION_LIB_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_kv {
    const char *key;   /* NULL ends the list */
    const char *text;  /* NULL: the number counts */
    int64_t number;
};

static inline struct log_kv log_str(const char *key, const char *text)
{
    return (struct log_kv){ key, text ? text : "", 0 };
}
static inline struct log_kv log_int(const char *key, int64_t number)
{
    return (struct log_kv){ key, 0, number };
}
static inline struct log_kv log_err(const struct err *e)
{
    return (struct log_kv){ "error", e->text, 0 };
}

/* `levels` is "info" or "info,gateway=debug" (ORION_LOG); json when `format` is "json", else key=value.
 * Fails with the word that is not a level. */
int log_init(const char *process, const char *levels, const char *format, struct err *e);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_kv *kv);

#define log_at(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_write(level, event, (const struct log_kv[]){ __VA_ARGS__ __VA_OPT__(, ) { 0 } });  \
    } while (0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
