/* ask.c - sends one request of a verb and prints the answer. Given: a call whose options begin as ask_options.
 * Rules: man/orion.1. */
#include "cli/ask.h"

#include "cli/out.h"

int64_t ask_patience(const struct opt_int *timeout)
{
    return timeout->is_given ? timeout->value : ASK_PATIENCE_MS;
}

static int print_answer(const struct api *api, const struct cli_call *call, const char *path, const struct buf *body,
                        const struct ask_answer *answer)
{
    const struct ask_options *o = call->options;
    struct err e = { 0 };

    if (body->len == 0)
        return CLI_OK;
    if (o->server.common.json) {
        out_document(body);
        return CLI_OK;
    }
    if (api_decode(api, path, body, answer->type, answer->message, &e) < 0)
        return cli_fail(&e);
    answer->print(call->arena, answer->message);
    return CLI_OK;
}

int ask_get(const struct cli_call *call, const char *path, const struct ask_answer *answer)
{
    const struct ask_options *o = call->options;
    struct buf body = { 0 };
    struct err e = { 0 };
    struct api api;
    int rc;

    if (api_open(&api, &o->server, call->arena, &e) < 0)
        return cli_fail(&e);
    if (api_get_patiently(&api, path, API_LOOK_MS, &body, &e) < 0)
        rc = cli_fail(&e);
    else
        rc = print_answer(&api, call, path, &body, answer);
    buf_fini(&body);
    return rc;
}

int ask_change(const struct cli_call *call, const struct api_change *change, const struct ask_answer *answer)
{
    const struct ask_options *o = call->options;
    struct api_change sent = *change;
    struct buf body = { 0 };
    struct err e = { 0 };
    struct api api;
    int rc;

    sent.patience_ms = ask_patience(&o->timeout);
    if (api_open(&api, &o->server, call->arena, &e) < 0)
        return cli_fail(&e);
    if (api_change(&api, &sent, &body, &e) < 0)
        rc = cli_fail(&e);
    else
        rc = print_answer(&api, call, change->path, &body, answer);
    buf_fini(&body);
    return rc;
}
