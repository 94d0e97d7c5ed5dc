/* buildenv.c - what a build finds in its environment, and texts made fit to be shown. A build gets nothing of the
 * agent's environment but the PATH: the same task builds the same on every agent. Pure. */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/mem.h"

enum { OWN_ROWS = 16 };

bool buildenv_is_name(const char *key)
{
    return *key && !strchr(key, '=') && strcmp(key, "ORION") != 0 && strncmp(key, "ORION_", 6) != 0;
}

static struct msg_pair *pair_find(struct msg_pair *v, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].key, key) == 0)
            return &v[i];
    }
    return NULL;
}

struct msg_pairs buildenv_make(const struct buildenv *b, struct arena *a)
{
    const struct msg_pair rows[OWN_ROWS] = {
        { "PATH", b->path },
        { "HOME", b->home },
        { "TMPDIR", b->tmp },
        { "LANG", "C.UTF-8" },
        { "CI", "true" },
        { "ORION", "true" },
        { "ORION_TASK_ID", b->task_id },
        { "ORION_ATTEMPT", arena_printf(a, "%lld", (long long)b->attempt) },
        { "ORION_REPO", b->repo },
        { "ORION_COMMIT", b->commit },
        { "ORION_REF", b->ref },
        { "ORION_MR", b->mr },
        { "ORION_TARGET", b->target },
    };
    struct msg_pair *v = arena_alloc(a, (OWN_ROWS + b->own.n) * sizeof(*v));
    size_t n = 0;

    for (size_t i = 0; i < OWN_ROWS; i++) {
        if (rows[i].key && rows[i].value)
            v[n++] = rows[i];
    }
    for (size_t i = 0; i < b->own.n; i++) {
        struct msg_pair *same = pair_find(v, n, b->own.v[i].key);

        if (!buildenv_is_name(b->own.v[i].key))
            continue;
        *(same ? same : &v[n++]) = b->own.v[i];
    }
    return (struct msg_pairs){ v, n };
}

const char *buildenv_get(struct msg_pairs env, const char *key)
{
    for (size_t i = 0; i < env.n; i++) {
        if (strcmp(env.v[i].key, key) == 0)
            return env.v[i].value;
    }
    return NULL;
}

/* --- texts ----------------------------------------------------------------------------------------- */

static bool is_plain(const char *word)
{
    size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%^");

    return n && !word[n];
}

static void word_quote(const char *word, struct buf *out)
{
    if (is_plain(word)) {
        buf_puts(out, word);
        return;
    }
    buf_putc(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            buf_puts(out, "'\\''");
        else
            buf_putc(out, *word);
    }
    buf_putc(out, '\'');
}

const char *text_command(struct msg_strs argv, struct arena *a)
{
    struct buf out = { 0 };
    const char *text;

    for (size_t i = 0; i < argv.n; i++) {
        if (i)
            buf_putc(&out, ' ');
        word_quote(argv.v[i], &out);
    }
    text = arena_strndup(a, out.data ? out.data : "", out.len);
    buf_fini(&out);
    return text;
}

/* Bytes of the UTF-8 character at `p`; 0: it is none. */
static size_t utf8_len(const unsigned char *p)
{
    const size_t len = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : p[0] < 0xF5 ? 4 : 0;

    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
        (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

/* At most `max` bytes; what is no UTF-8 becomes a question mark, carriage returns and other controls a blank. */
const char *text_clean(const char *text, size_t max, struct arena *a)
{
    char *out = arena_alloc(a, max + 1);
    size_t n = 0;

    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t len = utf8_len(p);

        if (n + (len ? len : 1) > max)
            break;
        if (len == 1)
            out[n] = *p < ' ' && *p != '\n' && *p != '\t' ? ' ' : (char)*p;
        else if (len)
            memcpy(out + n, p, len);
        else
            out[n] = '?';
        n += len ? len : 1;
        p += len ? len : 1;
    }
    out[n] = '\0';
    return out;
}
