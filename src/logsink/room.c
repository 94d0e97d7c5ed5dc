/* room.c - a disk that is full: chunks are dropped, agents keep them and schedulers place new logs elsewhere, until
 * there is room again. Implements ARCHITECTURE "When something dies". */
#include "lib/clock.h"
#include "lib/log.h"
#include "logsink/disk.h"
#include "logsink/logsink.h"

#define ROOM_BYTES (16 * 1024 * 1024)   /* that much must fit before the disk counts as having room */

static void set_full(struct sink *s, bool is_full)
{
    if (s->is_full == is_full)
        return;
    s->is_full = is_full;
    upstream_tell_state(s);
}

/* A moment after the last refusal the next chunk is tried. */
bool room_is_there(const struct sink *s)
{
    return s->held_bytes < SINK_HELD_MAX && (!s->full_until_ms || clock_boot_ms() >= s->full_until_ms);
}

void room_refused(struct sink *s, const struct err *why)
{
    if (!s->full_until_ms)
        log_error("the disk is full; logs wait at the agents", log_err(why));
    s->full_until_ms = clock_boot_ms() + SINK_FULL_MS;
    set_full(s, true);
}

static void end_refusing(struct sink *s)
{
    log_info("the disk has room again");
    s->full_until_ms = 0;
}

void room_taken(struct sink *s)
{
    if (s->full_until_ms && clock_boot_ms() >= s->full_until_ms + SINK_ROOM_MS)
        end_refusing(s);
}

void room_tick(struct sink *s)
{
    uint64_t now_ms = clock_boot_ms();
    if (s->held_bytes < SINK_HELD_MAX)
        s->stuck_since_ms = 0;
    else if (!s->stuck_since_ms)
        s->stuck_since_ms = now_ms;
    /* Nobody may come to try: a sink that is full gets no new logs. */
    if (s->full_until_ms && now_ms >= s->full_until_ms + SINK_ROOM_MS && disk_has_room(s->dir_fd, ROOM_BYTES))
        end_refusing(s);
    set_full(s, s->full_until_ms || (s->stuck_since_ms && now_ms - s->stuck_since_ms >= SINK_ROOM_MS));
}
