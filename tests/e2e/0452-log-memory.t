#!/bin/bash
# Memory does not grow with a log: 200 MB of it, downloaded by five slow clients and in every form, cost the gateway's
# workers less than 8 MiB.
# Freed memory is kept back by the sanitizer, 256 MB of it by default; what is measured here is what is in use.
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:quarantine_size_mb=1:thread_local_quarantine_size_kb=64
. "$(dirname "$0")/../lib.sh"

lines=2000000   # of 100 bytes
repo=$(repo_makefile builds <<MAKE
small:
	@seq 1 100000
large:
	@seq -f '%099.0f' 1 $lines
MAKE
)
lab_up lab --repo "builds=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
workers() { pgrep -P "$(lab_pid gateway)"; }
# The most that any worker had since the last reset, in KiB.
peak() { for pid in $(workers); do sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"; done | sort -n | tail -1; }
reset() { for pid in $(workers); do echo 5 >"/proc/$pid/clear_refs"; done; }
built() { id=$("$ORION" submit builds "$1") && log=$URL/v1/tasks/$id/log && wait_for 50 log_complete "$id"; }

# Every form once, of a log that is small, by both workers.
built small; ok $? "a small log"
for _ in 1 2 3 4; do
    for form in text jsonl cast chunks 'text&grep=99' 'text&tail=1000'; do curl -s --compressed "$log?format=$form" >"$T/small"; done
done
built large; ok $? "a log of $((lines / 10000)) MB"
size=$(curl -sI "$log" | tr -d '\r' | sed -n 's/^content-length: //Ip')
[ "$size" -ge $((lines * 100)) ]; ok $? "is that large" "$size"
reset
before=$(peak)
pids=
for n in 1 2 3 4 5; do
    curl -s --limit-rate 40M "$log" | cksum >"$T/sum$n" &
    pids="$pids $!"
done
# shellcheck disable=SC2086 # a list of words
wait $pids
is "$(cut -d' ' -f2 "$T"/sum? | sort -u)" "$size" "five slow clients have all of it"
is "$(sort -u "$T"/sum? | wc -l)" 1 "and the same"
after=$(peak)
[ "$before" -gt 0 ] && [ $((after - before)) -lt 8192 ]; ok $? "less than 8 MiB more" "$before KiB before, $after KiB at most"
reset
[ "$(curl -s "$log?format=jsonl" | wc -l)" -ge $lines ]; ok $? "as JSON lines"
[ "$(curl -s --compressed "$log?format=cast" | wc -c)" -gt "$size" ]; ok $? "as an asciicast, packed"
is "$(curl -s "$log?grep=00000$lines" | wc -l)" 1 "a search through all of it"
is "$(curl -s "$log?tail=100000" | wc -c)" 10000000 "a long tail"
after=$(peak)
[ "$before" -gt 0 ] && [ $((after - before)) -lt 8192 ]; ok $? "less than 8 MiB more for these" "$before KiB before, $after KiB at most"
echo "# the gateway's largest worker: $before KiB before, $after KiB at most"
sanitizers_quiet
plan_done
