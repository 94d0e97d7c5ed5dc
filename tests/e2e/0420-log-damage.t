#!/bin/bash
# Damage on a sink's disk: what is damaged is told as a gap, with its reason, in every form; nothing else is touched, and a
# log that is still growing goes on. What the journal still has, a start makes good.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile talk <<'MAKE'
all:
	@seq -f 'line %08.0f of $(ORION_TASK_ID)' 1 6000
slow:
	@seq -f 'first %08.0f' 1 3000; while [ ! -e $(GO) ]; do sleep 0.05; done; seq -f 'then %08.0f' 1 3000
MAKE
)
GO=$T/go
sed -i "1i GO = $GO" "$T/src/talk/Makefile"
(cd "$T/src/talk" && git -c user.name=t -c user.email=t@localhost commit -qam go && git push -q "$repo" main)
export ORION_LOG_COMPRESS=0   # N.log is what is damaged here; N.zst has tests of its own
lab_up farm --repo "talk=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }

file() { find "$LAB/sink-1/log" -path "*/$1/1.$2"; }   # TASK SUFFIX
raw() { curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$1/log"; }
flip() { # FILE OFFSET: one bit
    python3 - "$1" "$2" <<'PY'
import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte[0] ^ 16]))
PY
}
submit() { curl -s -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' -d "{\"repo\":\"talk\",\"target\":\"$1\"}" | jq -r .id; }
# gaps FILE WANTED: the plain text equals WANTED but for notes in the place of what is missing, filled up with blanks; prints
# each gap's FROM TO
gaps() {
    python3 - "$1" "$2" <<'PY'
import re, sys
got, want = (open(f, "rb").read() for f in sys.argv[1:])
rest = 0
for m in re.finditer(rb"\[orion: bytes (\d+)-(\d+) of this log are missing: [^\n]+\] *\n", got):
    first, last = int(m[1]), int(m[2])
    if got[rest:first] != want[rest:first]:
        sys.exit("different bytes in front of the gap")
    print(first, last)
    rest = last
if got[rest:] != want[rest:]:
    sys.exit("different bytes behind the last gap")
PY
}

# Nobody reads them before they are damaged: a gateway remembers for a while what it has read.
ids=()
for i in 0 1 2 3; do ids[i]=$(submit all); done
for i in 0 1 2 3; do
    wait_for 30 log_complete "${ids[$i]}"
    cp "$(file "${ids[$i]}" log)" "$T/$i.whole"
done
is "$(raw "${ids[0]}" | md5sum)" "$(md5sum <"$T/0.whole")" "four logs are complete on the sink's disk"

flip "$(file "${ids[1]}" log)" 100000
raw "${ids[1]}" >"$T/1.now"
found=$(gaps "$T/1.now" "$T/1.whole")
is $? 0 "the plain form has all but the damaged chunk, byte for byte"
is "$(wc -l <<<"$found")" 1 "in one gap"
read -r from to <<<"$found"
[ "$from" -le 100000 ] && [ "$to" -gt 100000 ] && [ $((to - from)) -le 65536 ]; ok $? "which holds the flipped bit, and is one chunk" "$found"
raw "${ids[0]}" | cmp -s - "$T/0.whole"; ok $? "another log is whole"
curl -s -m 20 -H 'Accept: text/event-stream' "$URL/v1/tasks/${ids[1]}/log" >"$T/1.sse"
is "$(grep -c '^event: gap' "$T/1.sse")" 1 "the event stream has one event: gap"
gap=$(sed -n '/^event: gap/,/^$/s/^data: //p' "$T/1.sse")
is "$(jq -r '"\(.attempt) \(.from) \(.to)"' <<<"$gap")" "1 $from $to" "with the same bytes"
like "$(jq -r .reason <<<"$gap")" damaged "and the reason"
like "$(tail -5 "$T/1.sse")" 'event: end' "and goes on to its end"
code=$(curl -s -o "$T/part" -w '%{http_code}' -H 'Accept: text/plain' -r "$to-" "$URL/v1/tasks/${ids[1]}/log")
is "$code" 206 "a range behind the gap is served"
tail -c "+$((to + 1))" "$T/1.whole" | cmp -s - "$T/part"; ok $? "byte for byte"

truncate -s 50000 "$(file "${ids[2]}" log)"
raw "${ids[2]}" >"$T/2.now"
found=$(gaps "$T/2.now" "$T/2.whole")
read -r from to <<<"$found"
is "$(wc -l <<<"$found") $to" "1 $(stat -c %s "$T/2.whole")" "of a file that is cut short the rest is one gap"
[ "${from:-0}" -le 50000 ] && [ "${from:-0}" -gt 0 ]; ok $? "and what is left is served"
rm "$(file "${ids[3]}" log)"
sink_again() { "$ORION" lab restart --dir "$LAB" logsink-1 >/dev/null 2>&1; }
sink_again
sink_answers() { raw "${ids[0]}" | cmp -s - "$T/0.whole"; }
wait_for 20 sink_answers
raw "${ids[3]}" | cmp -s - "$T/3.whole"; ok $? "what its journal still has the sink makes good when it starts, a missing file too"
for i in 1 2; do raw "${ids[$i]}" | cmp -s - "$T/$i.whole" || break; done; ok $? "and the others"
sink_again   # the journal is empty now
rm "$(file "${ids[0]}" log)"
sink_again
all_missing() { raw "${ids[0]}" >"$T/0.now" && [ "$(gaps "$T/0.now" "$T/0.whole")" = "0 $(stat -c %s "$T/0.whole")" ]; }
wait_for 20 all_missing; ok $? "a file that is gone is one gap" "$(head -c 300 "$T/0.now")"

# A log that grows: damaged between two lives of the sink, it goes on and ends as a gap.
slow=$(submit slow)
first_there() { raw "$slow" | grep -q 'first 00003000'; }
wait_for 30 first_there
kill -9 "$(lab_pid logsink-1)"
sink_again
wait_for 20 first_there; ok $? "an open log is there after a kill -9 of the sink"
kill -9 "$(lab_pid logsink-1)"
flip "$(file "$slow" log)" 20000
sink_again
wait_for 20 first_there; ok $? "and after damage its end is"
touch "$GO"
wait_for 30 task_ended "$slow"
log_gap() { [ "$(curl -s "$URL/v1/tasks/$slow" | jq -r '.attempts[-1].log_state')" = gap ]; }
wait_for 30 log_gap; ok $? "the damaged log is sealed as a gap, not as complete" "$(curl -s "$URL/v1/tasks/$slow" | jq -c .attempts)"
is "$(task_state "$slow")" succeeded "the verdict is the build's"
"$ORION" lab restart --dir "$LAB" gateway >/dev/null 2>&1   # which has seen those bytes when they were good
wait_for 20 first_there
raw "$slow" >"$T/slow"
is "$(grep -a -c 'are missing: ' "$T/slow")" 1 "it has one gap"
is "$(tail -3000 "$T/slow")" "$(seq -f 'then %08.0f' 1 3000)" "and all that came later"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
