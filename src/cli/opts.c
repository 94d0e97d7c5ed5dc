/* opts.c - the options of one verb: a table of rows against the words of a command line.
 *
 * Given: rows, argv. Changes: the options' struct, through the rows' offsets. Rules: man/orion.1. Pure. */
#include "cli/opts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NEAREST_LEN = 63, NEAREST_MAX = 128 };

/* Edit distance (insert, delete, replace) of two short words. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NEAREST_LEN + 1];
    size_t la = strlen(a), lb = strlen(b);

    if (la > NEAREST_LEN || lb > NEAREST_LEN)
        return NEAREST_LEN;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            corner = row[j];
            row[j] = best;
        }
    }
    return row[lb];
}

const char *opts_nearest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 2; /* farther than this is a different word */

    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, names[i]);
        if (d < best_distance) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

static int unknown_option(const struct opt *rows, const char *word, struct err *e)
{
    const char *names[NEAREST_MAX];
    size_t n = 0;

    for (const struct opt *o = rows; o && o->kind != OPT_END && n < NEAREST_MAX; o++)
        names[n++] = o->name;
    const char *near = word[0] == '-' && word[1] == '-' ? opts_nearest(word + 2, names, n) : NULL;
    if (near)
        return err_field(e, word, "unknown option %s (did you mean --%s?)", word, near);
    return err_field(e, word, "unknown option %s", word);
}

static void list_add(struct arena *a, struct opt_list *l, const char *text)
{
    if (l->n % 16 == 0) {
        const char **v = arena_alloc(a, (l->n + 16) * sizeof(*v));
        if (l->n > 0)
            memcpy(v, l->v, l->n * sizeof(*v));
        l->v = v;
    }
    l->v[l->n++] = text;
}

static int parse_int(const struct opt *o, const char *text, struct opt_int *out, struct err *e)
{
    char *end = NULL;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return err_field(e, o->name, "--%s: not a number: %s", o->name, text);
    if (n < o->min || n > o->max)
        return err_field(e, o->name, "--%s: %s is not within %lld and %lld", o->name, text, (long long)o->min,
                         (long long)o->max);
    *out = (struct opt_int){ n, true };
    return 0;
}

static int parse_ms(const struct opt *o, const char *text, struct opt_int *out, struct err *e)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "", 1000 }, { "s", 1000 }, { "ms", 1 }, { "m", 60000 }, { "h", 3600000 } };
    char *end = NULL;

    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || n < 0 || n > 1000000000)
        return err_field(e, o->name, "--%s: not a time: %s (such as 30s, 5m, 500ms)", o->name, text);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            *out = (struct opt_int){ n * units[i].ms, true };
            return 0;
        }
    }
    return err_field(e, o->name, "--%s: not a time: %s (such as 30s, 5m, 500ms)", o->name, text);
}

static int take_value(const struct opt *o, void *options, struct arena *a, const char *text, struct err *e)
{
    void *member = (char *)options + o->offset;

    switch (o->kind) {
    case OPT_STR:
        *(const char **)member = text;
        return 0;
    case OPT_LIST:
        list_add(a, member, text);
        return 0;
    case OPT_INT:
        return parse_int(o, text, member, e);
    case OPT_MS:
        return parse_ms(o, text, member, e);
    default:
        return err_field(e, o->name, "--%s takes no value", o->name);
    }
}

static const struct opt *find_long(const struct opt *rows, const char *name, size_t len)
{
    for (const struct opt *o = rows; o && o->kind != OPT_END; o++) {
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

static const struct opt *find_letter(const struct opt *rows, char letter)
{
    for (const struct opt *o = rows; o && o->kind != OPT_END; o++) {
        if (o->letter == letter)
            return o;
    }
    return NULL;
}

struct words {
    int argc;
    char **argv;
    int at;   /* the next word */
};

static int missing_value(const struct opt *o, struct err *e)
{
    return err_field(e, o->name, "--%s needs a value (%s)", o->name, o->value);
}

static int parse_long(const struct opt *rows, void *options, struct arena *a, struct words *w, struct err *e)
{
    const char *word = w->argv[w->at++];
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const struct opt *o = find_long(rows, word + 2, len - 2);

    if (!o)
        return unknown_option(rows, arena_strndup(a, word, len), e);
    if (o->kind == OPT_FLAG && !equals) {
        *(bool *)((char *)options + o->offset) = true;
        return 0;
    }
    if (equals)
        return take_value(o, options, a, equals + 1, e);
    if (w->at == w->argc)
        return missing_value(o, e);
    return take_value(o, options, a, w->argv[w->at++], e);
}

/* "-fa VALUE", "-aVALUE": flags may be joined, the last one may have a value. */
static int parse_letters(const struct opt *rows, void *options, struct arena *a, struct words *w, struct err *e)
{
    const char *word = w->argv[w->at++];

    for (const char *p = word + 1; *p; p++) {
        const struct opt *o = find_letter(rows, *p);
        if (!o)
            return unknown_option(rows, arena_printf(a, "-%c", *p), e);
        if (o->kind == OPT_FLAG) {
            *(bool *)((char *)options + o->offset) = true;
            continue;
        }
        if (p[1] != '\0')
            return take_value(o, options, a, p + 1, e);
        if (w->at == w->argc)
            return missing_value(o, e);
        return take_value(o, options, a, w->argv[w->at++], e);
    }
    return 0;
}

int opts_parse(const struct opt *rows, void *options, struct arena *a, int argc, char **argv,
               struct opts_args *args_r, struct err *e)
{
    struct words w = { argc, argv, 0 };

    *args_r = (struct opts_args){ 0 };
    while (w.at < argc) {
        const char *word = argv[w.at];
        int rc = 0;
        if (strcmp(word, "--") == 0)
            break;
        if (word[0] != '-' || word[1] == '\0')
            list_add(a, &args_r->operands, argv[w.at++]);
        else if (word[1] == '-')
            rc = parse_long(rows, options, a, &w, e);
        else
            rc = parse_letters(rows, options, a, &w, e);
        if (rc < 0)
            return -1;
    }
    for (w.at++; w.at < argc; w.at++)
        list_add(a, &args_r->rest, argv[w.at]);
    return 0;
}

void opts_usage(const struct opt *rows, FILE *to)
{
    for (const struct opt *o = rows; o && o->kind != OPT_END; o++) {
        char left[80];
        if (!o->help)
            continue;
        snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                 o->letter ? "," : " ", o->name, o->value ? " " : "", o->value ? o->value : "");
        fprintf(to, "  %-30s %s\n", left, o->help);
    }
}
