#!/bin/bash
# A project's log limit: the first part and the last part are kept, a line between them says what is left out, the build
# never waits for it, and the verdict is the build's.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile loud <<'MAKE'
all:
	@seq -f 'line %08.0f' 1 200000; echo the last words; exit 3
quiet:
	@seq -f 'line %08.0f' 1 100
MAKE
)
lab_up farm --repo "loud=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
"$ORION" project set --log-max 100000 default >/dev/null; ok $? "a limit is set"

submit() { # TARGET: the task's id, when it has ended and its log is whole
    local id
    id=$(curl -s -X POST "$URL/v1/tasks" -H 'Content-Type: application/json' -d "{\"repo\":\"loud\",\"target\":\"$1\"}" | jq -r .id)
    wait_for 30 task_ended "$id" && wait_for 15 log_complete "$id"
    echo "$id"
}

id=$(submit all)
task=$(curl -s "$URL/v1/tasks/$id")
is "$(jq -r '.state + " " + (.attempts[0].exit_code | tostring) + " " + .attempts[0].log_state' <<<"$task")" "failed 2 complete" \
    "the verdict is the exit code's and the log is complete"
curl -s "$URL/v1/tasks/$id/log?format=text" >"$T/log"
is "$(stat -c %s "$T/log")" "$(jq .attempts[0].log_bytes <<<"$task")" "the log has as many bytes as the result says"
is "$(wc -l <"$T/log")" "$(jq .attempts[0].log_lines <<<"$task")" "and as many lines"
[ "$(stat -c %s "$T/log")" -le 101000 ]; ok $? "which is no more than the limit and the notes"
python3 - "$T/log" <<'PY'
import re, sys
lines = open(sys.argv[1]).read().split("\n")
at, = [i for i, line in enumerate(lines) if "are left out here" in line]
size, left, n = map(int, re.fullmatch(r"\[orion: the log's limit of (\d+) bytes is reached: (\d+) bytes \((\d+) lines\) are left out here\]", lines[at]).groups())
first = [line for line in lines[:at] if line.startswith("line ")]
last = [line for line in lines[at + 1:] if line.startswith("line ")]
numbers = lambda part: [int(line.split()[1]) for line in part]
assert size == 100000 and numbers(first) == list(range(1, len(first) + 1)), "the first part"
assert numbers(last) == list(range(200001 - len(last), 200001)), "the last part"
assert len(first) + n + len(last) == 200000 and left == n * 14, "what is left out"
assert "the last words" in lines[at + 1:], "the last words"
assert len(first) * 14 > 70000 and len(last) * 14 > 20000, "enough is kept"
PY
ok $? "both parts are whole lines, and the note counts what is between them exactly"

id=$(submit quiet)
is "$(curl -s "$URL/v1/tasks/$id/log?format=text" | grep -c '^line')" 100 "a log below the limit is whole"
"$ORION" project set --log-max 0 default >/dev/null
id=$(submit all)
is "$(curl -s "$URL/v1/tasks/$id/log?format=text" | grep -c '^line')" 200000 "without the limit everything is there"
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
