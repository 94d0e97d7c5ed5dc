/* session.h - the agent's one connection to the farm: dials, says hello, stays, comes back. */
#ifndef ORION_AGENT_SESSION_H
#define ORION_AGENT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/loop.h"
#include "proto/msg.h"

struct session;

struct session_spec {
    const char *url;                 /* of the WebSocket */
    const char *ca_file;
    struct uuid agent_id, instance;
    const char *name;
    struct msg_strs labels;
    int64_t slots;
};
struct session_hooks {
    struct msg_held_list (*inventory)(void *arg, struct arena *a);
    int64_t (*count)(void *arg);     /* of this hello: more than of any before it */
    void (*on_welcome)(void *arg);   /* what is not acknowledged is to be sent again */
    int (*on_text)(void *arg, const char *data, size_t len, struct err *e);
    void (*on_room)(void *arg);      /* welcomed, and before the loop sleeps: log chunks may be queued */
    void (*on_closed)(void *arg);    /* after session_close */
};

/* Borrows the spec and what it points to. */
struct session *session_new(struct loop *l, const struct session_spec *spec, const struct session_hooks *hooks,
                            void *arg);
void session_start(struct session *s);
void session_free(struct session **s);
void session_rest(struct session *s);             /* offer no slot from now on: the agent is about to stop */
void session_close(struct session *s);            /* 1001, and no coming back */

bool session_is_welcome(const struct session *s); /* on the connection of now */
int64_t session_number(const struct session *s);  /* of the last welcome */
/* May an assignment of that session count? Not while a hello is unanswered: its inventory decides about those. */
bool session_is_current(const struct session *s, int64_t number);
bool session_follows(struct session *s, int64_t epoch); /* false: from a leader of the past, to be dropped */
void session_send(struct session *s, enum msg_type type, const void *message); /* nowhere when not connected */
void session_send_binary(struct session *s, const struct buf *frame);
size_t session_queued(const struct session *s);

/* Handlers of the messages that are about the session itself. */
void session_welcome(struct session *s, const struct msg_agent_welcome *m);
void session_rehello(struct session *s, const struct msg_agent_rehello *m);

/* The WebSocket's address from a server's: "/ws" is added where there is no path. The caller frees it. */
char *session_url(const char *url);

#endif
