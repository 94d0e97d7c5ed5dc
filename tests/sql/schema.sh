#!/bin/bash
# schema.sh - the schema that `orion db init` makes, seen with pgTAP: constraints, partitions, roles, invariants.
. "$(dirname "$0")/../lib.sh"
lab_up lab --agents 0 >/dev/null || { ok 1 "the lab comes up"; plan_done; exit 1; }
lab_sql 'CREATE EXTENSION pgtap' >/dev/null || { ok 1 "pgTAP is there"; plan_done; exit 1; }
"$ORION" lab psql --dir "$LAB" -XqAt -v ON_ERROR_STOP=1 -f - <"$TEST_TOP/tests/sql/schema.sql" 2>&1 |
    awk '/^ok/ { print "0|" $0 } /^not ok/ { print "1|" $0 } /ERROR/ { print "1|" $0 }' |
    sed -E 's/\|(not )?ok [0-9]+ - /|/' >"$T/tap"
[ -s "$T/tap" ] || ok 1 "schema.sql ran"
while IFS='|' read -r status name; do ok "$status" "$name"; done <"$T/tap"
"$ORION" lab down --dir "$LAB" >/dev/null
plan_done
