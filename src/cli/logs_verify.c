/* logs_verify.c - `orion logs --verify`: reads the list of chunks and all bytes, and says whether they are what the
 * result promised. verify.c does the reckoning; this file reads, and words it. Memory does not grow with the log. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/logs.h"
#include "cli/out.h"
#include "cli/verify.h"
#include "lib/clock.h"

/* SETTLE_MS: how long an attempt that has just ended may take to have its log sealed. PATIENCE_MS: for a list of chunks,
 * before it is asked whether the log is there at all. */
enum { GAPS_LISTED = 1000, SETTLE_MS = 10000, LOOK_MS = 100, PATIENCE_MS = 3000 };

struct check {
    struct logs *logs;
    struct verify verify;
    struct source source;
    struct buf gaps;          /* --json: the elements of the list, not more than GAPS_LISTED */
};

/* --- reading ----------------------------------------------------------------------------------------------------- */

static bool on_bytes(void *arg, const char *data, size_t len)
{
    struct check *c = arg;

    verify_bytes(&c->verify, data, len);
    return true;
}

static void on_gap(void *arg, int64_t from, int64_t to, const char *reason)
{
    struct check *c = arg;

    (void)from;
    verify_missing(&c->verify, (uint64_t)to, reason);
}

static int read_page(struct check *c, const struct msg_log_item_list *items, struct err *e)
{
    struct source_span span = { .offset = (int64_t)c->verify.at };

    verify_page(&c->verify, items->v, items->n);
    span.until = (int64_t)verify_page_end(&c->verify);
    if (span.until > span.offset && source_copy(&c->source, &span, e) == SOURCE_FAILED)
        return -1;
    if (span.until > (int64_t)c->verify.at)
        verify_missing(&c->verify, (uint64_t)span.until, "the log sink has the chunks, but not their bytes");
    return 0;
}

static bool refuse(void *arg, const char *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
    return false;
}

/* Nobody lists the chunks of a log that is gone; that it is gone, and why, is said in place of its bytes. Bytes that come
 * while a log is read are left for the next time. */
static int read_rest(struct check *c, struct err *e)
{
    struct source_span span = { .offset = (int64_t)c->verify.at };
    struct source source = c->source;

    source.write = refuse;
    return source_copy(&source, &span, e) == SOURCE_FAILED ? -1 : 0;
}

/* The next page; none of a log whose chunks nobody has. */
static int list_page(struct check *c, struct arena *a, struct msg_log_item_list *items_r, struct err *e)
{
    struct source_page page = { c->verify.seq + 1, VERIFY_PAGE, PATIENCE_MS };
    uint64_t at = c->verify.at;
    struct err now = { 0 };

    *items_r = (struct msg_log_item_list){ 0 };
    if (source_chunks(&c->source, &page, a, items_r, &now) == 0)
        return 0;
    if (now.kind != ERR_NOT_FOUND && now.kind != ERR_UNAVAILABLE) {
        *e = now;
        return -1;
    }
    if (read_rest(c, e) < 0)
        return -1;
    if (c->verify.at > at)
        return 0;
    page.patience_ms = SOURCE_PATIENCE_MS;
    return source_chunks(&c->source, &page, a, items_r, e);
}

static int read_all(struct check *c, struct err *e)
{
    uint64_t before;

    do {
        struct arena arena = { 0 };
        struct msg_log_item_list items;

        before = c->verify.seq;
        int rc = list_page(c, &arena, &items, e);
        if (rc == 0)
            rc = read_page(c, &items, e);
        arena_fini(&arena);
        if (rc < 0)
            return -1;
    } while (c->verify.seq > before && !c->verify.broken.is_there);
    return c->verify.broken.is_there ? 0 : read_rest(c, e);
}

/* --- words ------------------------------------------------------------------------------------------------------- */

/* 41288 -> "41,288"; a ring of texts, for one printf. */
struct numbers {
    char text[6][32];
    size_t next;
};

static const char *number(struct numbers *n, uint64_t value)
{
    char digits[32], *out = n->text[n->next++ % ARRAY_LEN(n->text)];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, value), at = 0;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static void tell_gap(void *arg, const struct verify_gap *gap)
{
    struct check *c = arg;
    struct numbers n = { 0 };

    if (c->logs->o->server.common.json && c->verify.gaps > GAPS_LISTED)
        return;
    if (!c->logs->o->server.common.json) {
        printf("gap: bytes %s to %s (%s): %s\n", number(&n, gap->from), number(&n, gap->to),
               number(&n, gap->to - gap->from), gap->reason);
        return;
    }
    buf_printf(&c->gaps, "%s{\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"reason\":", c->gaps.len > 0 ? "," : "", gap->from,
               gap->to);
    out_json_text(&c->gaps, gap->reason);
    buf_putc(&c->gaps, '}');
}

static const struct {
    const char *name;
    int exit_code;
} verdicts[] = {
    [VERIFY_COMPLETE] = { "complete", CLI_OK },
    [VERIFY_GAPS] = { "gaps", CLI_FAILED },
    [VERIFY_OPEN] = { "open", CLI_FAILED },
    [VERIFY_BROKEN] = { "broken", CLI_INFRASTRUCTURE },
};

static const char *open_reason(const struct msg_v1_attempt *a)
{
    if (strcmp(a->log_state, "open") != 0)
        return "the attempt ended without saying where its log ends";
    return a->has.log_bytes ? "the end of the log has not come yet" : "the attempt has not ended yet";
}

