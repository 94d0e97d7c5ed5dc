#!/bin/bash
# dispatch.sh - the full durable cycle (HTTP submit, assignment, acceptance, result) beside other durable queues, in one
# run, interleaved: every repeat measures each of them once, with the disk's fsync rate just before.
#
#   bench/dispatch.sh [PEERS]     PEERS: a writable copy of the peers' folder, installed and compiled (see its README);
#                                 without it only Orion is measured
#   ORION_BUILD   a build without sanitizers (default: build/dev)       REPS  3       TASKS  20000
#   WORKERS       of the gateway (default: 2)                           AGENTS  8, of 8 slots each
#
# Orion runs in a lab, a fresh one for every repeat, warmed up; its PostgreSQL has the peers' memory settings, and
# fsync and synchronous_commit stay on everywhere. 32 submitters have one submission outstanding each. `steps` is the
# same with results that wait for the acknowledgement of the acceptance. `lat` is paced at 200 submissions a second.
# Prints medians with least and most, and ratios; the rows go to bench/results/dispatch.tsv.
set -euo pipefail
cd "$(dirname "$0")/.."
PEERS=${1:-${PEERS:-}}
[ -z "$PEERS" ] || PEERS=$(cd "$PEERS" && pwd)
REPS=${REPS:-3}
TASKS=${TASKS:-20000}
AGENTS=${AGENTS:-8}
export ORION_BUILD=${ORION_BUILD:-$PWD/build/dev}
DISPATCH=$ORION_BUILD/bench/dispatch
SQLFLOOR=$ORION_BUILD/bench/sqlfloor
. tests/lib.sh
set +eu
mkdir -p bench/results
RAW=$T/raw.jsonl
: >"$RAW"

ended() {
    local status=$?
    [ -z "$PEERS" ] || peer "$PEERS/setup.sh" stop beanstalkd gear_pg pg >/dev/null 2>&1
    (exit $status)
    finish
}
trap ended EXIT

# --- what the others do ------------------------------------------------------------------------------------------

# shellcheck disable=SC1091 # not ours
peer() { (. "$PEERS/env.sh" >/dev/null; "$@"); }
probe() { if [ -n "$PEERS" ]; then "$PEERS/c/fsync_probe" "$T" 250; else echo 0; fi; }

# record REPEAT NAME COMMAND...: the last line it prints is the record
record() {
    local rep=$1 name=$2 before line
    shift 2
    before=$(probe)
    line=$("$@" 2>>"$T/bench.log" | tail -1)
    [[ $line == \{*\} ]] || { echo "# $name: no figures" >&2; tail -3 "$T/bench.log" >&2; return 1; }
    line="${line%\}},\"rep\":$rep,\"name\":\"$name\",\"fsync\":$before}"
    echo "$line" >>"$RAW"
    jq -r '"# \(.rep) \(.name): \(.jobs_per_s)/s, p50 \(.p50_us) us, p99 \(.p99_us) us, fsync \(.fsync)/s"' <<<"$line"
}

in_peer() { # SERVER REPEAT NAME COMMAND...: with a fresh SERVER
    local server=$1
    shift
    peer "$PEERS/setup.sh" start "$server" >/dev/null
    record "$@"
    peer "$PEERS/setup.sh" stop "$server"
}
# shellcheck disable=SC2016 # the variables are those of the peers' env.sh
{
raw_ceiling() { peer bash -c 'psql -q -f $PEERS/conf/sql/schema.sql 2>/dev/null; bash $PEERS/conf/pgb.sh full 32 1'; }
pgboss() { peer bash -c 'psql -qc "drop schema if exists pgboss cascade" 2>/dev/null; $NODE $PEERS/node/pgboss.mjs "$@"' _ "$@"; }
graphile() { peer bash -c '$NODE $PEERS/node/gworker.mjs "$@"' _ "$@"; }
beanstalk() { peer bash -c '$C/q_beanstalk -p $BEAN_PORT "$@"' _ "$@"; }
gearman() { peer bash -c '$C/q_gearman -p $GEAR_PORT "$@"' _ "$@"; }
}

peers_once() {
    local rep=$1
    in_peer beanstalkd "$rep" beanstalkd_8 beanstalk -m full -n 20000 -P 8 -W 8
    in_peer beanstalkd "$rep" beanstalkd_32 beanstalk -m full -n 20000 -P 32 -W 32
    in_peer beanstalkd "$rep" beanstalkd_lat beanstalk -m lat -n 1000 -P 4 -W 4
    record "$rep" three_commits raw_ceiling
    in_peer gear_pg "$rep" gearmand_pg gearman -m full -n 10000 -P 16 -W 16
    in_peer gear_pg "$rep" gearmand_pg_lat gearman -m lat -n 1000 -P 4 -W 4
    record "$rep" graphile graphile full 3000 1 32 1 24 500
    record "$rep" graphile_lat graphile lat 1000 1 16 1 10 0
    record "$rep" pgboss pgboss full 3000 1 16 1 16 1
    record "$rep" pgboss_by_50 pgboss full 4000 1 32 1 4 50
    record "$rep" pgboss_lat pgboss latfetch 1000 1 16 1 1 10
}

