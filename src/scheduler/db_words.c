/* db_words.c - what stands in the rows for the enums of rows.h, in their order; the domains of the schema know them. */
#include "scheduler/db.h"

const char *const db_priorities[] = { "low", "normal", "high", "critical" };
const char *const db_conditions[] = { "succeeded", "finished", "any" };
const char *const db_stops[] = { NULL, "cancel", "supersede", "time_out" };
const char *const db_log_states[] = { "open", "complete", "gap" };
const char *const db_supersedes[] = { "off", "queued", "running" };
const char *const db_sink_states[] = { "up", "full", "down", "lost" };
