/* gitref.c - names of git: which ones a task may use, what they mean at the remote, where the mirror lives. Pure.
 *
 * Names come from users. What begins with a dash would be an option of git, and what git's own syntax gives a
 * meaning (HEAD~3, @{u}, :path, globs) is not a ref: all of it is refused here, before any git runs. */
#include "agent/gitref.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/hash.h"

enum { ID_SHA1 = 40, ID_SHA256 = 64, ID_SHORTEST = 7, MIRROR_NAME_MAX = 48 };

static size_t hex_len(const char *s)
{
    size_t n = strspn(s, "0123456789abcdefABCDEF");

    return s[n] ? 0 : n;
}

bool gitref_is_id(const char *ref)
{
    size_t n = hex_len(ref);

    return n == ID_SHA1 || n == ID_SHA256;
}

bool gitref_is_short_id(const char *ref)
{
    size_t n = hex_len(ref);

    return n >= ID_SHORTEST && n < ID_SHA256;
}

static bool is_ref_text(const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (*p <= ' ' || *p == 0x7f || strchr("~^:?*[\\", *p))
            return false;
    }
    return !strstr(s, "..") && !strstr(s, "@{") && !strstr(s, "//");
}

int gitref_check(const char *ref, struct err *e)
{
    size_t len = strlen(ref);

    if (!len || ref[0] == '-' || ref[0] == '/' || ref[len - 1] == '/' || ref[len - 1] == '.' || !is_ref_text(ref))
        return err_set(e, ERR_INVALID, "%.200s: not a branch, tag, ref or commit id", ref);
    return 0;
}

struct msg_strs gitref_candidates(const char *ref, struct arena *a)
{
    const char **v = arena_alloc(a, 5 * sizeof(*v));
    size_t n = 0;

    if (strcmp(ref, "HEAD") == 0 || strncmp(ref, "refs/", 5) == 0) {
        if (strncmp(ref, "refs/tags/", 10) == 0)
            v[n++] = arena_printf(a, "%s^{}", ref);
        v[n++] = arena_strdup(a, ref);
    } else {
        v[n++] = arena_printf(a, "refs/heads/%s", ref);
        v[n++] = arena_printf(a, "refs/tags/%s^{}", ref);
        v[n++] = arena_printf(a, "refs/tags/%s", ref);
        v[n++] = arena_printf(a, "refs/%s", ref);
    }
    return (struct msg_strs){ v, n };
}

/* The object of one name in lines of "ID<TAB>NAME". */
static const char *listing_find(const char *listing, const char *name, struct arena *a)
{
    const size_t name_len = strlen(name);

    for (const char *line = listing; *line;) {
        size_t len = strcspn(line, "\n"), id = strcspn(line, "\t\n");

        if (id < len && len - id - 1 == name_len && memcmp(line + id + 1, name, name_len) == 0) {
            const char *object = arena_strndup(a, line, id);

            return gitref_is_id(object) ? object : NULL;
        }
        line += len + (line[len] == '\n');
    }
    return NULL;
}

const char *gitref_pick(const char *listing, struct msg_strs candidates, struct arena *a)
{
    for (size_t i = 0; i < candidates.n; i++) {
        const char *object = listing_find(listing, candidates.v[i], a);

        if (object)
            return object;
    }
    return NULL;
}

const char *gitref_of_mr(const char *mr_ref, const char *mr, struct arena *a, struct err *e)
{
    const char *hole = strstr(mr_ref, "{mr}");
    const char *ref;

    if (!*mr || mr[0] == '-' || !is_ref_text(mr)) {
        err_set(e, ERR_INVALID, "mr \"%.100s\" cannot be part of %s", mr, mr_ref);
        return NULL;
    }
    if (!hole)
        return arena_strdup(a, mr_ref);
    ref = arena_printf(a, "%.*s%s%s", (int)(hole - mr_ref), mr_ref, mr, hole + 4);
    return gitref_check(ref, e) ? NULL : ref;
}

const char *gitref_mirror_name(const char *name, const char *url, struct arena *a)
{
    const char *base = strrchr(name, '/');
    char readable[MIRROR_NAME_MAX + 1], text[HASH_TEXT_SIZE];
    struct hash h;
    size_t n = 0;

    for (base = base && base[1] ? base + 1 : name; *base && n < MIRROR_NAME_MAX; base++)
        readable[n++] = isalnum((unsigned char)*base) || strchr("._-", *base) ? *base : '_';
    readable[n] = '\0';
    if (readable[0] == '.' || readable[0] == '-')
        readable[0] = '_';
    hash_bytes(&h, url, strlen(url));
    hash_format(&h, text);
    return arena_printf(a, "%s-%.12s.git", readable, text);
}
