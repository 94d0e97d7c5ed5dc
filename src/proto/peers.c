/* peers.c - ORION_SCHEDULERS and ORION_SINKS as lists (peers.h shows both). Given the setting's text, fills arrays in
 * an arena. An endpoint that ZeroMQ could not use is refused here, by name, before anything connects. */
#include "proto/peers.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SCHEDULERS_VARIABLE "ORION_SCHEDULERS"
#define SINKS_VARIABLE "ORION_SINKS"
#define PEER_NAME_MAX 64        /* log_chunk.sink */
#define IPC_PATH_MAX 107        /* sun_path without its NUL */
#define SEPARATORS " \t\r\n,"

struct word {
    const char *p;
    size_t len;
};

static bool word_next(const char **text, struct word *w_r)
{
    *text += strspn(*text, SEPARATORS);
    *w_r = (struct word){ *text, strcspn(*text, SEPARATORS) };
    *text += w_r->len;
    return w_r->len > 0;
}

static size_t words_count(const char *text)
{
    struct word w;
    size_t n = 0;

    while (word_next(&text, &w))
        n++;
    return n;
}

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static int tcp_check(const char *endpoint, const char *variable, struct err *e)
{
    const char *host = endpoint + strlen("tcp://"), *colon = strrchr(host, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    unsigned long port = digits && digits < 6 && !colon[1 + digits] ? strtoul(colon + 1, NULL, 10) : 0;

    if (colon == host || port < 1 || port > UINT16_MAX)
        return err_field(e, variable, "%s: \"%s\" must be tcp://HOST:PORT with a port from 1 to 65535", variable,
                         endpoint);
    return 0;
}

static int endpoint_check(const char *endpoint, const char *variable, struct err *e)
{
    if (begins(endpoint, "tcp://"))
        return tcp_check(endpoint, variable, e);
    if (!begins(endpoint, "ipc:///") || !endpoint[strlen("ipc:///")])
        return err_field(e, variable, "%s: \"%s\" must be ipc:///PATH or tcp://HOST:PORT", variable, endpoint);
    if (strlen(endpoint + strlen("ipc://")) > IPC_PATH_MAX)
        return err_field(e, variable, "%s: the path of \"%s\" is longer than the %d bytes a socket may have", variable,
                         endpoint, IPC_PATH_MAX);
    return 0;
}

int peers_schedulers(const char *text, struct arena *a, const char *const **endpoints_r, size_t *n_r, struct err *e)
{
    const char **endpoints = arena_alloc(a, words_count(text ? text : "") * sizeof(*endpoints));
    size_t n = 0;
    struct word w;

    while (text && word_next(&text, &w)) {
        endpoints[n] = arena_strndup(a, w.p, w.len);
        if (endpoint_check(endpoints[n], SCHEDULERS_VARIABLE, e))
            return -1;
        for (size_t i = 0; i < n; i++) {
            if (!strcmp(endpoints[i], endpoints[n]))
                return err_field(e, SCHEDULERS_VARIABLE, SCHEDULERS_VARIABLE ": %s is there twice", endpoints[n]);
        }
        n++;
    }
    *endpoints_r = endpoints;
    *n_r = n;
    return 0;
}

static bool name_is_good(const char *name)
{
    size_t len = strlen(name);

    return len && len <= PEER_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

/* NAME=CONTROL+LIVE, cut at the signs. */
static int sink_parse(char *text, struct peers_sink *sink, struct err *e)
{
    char *control = strchr(text, '='), *live = control ? strstr(control, "+ipc://") : NULL;

    if (control && !live)
        live = strstr(control, "+tcp://");
    if (!live)
        return err_field(e, SINKS_VARIABLE, SINKS_VARIABLE ": \"%s\" must be NAME=CONTROL+LIVE, such as "
                         "sink-1=ipc:///run/orion/sink-1.sock+ipc:///run/orion/sink-1.live", text);
    *control++ = '\0';
    *live++ = '\0';
    if (!name_is_good(text))
        return err_field(e, SINKS_VARIABLE, SINKS_VARIABLE ": the name \"%s\" must have 1 to %d letters, digits, '.', "
                         "'_' or '-'", text, PEER_NAME_MAX);
    if (endpoint_check(control, SINKS_VARIABLE, e) || endpoint_check(live, SINKS_VARIABLE, e))
        return -1;
    *sink = (struct peers_sink){ text, control, live };
    return 0;
}

int peers_sinks(const char *text, struct arena *a, const struct peers_sink **sinks_r, size_t *n_r, struct err *e)
{
    struct peers_sink *sinks = arena_alloc(a, words_count(text ? text : "") * sizeof(*sinks));
    size_t n = 0;
    struct word w;

    while (text && word_next(&text, &w)) {
        if (sink_parse(arena_strndup(a, w.p, w.len), &sinks[n], e))
            return -1;
        for (size_t i = 0; i < n; i++) {
            if (!strcmp(sinks[i].name, sinks[n].name))
                return err_field(e, SINKS_VARIABLE, SINKS_VARIABLE ": %s is there twice", sinks[n].name);
        }
        n++;
    }
    *sinks_r = sinks;
    *n_r = n;
    return 0;
}
