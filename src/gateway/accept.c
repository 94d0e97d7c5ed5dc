/* accept.c - what a client would rather have. Given a header's text, which comes from anybody; changes nothing. Pure.
 *
 * Each offered name gets the weight of the most specific range that covers it: its own name, else its family, else
 * everything. */
#include "gateway/accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

struct wish {
    const char *name;
    size_t len;
    unsigned weight;   /* thousandths; 0: not this */
};

/* Behind the element's parameters; commas in quotes are none. */
static const char *skip_element(const char *p)
{
    bool is_quoted = false;

    for (; *p && (is_quoted || *p != ','); p++) {
        if (*p == '"')
            is_quoted = !is_quoted;
        else if (*p == '\\' && is_quoted && p[1])
            p++;
    }
    return p;
}

/* "0.5", "1": up to three decimals. What is none of that weighs 1. */
static unsigned parse_weight(const char *p)
{
    unsigned weight = *p == '0' ? 0 : 1000;

    if (*p != '0' || p[1] != '.')
        return weight;
    p += 2;
    for (unsigned place = 100; place > 0 && *p >= '0' && *p <= '9'; place /= 10)
        weight += (unsigned)(*p++ - '0') * place;
    return weight;
}

/* The next element of the list; false: there is none. */
static bool next_wish(const char **at, struct wish *w)
{
    const char *p = *at + strspn(*at, " \t,");
    const char *end = skip_element(p);

    *w = (struct wish){ p, strcspn(p, " \t,;"), 1000 };
    *at = end;
    for (p += w->len; p < end; p++) {
        if (*p != ';')
            continue;
        p += 1 + strspn(p + 1, " \t");
        if ((*p == 'q' || *p == 'Q') && p[1] == '=')
            w->weight = parse_weight(p + 2);
        p--;
    }
    return w->len > 0 || *end != '\0';
}

/* How closely a wish names what is offered; 0: not at all. */
static int closeness(const struct wish *w, const char *offered)
{
    const char *slash = strchr(offered, '/');
    size_t main_len = slash ? (size_t)(slash - offered) + 1 : 0;

    if (w->len == strlen(offered) && strncasecmp(w->name, offered, w->len) == 0)
        return 3;
    if (slash && w->len == main_len + 1 && w->name[main_len] == '*' && strncasecmp(w->name, offered, main_len) == 0)
        return 2;
    if (slash)
        return w->len == 3 && memcmp(w->name, "*/*", 3) == 0;
    return w->len == 1 && w->name[0] == '*';
}

/* 0: not wanted. `place_r`: which element said so. */
static unsigned weight_of(const char *header, const char *offered, unsigned *place_r)
{
    unsigned weight = 0;
    int closest = 0;
    struct wish w;

    *place_r = 0;
    for (unsigned place = 0; next_wish(&header, &w); place++) {
        int close = closeness(&w, offered);
        if (close <= closest)
            continue;
        closest = close;
        weight = w.weight;
        *place_r = place;
    }
    return weight;
}

int accept_best(const char *header, const char *const *types)
{
    unsigned best_weight = 0, best_place = 0;
    int best = -1;

    if (!header || header[strspn(header, " \t,")] == '\0')
        return 0;
    for (int i = 0; types[i]; i++) {
        unsigned place, weight = weight_of(header, types[i], &place);
        if (weight == 0 || weight < best_weight || (weight == best_weight && place >= best_place))
            continue;
        best = i;
        best_weight = weight;
        best_place = place;
    }
    return best;
}

bool accept_coding(const char *header, const char *coding)
{
    unsigned place;

    return header && weight_of(header, coding, &place) > 0;
}
