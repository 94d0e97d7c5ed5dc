#!/bin/bash
# A log that is much larger than any process may grow, with one line of 200 MB in it: memory stays as it was, and every
# byte arrives, raw and as events.
#   MB   of ordinary lines besides that line (64; LONG=1: 10,000)
. "$(dirname "$0")/../lib.sh"
MB=${MB:-64}
[ -z "${LONG:-}" ] || MB=10000
LINE_MB=200
[ -n "${LONG:-}" ] || LINE_MB=${LINE:-200}
# What a sanitizer keeps aside of freed memory would hide what is looked for.
export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=4
mkdir -m 777 "$T/marks"
LINE_OF_100="B$(printf '%098d' 7)"

repo=$(repo_makefile big <<'MAKE'
line:
	@head -c $(LINE)000000 /dev/zero | tr '\0' x; echo
	@touch $(MARKS)/first; until [ -e $(MARKS)/go ]; do sleep 0.1; done
	@yes '$(TEXT)' | head -c $(MB)000000
MAKE
)
lab_up lab --agents 1 --slots 1 --workers 1 --repo "big=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }

# kB of memory that each process has had at most
peak() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }
worker() { pgrep -P "$(lab_pid gateway)" | head -1; }
pids() { echo "worker=$(worker) sink=$(lab_pid logsink-1) agent=$(lab_pid agent-1) runner=$RUNNER"; }
peaks() { local p; for p in $(pids); do [ -e "/proc/${p#*=}" ] && echo "${p%%=*} $(peak "${p#*=}")"; done; }

id=$("$ORION" submit big line -- "LINE=$LINE_MB" "MB=$MB" "MARKS=$T/marks" "TEXT=$LINE_OF_100")
curl -sN -H 'Accept: text/event-stream' "$URL/v1/tasks/$id/log" 2>/dev/null | grep -c '^event: part' >"$T/parts" &
EVENTS=$!
first() { [ -e "$T/marks/first" ]; }
wait_for 120 first; ok $? "the long line is written"
RUNNER=$(pgrep -P "$(lab_pid agent-1)" -f orion-runner | head -1)
has_bytes() { [ "$(curl -sI -H 'Accept: text/plain' "$URL/v1/tasks/$id/log?attempt=1" | tr -d '\r' | awk 'tolower($1) == "content-length:" { print $2 }')" -gt "${LINE_MB}000000" ]; }
wait_for 120 has_bytes; ok $? "and on the sink's disk"
peaks | tee "$T/before" | sed 's/^/# at first: /'
touch "$T/marks/go"
wait_for $((60 + MB)) task_ended "$id"
ok $? "the build ends"
wait_for $((60 + MB)) log_complete "$id"; ok $? "its log is complete" "$(curl -s "$URL/v1/tasks/$id")"
wait $EVENTS
want=$({ head -c "${LINE_MB}000000" /dev/zero | tr '\0' x; echo; yes "$LINE_OF_100" | head -c "${MB}000000"; } | sha256sum)
got=$(curl -sSN -w '%{stderr}%{http_code} %{size_download} bytes\n' -H 'Accept: text/plain' "$URL/v1/tasks/$id/log" 2>"$T/curl" | grep -avE '^(orion: |\[orion: output waited )' | sha256sum)
is "$got" "$want" "every byte is there: $(cat "$T/curl")"
parts=$(cat "$T/parts")
[ "$parts" -ge $((LINE_MB * 1000000 / 16384)) ]; ok $? "a viewer got the long line in parts ($parts)"
peaks >"$T/after"
sed 's/^/# at last: /' "$T/after"
while read -r name kb; do
    before=$(awk -v n="$name" '$1 == n { print $2 }' "$T/before")
    [ -z "$before" ] && continue
    [ "$kb" -le $((before + 24 * 1024)) ]; ok $? "the memory of the $name does not grow with the log" "$before kB, then $kb kB"
done <"$T/after"
sanitizers_quiet
plan_done
