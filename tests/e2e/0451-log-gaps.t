#!/bin/bash
# What is not there any more, in every form of a log: a stretch that the disk damaged, and a log that was removed.
. "$(dirname "$0")/../lib.sh"

mkdir -p "$T/src/builds"
python3 -c 'import random; r = random.Random(1)
for i in range(20000): print(i, "%0*x" % (r.randrange(8, 60), r.getrandbits(32)))' >"$T/src/builds/lines"
repo=$(repo_makefile builds <<'MAKE'
all:
	@cat lines
brief:
	@echo soon gone
MAKE
)
lab_up lab --repo "builds=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
# got [CURL-OPTION]... URL-PARAMETERS: $code, curl's own $status, body in $T/got, headers in $T/head
got() {
    rm -f "$T/got"
    code=$(curl -s -o "$T/got" -D "$T/head" -w '%{http_code}' "${@:1:$#-1}" "$log${*: -1}")
    status=$?
}
workers() { pgrep -P "$(lab_pid gateway)" | xargs; }
are_fresh() { # OLD-WORKERS: as many others are there
    local pid now
    now=$(workers)
    for pid in $1; do [[ " $now " != *" $pid "* ]] || return 1; done
    [ "$(wc -w <<<"$now")" = "$(wc -w <<<"$1")" ] && curl -sf "$URL/v1/tasks/$id"
}
# What a worker of the gateway has in memory is not asked of the sink again: others take their place.
fresh_workers() {
    local old
    old=$(workers)
    # shellcheck disable=SC2086 # a list of words
    kill -9 $old
    wait_for 20 are_fresh "$old"; ok $? "the gateway's workers remember nothing"
}
header() { tr -d '\r' <"$T/head" | sed -n "s/^$1: //Ip" | tail -1; }

id=$("$ORION" submit builds all)
log=$URL/v1/tasks/$id/log
wait_for 60 log_complete "$id"; ok $? "a log is complete"
curl -s "$log" >"$T/raw"
curl -s "$log?format=chunks" >"$T/chunks"
size=$(stat -c %s "$T/raw")

# a byte in the middle of the only file that has the bytes
stored() { find "$LAB/sink-1" -path "*$id*" \( -name 1.zst -o -name 1.log \); }
is_packed() { [[ $(stored | xargs) =~ ^[^\ ]*zst$ ]]; }
wait_for 30 is_packed; ok $? "it is packed"
python3 - "$(stored)" <<'PY'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
at = os.fstat(fd).st_size // 2
byte = os.pread(fd, 1, at)
os.pwrite(fd, bytes([byte[0] ^ 16]), at)
PY
fresh_workers

got '?gaps=stop'
from=$(stat -c %s "$T/got")
is "$code $status $(header content-length)" "200 0 " "who stops at gaps is not promised a length"
[ "$from" -gt 0 ] && [ "$from" -lt "$size" ] && cmp "$T/got" <(head -c "$from" "$T/raw"); ok $? "and has all in front of the gap"
got "?gaps=stop&offset=$from"
is "$code $(jq -r '.attempt, .from' "$T/got" | xargs)" "410 1 $from" "in the gap there is only its name"
to=$(jq -r .to "$T/got")
[ "$to" -gt "$from" ] && [ "$to" -lt "$size" ]; ok $? "it ends before the log does" "$from-$to of $size"
reason=$(jq -r .reason "$T/got")
got "?gaps=stop&offset=$to"; cmp "$T/got" <(tail -c +$((to + 1)) "$T/raw"); ok $? "behind it the log goes on"
mark="[orion: bytes $from-$to of this log are missing: $reason]"

got ''
is "$code $status $(header content-length) $(stat -c %s "$T/got")" "200 0 $size $size" "as text it has its length"
python3 - "$T/got" "$T/raw" "$from" "$to" "$mark" <<'PY'
import sys
got, raw = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read()
a, b, mark = int(sys.argv[3]), int(sys.argv[4]), sys.argv[5].encode()
assert got[:a] == raw[:a] and got[b:] == raw[b:]
if raw[a - 1:a] != b"\n":
    mark = b"\n" + mark
