#!/bin/bash
# The network between an agent and the gateway goes away, silently or with resets. For less than a lease that is a pause
# and nothing else. For more the attempts are lost and tried again elsewhere; when the agent is back, what ended
# meanwhile is kept as the late result, what still runs is told to stop, and the agent is given work again.
#
# The lab is in a network namespace of its own, the agent `far` in another one. Needs root, iproute2 and nftables.
[ "$(id -u)" != 0 ] || [ -n "${IN_NETNS:-}" ] || IN_NETNS=1 exec unshare -n "$0" "$@"
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" = 0 ] || skip_all "needs root for network namespaces"

# --- the network -------------------------------------------------------------------------------------------------

WIRE='table ip wire {
    chain to_gateway {
        type nat hook prerouting priority dstnat;
        iifname "near" tcp dport PORT dnat to 127.0.0.1
    }
    chain heard {
        type filter hook prerouting priority raw;
    }
    chain taken {
        type filter hook input priority 0;
    }
}'
PORT_WANTED=$(free_port)
ip link set lo up
unshare -n sleep 600 &
FAR=$!
far() { nsenter -t "$FAR" -n "$@"; }
is_apart() { [ "$(readlink "/proc/$FAR/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
wait_for 5 is_apart && ip link add near type veth peer name far netns "$FAR" && ip addr add 10.99.0.1/24 dev near && ip link set near up &&
    far ip link set lo up && far ip addr add 10.99.0.2/24 dev far && far ip link set far up &&
    echo 1 >/proc/sys/net/ipv4/conf/near/route_localnet &&
    nft "${WIRE/PORT/$PORT_WANTED}" && far nft "${WIRE/PORT/$PORT_WANTED}" ||
    { kill "$FAR"; skip_all "no network namespaces with nftables here"; }
cut_silently() { nft add rule ip wire heard iifname near drop && far nft add rule ip wire heard iifname far drop; }
cut_with_resets() { nft add rule ip wire taken iifname near meta l4proto tcp reject with tcp reset; }
heal() { nft flush chain ip wire taken && nft flush chain ip wire heard && far nft flush chain ip wire heard; }

# --- the farm ----------------------------------------------------------------------------------------------------

MARKS=$T/marks
mkdir "$MARKS" && chmod 777 "$MARKS"
repo=$(repo_makefile wire <<'MAKE'
pause:
	@for i in $$(seq 1 60); do echo "line $$i"; sleep 0.1; done
hold:
	@touch $(MARKS)/hold; until [ -e $(MARKS)/go ]; do sleep 0.1; done
short:
	@echo attempt $$ORION_ATTEMPT; touch $(MARKS)/short.$$ORION_ATTEMPT; until [ -e $(MARKS)/cut ]; do sleep 0.1; done
	@touch $(MARKS)/short-ended.$$ORION_ATTEMPT
long:
	@echo $$$$ >$(MARKS)/long.$$ORION_ATTEMPT; [ $$ORION_ATTEMPT != 1 ] || exec sleep 600
MAKE
)
lab_up lab --agents 1 --slots 1 --repo "wire=$repo" || { ok 1 "the lab comes up"; kill "$FAR"; plan_done; exit 1; }
as_lab mkdir -p "$T/marks/far"
nsenter -t "$FAR" -n setpriv --reuid="$(lab_user)" --regid="$(id -g "$(lab_user)")" --clear-groups env HOME="$T" \
    "$(readlink "/proc/$(lab_pid agent-1)/exe")" --config /dev/null --url "http://10.99.0.1:$PORT" --name far \
    --dir "$MARKS/far" --agent-config "$LAB/agent.yaml" --slots 2 --labels far >"$T/far.log" 2>&1 &
AGENT=$!
ended() {
    [ -z "$AGENT" ] || { kill "$AGENT" && wait "$AGENT"; }
    kill "$FAR" && wait "$FAR"
    [ "$FAILED" = 0 ] || tail -30 "$T/far.log" | sed 's/^/# far: /'
    finish
}
trap ended EXIT
far_is() { [ "$(curl -s "$URL/v1/agents" | jq -r '.agents[] | select(.name == "far") | .state')" = "$1" ]; }
wait_for 20 far_is up || { ok 1 "the far agent is up"; plan_done; exit 1; }

# submit TARGET [LABEL]: prints the id
submit() {
    jq -n --arg target "$1" --arg needs "${2:-}" --arg marks "$MARKS" '{repo: "wire", target: $target,
        args: ["MARKS=" + $marks], labels: (if $needs == "" then [] else [$needs] end)}' |
        curl -s -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' -d @- | jq -r .id
}
field() { curl -s "$URL/v1/tasks/$1" | jq -r "$2"; }
field_is() { [ "$(field "$1" "$2")" = "$3" ]; }
has_line() { curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$1/log" | grep -q "line $2\$"; }
events() { lab_sql "SELECT count(*) FROM orion.event WHERE kind = '$1'"; }
lost_before=$(events agent.lost)
lines=$(for i in $(seq 1 60); do echo "line $i"; done)

# pause NAME CUT SECONDS: shorter than the lease of 10 s
pause() {
    local id
    id=$(submit pause far)
    wait_for 20 has_line "$id" 5; ok $? "$1: a build runs on the far agent"
    "$2"
    sleep "$3"      # how long the wire is cut
    is "$(field "$id" .state)" running "$1: for the farm it runs on"
    heal
    wait_for 40 task_ended "$id"; ok $? "$1: it ends"
    is "$(field "$id" '.state + " " + (.attempts | length | tostring)')" "succeeded 1" "$1: in its first attempt"
    wait_for 20 log_complete "$id"; ok $? "$1: the log is complete"
    is "$("$ORION" logs "$id" | grep '^line')" "$lines" "$1: every line once and in order"
}
pause "silence for 4 s" cut_silently 4
pause "resets for 2 s" cut_with_resets 2    # the agent waits longer and longer before it dials again
is "$(events agent.lost)" "$lost_before" "no agent was lost"

# --- longer than the lease ---------------------------------------------------------------------------------------

touched() { [ -e "$MARKS/$1" ]; }
"$ORION" agent drain far >/dev/null && hold=$(submit hold) && wait_for 20 touched hold && "$ORION" agent resume far >/dev/null
ok $? "the near agent is busy"
short=$(submit short)
long=$(submit long)
wait_for 20 touched short.1 && wait_for 20 touched long.1; ok $? "two builds run on the far agent"
cut_silently
touch "$MARKS/go" "$MARKS/cut"
wait_for 10 task_ended "$hold"; ok $? "the near agent is free"
wait_for 10 touched short-ended.1; ok $? "one of the two ends behind the cut"
for id in "$short" "$long"; do
    wait_for 40 task_ended "$id"
    is "$(field "$id" '.state + " " + (.attempts | map(.state) | join(" "))')" "succeeded lost succeeded" \
        "lost with its agent, tried again elsewhere"
done
far_is lost; ok $? "the far agent is lost"
pid=$(cat "$MARKS/long.1")
kill -0 "$pid"; ok $? "nobody could stop the other one: it still runs"
heal
gone() { ! kill -0 "$pid" 2>/dev/null; }
wait_for 30 gone; ok $? "it is told to stop"
wait_for 30 far_is up; ok $? "the agent is back"
wait_for 30 field_is "$short" '.attempts[0].late_state' succeeded
ok $? "the late result is kept" "$(field "$short" .)"
is "$(field "$short" '.state + " " + (.attempt | tostring) + " " + .attempts[0].state')" "succeeded 2 lost" \
    "and changes nothing else"
is "$(field "$long" '.attempts[0].late_state')" null "the one that was stopped has no late result"
again=$(submit pause far)
wait_for 40 task_ended "$again"
is "$(field "$again" '.state + " " + (.attempts | length | tostring)')" "succeeded 1" "the agent builds again"
is "$(curl -s "$URL/v1/agents" | jq '[.agents[].busy] | add')" 0 "no slot is held in the end"
is "$(violations)" 0 "no invariant is violated"
kill "$AGENT"
wait "$AGENT"; ok $? "the far agent stops"
AGENT=
! grep -E 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$T/far.log"; ok $? "no sanitizer report of the far agent"
sanitizers_quiet
plan_done
