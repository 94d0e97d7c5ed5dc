#!/bin/bash
# `orion logs` on a farm: parts of a log, its forms, through a proxy that cuts every connection and a gateway that is
# killed: no byte lost, none twice; --verify of good logs, damaged ones and ones that are not what was promised; --replay.
. "$(dirname "$0")/../lib.sh"

# Bytes that no text form may change, lines of any length; the last one without its end.
mkdir -p "$T/src/talk" "$T/gate" && chmod 777 "$T/gate"
cat >"$T/src/talk/Makefile" <<'MAKE'
small:
	@printf 'one\ntwo: Error 7\nthree\n'; sleep 2; printf '\033[31mfour\033[0m\r\nfive no end'
bytes:
	@python3 talk.py
gate:
	@echo at the gate; until [ -e $(GATE) ]; do sleep 0.05; done; python3 talk.py
MAKE
cat >"$T/src/talk/talk.py" <<'PY'
import random, sys, time
rng = random.Random(5)
for i in range(60):
    out = b"".join(b"%d " % rng.randrange(1000) + bytes(rng.choices((0, 13, 27, 65, 66, 67, 128, 195, 169, 255), k=rng.randrange(150)))
                   + (b"\n" if rng.randrange(9) else b" ") for _ in range(40))
    sys.stdout.buffer.write(out)
    sys.stdout.buffer.flush()
    time.sleep(0.02)
PY
repo=$(repo_make talk)
# Cuts each connection after a random number of bytes of its answer, at most LIMIT.
cat >"$T/cutter.py" <<'PY'
import random, socket, sys, threading
to, limit, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
cuts = 0
def copy(a, b, budget):
    global cuts
    try:
        while data := a.recv(min(65536, budget) if budget else 65536):
            b.sendall(data)
            if budget:
                budget -= len(data)
                if budget <= 0:
                    cuts += 1
                    open(path + ".cuts", "w").write(str(cuts))
                    break
    except OSError:
        pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
def serve(client):
    server = socket.create_connection(("127.0.0.1", to))
    threading.Thread(target=copy, args=(client, server, 0), daemon=True).start()
    copy(server, client, random.randrange(1, limit))
