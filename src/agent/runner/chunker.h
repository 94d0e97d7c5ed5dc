/* chunker.h - the end of the log: pending bytes and notes become chunks in the spool. */
#ifndef ORION_AGENT_RUNNER_CHUNKER_H
#define ORION_AGENT_RUNNER_CHUNKER_H

#include "agent/runner/cap.h"
#include "agent/runner/runner.h"
#include "proto/chain.h"

struct chunker;
enum chunker_state {
    CHUNKER_OPEN,
    CHUNKER_STUCK,    /* the spool's disk is full: the next flush tries again */
    CHUNKER_FAILED,   /* for good */
};

struct chunker *chunker_new(const struct msg_runner_job *job, struct err *e);
void chunker_free(struct chunker **k);

/* Where the next bytes of that stream go, how many there is room for; NULL: none is taken now. Then how many came. */
uint8_t *chunker_room(struct chunker *k, uint8_t stream, size_t *room_r);
void chunker_add(struct chunker *k, size_t n);
/* A whole piece (at most CHAIN_DATA_MAX), as a chunk of its own. */
bool chunker_put(struct chunker *k, const struct piece *p);
/* Lines behind what is pending (time_ns 0: the time when they go out), or where the next line of the build ends. */
void chunker_note(struct chunker *k, const char *text, uint16_t flags, uint64_t time_ns);
void chunker_note_between(struct chunker *k, const char *text);
bool chunker_owes_note(const struct chunker *k);          /* one that waits for such an end */
void chunker_line_close(struct chunker *k);               /* makes that end now */
bool chunker_flush(struct chunker *k);                    /* false: something had to stay */
void chunker_trim(struct chunker *k, uint64_t seq);       /* the log sink has them up to this one */

enum chunker_state chunker_state(const struct chunker *k, struct err *why_r);
void chunker_give_up(struct chunker *k);
const struct output_totals *chunker_totals(const struct chunker *k);   /* of what is in the spool */
size_t chunker_pending(const struct chunker *k);
bool chunker_is_line_open(const struct chunker *k);       /* the last byte, pending ones too, ends no line */
uint64_t chunker_now_ns(const struct chunker *k);         /* since the attempt's start */

#endif
