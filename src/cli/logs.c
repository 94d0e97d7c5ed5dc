/* logs.c - `orion logs`: its options, what they mean together, and the log's bytes as they were written, now or as they
 * come (-f). Other forms, --verify and --replay have files of their own. Rules: man/orion.1. */
#include "cli/logs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/follow.h"
#include "cli/out.h"
#include "cli/since.h"
#include "lib/clock.h"

/* The last two are the server's. */
enum { ATTEMPTS_MAX = 1000000, TAIL_MAX = 100000, MATCHES_MAX = 100000 };

/* --- what the options mean --------------------------------------------------------------------------------------- */

static bool is_form(const struct logs_options *o, const char *name)
{
    return o->format && strcmp(o->format, name) == 0;
}

static bool is_text(const struct logs_options *o)
{
    return !o->format || is_form(o, "text");
}

/* Why the options do not go together; NULL: they do. */
static const char *contradiction(const struct logs_options *o)
{
    static const char *const formats[] = { "text", "jsonl", "cast", "sse", "chunks" };
    bool is_known = !o->format, has_part = o->tail.is_given || o->since || o->grep;

    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        is_known |= is_form(o, formats[i]);
    if (!is_known)
        return "--format is one of text, jsonl, cast, sse and chunks";
    if (o->verify && (o->follow || o->replay || has_part || o->format || o->plain || o->output))
        return "--verify is of a whole log: only --attempt goes with it";
    if (o->replay && (o->follow || has_part || o->format || o->server.common.json))
        return "--replay is of a whole log, at its own times";
    if (!o->replay && (o->speed || o->max_pause.is_given))
        return "-x and --max-pause go with --replay";
    if (o->ignore_case && !o->grep)
        return "--ignore-case goes with --grep";
    if (has_part && !is_text(o))
        return "--tail, --since and --grep are of the text";
    if (o->follow && (is_form(o, "cast") || is_form(o, "chunks")))
        return "-f goes with text, jsonl and sse";
    if (o->server.common.json && (o->format || o->output || o->grep))
        return "--json is a document of its own";
    if (o->plain && !is_text(o))
        return "--plain is of the text";
    return NULL;
}

static int find_place(struct logs *l, struct err *e)
{
    const struct logs_options *o = l->o;
    struct buf query = { 0 };
    char since[CLOCK_TEXT_SIZE];
    int64_t wall_ms;

    if (o->since && since_parse(o->since, clock_wall_ms(), &wall_ms, e) < 0)
        return -1;
    if (o->tail.is_given)
        buf_printf(&query, "&tail=%lld", (long long)o->tail.value);
    if (o->since) {
        clock_format(wall_ms, since);
        buf_printf(&query, "&since=%s", since);
    }
    if (query.len > 0)
        l->place = arena_strdup(l->call->arena, query.data);
    buf_fini(&query);
    return 0;
}

/* --- text -------------------------------------------------------------------------------------------------------- */

static bool on_bytes(void *arg, const char *data, size_t len)
{
    struct logs *l = arg;

    return outlet_write(&l->out, data, len);
}

static void on_gap(void *arg, int64_t from, int64_t to, const char *reason)
{
    struct logs *l = arg;

    l->has_holes = true;
    follow_note_gap(from, to, reason);
}

struct source logs_source(struct logs *l)
{
    return (struct source){ .api = &l->api, .id = l->id, .attempt = l->attempt->number, .write = on_bytes,
                            .gap = on_gap, .arg = l, .lines = is_form(l->o, "jsonl") ? &l->lines : NULL };
}

/* From the place that was asked for on. The end of a build may be known before its last bytes are on the sink. */
static struct source_span span_of(const struct logs *l)
{
    bool is_late = l->attempt && l->attempt->has.ended_at && strcmp(l->attempt->log_state, "open") == 0;

    return (struct source_span){ .place = l->place, .is_waiting = is_late };
}

/* What is there now. */
static int print_log(struct logs *l)
{
    const struct source source = logs_source(l);
    struct source_span span = span_of(l);
    struct err e = { 0 };

    switch (source_copy(&source, &span, &e)) {
    case SOURCE_FAILED:
        return cli_fail(&e);
    case SOURCE_STOPPED:
        return CLI_FAILED;
    default:
        return l->has_holes || l->lines.has_gaps ? CLI_FAILED : CLI_OK;
    }
}

