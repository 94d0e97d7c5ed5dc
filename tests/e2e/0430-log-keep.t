#!/bin/bash
# Finished logs: packed (zstd can read them, every form of them reads as before, kill -9 in the middle of it), removed when
# they are older than their project keeps them, and when the disk fills up; never one that is not sealed.
. "$(dirname "$0")/../lib.sh"

# log_file ID SUFFIX: where the sink keeps it
log_file() { echo "$LAB/sink-1/log/${1: -2}/$1/1.$2"; }
raw() { curl -s -H 'Accept: text/plain' "$URL/v1/tasks/$1/log" "${@:2}"; }
is_packed() { [ -e "$(log_file "$1" zst)" ] && [ ! -e "$(log_file "$1" log)" ]; }
is_removed() { [ -e "$(log_file "$1" seal)" ] && [ ! -e "$(log_file "$1" chunks)" ] && [ ! -e "$(log_file "$1" zst)" ]; }
sealed() { "$TEST_TOP/tests/seal.py" "$1" "$(log_file "$2" seal)" "${@:3}"; }
build() { # TARGET [OPTION...]: its id, when its log is complete
    local id
    id=$("$ORION" submit "${@:2}" keep "$1") && wait_for 60 log_complete "$id" && echo "$id"
}

repo=$(repo_makefile keep <<'MAKE'
small:
	@echo small
text:
	@seq -f 'line %g of a log that packs well' 1 60000
noise:
	@head -c 6000000 /dev/urandom | base64
wait:
	@echo waiting; seq -f 'line %g' 1 2000; until [ -e '$(GO)' ]; do sleep 0.1; done
MAKE
)

# --- packed ---------------------------------------------------------------------------------------------------------
lab_up lab --repo "keep=$repo" --set ORION_LOG_COMPRESS=19 || { ok 1 "the lab comes up"; plan_done; exit 1; }
small=$(build small)
text=$(build text)
wait_for 30 is_packed "$text"; ok $? "a finished log is packed and N.log is gone"
zst=$(log_file "$text" zst)
zstd -qt "$zst"; ok $? "zstd -t takes it"
raw "$text" >"$T/raw"
zstd -qdc "$zst" | cmp - "$T/raw"; ok $? "zstd -dc is the raw log"
like "$(sed -n '/^line 60000 /p' "$T/raw")" 'packs well' "which is the build's"
[ "$(stat -c %s "$zst")" -lt $(($(stat -c %s "$T/raw") / 5)) ]; ok $? "it takes less than a fifth"
[ -e "$(log_file "$small" log)" ] && [ ! -e "$(log_file "$small" zst)" ]; ok $? "a log of less than 4 KiB stays as it is"
tail -c +1000001 "$T/raw" | head -c 70000 >"$T/want"
raw "$text" -r 1000000-1069999 | cmp - "$T/want"; ok $? "a range in the middle"
"$ORION" logs "$text" | cmp - "$T/raw"; ok $? "orion logs prints it"
curl -s -H 'Accept: text/event-stream' "$URL/v1/tasks/$text/log" | sed -n 's/^data: //p' | grep '^line ' >"$T/events"
grep '^line ' "$T/raw" | cmp - "$T/events"; ok $? "its events have every line"
"$ORION" logs --verify "$text" >"$T/verify" 2>&1; ok $? "and it verifies" "$(cat "$T/verify")"

# --- killed in the middle of it -----------------------------------------------------------------------------------
noise=$("$ORION" submit keep noise)
# (level 19 takes some seconds for 8 MB)
for n in 1 2 3; do
    wait_for 60 test -e "$(log_file "$noise" zst-new)" || break
    kill -9 "$(lab_pid logsink-1)"
    "$ORION" lab restart logsink-1 --dir "$LAB" >"$T/out" 2>&1 || break
    killed=$n
done
is "${killed:-0}" 3 "the sink is killed three times while it packs"
wait_for 60 log_complete "$noise"
wait_for 90 is_packed "$noise"; ok $? "the log is packed in the end"
[ ! -e "$(log_file "$noise" zst-new)" ]; ok $? "and nothing unfinished is left"
raw "$noise" >"$T/raw"
zstd -qdc "$(log_file "$noise" zst)" | cmp - "$T/raw"; ok $? "zstd -dc is the raw log again"
bytes=$(lab_sql "SELECT log_bytes FROM orion.attempt WHERE task_id = '$noise'")
is "$(stat -c %s "$T/raw")" "$bytes" "with as many bytes as the runner counted"

