/* query.c - what stands in a URL. Given raw text from the request line; changes nothing but the arena.
 *
 * Pure. Everything here comes from anybody: escapes are checked, text must be UTF-8 without NUL. */
#include "gateway/query.h"

#include <string.h>

#include "lib/text.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte behind a percent sign at text[0]; -1: no two digits follow. */
static int escape_value(const char *text, size_t len)
{
    if (len < 3 || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
        return -1;
    return hex_digit(text[1]) * 16 + hex_digit(text[2]);
}

int query_decode(const char *text, size_t len, bool plus, struct arena *a, const char **out_r, struct err *e)
{
    char *out = arena_alloc(a, len + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int value = escape_value(text + i, len - i);
            if (value < 0)
                return err_set(e, ERR_INVALID, "a %% in the URL is not followed by two hexadecimal digits");
            c = (char)value;
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[n++] = c;
    }
    if (!text_is_valid(out, n) || memchr(out, '\0', n))
        return err_set(e, ERR_INVALID, "the URL holds a NUL byte or is not UTF-8");
    *out_r = out;
    return 0;
}

static int parse_pair(const char *text, size_t len, struct arena *a, struct query_pair *pair_r, struct err *e)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;

    if (query_decode(text, name_len, true, a, &pair_r->name, e) < 0)
        return -1;
    if (!equals) {
        pair_r->value = "";
        return 0;
    }
    return query_decode(equals + 1, len - name_len - 1, true, a, &pair_r->value, e);
}

int query_parse(const char *text, struct arena *a, struct query *q_r, struct err *e)
{
    struct query_pair *pairs = arena_alloc(a, QUERY_PAIRS_MAX * sizeof(*pairs));
    size_t n = 0;

    while (*text != '\0') {
        size_t len = strcspn(text, "&");
        if (len > 0) {
            if (n == QUERY_PAIRS_MAX)
                return err_set(e, ERR_INVALID, "more than %d query parameters", QUERY_PAIRS_MAX);
            if (parse_pair(text, len, a, &pairs[n], e) < 0)
                return -1;
            const struct query before = { pairs, n };
            if (query_get(&before, pairs[n].name))
                return err_field(e, pairs[n].name, "query parameter %s is there twice", pairs[n].name);
            n++;
        }
        text += len + (text[len] == '&');
    }
    *q_r = (struct query){ pairs, n };
    return 0;
}

const char *query_get(const struct query *q, const char *name)
{
    for (size_t i = 0; i < q->n; i++)
        if (strcmp(q->v[i].name, name) == 0)
            return q->v[i].value;
    return NULL;
}

/* --- names ----------------------------------------------------------------------------------------------------- */

static bool is_listed(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static const char *nearest(const char *name, const char *const *names)
{
    const char *best = NULL;
    size_t best_distance = 0;

    for (; *names; names++) {
        size_t d = text_distance(name, *names);
        if (!best || d < best_distance) {
            best = *names;
            best_distance = d;
        }
    }
    return best;
}

int query_check(const struct query *q, const char *const *names, struct err *e)
{
    for (size_t i = 0; i < q->n; i++) {
        const char *name = q->v[i].name;
        if (is_listed(name, names))
            continue;
        const char *near = nearest(name, names);
        if (!near)
            return err_field(e, name, "unknown query parameter %.64s: this route takes none", name);
        return err_field(e, name, "unknown query parameter %.64s; did you mean %s?", name, near);
    }
    return 0;
}

/* --- numbers --------------------------------------------------------------------------------------------------- */

/* Digits up to the end or `stop`; where they end, or NULL. */
static const char *parse_digits(const char *text, char stop, int64_t *n_r)
{
    int64_t n = 0;

    if (*text < '0' || *text > '9')
        return NULL;
    for (; *text >= '0' && *text <= '9'; text++) {
        int digit = *text - '0';
        if (n > (INT64_MAX - digit) / 10)
            return NULL;
        n = n * 10 + digit;
    }
    if (*text != stop)
        return NULL;
    *n_r = n;
    return text;
}

int query_number(const struct query *q, const char *name, int64_t max, int64_t fallback, int64_t *n_r, struct err *e)
{
    const char *text = query_get(q, name);

    *n_r = fallback;
    if (!text)
        return 0;
    if (!parse_digits(text, '\0', n_r) || *n_r > max)
        return err_field(e, name, "query parameter %s must be a number from 0 to %lld", name, (long long)max);
    return 0;
}

int query_position(const char *text, int64_t *attempt_r, int64_t *offset_r)
{
    const char *dot = parse_digits(text, '.', attempt_r);

    return dot && parse_digits(dot + 1, '\0', offset_r) ? 0 : -1;
}