static int print_matches(struct logs *l)
{
    struct buf query = { 0 };

    buf_printf(&query, "?format=text&max_matches=%d%s", MATCHES_MAX, l->place ? l->place : "");
    api_query(&query, "grep", l->o->grep);
    if (l->o->ignore_case)
        buf_puts(&query, "&ignore_case=1");
    int rc = logs_form(l, query.data + 1);
    buf_fini(&query);
    return rc;
}

static int follow_log(struct logs *l, bool (*write)(void *, const char *, size_t))
{
    struct arena scratch = { 0 };
    struct msg_v1_task task = { 0 };
    struct buf body = { 0 };
    struct err e = { 0 };
    struct follow f = { .api = &l->api, .scratch = &scratch, .id = l->id, .attempt = l->o->attempt.value,
                        .place = l->place, .write = write, .arg = l,
                        .lines = is_form(l->o, "jsonl") ? &l->lines : NULL };

    cli_on_interrupt(arena_printf(l->call->arena, "\norion: the task goes on; to see it again: orion logs -f %s\n",
                                  l->id));
    enum follow_end end = follow_task(&f, &task, &body, &e);
    cli_on_interrupt(NULL);
    buf_fini(&body);
    arena_fini(&scratch);
    l->has_holes = f.has_holes || l->lines.has_gaps;
    if (end == FOLLOW_FAILED)
        return cli_fail(&e);
    return end == FOLLOW_ENDED && !l->has_holes ? CLI_OK : CLI_FAILED;
}

/* --- --json ------------------------------------------------------------------------------------------------------ */

/* {"id": ..., "attempt": N, "state": ..., "log": "..."}, the log's bytes streamed into the text. */
struct document {
    struct logs *logs;
    struct out_utf8 utf8;
};

static bool put_json(void *arg, const char *data, size_t len)
{
    struct document *d = arg;
    struct buf text = { 0 };

    out_json_bytes(&d->utf8, &text, data, len);
    bool is_put = outlet_write(&d->logs->out, text.data, text.len);
    buf_fini(&text);
    return is_put;
}

static void put_gap(void *arg, int64_t from, int64_t to, const char *reason)
{
    struct document *d = arg;

    on_gap(d->logs, from, to, reason);
}

static int print_json(struct logs *l)
{
    struct document d = { .logs = l };
    struct source source = l->attempt ? logs_source(l) : (struct source){ 0 };
    struct source_span span = span_of(l);
    struct err e = { 0 };
    struct buf text = { 0 };
    enum source_end end = SOURCE_DONE;

    buf_printf(&text, "{\"id\":\"%s\",\"attempt\":%lld,\"state\":\"%s\",\"log_state\":\"%s\",\"log\":\"", l->id,
               (long long)(l->attempt ? l->attempt->number : 0), l->task.state,
               l->attempt ? l->attempt->log_state : "open");
    outlet_write(&l->out, text.data, text.len);
    buf_reset(&text);
    source.write = put_json;
    source.gap = put_gap;
    source.arg = &d;
    if (l->attempt)
        end = source_copy(&source, &span, &e);
    out_json_bytes_end(&d.utf8, &text);
    buf_puts(&text, "\"}\n");
    outlet_write(&l->out, text.data, text.len);
    buf_fini(&text);
    if (end == SOURCE_FAILED)
        return cli_fail(&e);
    return end == SOURCE_STOPPED || l->has_holes ? CLI_FAILED : CLI_OK;
}

/* Swallows the log: print_json reads it again when the task is at its end. */
static bool discard(void *arg, const char *data, size_t len)
{
    (void)arg;
    (void)data;
    (void)len;
    return true;
}

/* --- the verb ---------------------------------------------------------------------------------------------------- */

int logs_read_task(struct logs *l, struct err *e)
{
    struct buf body = { 0 };
    int64_t number = l->o->attempt.value;

    l->task = (struct msg_v1_task){ 0 };
    int rc = api_read_task(&l->api, l->id, &l->task, &body, e);
    buf_fini(&body);
    if (rc < 0)
        return -1;
    l->attempt = follow_attempt(&l->task, l->o->attempt.is_given ? number : l->task.attempt);
    if (l->o->attempt.is_given && !l->attempt)
        return err_set(e, ERR_NOT_FOUND, "task %s has no attempt %lld", l->id, (long long)number);
    return 0;
}