assert got[a:b] == mark + b" " * (b - a - len(mark) - 1) + b"\n", got[a:b][:300]
PY
ok $? "every other byte in its place, the gap named in its own"
got '?follow=1'
cmp "$T/got" <(head -c "$from" "$T/raw"; [ "$(head -c "$from" "$T/raw" | tail -c 1 | xxd -p)" = 0a ] || echo; echo "$mark"; tail -c +$((to + 1)) "$T/raw"); ok $? "without a length it is one line"
got -H "Range: bytes=$((from - 10))-$((to + 10))" ''
is "$code $status" "206 18" "a range over it breaks off"
cmp "$T/got" <(head -c "$from" "$T/raw" | tail -c 10); ok $? "with nothing but the log in it"
got -H "Range: bytes=$from-$((from + 5))" ''; is "$code $(jq -r .reason "$T/got")" "410 $reason" "a range inside it is gone"
got -H "Range: bytes=$to-$((to + 5))" ''; is "$code $(cat "$T/got")" "206 $(tail -c +$((to + 1)) "$T/raw" | head -c 6)" "one behind it is there"
got '?format=jsonl'
is "$(jq -c 'select(.gap) | .gap' "$T/got")" "$(jq -nc --arg r "$reason" "{attempt: 1, from: $from, to: $to, reason: \$r}")" "as JSON lines it is an object"
is "$(jq -r 'select(.text == "19999 '"$(tail -1 "$T/raw" | cut -d' ' -f2)"'") | .next' "$T/got")" "$size" "behind which they go on"
got '?format=cast'; is "$(tail -n +2 "$T/got" | jq -r '.[2]' | tr -d '\r' | grep -c '^\[orion: bytes .* are missing')" 1 "an asciicast shows it"
got '?format=chunks'; cmp "$T/got" "$T/chunks"; ok $? "the chunks are known nevertheless"
got '?tail=5'; cmp "$T/got" <(tail -n 5 "$T/raw"); ok $? "so is the tail"
got '?tail=15000'; is "$code $(grep -c "^\[orion: bytes" "$T/got")" "200 1" "one that reaches over the gap shows it"
got '?grep=19999'; like "$(tail -1 "$T/got")" '^[0-9]+:19999 ' "a search goes over it"
is "$(grep -c '^\[orion: bytes' "$T/got")" 1 "and says so"
got -H 'Accept-Encoding: gzip' ''; gzip -dc "$T/got" | grep -qF "$mark"; ok $? "packed it is there as well"

# --- removed
curl -s -X PUT -H 'Content-Type: application/json' -d '{"log_keep_s":1}' "$URL/v1/projects/brief" >/dev/null
id=$("$ORION" submit --project brief builds brief)
log=$URL/v1/tasks/$id/log
removed() { find "$LAB/sink-1" -path "*$id*" -name 1.seal | grep -q . && ! find "$LAB/sink-1" -path "*$id*" -name 1.chunks | grep -q .; }
wait_for 40 removed; ok $? "a log that was kept long enough is removed"
fresh_workers
got ''; is "$code" 410 "it is gone"
is "$(header content-type) $(header content-encoding)" "application/problem+json " "a problem says so"
like "$(jq -r .detail "$T/got")" '^removed' "and why"
got '?gaps=stop'; is "$code $(jq -r .from "$T/got")" "410 0" "who stops at gaps gets the gap"
for form in jsonl cast chunks 'text&follow=1' 'text&tail=3' 'text&grep=x' 'text&since=1h'; do
    got "?format=$form"; is "$code" 410 "gone as format=$form"
done
got -H 'Accept-Encoding: gzip' ''; is "$code $(jq -r .status "$T/got")" "410 410" "the problem is not packed"
sanitizers_quiet
plan_done
