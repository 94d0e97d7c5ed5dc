#!/bin/bash
# The archive: finished logs go to S3-compatible storage (a server that checks every signature), their local copies are
# dropped and fetched back for who looks; the server down or the key wrong costs no log and no build; what is too old is
# removed there too.
. "$(dirname "$0")/../lib.sh"

log_file() { echo "$LAB/sink-1/log/${1: -2}/$1/1.$2"; }
object() { echo "$T/s3/logs/farm/sink-1/${1: -2}/$1/1.$2"; }
raw() { curl -s -m 60 -H 'Accept: text/plain' "$URL/v1/tasks/$1/log" "${@:2}"; }
flags() { "$TEST_TOP/tests/seal.py" show "$(log_file "$1" seal)" | grep -q "flags=$2"; }
is_archived() { [ -e "$(object "$1" zst)" ] && [ -e "$(object "$1" chunks)" ] && [ -e "$(object "$1" seal)" ] && flags "$1" 1; }
is_dropped() { is_archived "$1" && [ ! -e "$(log_file "$1" chunks)" ] && [ ! -e "$(log_file "$1" zst)" ]; }
is_gone() { ! ls "$(dirname "$(object "$1" zst)")"/1.* >/dev/null 2>&1 && flags "$1" 0; }
peers() { grep -c 'peer is here.*name=sink-1' "$LAB/log/gateway.log"; }
peers_are() { [ "$(peers)" -ge "$1" ]; }
restart_sink() { # until both workers of the gateway have it again
    local before
    before=$(peers)
    "$ORION" lab restart logsink-1 --dir "$LAB" >"$T/out" 2>&1 && wait_for 20 peers_are $((before + 2))
}
said() { grep -q "$1" "$LAB/log/logsink-1.log"; }
build() {
    local id
    id=$("$ORION" submit "${@:2}" keep "$1") && wait_for 60 log_complete "$id" && echo "$id"
}
server_start() { # the storage is $T/s3; it ends by itself after five minutes
    python3 "$TEST_TOP/tests/s3_server.py" --dir "$T/s3" --port "$S3_PORT" --seconds 300 >"$T/s3.out" 2>&1 </dev/null &
    S3_PID=$!
    wait_for 20 grep -q . "$T/s3.out"
}
server_stop() { kill "$S3_PID"; wait "$S3_PID" 2>/dev/null; }

repo=$(repo_makefile keep <<'MAKE'
text:
	@seq -f 'line %g of a log that packs well' 1 30000
MAKE
)
mkdir "$T/s3"
S3_PORT=$(free_port)
server_start || { ok 1 "the storage comes up" "$(cat "$T/s3.out")"; plan_done; exit 1; }
echo test-secret >"$T/secret"; chmod 644 "$T/secret"
lab_up lab --repo "keep=$repo" --set "ORION_ARCHIVE_URL=http://127.0.0.1:$S3_PORT/logs/farm" --set ORION_ARCHIVE_KEY_ID=test-key \
    --set "ORION_ARCHIVE_SECRET_FILE=$T/secret" --set ORION_LOG_LOCAL_KEEP=2s || { ok 1 "the lab comes up"; plan_done; exit 1; }

# --- there and back ---------------------------------------------------------------------------------------------------
id=$(build text)
wait_for 30 is_archived "$id"; ok $? "a finished log is sent: three objects, and a mark on the seal"
zstd -qdc "$(object "$id" zst)" >"$T/want"; ok $? "zstd reads the object"
like "$(sed -n '/^line 30000 /p' "$T/want")" 'packs well' "which is the build's log"
wait_for 40 is_dropped "$id"; ok $? "its local copy is dropped after two seconds"
raw "$id" | cmp - "$T/want"; ok $? "it is read all the same"
[ -e "$(log_file "$id" chunks)" ]; ok $? "having been fetched back"
tail -c +500001 "$T/want" | head -c 1000 >"$T/part"
raw "$id" -r 500000-500999 | cmp - "$T/part"; ok $? "a range of it"
"$ORION" logs --verify "$id" >"$T/verify" 2>&1; ok $? "and it verifies" "$(cat "$T/verify")"
restart_sink
wait_for 40 is_dropped "$id"; ok $? "after a new start the copy is dropped again"
for n in 1 2 3 4 5 6; do
    raw "$id" >"$T/got.$n" &
    pids="${pids:-} $!"
done
# shellcheck disable=SC2086 # a list of numbers
wait $pids
is "$(cat "$T"/got.* | sha256sum)" "$(for n in 1 2 3 4 5 6; do cat "$T/want"; done | sha256sum)" "six viewers at once"
is "$(grep -vcE ' (200|204)$' "$T/s3/requests")" 0 "the server refused no signature"
is "$(grep -c "^GET .*$id/1.zst" "$T/s3/requests")" 2 "and was asked twice, not once for each"

# --- nobody answers ---------------------------------------------------------------------------------------------------
restart_sink
wait_for 40 is_dropped "$id"
server_stop
answer=$(raw "$id" -w '\nstatus %{http_code}\n'); rc=$?
[ $rc != 0 ] || [[ ! $answer =~ "status 200" ]]; ok $? "without the server the log cannot be read" "$rc: ${answer: -300}"
[[ ! $answer =~ "are missing" && ! $answer =~ "status 410" ]]; ok $? "but it is no gap" "${answer: -300}"
second=$(build text); ok $? "builds go on, and their logs are sealed"
wait_for 30 said 'archive does not take logs'; ok $? "the sink says that the archive does not answer"
raw "$second" | grep -q '^line 30000 '; ok $? "the new log is read from here"
server_start
wait_for 60 is_archived "$second"; ok $? "when the server is back it gets the log"
wait_for 20 said 'archive takes logs again'; ok $? "which the sink says"
raw "$id" | cmp - "$T/want"; ok $? "and the old one is read again"

# --- a wrong key --------------------------------------------------------------------------------------------------------
echo wrong >"$T/secret"
restart_sink
third=$(build text); ok $? "with a wrong secret builds go on"
wait_for 30 said 'SignatureDoesNotMatch'; ok $? "the sink says what the server said"
[ -e "$(log_file "$third" zst)" ] && ! is_archived "$third"; ok $? "the log stays here"
echo test-secret >"$T/secret"
restart_sink
wait_for 60 is_archived "$third"; ok $? "until the secret is right"
! grep -rq test-secret "$LAB/log"; ok $? "no process has told the secret to its log"

# --- too old --------------------------------------------------------------------------------------------------------------
curl -s -X PUT -H 'Content-Type: application/json' -d '{"log_keep_s":1}' "$URL/v1/projects/brief" >/dev/null
brief=$(build text --project brief)
wait_for 60 is_gone "$brief"; ok $? "a log that is older than its project keeps it is removed in the archive as well"
like "$("$TEST_TOP/tests/seal.py" show "$(log_file "$brief" seal)")" 'removed=1' "its seal stays and says so"
is_archived "$third"; ok $? "the others stay"
server_stop
sanitizers_quiet
plan_done