static void tell(const struct check *c, enum verify_verdict verdict, const struct verify_facts *facts)
{
    const struct verify *v = &c->verify;
    struct numbers n = { 0 };
    char head[HASH_TEXT_SIZE];

    hash_format(&v->head, head);
    if (verdict == VERIFY_BROKEN && !v->broken.is_there)
        printf("does not verify: %s bytes cannot be held against any hash\n", number(&n, v->unproven));
    else if (verdict == VERIFY_BROKEN)
        printf("does not verify: chunk %s (byte %s): %s\n", number(&n, v->broken.seq), number(&n, v->broken.offset),
               v->broken.what);
    else if (verdict == VERIFY_COMPLETE)
        printf("complete, %s lines (%s bytes, %s chunks), head %.16s\n", number(&n, verify_lines(v)),
               number(&n, v->bytes), number(&n, v->seq), head);
    else if (verdict == VERIFY_OPEN)
        printf("not complete: %s; %s lines so far (%s bytes, %s chunks) verify, head %.16s\n", open_reason(c->logs->attempt),
               number(&n, verify_lines(v)), number(&n, v->bytes), number(&n, v->seq), head);
    else if (v->unproven == 0 && v->bytes > 0 && v->is_chained)
        printf("incomplete: %s gaps, %s bytes missing; the other %s bytes verify%s%.16s\n", number(&n, v->gaps),
               number(&n, v->missing), number(&n, v->bytes), facts->has_head && v->at == facts->bytes ? ", head " : "",
               facts->has_head && v->at == facts->bytes ? head : "");
    else
        printf("incomplete: %s gaps, %s bytes missing; %s of the other %s bytes lie in chunks that are not whole\n",
               number(&n, v->gaps), number(&n, v->missing), number(&n, v->unproven), number(&n, v->bytes));
}

static void tell_json(const struct check *c, enum verify_verdict verdict)
{
    const struct verify *v = &c->verify;
    struct buf text = { 0 };
    char head[HASH_TEXT_SIZE];

    hash_format(&v->head, head);
    buf_printf(&text, "{\"id\":\"%s\",\"attempt\":%" PRId64 ",\"verdict\":\"%s\",\"lines\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"chunks\":%" PRIu64 ",\"head\":", c->logs->id, c->logs->attempt->number, verdicts[verdict].name,
               verify_lines(v), v->bytes, v->seq);
    out_json_text(&text, v->is_chained ? head : NULL);
    buf_printf(&text, ",\"missing\":%" PRIu64 ",\"unproven\":%" PRIu64 ",\"gap_count\":%" PRIu64 ",\"gaps\":[%s]",
               v->missing, v->unproven, v->gaps, c->gaps.data ? c->gaps.data : "");
    if (v->broken.is_there) {
        buf_printf(&text, ",\"broken\":{\"chunk\":%" PRIu64 ",\"offset\":%" PRIu64 ",\"reason\":",
                   v->broken.seq, v->broken.offset);
        out_json_text(&text, v->broken.what);
        buf_putc(&text, '}');
    }
    printf("%s}\n", text.data);
    buf_fini(&text);
}

/* --- the verb's part --------------------------------------------------------------------------------------------- */

static struct verify_facts facts_of(const struct msg_v1_attempt *a)
{
    struct verify_facts f = { .has_bytes = a->has.log_bytes, .has_lines = a->has.log_lines,
                              .has_head = a->log_head.len == sizeof(f.head.b), .bytes = (uint64_t)a->log_bytes,
                              .lines = (uint64_t)a->log_lines, .log_state = a->log_state };

    if (f.has_head)
        memcpy(f.head.b, a->log_head.data, sizeof(f.head.b));
    return f;
}

/* What was committed of the attempt, once its log is sealed or will not be so soon. */
static int settle(struct logs *l, struct err *e)
{
    int64_t until_ms = (int64_t)clock_boot_ms() + SETTLE_MS;

    while (l->attempt->has.ended_at && strcmp(l->attempt->log_state, "open") == 0 &&
           (int64_t)clock_boot_ms() < until_ms) {
        api_pause(LOOK_MS);
        if (logs_read_task(l, e) < 0)
            return -1;
    }
    return 0;
}

int logs_verify(struct logs *l)
{
    struct err e = { 0 };
    int rc;

    if (settle(l, &e) < 0)
        return cli_fail(&e);
    struct check *c = mem_zalloc(sizeof(*c));   /* larger than a stack should hold */
    struct verify_facts facts = facts_of(l->attempt);
    c->logs = l;
    c->source = logs_source(l);
    c->source.write = on_bytes;
    c->source.gap = on_gap;
    c->source.arg = c;
    verify_init(&c->verify, &l->task.id, (uint32_t)l->attempt->number);
    c->verify.on_gap = tell_gap;
    c->verify.arg = c;
    if (read_all(c, &e) < 0) {
        rc = cli_fail(&e);
    } else {
        enum verify_verdict verdict = verify_end(&c->verify, &facts);
        if (l->o->server.common.json)
            tell_json(c, verdict);
        else
            tell(c, verdict, &facts);
        rc = verdicts[verdict].exit_code;
    }
    buf_fini(&c->gaps);
    mem_free(&c);
    return rc;
}
