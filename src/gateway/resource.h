/* resource.h - reading one thing from the database for a request, and answering with it. */
#ifndef ORION_GATEWAY_RESOURCE_H
#define ORION_GATEWAY_RESOURCE_H

#include "gateway/gateway.h"

struct resource {
    enum msg_type type;
    const char *key;       /* of db_get; NULL: none */
    unsigned (*status)(const void *message);   /* of the answer; NULL: 200 */
};

/* `what` lives as long as the request. */
void resource_answer(struct gateway *g, struct request *r, struct resource *what);

/* For callbacks of db.c whose argument is a ticket: the request, or NULL when there is nothing more to answer: it is
 * over, or the database was silent and that is what was answered. */
struct request *resource_request(void *ticket, const struct db_answer *a);
void resource_missing(struct request *r, enum msg_type type);          /* 404 */
/* The parameter of the path as an id in its usual form; NULL: it is none, and that is answered. */
const char *resource_id(struct request *r, const char *whose, struct uuid *id_r);
/* The same for a name; NULL: it is too long, and that is answered. */
const char *resource_name(struct request *r);
bool resource_takes_no_query(struct request *r);   /* false: there is one, and that is answered */
bool resource_takes_nothing(struct request *r);    /* the same for a query or a body other than {} */

#endif
