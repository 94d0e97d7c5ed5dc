/* logs_replay.c - `orion logs --replay`: a log at the speed at which it was written, chunk by chunk. Reads a little
 * ahead, never more than a slice, so that neither memory nor a connection depends on how long it takes. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "cli/follow.h"
#include "cli/logs.h"
#include "cli/out.h"
#include "cli/replay_clock.h"
#include "lib/clock.h"

enum { PAGE = 512, SLICE_MAX = 1 << 20, NS_PER_S = 1000000000 };

struct replay {
    struct logs *logs;
    struct source source;
    struct replay_clock clock;
    uint64_t start_ns;        /* CLOCK_BOOTTIME of the first chunk */
    int64_t at;               /* everything in front of it was shown */
    struct buf slice;         /* bytes from slice_at on */
    int64_t slice_at;
    int64_t gap_to;           /* > 0: behind the slice is a hole up to here */
    char reason[257];
};

static bool on_bytes(void *arg, const char *data, size_t len)
{
    struct replay *r = arg;

    buf_append(&r->slice, data, len);
    return true;
}

static void on_gap(void *arg, int64_t from, int64_t to, const char *reason)
{
    struct replay *r = arg;

    (void)from;
    r->gap_to = to;
    snprintf(r->reason, sizeof(r->reason), "%s", reason);
}

/* Bytes from r->at on, up to `until` or the first hole. */
static int fill(struct replay *r, int64_t until, struct err *e)
{
    struct source_span span = { .offset = r->at, .until = until < r->at + SLICE_MAX ? until : r->at + SLICE_MAX };
    int64_t away_since_ms = 0, before;
    enum source_end end;

    buf_reset(&r->slice);
    r->slice_at = r->at;
    r->gap_to = 0;
    do {
        struct err now = { 0 };
        before = span.offset;
        end = source_read(&r->source, &span, &now);
        if (span.offset > before)
            away_since_ms = 0;
        if (end == SOURCE_FAILED && !source_is_patient(&now, &away_since_ms)) {
            *e = now;
            return -1;
        }
    } while (span.offset < span.until && r->gap_to == 0 && (span.offset > before || end == SOURCE_FAILED));
    return 0;
}

static void wait_until_due(struct replay *r, uint64_t time_ns)
{
    uint64_t due_ns = replay_clock_due(&r->clock, time_ns);

    if (r->start_ns == 0)
        r->start_ns = clock_boot_ns();
    due_ns += r->start_ns;
    const struct timespec t = { .tv_sec = (time_t)(due_ns / NS_PER_S), .tv_nsec = (long)(due_ns % NS_PER_S) };
    while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
}

/* The chunk, as far as the slice has it; CLI_OK: r->at has moved. */
static int show(struct replay *r, const struct msg_log_item *item)
{
    size_t place = (size_t)(r->at - r->slice_at);
    int64_t end = item->offset + item->length, slice_end = r->slice_at + (int64_t)r->slice.len;

    if (r->at == slice_end && r->gap_to > r->at) {
        r->logs->has_holes = true;
        follow_note_gap(r->at, r->gap_to, r->reason);
        r->at = r->gap_to;
        return CLI_OK;
    }
    if (r->at == slice_end)
        return CLI_FAILED; /* the list names bytes that nobody has */
    wait_until_due(r, (uint64_t)item->time_ns);
    size_t n = (size_t)((end < slice_end ? end : slice_end) - r->at);
    r->at += (int64_t)n;
    return outlet_write(&r->logs->out, r->slice.data + place, n) ? CLI_OK : CLI_FAILED;
}

static int show_page(struct replay *r, const struct msg_log_item_list *items)
{
    int64_t page_end = items->v[items->n - 1].offset + items->v[items->n - 1].length;
    struct err e = { 0 };

    for (size_t i = 0; i < items->n;) {
        const struct msg_log_item *item = &items->v[i];
        if (item->offset + item->length <= r->at) {
            i++;
            continue;
        }
        if (r->at >= r->slice_at + (int64_t)r->slice.len && !(r->gap_to > r->at) && fill(r, page_end, &e) < 0)
            return cli_fail(&e);
        int rc = show(r, item);
        if (rc != CLI_OK)
            return rc;
    }
    return CLI_OK;
}

static int show_all(struct replay *r)
{
    uint64_t seq = 1;
    int rc = CLI_OK;

    while (rc == CLI_OK && seq != 0) {
        struct arena arena = { 0 };
        struct msg_log_item_list items = { 0 };
        struct err e = { 0 };

        const struct source_page page = { seq, PAGE, SOURCE_PATIENCE_MS };
        if (source_chunks(&r->source, &page, &arena, &items, &e) < 0)
            rc = cli_fail(&e);
        else if (items.n > 0)
            rc = show_page(r, &items);
        seq = items.n > 0 ? (uint64_t)items.v[items.n - 1].seq + 1 : 0;
        arena_fini(&arena);
    }
    return rc;
}

int logs_replay(struct logs *l)
{
    struct replay r = { .logs = l, .source = logs_source(l) };
    struct err e = { 0 };

    if (replay_clock_init(&r.clock, l->o->speed, l->o->max_pause.value, &e) < 0)
        return cli_fail(&e);
    if (!l->attempt->has.ended_at)
        fprintf(stderr, "orion: the attempt has not ended: this is what there is so far\n");
    r.source.write = on_bytes;
    r.source.gap = on_gap;
    r.source.arg = &r;
    cli_on_interrupt(out_has_colour() ? "\033[0m\norion: interrupted\n" : "\norion: interrupted\n");
    int rc = show_all(&r);
    cli_on_interrupt(NULL);
    buf_fini(&r.slice);
    return rc == CLI_OK && l->has_holes ? CLI_FAILED : rc;
}