/* With a task, an attempt if there is one, and the outlet open. */
static int print_as_asked(struct logs *l)
{
    const struct logs_options *o = l->o;

    if (o->server.common.json && !o->verify)
        return print_json(l);
    if (!l->attempt) {
        fprintf(stderr, "orion: no attempt yet: the task is %s\n", l->task.state);
        return o->verify || o->replay ? CLI_FAILED : CLI_OK;
    }
    if (o->verify)
        return logs_verify(l);
    if (o->replay)
        return logs_replay(l);
    if (o->grep)
        return print_matches(l);
    if (is_form(o, "cast"))
        return logs_form(l, "format=cast");
    return is_form(o, "chunks") ? logs_form(l, "format=chunks") : print_log(l);
}

static int run_with_outlet(struct logs *l)
{
    struct err e = { 0 };

    if (is_form(l->o, "sse"))
        return logs_events(l);
    if (l->o->follow && !l->o->server.common.json)
        return follow_log(l, on_bytes);
    if (l->o->follow) {
        int rc = follow_log(l, discard);
        if (rc != CLI_OK && !l->has_holes)
            return rc;
    }
    return logs_read_task(l, &e) < 0 ? cli_fail(&e) : print_as_asked(l);
}

static int logs(const struct cli_call *call)
{
    const struct logs_options *o = call->options;
    const char *text = cli_operand(call, "a task's id"), *wrong = contradiction(o);
    struct logs l = { .call = call, .o = o };
    struct err e = { 0 }, closing = { 0 };

    if (!text)
        return CLI_USAGE;
    if (wrong)
        return cli_usage(call, wrong);
    l.id = api_task_id(call->arena, text, &e);
    if (!l.id || find_place(&l, &e) < 0 || api_open(&l.api, &o->server, call->arena, &e) < 0 ||
        outlet_open(&l.out, o->output, &e) < 0)
        return cli_fail(&e);
    l.out.is_plain = o->plain;
    l.out.filter.text = o->follow ? o->grep : NULL;
    l.out.filter.ignore_case = o->ignore_case;
    int rc = run_with_outlet(&l);
    json_lines_fini(&l.lines);
    if (outlet_close(&l.out, &closing) < 0 && closing.kind != ERR_NONE)
        return cli_fail(&closing);
    return rc;
}

static const struct opt rows[] = {
    { OPT_FLAG, 'f', "follow", offsetof(struct logs_options, follow), NULL, "go on until the task is at its end", 0,
      0 },
    { OPT_INT, 0, "attempt", offsetof(struct logs_options, attempt), "N", "of this attempt (default: the latest)", 1,
      ATTEMPTS_MAX },
    { OPT_INT, 'n', "tail", offsetof(struct logs_options, tail), "N", "the last N lines", 0, TAIL_MAX },
    { OPT_STR, 0, "since", offsetof(struct logs_options, since), "TIME", "what was written since (10m, 14:30, a date)", 0,
      0 },
    { OPT_STR, 0, "grep", offsetof(struct logs_options, grep), "TEXT", "the lines that hold this text", 0, 0 },
    { OPT_FLAG, 'i', "ignore-case", offsetof(struct logs_options, ignore_case), NULL, "of --grep", 0, 0 },
    { OPT_STR, 0, "format", offsetof(struct logs_options, format), "FORM", "text, jsonl, cast, sse or chunks", 0, 0 },
    { OPT_STR, 'o', "output", offsetof(struct logs_options, output), "FILE", "write to this file", 0, 0 },
    { OPT_FLAG, 0, "plain", offsetof(struct logs_options, plain), NULL, "without escape sequences", 0, 0 },
    { OPT_FLAG, 0, "verify", offsetof(struct logs_options, verify), NULL,
      "compute the hash chain and compare it with the result's", 0, 0 },
    { OPT_FLAG, 0, "replay", offsetof(struct logs_options, replay), NULL, "at the speed at which it was written", 0, 0 },
    { OPT_STR, 'x', "speed", offsetof(struct logs_options, speed), "FACTOR", "of --replay: this many times as fast", 0,
      0 },
    { OPT_MS, 0, "max-pause", offsetof(struct logs_options, max_pause), "TIME", "of --replay: longer pauses are cut", 0,
      0 },
    CLI_SERVER_ROWS,
};

const struct verb logs_verb = {
    .name = "logs",
    .synopsis = "[OPTION]... ID",
    .summary = "print, follow, verify or replay a task's log",
    .details = "Bytes come as the build wrote them; what is missing is named on standard error. With --verify: exit code\n"
               "0 complete and verified, 1 incomplete (each hole is explained) or not at its end, 7 it does not verify.",
    .rows = rows,
    .options_size = sizeof(struct logs_options),
    .run = logs,
};
