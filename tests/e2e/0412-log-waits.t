#!/bin/bash
# The log sink takes nothing: the build writes on until the spool is full, then waits, and the log says for how long; a
# damaged spool costs what is damaged, shown as a hole with its reason.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile loud <<'MAKE'
all:
	@seq -f 'line %08.0f' 1 100000; echo done >"$$GATE"
damaged:
	@seq -f 'line %08.0f' 1 300000; echo done >"$$GATE"
MAKE
)
lab_up farm --repo "loud=$repo" --set ORION_SPOOL_MAX=256K || { ok 1 "the lab comes up"; plan_done; exit 1; }
gate=$T/gate
mkdir "$gate" && chmod 777 "$gate"
submit() { # TARGET
    curl -s -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' \
        -d "{\"repo\":\"loud\",\"target\":\"$1\",\"env\":{\"GATE\":\"$gate/$1\"}}" | jq -r .id
}
spooled() { du -bc "$LAB"/agent-1/spool/*/*.spool 2>/dev/null | tail -1 | cut -f1; }
is_spooled() { [ "$(spooled)" -ge "$1" ]; }
log_sealed() { [ "$(curl -s "$URL/v1/tasks/$1" | jq -r '.attempts[-1].log_state')" != open ]; }

sink=$(lab_pid logsink-1)
kill -STOP "$sink"
id=$(submit all)
wait_for 20 is_spooled 262144; ok $? "the spool fills up while the sink takes nothing"
sleep 2   # the time is what is tested
[ ! -e "$gate/all" ] && [ "$(spooled)" -lt 500000 ]; ok $? "then the build waits, and the spool grows no more"
kill -CONT "$sink"
wait_for 30 task_ended "$id"; wait_for 15 log_complete "$id"; ok $? "it goes on, and the log is complete"
curl -s "$URL/v1/tasks/$id/log?format=text" >"$T/log"
is "$(grep -c '^line' "$T/log")" 100000 "every line is there"
grep '^line' "$T/log" | cmp -s - <(seq -f 'line %08.0f' 1 100000); ok $? "once and in order"
like "$(grep waited "$T/log" | head -1)" '^\[orion: output waited [0-9]+\.[0-9] s: the spool is full \([0-9]+ bytes not yet on the log sink\)\]$' \
    "a line says how long it waited"

# Past the agent's window of 1 MiB nothing has been read yet, so it can be damaged unseen.
"$ORION" lab down --dir "$LAB" >/dev/null
lab_up large --repo "loud=$repo" --set ORION_LOG_GRACE=3s || { ok 1 "the second lab comes up"; plan_done; exit 1; }
sink=$(lab_pid logsink-1)
kill -STOP "$sink"
id=$(submit damaged)
wait_for 20 task_ended "$id"; ok $? "a build ends while the sink takes nothing"
file=$(ls "$LAB"/agent-1/spool/"$id".1/000001.spool)
printf '?' | dd of="$file" bs=1 seek=3000000 conv=notrunc status=none
kill -CONT "$sink"
wait_for 30 log_sealed "$id"
is "$(curl -s "$URL/v1/tasks/$id" | jq -r '.state + " " + .attempts[-1].log_state')" "succeeded gap" "a byte of its spool is flipped: the log has a gap"
curl -s "$URL/v1/tasks/$id/log?format=text" >"$T/log"
like "$(grep 'missing' "$T/log")" "^\[orion: bytes [0-9]+-[0-9]+ of this log are missing: the agent's spool is damaged\]\$" "the hole is shown with its reason"
python3 - "$T/log" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
m = re.search(r"\n?\[orion: bytes (\d+)-(\d+) of this log are missing: [^\]]*\]\n", text)
whole = "".join(f"line {i:08d}\n" for i in range(1, 300001))
head, tail, size = text[:m.start()], text[m.end():], int(m[2]) - int(m[1])
head = head[head.index("line 0"):]
assert whole.startswith(head) and whole.endswith(tail), "what is there is what was written"
assert 0 < size <= 70000, "the hole is one chunk"
assert abs(len(head) + size + len(tail) - len(whole)) <= 1, "nothing else is missing"
PY
ok $? "and nothing but the damaged chunk is missing"
sanitizers_quiet
plan_done
