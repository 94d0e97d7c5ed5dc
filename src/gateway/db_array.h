/* db_array.h - PostgreSQL's text form of a one-dimensional array. */
#ifndef ORION_GATEWAY_DB_ARRAY_H
#define ORION_GATEWAY_DB_ARRAY_H

#include "lib/mem.h"
#include "proto/msg.h"

/* '{a,"b c",NULL}' as texts in the arena; NULL elements become "". 0, or -1: no such array. */
int db_array_parse(const char *literal, struct arena *a, struct msg_strs *out_r);

#endif