# --- by age -----------------------------------------------------------------------------------------------------------
curl -s -X PUT -H 'Content-Type: application/json' -d '{"log_keep_s":2}' "$URL/v1/projects/brief" >"$T/project"
like "$(cat "$T/project")" '"log_keep_s": ?2' "a project keeps its logs for two seconds"
brief=$(build text --project brief)
go=$T/go
open=$("$ORION" submit --project brief keep wait "GO=$go")
wait_for 40 is_removed "$brief"; ok $? "its log is removed then"
like "$(sealed show "$brief")" "state=complete .*keep_ms=2000 removed=1" "its seal says why"
answer=$(raw "$brief" -w '\nstatus %{http_code}\n')
like "$answer" 'status 410|removed: older' "and so does the answer to who wants to see it"
is_packed "$text"; ok $? "other projects' logs stay"
[ -e "$(log_file "$open" log)" ] && task_is "$open" running; ok $? "and so does one that is being written"
touch "$go"
wait_for 40 is_removed "$open"; ok $? "until it has ended and is old enough"

# --- by space ---------------------------------------------------------------------------------------------------------
by_space() {
    local disk=$T/disk pid f
    old=$(build text) young=$(build text) oldest=$(build noise)
    open=$("$ORION" submit keep wait "GO=$T/go-2")
    for id in "$old" "$young" "$oldest"; do wait_for 60 is_packed "$id"; done
    wait_for 30 test -s "$(log_file "$open" log)"
    mkdir "$disk" && mount -t tmpfs -o size=64m tmpfs "$disk" || return
    cp -a "$LAB/sink-1/log" "$disk/"
    LAB_WAS=$LAB
    LAB=$T/space; mkdir "$LAB"; ln -s "$disk" "$LAB/sink-1"
    sealed age "$old" 7200; sealed age "$oldest" 10800
    f=$(($(df --output=used -B1 "$disk" | tail -1)))
    # so full that not one byte may stay: all goes that may
    "$ORION_BUILD/src/logsink/orion-logsink" --name sink-1 --dir "$disk" --listen "ipc://$T/s.sock" --live "ipc://$T/s.live" \
        --schedulers "ipc://$T/nobody" --watermark $((f * 100 / (64 * 1024 * 1024) - 2)) >"$T/space.log" 2>&1 &
    pid=$!
    wait_for 30 grep -q 'the disk was filling up' "$T/space.log"; ok $? "the disk being too full, a log is removed"
    like "$(sealed show "$oldest")" 'removed=2' "the one that was sealed first"
    like "$(sealed show "$old")" 'removed=0' "and no more than was needed"
    kill "$pid"; wait "$pid"
    "$ORION_BUILD/src/logsink/orion-logsink" --name sink-1 --dir "$disk" --listen "ipc://$T/s.sock" --live "ipc://$T/s.live" \
        --schedulers "ipc://$T/nobody" --watermark 1 >"$T/space.log" 2>&1 &
    pid=$!
    wait_for 30 grep -q 'no log may go' "$T/space.log"; ok $? "far too full, it says that no other log may go"
    like "$(sealed show "$old")" 'removed=2' "when the ones that may are gone"
    like "$(sealed show "$young")" 'removed=0' "not one that was sealed in the last hour"
    [ -s "$(log_file "$open" log)" ]; ok $? "nor one that is not sealed"
    kill "$pid"; wait "$pid"
    umount "$disk"
    LAB=$LAB_WAS
    touch "$T/go-2"
}
if [ "$(id -u)" = 0 ] && mkdir "$T/probe" && mount -t tmpfs -o size=1m tmpfs "$T/probe" 2>/dev/null; then
    umount "$T/probe"
    by_space
else
    echo "# skipped: the watermark, which needs a disk of its own (mount as root)"
fi
sanitizers_quiet
plan_done
