/* record.c - see record.h. Lines of a word and its value, the messages in them as JSON:
 *
 *   orion-attempt 1
 *   stage started
 *   began BOOT MS
 *   order {...}       task.assign
 *   commit ID         and driver NAME, verdict and result {...} (task.result), base {...} (log.base): when there are
 *   end CRC-32C       of everything before this line, in hexadecimal */
#include "agent/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"

#define MAGIC "orion-attempt "
enum { VERSION = 1 };

static const char *const stages[] = {
    [RECORD_ACCEPTED] = "accepted",
    [RECORD_STARTED] = "started",
    [RECORD_FINISHED] = "finished",
    [RECORD_DROPPED] = "dropped",
};

/* --- writing --------------------------------------------------------------------------------------- */

static void put_message(struct buf *out, const char *word, enum msg_type type, const void *message)
{
    if (!message)
        return;
    buf_printf(out, "%s ", word);
    msg_to_json(type, message, false, out);
    buf_putc(out, '\n');
}

static void put_text(struct buf *out, const char *word, const char *text)
{
    if (text)
        buf_printf(out, "%s %s\n", word, text);
}

void record_encode(const struct record *r, struct buf *out)
{
    const size_t from = out->len;

    buf_printf(out, MAGIC "%d\n", VERSION);
    put_text(out, "stage", stages[r->stage]);
    buf_printf(out, "began %s %llu\n", r->boot, (unsigned long long)r->began_ms);
    put_message(out, "order", MSG_TASK_ASSIGN, &r->order);
    put_text(out, "commit", r->commit);
    put_text(out, "driver", r->driver);
    put_message(out, "verdict", MSG_TASK_RESULT, r->verdict);
    put_message(out, "result", MSG_TASK_RESULT, r->result);
    put_message(out, "base", MSG_LOG_BASE, r->base);
    buf_printf(out, "end %08x\n", hash_crc32c(0, out->data + from, out->len - from));
}

/* --- reading --------------------------------------------------------------------------------------- */

struct line {
    const char *value;
    size_t len;
};
struct reading {
    struct arena *arena;
    struct record *record;
    struct err *e;
};

static int get_stage(struct reading *r, const struct line *l)
{
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        if (strlen(stages[i]) == l->len && memcmp(stages[i], l->value, l->len) == 0) {
            r->record->stage = (enum record_stage)i;
            return 0;
        }
    }
    return err_set(r->e, ERR_INVALID, "unknown stage");
}

static int get_began(struct reading *r, const struct line *l)
{
    const char *text = arena_strndup(r->arena, l->value, l->len), *space = strchr(text, ' ');
    char *end;

    if (!space || space == text || space[1] < '0' || space[1] > '9')
        return err_set(r->e, ERR_INVALID, "unreadable time");
    r->record->boot = arena_strndup(r->arena, text, (size_t)(space - text));
    r->record->began_ms = strtoull(space + 1, &end, 10);
    return *end ? err_set(r->e, ERR_INVALID, "unreadable time") : 0;
}

static int get_order(struct reading *r, const struct line *l)
{
    return msg_from_json(MSG_TASK_ASSIGN, l->value, l->len, r->arena, &r->record->order, r->e);
}

static int get_commit(struct reading *r, const struct line *l)
{
    r->record->commit = arena_strndup(r->arena, l->value, l->len);
    return 0;
}

static int get_driver(struct reading *r, const struct line *l)
{
    r->record->driver = arena_strndup(r->arena, l->value, l->len);
    return 0;
}

static int get_result(struct reading *r, const struct line *l, const struct msg_task_result **result_r)
{
    struct msg_task_result *m = arena_alloc(r->arena, sizeof(*m));

    *result_r = m;
    return msg_from_json(MSG_TASK_RESULT, l->value, l->len, r->arena, m, r->e);
}

static int get_verdict(struct reading *r, const struct line *l)
{
    return get_result(r, l, &r->record->verdict);
}

static int get_decided(struct reading *r, const struct line *l)
{
    return get_result(r, l, &r->record->result);
}

static int get_base(struct reading *r, const struct line *l)
{
    struct msg_log_base *m = arena_alloc(r->arena, sizeof(*m));

    r->record->base = m;
    return msg_from_json(MSG_LOG_BASE, l->value, l->len, r->arena, m, r->e);
}

/* In the order in which they are written. */
static const struct {
    const char *word;
    bool is_required;
    int (*get)(struct reading *r, const struct line *l);
} rows[] = {
    { "stage ", true, get_stage },    { "began ", true, get_began },      { "order ", true, get_order },
    { "commit ", false, get_commit }, { "driver ", false, get_driver },   { "verdict ", false, get_verdict },
    { "result ", false, get_decided }, { "base ", false, get_base },
};

static int rows_read(struct reading *r, const char *at, const char *end)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        const size_t word = strlen(rows[i].word);
        struct line l;

        if (!stop || (size_t)(stop - at) < word || memcmp(at, rows[i].word, word) != 0) {
            if (rows[i].is_required)
                return err_set(r->e, ERR_INVALID, "%sis missing", rows[i].word);
            continue;
        }
        l = (struct line){ at + word, (size_t)(stop - at) - word };
        if (rows[i].get(r, &l))
            return err_prefix(r->e, "%.*s", (int)word - 1, rows[i].word);
        at = stop + 1;
    }
    return at == end ? 0 : err_set(r->e, ERR_INVALID, "an unknown line");
}

static int version_check(const char *text, size_t len, struct err *e)
{
    const size_t magic = strlen(MAGIC);

    if (len < magic + 2 || memcmp(text, MAGIC, magic) != 0)
        return err_set(e, ERR_INVALID, "not an attempt's record");
    if (text[magic] != '0' + VERSION || text[magic + 1] != '\n')
        return err_set(e, ERR_INVALID, "a format that is not version %d: of another version of the agent", VERSION);
    return 0;
}

int record_decode(const char *text, size_t len, struct arena *a, struct record *r_r, struct err *e)
{
    const size_t head = strlen(MAGIC) + 2, tail = strlen("end 01234567\n");
    struct reading r = { a, r_r, e };
    char want[16];

    *r_r = (struct record){ 0 };
    if (version_check(text, len, e))
        return -1;
    if (len < head + tail)
        return err_set(e, ERR_INVALID, "the end is missing");
    snprintf(want, sizeof(want), "end %08x\n", hash_crc32c(0, text, len - tail));
    if (memcmp(text + len - tail, want, tail) != 0)
        return err_set(e, ERR_INVALID, "damaged");
    if (rows_read(&r, text + head, text + len - tail))
        return -1;
    if (r_r->stage == RECORD_FINISHED && !r_r->result)
        return err_set(e, ERR_INVALID, "finished without a result");
    return 0;
}

/* --- deciding -------------------------------------------------------------------------------------- */

enum resume resume_decide(enum record_stage stage, bool has_runner)
{
    static const enum resume table[][2] = { /* without, with a runner */
        [RECORD_ACCEPTED] = { RESUME_PREPARE, RESUME_RUNNER },
        [RECORD_STARTED] = { RESUME_PREPARE, RESUME_RUNNER },
        [RECORD_FINISHED] = { RESUME_TELL, RESUME_TELL },
        [RECORD_DROPPED] = { RESUME_END, RESUME_END },
    };

    return table[stage][has_runner];
}
