#!/bin/bash
# An agent is killed (-9) ten times at random moments during a real build of zstd: one attempt, succeeded, and the log is
# what the build wrote, complete. A wrapper around make keeps a copy of that.
#   SEED     of the moments (default: a random one, which is printed)
. "$(dirname "$0")/../lib.sh"
SOURCES=$TEST_TOP/build/sources
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED"

"$TEST_TOP/scripts/sources.sh" "$SOURCES" libzstd >"$T/fetch" 2>&1 || {
    ok 1 "Debian's sources can be fetched" "$(tail -5 "$T/fetch")"
    plan_done
    exit 1
}
mkdir -p "$T/repo" "$T/bin" && cp -a "$SOURCES/libzstd.git" "$T/repo/"
chmod -R a+rX "$T/repo"
# Both streams through one pipe into tee, whose copies are then the same bytes in the same order.
cat >"$T/bin/make" <<'MAKE'
#!/bin/bash
set -o pipefail
[ -z "${ORION_TASK_ID:-}" ] || [ -n "${MAKELEVEL:-}" ] && exec /usr/bin/make "$@"
/usr/bin/make "$@" 2>&1 | tee "$PWD/copy"
MAKE
chmod 755 "$T/bin" "$T/bin/make"
lab_up lab --slots 1 --path "$T/bin" --repo "zstd=$T/repo/libzstd.git" || { ok 1 "the lab comes up"; plan_done; exit 1; }

has_begun() { [ -s "$LAB/agent-1/work/$1.1/copy" ]; }
agent_gone() { ! kill -0 "$1" 2>/dev/null; }

id=$("$ORION" submit zstd zstd-release)
wait_for 60 has_begun "$id"; ok $? "the build begins"
kills=0 during=0
while [ $kills -lt 10 ]; do
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))" # the moment is what is random
    old=$(lab_pid agent-1)
    task_is "$id" running && during=$((during + 1))
    kill -9 "$old" && wait_for 10 agent_gone "$old" && kills=$((kills + 1))
    "$ORION" lab restart agent-1 --dir "$LAB" >"$T/restart" 2>&1 || { ok 1 "the agent comes back" "$(cat "$T/restart")"; break; }
done
is $kills 10 "killed ten times"
[ $during -ge 3 ]; ok $? "of these while the build ran: $during"
wait_for 300 task_ended "$id"
is "$(curl -s "$URL/v1/tasks/$id" | jq -r '.state, .exit_code' | xargs)" "succeeded 0" "the build succeeds"
wait_for 30 log_complete "$id"; ok $? "its log is complete" "$(curl -s "$URL/v1/tasks/$id")"
is "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE task_id = '$id'")" 1 "one attempt"
curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$id/log" | grep -v '^orion: ' >"$T/log"
cmp "$T/log" "$LAB/agent-1/work/$id.1/copy" >"$T/cmp" 2>&1; ok $? "the log is what the build wrote, $(wc -c <"$T/log") bytes" "$(cat "$T/cmp")"
[ -x "$LAB/agent-1/work/$id.1/programs/zstd" ]; ok $? "zstd was built"
nothing_held() { [ -z "$(ls "$LAB/agent-1/spool")" ]; }
wait_for 20 nothing_held; ok $? "the agent holds nothing any more" "$(ls "$LAB/agent-1/spool")"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
