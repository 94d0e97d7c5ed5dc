#!/bin/bash
# db_verbs.sh - `orion db init | migrate | check` on a server of one's own: made, made again, too old, too new.
. "$(dirname "$0")/../lib.sh"
lab_up lab --agents 0 >/dev/null || { ok 1 "the lab comes up"; plan_done; exit 1; }
dsn="host=$(lab_sql 'SHOW unix_socket_directories') dbname=second user=orion"
newest=$(find "$TEST_TOP/sql" -name '0*.sql' | wc -l)
second() { "$ORION" lab psql --dir "$LAB" -d second -XqAt -c "$1"; }

out=$("$ORION" db check --database "$dsn" 2>&1); is "$([ $? -ne 0 ] && echo refused)" refused "check of a database that is not there: $out"
out=$("$ORION" db init --database "$dsn" 2>&1); ok $? "init makes it" "$out"
is "$(second 'SELECT max(version) FROM orion.schema_version')" "$newest" "with the newest schema"
out=$("$ORION" db init --database "$dsn" 2>&1); ok $? "init again changes nothing" "$out"
out=$("$ORION" db migrate --database "$dsn" 2>&1); ok $? "nor does migrate" "$out"
is "$(second 'SELECT count(*) FROM orion.schema_version')" "$newest" "every step stands once"
out=$("$ORION" db check --database "$dsn" 2>&1); ok $? "check is content" "$out"
second "INSERT INTO orion.schema_version (version, name) VALUES (9999, '9999_tomorrow')"
out=$("$ORION" db migrate --database "$dsn" 2>&1); is "$([ $? -ne 0 ] && echo refused)" refused "a newer schema is refused"
like "$out" 9999 "by name"
out=$("$ORION" db check --database "sqlite:///state.sqlite" 2>&1); is "$([ $? -ne 0 ] && echo refused)" refused "an SQLite store is refused"
like "$out" PostgreSQL "with the sentence that names the fix"
"$ORION" lab down --dir "$LAB" >/dev/null 2>&1
plan_done