# --- what Orion does ----------------------------------------------------------------------------------------------

farm_pids() {
    local part
    for part in gateway scheduler postgres logsink-1; do echo "-x ${part%-1}=$(lab_pid "$part")"; done
}
# shellcheck disable=SC2046 # a list of words
load() { "$DISPATCH" -A "$AGENTS" -S 8 $(farm_pids) "$@" "$URL"; }

counters() { # rows written, WAL bytes, commits: the leader row has one update per commit and is not counted
    lab_sql "SELECT (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE relname <> 'leader'),
                    pg_current_wal_lsn() - '0/0', (SELECT batch FROM orion.leader)" | tr '|' ' '
}
counters_settled() { # backends report what they wrote with a delay
    local before='' now
    now=$(counters)
    until [ "${before%% *}" = "${now%% *}" ]; do before=$now; sleep 1.2; now=$(counters); done
    echo "$now"
}

# written REPEAT NAME TASKS BEFORE AFTER
written() {
    python3 - "$@" <<'PY' >>"$RAW"
import json, sys
rep, name, tasks, before, after = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4].split(), sys.argv[5].split()
rows, wal, commits = ((float(a) - float(b)) / tasks for a, b in zip(after, before))
print(json.dumps({"rep": rep, "name": name, "rows": rows, "wal": wal, "commits": commits}))
PY
}

# Every task of the lab was kept, ended well, and did so once.
check_once() {
    local wrong
    wrong=$(lab_sql "SELECT (SELECT count(*) FROM orion.task WHERE state <> 'succeeded') AS not_succeeded,
        (SELECT abs(count(*) - $1) FROM orion.task) AS not_as_many, (SELECT abs(count(*) - $1) FROM orion.attempt) AS attempts_not_as_many,
        (SELECT abs(count(*) - $1) + abs(count(DISTINCT task_id) - $1) FROM orion.event WHERE kind = 'task.ended') AS ends_not_as_many,
        (SELECT count(*) FROM orion.invariant_violations) AS violations")
    [ "$wrong" = '0|0|0|0|0' ] || { echo "tasks not succeeded, missing, attempts, ends, violations: $wrong" >&2; exit 1; }
}

orion_up() {
    lab_up "run$1" --agents 0 --workers "${WORKERS:-2}" || exit 1
    lab_sql "ALTER SYSTEM SET shared_buffers = '1GB'; " && lab_sql "ALTER SYSTEM SET max_wal_size = '4GB'" &&
        "$ORION" lab restart --dir "$LAB" postgres >/dev/null || exit 1
    is_back() { [ "$(curl -s -o /dev/null -w '%{http_code}' "$URL/v1/tasks?limit=1")" = 200 ]; }
    wait_for 30 is_back || exit 1
    load -n 5000 >/dev/null 2>>"$T/bench.log" || exit 1   # warm
}

orion_once() {
    local rep=$1 before
    orion_up "$rep"
    before=$(counters_settled)
    record "$rep" orion load -n "$TASKS" || exit 1
    written "$rep" orion "$TASKS" "$before" "$(counters_settled)"
    before=$(counters_settled)
    record "$rep" orion_steps load -n "$TASKS" -w || exit 1
    written "$rep" orion_steps "$TASKS" "$before" "$(counters_settled)"
    record "$rep" orion_lat load -n 1000 -P 4 -r 200 || exit 1
    check_once $((5000 + 2 * TASKS + 1000))
    [ ! -x "$SQLFLOOR" ] || floors "$rep"
    "$ORION" lab down --dir "$LAB" >/dev/null
}

# The statements alone, on the same PostgreSQL, in batches of the size that the full run had: the scheduler's own, and
# those of the leanest schema. It takes the leadership, so the scheduler sleeps meanwhile.
floors() {
    local rep=$1 inputs scheduler kind
    inputs=$(jq -s "map(select(.rep == $rep and .name == \"orion\" and .commits)) | 3 / .[0].commits | round" "$RAW")
    scheduler=$(lab_pid scheduler)
    kill -STOP "$scheduler"
    for kind in orion lean; do record "$rep" "sqlfloor_$kind" floor "$kind" "$inputs"; done
    kill -CONT "$scheduler"
}
floor() { # KIND INPUTS
    "$SQLFLOOR" -n "$TASKS" -b "$2" "$1" "$(lab_sql "SELECT format('postgresql:///%s?user=%s&host=%s', current_database(),
        current_user, current_setting('unix_socket_directories'))")" |
        awk -F'\t' 'END { printf "{\"jobs_per_s\":%s,\"jobs\":0,\"cpu_postgres\":%s,\"inputs\":%s}\n", $3, $4 / 1000, $2 }'
}

[ -z "$PEERS" ] || peer "$PEERS/setup.sh" start pg >/dev/null || exit 1
for rep in $(seq "$REPS"); do
    orion_once "$rep"
    [ -z "$PEERS" ] || peers_once "$rep"
done
python3 bench/dispatch_table.py "$RAW" bench/results/dispatch.tsv
