/* fetch_handshake.c - the client's half of the WebSocket handshake (RFC 6455, 4.1) as text: no I/O.
 *
 * The answer is checked strictly: whatever is not exactly a switch to the protocol we asked for is an error that
 * names the status or the header at fault. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/fetch_impl.h"
#include "lib/mem.h"
#include "lib/ws.h"

char *fetch_shown(const char *url)
{
    const char *slashes = strstr(url, "//");
    const char *host = slashes ? slashes + 2 : url;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);

    return at ? mem_printf("%.*s%s", (int)(host - url), url, at + 1) : mem_strdup(url);
}

void fetch_handshake_request(struct buf *out, const char *host, const char *target, const char *key,
                             const char *subprotocol)
{
    buf_printf(out,
               "GET %s HTTP/1.1\r\n"
               "Host: %s\r\n"
               "User-Agent: orion/" PACKAGE_VERSION "\r\n"
               "Upgrade: websocket\r\n"
               "Connection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: %s\r\n"
               "Sec-WebSocket-Protocol: %s\r\n"
               "\r\n",
               target, host, key, subprotocol);
}

/* A piece of the response. */
struct slice {
    const char *at;
    size_t len;
};

static bool slice_is(struct slice s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

static struct slice slice_trim(struct slice s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = (struct slice){ s.at + 1, s.len - 1 };
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Up to the separator; *rest goes on behind it. */
static struct slice slice_until(struct slice *rest, const char *separator)
{
    const char *end = memmem(rest->at, rest->len, separator, strlen(separator));
    struct slice piece = { rest->at, end ? (size_t)(end - rest->at) : rest->len };
    size_t used = end ? piece.len + strlen(separator) : piece.len;

    *rest = (struct slice){ rest->at + used, rest->len - used };
    return piece;
}

static bool list_has(struct slice list, const char *token)
{
    while (list.len)
        if (slice_is(slice_trim(slice_until(&list, ",")), token))
            return true;
    return false;
}

/* The headers that decide, each with how often it came. */
struct answer {
    struct slice upgrade, connection, accept, protocol, extensions;
    unsigned n_upgrade, n_connection, n_accept, n_protocol, n_extensions;
};

static void answer_note(struct answer *a, struct slice name, struct slice value)
{
    const struct { const char *name; struct slice *value; unsigned *n; } headers[] = {
        { "Upgrade", &a->upgrade, &a->n_upgrade },
        { "Connection", &a->connection, &a->n_connection },
        { "Sec-WebSocket-Accept", &a->accept, &a->n_accept },
        { "Sec-WebSocket-Protocol", &a->protocol, &a->n_protocol },
        { "Sec-WebSocket-Extensions", &a->extensions, &a->n_extensions },
    };

    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        if (slice_is(name, headers[i].name)) {
            *headers[i].value = value;
            ++*headers[i].n;
        }
}

static int status_check(struct slice line, struct err *e)
{
    long status;
    enum err_kind kind;

    if (line.len < 12 || strncmp(line.at, "HTTP/1.", 7) != 0 || line.at[8] != ' ')
        return err_set(e, ERR_SYSTEM, "the answer is not HTTP");
    status = strtol(line.at + 9, NULL, 10);
    if (status == 101)
        return 0;
    kind = status == 401 || status == 403 ? ERR_DENIED : status == 404 ? ERR_NOT_FOUND : ERR_UNAVAILABLE;
    return err_set(e, kind, "the server answered %.*s", (int)(line.len - 9 < 60 ? line.len - 9 : 60), line.at + 9);
}

static int answer_check(const struct answer *a, const char *key, const char *subprotocol, struct err *e)
{
    char accept[WS_ACCEPT_SIZE];

    ws_accept(key, accept);
    if (a->n_upgrade != 1 || !slice_is(a->upgrade, "websocket"))
        return err_set(e, ERR_SYSTEM, "the answer has no \"Upgrade: websocket\"");
    if (a->n_connection < 1 || !list_has(a->connection, "upgrade"))
        return err_set(e, ERR_SYSTEM, "the answer has no \"Connection: Upgrade\"");
    if (a->n_accept != 1 || a->accept.len != strlen(accept) || memcmp(a->accept.at, accept, a->accept.len) != 0)
        return err_set(e, ERR_SYSTEM, "the answer's Sec-WebSocket-Accept does not fit the key: a cache on the way?");
    if (a->n_protocol != 1 || a->protocol.len != strlen(subprotocol) ||
        memcmp(a->protocol.at, subprotocol, a->protocol.len) != 0)
        return err_set(e, ERR_SYSTEM, "the server does not speak the subprotocol %s", subprotocol);
    if (a->n_extensions)
        return err_set(e, ERR_SYSTEM, "the server wants an extension that nobody offered: %.*s",
                       (int)(a->extensions.len < 60 ? a->extensions.len : 60), a->extensions.at);
    return 0;
}

int fetch_handshake_check(const char *head, size_t len, const char *key, const char *subprotocol, struct err *e)
{
    struct slice rest = { head, len };
    struct answer a = { 0 };

    if (memchr(head, '\0', len))
        return err_set(e, ERR_SYSTEM, "the answer is not HTTP");
    if (status_check(slice_until(&rest, "\r\n"), e) < 0)
        return -1;
    while (rest.len) {
        struct slice line = slice_until(&rest, "\r\n"), name;

        if (line.len == 0)
            break;
        name = slice_until(&line, ":");
        if (name.len == 0 || memchr(name.at, ' ', name.len) || memchr(name.at, '\n', name.len) ||
            name.at + name.len == line.at)
            return err_set(e, ERR_SYSTEM, "the answer has a malformed header");
        answer_note(&a, name, slice_trim(line));
    }
    return answer_check(&a, key, subprotocol, e);
}
