/* conf_text.c - the text side of settings: numbers with units, misspelt names, passwords in values. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/conf_impl.h"
#include "lib/text.h"

struct suffix {
    const char *text;
    int64_t factor;
};

static const struct suffix ms_suffixes[] = {
    { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 86400 * 1000 }, { NULL, 0 },
};
static const struct suffix byte_suffixes[] = {
    { "", 1 },        { "B", 1 },       { "k", 1 << 10 },          { "K", 1 << 10 },
    { "M", 1 << 20 }, { "G", 1 << 30 }, { "T", INT64_C(1) << 40 }, { NULL, 0 },
};
static const struct suffix no_suffixes[] = { { "", 1 }, { NULL, 0 } };

static const struct suffix *const suffixes[] = {
    [CONF_INT] = no_suffixes,
    [CONF_MS] = ms_suffixes,
    [CONF_BYTES] = byte_suffixes,
};

int conf_number_parse(enum conf_type type, const char *text, int64_t *number_r)
{
    const struct suffix *suffix = suffixes[type];
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (end == text || errno || (text[0] != '-' && (text[0] < '0' || text[0] > '9')))
        return -1;
    for (; suffix->text; suffix++) {
        if (strcmp(end, suffix->text) == 0)
            return __builtin_mul_overflow((int64_t)n, suffix->factor, number_r) ? -1 : 0;
    }
    return -1;
}

int conf_bool_parse(const char *text, bool *value_r)
{
    static const char *const words[2][4] = { { "no", "false", "0", "off" }, { "yes", "true", "1", "on" } };

    for (int value = 0; value < 2; value++) {
        for (int i = 0; i < 4; i++) {
            if (strcasecmp(text, words[value][i]) == 0) {
                *value_r = value;
                return 0;
            }
        }
    }
    return -1;
}

bool conf_is_slip(const char *wrong, const char *name)
{
    return text_distance(wrong, name) <= (strlen(name) <= 5 ? 1u : 2u);
}

void conf_put_masked(struct buf *out, const char *text)
{
    static const char word[] = "password=";

    while (*text) {
        const char *authority = strncmp(text, "://", 3) == 0 ? text + 3 : NULL;
        const char *colon = authority ? authority + strcspn(authority, ":@/?# ") : NULL;
        const char *at = colon && *colon == ':' ? colon + strcspn(colon, "@/?# ") : NULL;

        if (at && *at == '@') {
            buf_append(out, text, (size_t)(colon + 1 - text));
            buf_puts(out, "***");
            text = at;
        } else if (strncasecmp(text, word, strlen(word)) == 0) {
            buf_puts(out, "password=***");
            text += strcspn(text, " &");
        } else {
            buf_putc(out, *text++);
        }
    }
}
