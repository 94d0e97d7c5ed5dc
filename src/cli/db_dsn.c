/* db_dsn.c - reads and replaces the database's name in a DSN, so that `orion db init` can ask the server's own
 * database to make the one that is missing. Both of libpq's forms; later words win, as in libpq. Pure. */
#include "cli/db_dsn.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

static bool is_uri(const char *dsn)
{
    return strncmp(dsn, "postgresql://", 13) == 0 || strncmp(dsn, "postgres://", 11) == 0;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

    return at ? (int)(at - digits) : -1;
}

static char *percent_decode(const char *text, size_t len)
{
    struct buf out = { 0 };

    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && i + 2 < len ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low >= 0) {
            buf_putc(&out, (char)(high * 16 + low));
            i += 2;
        } else {
            buf_putc(&out, text[i]);
        }
    }
    return buf_take(&out);
}

static void percent_encode(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text))
            buf_putc(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

/* Where the parts of a URI stand: SCHEME://HOSTS/PATH?QUERY */
struct uri {
    const char *path;    /* behind the slash; NULL: none */
    size_t path_len;
    size_t hosts_end;    /* offset of "/", "?" or the end */
    const char *query;   /* behind the question mark; NULL: none */
};

static struct uri uri_split(const char *dsn)
{
    const char *hosts = strstr(dsn, "://") + 3;
    size_t hosts_len = strcspn(hosts, "/?");
    struct uri u = { .hosts_end = (size_t)(hosts - dsn) + hosts_len };
    const char *at = dsn + u.hosts_end;

    if (*at == '/') {
        u.path = at + 1;
        u.path_len = strcspn(u.path, "?");
        at = u.path + u.path_len;
    }
    if (*at == '?')
        u.query = at + 1;
    return u;
}

static char *uri_name(const char *dsn)
{
    struct uri u = uri_split(dsn);
    char *name = u.path && u.path_len > 0 ? percent_decode(u.path, u.path_len) : NULL;

    for (const char *q = u.query; q && *q;) {
        size_t len = strcspn(q, "&");
        if (strncmp(q, "dbname=", 7) == 0) {
            mem_free(&name);
            name = percent_decode(q + 7, len - 7);
        }
        q += len + (q[len] == '&');
    }
    return name;
}

static char *uri_with_name(const char *dsn, const char *name)
{
    struct uri u = uri_split(dsn);
    struct buf out = { 0 };
    char separator = '?';

    buf_append(&out, dsn, u.hosts_end);
    buf_putc(&out, '/');
    percent_encode(&out, name);
    for (const char *q = u.query; q && *q;) {
        size_t len = strcspn(q, "&");
        if (len > 0 && strncmp(q, "dbname=", 7) != 0) {
            buf_putc(&out, separator);
            buf_append(&out, q, len);
            separator = '&';
        }
        q += len + (q[len] == '&');
    }
    return buf_take(&out);
}

static const char *skip_blanks(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

/* One value of a key=value string, quoted or not; returns what stands behind it. */
static const char *word_value(const char *p, struct buf *value)
{
    bool quoted = *p == '\'';

    for (p += quoted; *p && (quoted ? *p != '\'' : !isspace((unsigned char)*p)); p++) {
        if (*p == '\\' && p[1])
            p++;
        buf_putc(value, *p);
    }
    return p + (quoted && *p == '\'');
}

static char *words_name(const char *dsn)
{
    char *name = NULL;

    for (const char *p = skip_blanks(dsn); *p; p = skip_blanks(p)) {
        struct buf value = { 0 };
        size_t len = strcspn(p, "= \t\n");
        bool is_name = len == 6 && strncmp(p, "dbname", 6) == 0;
        p = skip_blanks(p + len);
        if (*p == '=')
            p = word_value(skip_blanks(p + 1), &value);
        if (is_name) {
            mem_free(&name);
            name = buf_take(&value);
        }
        buf_fini(&value);
    }
    return name;
}

char *db_dsn_name(const char *dsn)
{
    char *name = is_uri(dsn) ? uri_name(dsn) : words_name(dsn);

    if (name && !*name)
        mem_free(&name);
    return name;
}

char *db_dsn_with_name(const char *dsn, const char *name)
{
    struct buf out = { 0 };

    if (is_uri(dsn))
        return uri_with_name(dsn, name);
    buf_printf(&out, "%s dbname='", dsn);
    for (; *name; name++) {
        if (*name == '\'' || *name == '\\')
            buf_putc(&out, '\\');
        buf_putc(&out, *name);
    }
    buf_putc(&out, '\'');
    return buf_take(&out);
}
