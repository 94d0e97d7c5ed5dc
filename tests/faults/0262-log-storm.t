#!/bin/bash
# Builds write their logs while agents, gateway, log sinks are killed with -9 and the agents' network is cut, at random:
# every log is complete, byte for byte what the build wrote, and its hash chain verifies; no attempt runs twice.
#
#   BUILDS, PIECES   builds, and pieces of 100 kB that each writes (12, 15; LONG=1: 100 builds of 10 MB)
#   SEED             of the faults; printed
# The lab is in a network namespace of its own, where nft drops the agents' packets. Needs root and nftables.
[ "$(id -u)" != 0 ] || [ -n "${IN_NETNS:-}" ] || IN_NETNS=1 exec unshare -n "$0" "$@"
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] || skip_all "needs root for a network namespace"
if [ -n "${LONG:-}" ]; then BUILDS=${BUILDS:-100} PIECES=${PIECES:-100}; else BUILDS=${BUILDS:-12} PIECES=${PIECES:-15}; fi
SEED=${SEED:-$$}
RANDOM=$SEED
echo "# $BUILDS builds of $PIECES pieces, seed $SEED"

ip link set lo up
PORT_WANTED=$(free_port)
nft "table ip storm { chain in { type filter hook input priority 0; }; }" 2>"$T/nft" || skip_all "no nftables here: $(cat "$T/nft")"
cut() { nft add rule ip storm in tcp dport "$PORT" drop && nft add rule ip storm in tcp sport "$PORT" drop; }
heal() { nft flush chain ip storm in; }

# 1,000 lines of 100 bytes at a time
repo=$(repo_makefile storm <<'MAKE'
PAD = ---------------------------------------------------------------
all:
	@for p in $$(seq 1 $(PIECES)); do seq -f "L $(NAME) %012.0f $(PAD)" $$((p * 1000 - 999)) $$((p * 1000)); sleep 0.1; done
MAKE
)
expected() { # NAME
    seq -f "L $1 %012.0f ---------------------------------------------------------------" 1 $((PIECES * 1000))
}
lab_up lab --agents 2 --slots 4 --sinks 2 --workers 2 --repo "storm=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }

declare -A TASK
for b in $(seq 1 "$BUILDS"); do
    name=$(printf 'build-%04d' "$b")
    TASK[$name]=$("$ORION" submit storm all -- "NAME=$name" "PIECES=$PIECES" 2>>"$T/submit") || ok 1 "$name is submitted" "$(cat "$T/submit")"
done

# --- the storm ---------------------------------------------------------------------------------------------------

open_tasks() { lab_sql "SELECT count(*) FROM orion.task WHERE ended_at IS NULL"; }
all_ended() { [ "$(open_tasks)" = 0 ]; }
restarted() { "$ORION" lab restart "$1" --dir "$LAB" >"$T/restart" 2>&1; }
kills=0
cuts=0
victims=(agent-1 agent-2 gateway logsink-1 logsink-2 agent-1 agent-2 worker wire)
end=$((SECONDS + ${STORM_S:-240}))
while ! all_ended && [ $SECONDS -lt $end ]; do
    victim=${victims[RANDOM % ${#victims[@]}]}
    case $victim in
    wire)
        cuts=$((cuts + 1))
        cut
        sleep "$((RANDOM % 3)).$((RANDOM % 10))"     # how long it is cut
        heal
        ;;
    worker)
        kills=$((kills + 1))
        worker=$(pgrep -P "$(lab_pid gateway)" | shuf -n 1 --random-source=<(yes "$RANDOM"))
        [ -z "$worker" ] || kill -9 "$worker" 2>/dev/null
        ;;
    *)
        kills=$((kills + 1))
        kill -9 "$(lab_pid "$victim")" 2>/dev/null
        restarted "$victim" || ok 1 "$victim is restarted" "$(cat "$T/restart")"
        ;;
    esac
    sleep "0.$((RANDOM % 10))"                        # the storm's own rhythm
done
heal
echo "# $kills kills, $cuts cuts of the network"
wait_for 120 all_ended; ok $? "every task has ended" "$(lab_sql "SELECT id, state, attempt FROM orion.task WHERE ended_at IS NULL")"
[ $kills -gt 0 ]; ok $? "something was killed"

# --- what is left ------------------------------------------------------------------------------------------------

sealed() { [ "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE log_state = 'open'")" = 0 ]; }
wait_for 90 sealed; ok $? "every log is sealed" "$(lab_sql "SELECT task_id, number, state, sink FROM orion.attempt WHERE log_state = 'open'")"
is "$(lab_sql "SELECT count(*) FROM orion.task WHERE state <> 'succeeded'")" 0 "every task succeeded"
is "$(lab_sql "SELECT count(*) FROM orion.attempt WHERE log_state <> 'complete' AND state = 'succeeded'")" 0 "no log has a gap"
is "$(lab_sql "SELECT count(*) FROM orion.event e WHERE kind = 'attempt.accepted' AND
    (SELECT count(*) FROM orion.event f WHERE f.kind = e.kind AND f.task_id = e.task_id AND f.attempt = e.attempt) > 1")" 0 \
    "no attempt was started twice"
echo "# attempts: $(lab_sql "SELECT state, count(*) FROM orion.attempt GROUP BY 1 ORDER BY 1" | tr '\n' ' ')"
wrong=""
for name in "${!TASK[@]}"; do
    id=${TASK[$name]}
    "$ORION" logs "$id" >"$T/log" 2>"$T/err"
    grep '^L ' "$T/log" | cmp -s - <(expected "$name") || wrong="$wrong $name:bytes($id)"
    size=$(lab_sql "SELECT log_bytes FROM orion.attempt WHERE task_id = '$id' ORDER BY number DESC LIMIT 1")
    [ "$size" = "$(stat -c %s "$T/log")" ] || wrong="$wrong $name:size($id)"
    "$ORION" logs --verify "$id" >"$T/verify" 2>&1 || wrong="$wrong $name:verify($id: $(head -c 200 "$T/verify"))"
done
is "$wrong" "" "every log is byte for byte what its build wrote, and verifies"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
