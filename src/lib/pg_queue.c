/* pg_queue.c - the bookkeeping beside a pipeline: which call the next result belongs to, and the first error of a
 * transaction. Pure, but for the random part of a delay. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/pg_impl.h"

void pg_queue_push(struct call_queue *q, struct call call)
{
    struct call *c = mem_dup(&call, sizeof(call));

    if (q->head)
        q->last->next = c;
    else
        q->head = c;
    q->last = c;
}

struct call pg_queue_pop(struct call_queue *q)
{
    struct call *first = q->head, call = *first;

    q->head = first->next;
    mem_free(&first);
    return call;
}

void pg_queue_free(struct call_queue *q)
{
    while (q->head)
        pg_queue_pop(q);
}

struct call_queue pg_queue_take(struct call_queue *q)
{
    struct call_queue taken = *q;

    q->head = NULL;
    return taken;
}

bool pg_call_is_sync(const struct call *c)
{
    return c->kind == CALL_SYNC || c->kind == CALL_KNOWN || c->kind == CALL_PREPARED;
}

bool pg_call_is_ours(const struct call *c)
{
    return c->kind != CALL_QUERY && c->kind != CALL_REDEFINE && c->kind != CALL_SYNC;
}

void pg_failure_note(struct failure *f, const char *sqlstate, const char *text, const char *detail)
{
    if (f->is_set)
        return;
    f->is_set = true;
    snprintf(f->sqlstate, sizeof(f->sqlstate), "%s", sqlstate ? sqlstate : "");
    buf_reset(&f->text);
    buf_puts(&f->text, text);
    if (detail)
        buf_printf(&f->text, " (%s)", detail);
}

void pg_failure_tell(const struct failure *f, struct pg_result *r)
{
    r->error = f->text.data;
    memcpy(r->sqlstate, f->sqlstate, sizeof(r->sqlstate));
}

unsigned pg_backoff_next(unsigned *delay_ms)
{
    unsigned half = *delay_ms / 2, random;

    hash_random(&random, sizeof(random));
    *delay_ms = *delay_ms * 2 < BACKOFF_LAST_MS ? *delay_ms * 2 : BACKOFF_LAST_MS;
    return half + random % (half + 1);
}

const char *pg_list_turn(const char *list, unsigned first, struct arena *a)
{
    const char *from = list;
    size_t n = 1;

    for (const char *p = list; *p; p++)
        n += *p == ',';
    for (first %= (unsigned)n; first > 0; first--)
        from = strchr(from, ',') + 1;
    return from == list ? list : arena_printf(a, "%s,%.*s", from, (int)(from - list - 1), list);
}

char *pg_one_line(const char *message)
{
    char *line = mem_strdup(message ? message : ""), *to = line;

    for (const char *from = line; *from; from++) {
        bool is_blank = isspace((unsigned char)*from);

        if (!is_blank)
            *to++ = *from;
        else if (to > line && to[-1] != ' ')
            *to++ = ' ';
    }
    while (to > line && to[-1] == ' ')
        to--;
    *to = '\0';
    return line;
}