listener = socket.create_server(("127.0.0.1", 0))
open(path, "w").write(str(listener.getsockname()[1]))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
PY
# Below the ports of outgoing connections, which are tried while the gateway is away.
PORT_WANTED=$(python3 -c 'import random, socket, sys
while True:
    port = random.randrange(10000, int(sys.argv[1]))
    try: socket.socket().bind(("127.0.0.1", port))
    except OSError: continue
    print(port)
    break' "$(cut -f1 /proc/sys/net/ipv4/ip_local_port_range)")
export PORT_WANTED
lab_up lab --repo "talk=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
# One for what is resumed, one for forms that are asked for again as a whole.
python3 "$T/cutter.py" "$PORT" 60000 "$T/cutter" 2>/dev/null & cutter=$!
python3 "$T/cutter.py" "$PORT" 1000000 "$T/cutter.late" 2>/dev/null & late=$!
ended() { kill $cutter $late; finish; }
trap ended EXIT
wait_for 20 test -s "$T/cutter" && wait_for 20 test -s "$T/cutter.late"; ok $? "two proxies that cut"
CUT=http://127.0.0.1:$(cat "$T/cutter")
LATE=http://127.0.0.1:$(cat "$T/cutter.late")

logs() { out=$("$ORION" logs "$@" 2>"$T/err"); rc=$?; }
raw() { curl -s "$URL/v1/tasks/$1/log?format=text"; }

# --- parts and forms ---------------------------------------------------------------------------------------------

small=$("$ORION" submit talk small)
gate=$("$ORION" submit talk gate -a "GATE=$T/gate/open")
wait_for 30 task_is "$small" succeeded; ok $? "a small build"
wait_for 20 log_complete "$small"; ok $? "whose log is complete"
"$ORION" logs "$small" | cmp - <(raw "$small"); ok $? "logs prints the log byte for byte"
"$ORION" logs -f "$small" | cmp - <(raw "$small"); ok $? "and so does -f"
logs --output "$T/file" "$small"
is "$rc $out" "0 " "--output leaves standard output alone"
cmp "$T/file" <(raw "$small"); ok $? "and writes the file"
logs --output "$T/none/file" "$small"
is "$rc" 1 "a file that cannot be made is told" "$(cat "$T/err")"
logs --tail 2 "$small"
is "$out" $'\e[31mfour\e[0m\r\nfive no end' "--tail"
logs -n 2 --plain "$small"
is "$out" $'four\nfive no end' "--plain takes the colours away"
logs --since 1d "$small"
is "$out" "$(raw "$small")" "--since a day ago is all"
logs --since 2099-01-01 "$small"
is "$rc $out" "0 " "--since then is nothing"
logs --grep 'error' "$small"
is "$out" "" "--grep looks at case"
logs --grep 'error' -i "$small"
is "$out" "4:two: Error 7" "--ignore-case does not"
logs -f --grep 'error' -i "$small"
is "$out" "4:two: Error 7" "the same with -f"
logs --format jsonl "$small"
is "$(jq -r 'select(.note | not) | .text' <<<"$out" | head -2 | tail -1)" "two: Error 7" "JSON lines"
logs --format sse "$small"
like "$out" $'event: log\nid: 1\.[0-9]+\ndata: one\n' "events"
like "$out" "event: end" "to the end"
logs --format cast "$small"
is "$(head -1 <<<"$out" | jq .version)" 2 "asciicast"
logs --format chunks "$small"
is "$(jq -s '[.[].length] | add' <<<"$out")" "$(raw "$small" | wc -c)" "chunks add up to the log"
logs --json "$small"
is "$(jq -r .log_state <<<"$out")" complete "--json is a document"
for words in "--format html" "--verify -f" "-x 2" "--replay --grep x" "--ignore-case" "--format cast -f" "--since soon" \
    "--replay -x 0" "--attempt 0"; do
    # shellcheck disable=SC2086 # words
    logs $words "$small"
    is "$rc" 2 "logs $words: wrong usage"
done
logs 01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90; is $rc 3 "an unknown task is 3"
logs --attempt 2 "$small"; is $rc 3 "an unknown attempt, too"

# --- while it runs -----------------------------------------------------------------------------------------------

at_gate() { "$ORION" logs "$gate" 2>/dev/null | grep -q 'at the gate'; }
wait_for 30 at_gate; ok $? "of a running task logs prints what is there"
logs "$gate"; is $rc 0 "and ends"
logs --verify "$gate"
is "$rc" 1 "--verify does not call it complete"
like "$out" '^not complete: the attempt has not ended yet; 3 lines so far' "and says why"
"$ORION" logs -f "$gate" >"$T/interrupted" 2>"$T/err" &
pid=$!
attached() { grep -q 'at the gate' "$T/interrupted"; }
wait_for 20 attached
kill -INT $pid
wait $pid; is $? 130 "Ctrl-C ends -f with 130"
like "$(cat "$T/err")" "orion logs -f $gate" "and says how to see it again"
"$ORION" logs -f "$gate" >"$T/f.text" 2>"$T/f.err" & f1=$!
"$ORION" logs -f --format jsonl "$gate" >"$T/f.jsonl" 2>>"$T/f.err" & f2=$!
"$ORION" logs --format sse "$gate" >"$T/f.sse" 2>>"$T/f.err" & f3=$!
"$ORION" logs -f --url "$CUT" "$gate" >"$T/c.text" 2>"$T/c.err" & f4=$!
"$ORION" logs -f --format jsonl --url "$CUT" "$gate" >"$T/c.jsonl" 2>>"$T/c.err" & f5=$!
"$ORION" logs --format sse --url "$CUT" "$gate" >"$T/c.sse" 2>>"$T/c.err" & f6=$!
"$ORION" logs -f --tail 1 --url "$CUT" "$gate" >"$T/c.tail" 2>>"$T/c.err" & f7=$!
attached() { for f in f.text f.jsonl f.sse c.tail; do grep -q 'at the gate' "$T/$f" || return 1; done; }
wait_for 30 attached; ok $? "seven follow" "$(ls -l "$T")"
touch "$T/gate/open"
for _ in 1 2; do
    kill -9 "$(lab_pid gateway)"
    "$ORION" lab restart gateway --dir "$LAB" >"$T/restart" 2>&1; ok $? "the gateway is killed and started" "$(cat "$T/restart")"
done
rcs=
for pid in $f1 $f2 $f3 $f4 $f5 $f6 $f7; do wait "$pid"; rcs="$rcs $?"; done
is "$rcs" " 0 0 0 0 0 0 0" "all end with 0" "$(cat "$T/f.err" "$T/c.err")"
wait_for 20 log_complete "$gate"; ok $? "the log is complete"
raw "$gate" >"$T/raw"
[ "$(stat -c %s "$T/raw")" -gt 150000 ]; ok $? "and of some size"
cmp "$T/f.text" "$T/raw"; ok $? "text through two killings is the log"
cmp "$T/c.text" "$T/raw"; ok $? "and through the cuts, too"
cmp "$T/c.tail" <(tail -c +$((1 + $(grep -abo -m 1 'at the gate' "$T/raw" | head -1 | cut -d: -f1))) "$T/raw"); ok $? "and from the last line on"
# what a line was shown as (parts or whole) depends on the moment; its bytes do not
text_of() { jq -rj 'if .gap then "GAP" else .text + (if .partial then "" else "\n" end) end' "$1"; }
"$ORION" logs --format jsonl "$gate" >"$T/all.jsonl"
cmp <(text_of "$T/f.jsonl") <(text_of "$T/all.jsonl"); ok $? "JSON lines through two killings"
cmp <(text_of "$T/c.jsonl") <(text_of "$T/all.jsonl"); ok $? "and through the cuts"
ids() { grep '^id: ' "$1" | sort -c -t. -k2n 2>&1; grep '^id: ' "$1" | grep -v '\.0$' | uniq -d; grep -c '^event: end' "$1"; }
is "$(ids "$T/f.sse")" 1 "events come in order, once, to the end"
is "$(ids "$T/c.sse")" 1 "through the cuts, too"

# --- what is there, through cuts ----------------------------------------------------------------------------------

for form in text jsonl cast chunks; do
    "$ORION" logs --format $form "$gate" >"$T/whole"
    if [ $form = cast ]; then via=$LATE; else via=$CUT; fi
    "$ORION" logs --format $form --url "$via" "$gate" >"$T/cut" 2>"$T/err"
    is "$? $(cmp "$T/cut" "$T/whole" 2>&1)" "0 " "$form through cuts"
done
"$ORION" logs --grep 7 "$gate" >"$T/whole"
"$ORION" logs --grep 7 --url "$LATE" "$gate" >"$T/cut"; is "$? $(cmp "$T/cut" "$T/whole" 2>&1)" "0 " "--grep through cuts"
"$ORION" logs --tail 500 "$gate" >"$T/whole"
"$ORION" logs --tail 500 --url "$CUT" "$gate" >"$T/cut"; is "$? $(cmp "$T/cut" "$T/whole" 2>&1)" "0 " "--tail through cuts"
[ "$(cat "$T/cutter.cuts")" -gt 20 ]; ok $? "there were $(cat "$T/cutter.cuts") cuts"

# --- verify ------------------------------------------------------------------------------------------------------

head_of() { lab_sql "SELECT left(encode(log_head, 'hex'), 16) FROM orion.attempt WHERE task_id = '$1'"; }
logs --verify "$small"
is "$rc $out" "0 complete, 7 lines ($(raw "$small" | wc -c) bytes, $("$ORION" logs --format chunks "$small" | wc -l) chunks), head $(head_of "$small")" \
    "--verify of a good log"
logs --verify --url "$CUT" "$gate"
is "$rc" 0 "and of a larger one through cuts" "$out$(cat "$T/err")"
like "$out" "^complete, [0-9,]+ lines \([0-9]+,[0-9]{3} bytes, [0-9,]+ chunks\), head $(head_of "$gate")$" "in words"
logs --verify --json "$gate"
is "$(jq -r '.verdict, .bytes, .missing' <<<"$out" | xargs)" "complete $(stat -c %s "$T/raw") 0" "or as a document"

# a byte changed on the sink's disk; when the log is packed, for as long as there are two files either one will do
is_packed() { [ -n "$(find "$LAB" -path "*$1*" -name '*.zst')" ] && [ -z "$(find "$LAB" -path "*$1*" -name '*.log')" ]; }
damage() { # ID: of the file that has its log, some byte in the middle
    local file
    wait_for 20 is_packed "$1"
    file=$(find "$LAB" -path "*$1*" -name '*.zst')
    python3 -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(0, 2); at = f.tell() // 2
    f.seek(at); byte = f.read(1)
    f.seek(at); f.write(bytes([byte[0] ^ 0x10]))' "$file"
}
bytes=$("$ORION" submit talk bytes)
wait_for 30 task_is "$bytes" succeeded && wait_for 20 log_complete "$bytes"; ok $? "another build"
raw "$bytes" >"$T/before"
damage "$bytes"
"$ORION" lab restart logsink --dir "$LAB" >"$T/restart" 2>&1 || "$ORION" lab restart logsink-1 --dir "$LAB" >"$T/restart" 2>&1
ok $? "the sink is started anew" "$(cat "$T/restart")"
logs --verify "$bytes"
is "$rc" 1 "a log that was changed on disk is not complete" "$out$(cat "$T/err")"
like "$out" 'gap: bytes [0-9,]+ to [0-9,]+ \([0-9,]+\): ' "the gap is named"
logs --verify --json "$bytes"
is "$(jq -r '.verdict, (.gaps | length), .bytes + .missing' <<<"$out" | xargs)" "gaps 1 $(stat -c %s "$T/before")" "and measured"
from=$(jq '.gaps[0].from' <<<"$out") to=$(jq '.gaps[0].to' <<<"$out")
"$ORION" logs "$bytes" >"$T/after" 2>"$T/err"
is $? 1 "logs ends with 1 then"
like "$(cat "$T/err")" "orion: $((to - from)) bytes of the log are missing at byte $from: " "and says what is missing"
cmp "$T/after" <(head -c "$from" "$T/before"; tail -c +$((to + 1)) "$T/before"); ok $? "everything else is as it was"
"$ORION" logs -f "$bytes" 2>/dev/null | cmp - "$T/after"; ok $? "with -f, too"
logs --verify "$gate"; is $rc 0 "other logs are what they were"

# another log than was promised
lab_sql "UPDATE orion.attempt SET log_head = decode(repeat('ab', 32), 'hex') WHERE task_id = '$gate'"
unseen() { "$ORION" logs --verify "$gate" >"$T/out" 2>"$T/err"; [ $? = 7 ]; }
wait_for 20 unseen; ok $? "a log that is not what the result said is 7" "$(cat "$T/out" "$T/err")"
like "$(cat "$T/out")" 'does not verify: chunk .*: the chain leads to head [0-9a-f]{16}, the result said abababababababab' "and why"

# --- replay ------------------------------------------------------------------------------------------------------

ms() { echo $(($(date +%s%N) / 1000000)); }
start=$(ms)
"$ORION" logs --replay "$small" | cmp - <(raw "$small"); ok $? "--replay shows the log"
[ $(($(ms) - start)) -ge 1900 ]; ok $? "at its own speed ($(($(ms) - start)) ms)"
start=$(ms)
"$ORION" logs --replay -x 1000 "$small" | cmp - <(raw "$small"); ok $? "or a thousand times as fast"
fast=$(($(ms) - start))
"$ORION" logs --replay --max-pause 1ms --url "$CUT" "$gate" | cmp - "$T/raw"; ok $? "a larger one through cuts, without its pauses"
"$ORION" logs --replay -x 1000 "$bytes" >/dev/null 2>"$T/err"; is $? 1 "one with a gap says so" "$(cat "$T/err")"
echo "# fast: $fast ms"
if command -v tmux >/dev/null; then
    export TMUX_TMPDIR=$T
    tmux -L orion -f /dev/null new-session -d -x 100 -y 20 "$ORION logs --replay -x 0.001 $small 2>$T/tty.err; echo rc \$? >$T/tty.rc; sleep 100"
    shows() { tmux -L orion capture-pane -p | grep -q three; }
    wait_for 20 shows; ok $? "on a terminal" "$(tmux -L orion capture-pane -p)"
    tmux -L orion send-keys C-c
    wait_for 20 test -s "$T/tty.rc"; is "$(cat "$T/tty.rc")" "rc 130" "Ctrl-C ends it with 130"
    tmux -L orion kill-server
fi
is "$(violations)" 0 "no invariant is violated"
sanitizers_quiet
plan_done
