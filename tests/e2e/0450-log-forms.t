#!/bin/bash
# The forms of a log besides the stream of events: plain text with ranges, packing, tails, times and searches; JSON lines;
# asciicasts; chunks. Of a nasty log (NULs, CRs, bytes that are no text, lines of 300 KB, no newline at the end), of
# separate streams, of a line of 64 MB (200 MB with LONG=1), and of a build that is still running.
. "$(dirname "$0")/../lib.sh"

hold=$T/hold
touch "$hold"
mkdir -p "$T/src/builds"
python3 - "$T/src/builds/nasty" <<'PY'
import random, sys
r = random.Random(45)
line = lambda n: bytes(r.choice(b"abcdefgh ") for _ in range(n))
out = b"plain\n\nnul \0 in it\ncr\rover\r\ncaf\xc3\xa9 \xe2\x82\xac\nbad \xff\xfe\xc3(\xe2\x82\n\x1b[31mred\x1b[0m\n"
out += line(300_000) + b"\n" + b"\xc3\xa9" * 150_000 + b"\n"
for i in range(3000):
    out += b"%d needle %s\n" % (i, line(r.randrange(80))) if i % 10 == 0 else b"%d %s\n" % (i, line(r.randrange(80)))
out += line(16384) + b"\n" + line(16385) + b"\n" + line(16383) + b"needle across\n" + b"NeEdLe once\n"
out += r.randbytes(100_000) + b"\n" + b"\r\r\r" + b"\xe2\x82"
open(sys.argv[1], "wb").write(out)
PY
printf '#!/bin/sh\nfor i in $(seq 1 20); do printf "out %%d, " $i; printf "err %%d " $i >&2; sleep 0.02; printf "end\\n"; printf "end\\n" >&2; done\n' >"$T/src/builds/two.sh"
big=$((64 << 20))
[ -z "${LONG:-}" ] || big=$((200 << 20))
repo=$(repo_makefile builds <<MAKE
.PHONY: nasty two big slow many
nasty:
	@cat nasty
two:
	@sh two.sh
big:
	@echo before; head -c $big /dev/zero | tr '\\0' x; echo; echo behind
slow:
	@echo first; while [ -e $hold ]; do sleep 0.05; done; echo second; printf third
many:
	@seq 1 5000
MAKE
)
lab_up lab --slots 2 --repo "builds=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }

# built TARGET [OPTIONS]: sets $id and $log (the URL of its log); $T/raw is the complete log
built() {
    id=$("$ORION" submit builds "$@") || return 1
    log=$URL/v1/tasks/$id/log
    wait_for 60 log_complete "$id" && curl -s "$log" >"$T/raw"
}
# got [CURL-OPTION]... URL-PARAMETERS: $code, body in $T/got, headers in $T/head
got() { rm -f "$T/got"; code=$(curl -s -o "$T/got" -D "$T/head" -w '%{http_code}' "${@:1:$#-1}" "$log${*: -1}"); }
header() { tr -d '\r' <"$T/head" | sed -n "s/^$1: //Ip" | tail -1; }
same() { cmp "$T/got" "$1"; }
refused() { got "$1"; is "$code $(jq -r .field "$T/got")" "400 $2" "$3"; }

# --- text: bytes, ranges, lengths
built nasty; ok $? "a nasty log is complete"
size=$(stat -c %s "$T/raw")
nasty=$(stat -c %s "$T/src/builds/nasty")
tail -c "$nasty" "$T/raw" | cmp - "$T/src/builds/nasty"; ok $? "its text is what was written, byte for byte"
got ''
is "$code $(header content-length) $(header orion-log-bytes)" "200 $size $size" "a complete log has its length"
attempt=$(curl -s "$URL/v1/tasks/$id" | jq -c '.attempts[-1]')
is "$(header etag) $(header orion-log-head)" "\"$(jq -r .log_head <<<"$attempt")\" $(jq -r .log_head <<<"$attempt")" "its tag is its head"
is "$(header orion-log-state) $(header orion-attempt) $(header orion-log-lines) $(header orion-log-offset)" \
    "complete 1 $(jq -r .log_lines <<<"$attempt") 0" "state, attempt, lines and offset are told"
is "$(header x-content-type-options) $(header x-accel-buffering) $(header accept-ranges)" "nosniff no bytes" "nobody guesses or buffers"
etag=$(header etag)
head=$(curl -sI "$log" | tr -d '\r' | grep -vi '^date')
is "$head" "$(tr -d '\r' <"$T/head" | grep -vi '^date')" "HEAD answers the same head"
got -H "If-None-Match: $etag" ''
is "$code $(stat -c %s "$T/got" 2>/dev/null || echo 0)" "304 0" "who has it already gets 304"
bad=
for _ in $(seq 1 25); do
    from=$((RANDOM * 32768 % size)) len=$((RANDOM * 7 % 300000 + 1))
    got -H "Range: bytes=$from-$((from + len - 1))" ''
    to=$((from + len < size ? from + len : size))
    [ "$code $(header content-range)" = "206 bytes $from-$((to - 1))/$size" ] &&
        cmp -s "$T/got" <(tail -c +$((from + 1)) "$T/raw" | head -c $len) || bad="$bad $from+$len"
done
is "$bad" "" "25 ranges at random places"
got -H 'Range: bytes=-1000' ''; [ "$code" = 206 ] && same <(tail -c 1000 "$T/raw"); ok $? "the last 1000 bytes"
got -H "Range: bytes=$((size - 5))-" ''; [ "$code" = 206 ] && same <(tail -c 5 "$T/raw"); ok $? "an open range"
got -H "Range: bytes=$size-" ''
is "$code $(header content-range) $(header content-type)" "416 bytes */$size application/problem+json" "a range behind the end"
got -H 'Range: bytes=0-1,5-6' ''; [ "$code" = 200 ] && same "$T/raw"; ok $? "several ranges: the whole"
got -H "If-Range: $etag" -H 'Range: bytes=1-2' ''; is "$code" 206 "If-Range with the tag"
got -H 'If-Range: "other"' -H 'Range: bytes=1-2' ''; is "$code" 200 "If-Range with another one"
got "?offset=100&limit=50"; same <(tail -c +101 "$T/raw" | head -c 50); ok $? "offset and limit"
is "$(header orion-log-offset) $(header content-length)" "100 50" "say where they begin"
got -H 'Range: bytes=10-19' '?offset=100&limit=50'; same <(tail -c +111 "$T/raw" | head -c 10); ok $? "a range of that part"
got "?offset=$((size + 7))"; is "$code $(header content-length)" "200 0" "an offset behind the end: nothing"
got '?follow=1'; [ "$(header content-length)" = "" ] && same "$T/raw"; ok $? "following a complete log is all of it"
got '?gaps=stop'; same "$T/raw"; ok $? "stopping at gaps: there are none"
head -c 5000 "$T/raw" >"$T/part"; cp "$T/part" "$T/resumed"
curl -s -C - -o "$T/resumed" "$log"; cmp "$T/resumed" "$T/raw"; ok $? "curl goes on with a download"

# --- text: packed
got -H 'Accept-Encoding: gzip' ''
is "$(header content-encoding) $(header content-length)" "gzip " "packed when asked for"
gzip -dc "$T/got" | cmp - "$T/raw"; ok $? "and the same when unpacked"
like "$(header etag)" '-gzip"$' "under a tag of its own"
got -H 'Accept-Encoding: gzip;q=0, br' ''; same "$T/raw"; ok $? "not when refused"
got -H 'Accept-Encoding: gzip' -H 'Range: bytes=5-9' ''
is "$code $(header content-encoding)" "206 " "a range is not packed"
curl -s --compressed "$log?format=jsonl" >"$T/packed"; curl -s "$log?format=jsonl" | cmp - "$T/packed"; ok $? "JSON lines are packed alike"

# --- text: tail, grep
for n in 1 2 3 10 2000 3010 100000; do
    got "?tail=$n"; same <(tail -n "$n" "$T/raw"); ok $? "tail=$n"
done
got '?tail=0'; is "$(stat -c %s "$T/got")" 0 "tail=0 is nothing"
got '?tail=10&limit=20'; same <(tail -n 10 "$T/raw" | head -c 20); ok $? "a limit counts from there"
is "$(header orion-log-offset)" $((size - $(tail -n 10 "$T/raw" | wc -c))) "which is told"
# A line is looked at up to 16 KiB, so one needle stays hidden.
LC_ALL=C grep -an needle "$T/raw" | grep -av 'needle across' >"$T/want"
got '?grep=needle'; same "$T/want"; ok $? "grep finds what grep -n does"
LC_ALL=C grep -ain needle "$T/raw" | grep -av 'needle across' >"$T/want"
got '?grep=NEEDLE&ignore_case=1'; same "$T/want"; ok $? "without regard to case"
got '?grep=n.edle'; is "$(stat -c %s "$T/got")" 0 "a text is no pattern"
got '?grep=needle&max_matches=7'
LC_ALL=C grep -an needle "$T/raw" | head -7 | cmp - <(head -7 "$T/got"); ok $? "as many lines as were asked for"
like "$(tail -1 "$T/got")" '^\[orion: 7 lines match, and there are more' "and a word that there are more"
got '?grep=needle&tail=100'; same <(tail -n 100 "$T/raw" | LC_ALL=C grep -an needle | grep -av 'needle across'); ok $? "grep in the tail"

# --- JSON lines
got '?format=jsonl'
is "$(header content-type)" application/jsonl "JSON lines have their type"
cat >"$T/lines.py" <<'PY'
import base64, json, sys
out = {"both": b"", "stdout": b"", "stderr": b""}
raw = open(sys.argv[2], "rb").read()
inside, last, t = {}, {}, 0
for text in open(sys.argv[1], encoding="utf-8", newline="\n"):
    o = json.loads(text)
    data = base64.b64decode(o["bytes_base64"]) if "bytes_base64" in o else o["text"].encode()
    assert "bytes_base64" not in o or data.decode("utf-8", "replace").replace("\0", "\ufffd").count("\ufffd") > 0
    assert len(data) <= 16384 and o["attempt"] == 1 and o["t_ms"] >= 0 and o["time"].endswith("Z"), o
    assert raw[o["offset"]:o["offset"] + 1] in (data[:1], b"\n", b""), o
    assert o["next"] <= len(raw) and (o["stream"] != "both" or o["offset"] + len(data) <= o["next"]), o
    out[o["stream"]] += data + (b"" if o.get("partial") else b"\n")
    last = o
for stream, file in zip(sys.argv[3::2], sys.argv[4::2]):
    assert out[stream] == open(file, "rb").read(), stream
print(last["next"] if sys.argv[3] == "both" else "ok")
PY
is "$(python3 "$T/lines.py" "$T/got" "$T/raw" both "$T/raw" 2>&1)" "$size" "their texts are the log, and they end where it does"
is "$(jq -c 'select(.text == "plain") | [.stream, .attempt, has("partial"), has("bytes_base64")]' "$T/got")" '["both",1,false,false]' "a line is an object"
is "$(jq -c 'select(.text | startswith("nul ")) | [.text, .bytes_base64]' "$T/got")" "[\"nul � in it\",\"$(printf 'nul \0 in it' | base64)\"]" "with its bytes where the text cannot say them"
next=$(sed -n 100p "$T/got" | jq .next)
tail -n +101 "$T/got" >"$T/want"
got "?format=jsonl&offset=$next"; same "$T/want"; ok $? "one goes on at next"
got '?format=jsonl&grep=needle'; is "$(jq -s 'map(select(.text | test("needle"))) | length' "$T/got")" 300 "grep"
got '?format=jsonl&grep=needle&max_matches=3'; is "$(tail -1 "$T/got")" '{"stopped":{"max_matches":3}}' "that stops, and says so"
got '?format=jsonl&tail=2'; is "$(jq -s 'map(select(.partial != true)) | length' "$T/got")" 1 "tail"
got -H 'Accept: application/x-ndjson;q=0.9, text/plain;q=0.1' ''; is "$(header content-type)" application/x-ndjson "by Accept, with weights"

# --- asciicast
got '?format=cast&cols=132'
is "$(header content-type)" application/x-asciicast "an asciicast has its type"
is "$(head -1 "$T/got" | jq -c '[.version, .width, .height, .title, (.timestamp > 1700000000)]')" '[2,132,24,"builds nasty",true]' "its header"
is "$(tail -n +2 "$T/got" | jq -n 'reduce inputs as $e (0; if $e[0] < . then error("back in time") else $e[0] end) | . >= 0')" true "times do not go back"
cat >"$T/cast.py" <<'PY'
import json, sys
events = [json.loads(l) for l in open(sys.argv[1], encoding="utf-8", newline="\n")][1:]
text = "".join(e[2] for e in events)
want = open(sys.argv[2], "rb").read().replace(b"\n", b"\r\n")
sys.stdout.buffer.write(text.encode())
sys.exit(text.replace("\ufffd", "") != want.decode("utf-8", "replace").replace("\ufffd", ""))
PY
python3 "$T/cast.py" "$T/got" "$T/raw" >"$T/text"; ok $? "its events are the log as a terminal is sent it"
script -qec "asciinema cat $T/got >$T/cat" /dev/null >/dev/null </dev/null; cmp "$T/cat" "$T/text"; ok $? "asciinema reads it"

# --- chunks
got '?format=chunks'
is "$(jq -n 'reduce inputs as $c ([0, 0]; if $c.seq == .[0] + 1 and $c.offset == .[1] then [$c.seq, $c.offset + $c.length] else error("a hole") end) | .[1]' "$T/got")" "$size" "the chunks are the whole log"
is "$(tail -1 "$T/got" | jq -r .head)" "$(jq -r .log_head <<<"$attempt")" "the last one's head is the log's"
n=$(wc -l <"$T/got")
sed -n "$((n / 2)),\$p" "$T/got" >"$T/want"
got "?format=chunks&seq=$((n / 2))"; same "$T/want"; ok $? "from a number on"
head -1 "$T/want" >"$T/one"
got "?format=chunks&seq=$((n / 2))&limit=1"; same "$T/one"; ok $? "just one"
got "?format=chunks&seq=$((n + 1))"; is "$code $(stat -c %s "$T/got")" "200 0" "none behind the last"
# the chain, from the chunks and the bytes
cat >"$T/chain.py" <<'PY'
import hashlib, json, struct, sys, uuid
raw = open(sys.argv[2], "rb").read()
h = hashlib.blake2b(uuid.UUID(sys.argv[3]).bytes + struct.pack("<I", 1), digest_size=32).digest()
for l in open(sys.argv[1]):
    c = json.loads(l)
    head = struct.pack("<QQIBHQ", c["seq"], c["offset"], c["length"], c["stream"], c["flags"], c["time_ns"])
    h = hashlib.blake2b(h + head + raw[c["offset"]:c["offset"] + c["length"]], digest_size=32).digest()
    assert c.get("head") in (None, h.hex()), c
print(h.hex())
PY
got '?format=chunks'
is "$(python3 "$T/chain.py" "$T/got" "$T/raw" "$id")" "$(jq -r .log_head <<<"$attempt")" "chunks and bytes give the head"

# --- mistakes
refused '?tail=x' tail "a tail that is no number"
refused '?offset=-1' offset "an offset that is none"
refused '?sinse=5min' sinse "a name that is none"
like "$(jq -r .detail "$T/got")" 'did you mean since' "has the nearest one"
refused '?since=soon' since "a time that is none"
refused '?format=xml' format "a form that is none"
refused '?format=cast&grep=x' grep "a parameter of another form"
refused '?grep=' grep "a search for nothing"
got '?attempt=2'; is "$code" 404 "an attempt that is none"
got -H 'Accept: image/png' ''; is "$code" 406 "a type that is none"
like "$(curl -s "$URL/v1/tasks/01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90/log" | jq -r .detail)" 'no task' "a task that is none"

# --- separate streams
built two --separate-streams; ok $? "a log of separate streams"
curl -s "$log?format=jsonl" >"$T/got"
curl -s "$log?format=chunks" >"$T/chunks"
python3 - "$T/chunks" "$T/raw" "$T" <<'PY'
import json, sys
raw, of = open(sys.argv[2], "rb").read(), {0: b"", 1: b"", 2: b""}
for l in open(sys.argv[1]):
    c = json.loads(l)
    of[c["stream"]] += raw[c["offset"]:c["offset"] + c["length"]]
for s in of:
    open(f"{sys.argv[3]}/stream{s}", "wb").write(of[s])
PY
is "$(python3 "$T/lines.py" "$T/got" "$T/raw" stdout "$T/stream1" stderr "$T/stream2" 2>&1)" ok "lines of both streams are whole"
is "$(jq -r 'select(.stream == "stderr") | .text' "$T/got" | sed -n '1p;20p' | xargs)" "err 1 end err 20 end" "the second one"

# --- while it runs
id=$("$ORION" submit builds slow)
log=$URL/v1/tasks/$id/log
curl -sN "$log?follow=1" >"$T/text1" & text=$!
curl -sN --compressed -H 'Accept-Encoding: gzip' "$log?follow=1" >"$T/text2" & packed=$!
curl -sN "$log?format=jsonl&follow=1" >"$T/lines1" & lines=$!
curl -sN "$log?format=cast&follow=1" >"$T/cast1" & cast=$!
curl -sN "$log?follow=1&grep=s" >"$T/grep1" & grep=$!
for f in text1 text2 lines1 cast1 grep1; do wait_for 30 grep -q first "$T/$f"; ok $? "$f shows the first line while the build runs"; done
curl -sN "$log?follow=1&tail=1" >"$T/tail1" & tail=$!
wait_for 10 grep -q first "$T/tail1"; ok $? "tail=1 with follow begins with the last line"
got ''
is "$code $(header orion-log-state) $(header etag) $(header content-length)" "200 open  $(stat -c %s "$T/got")" "an open log is what is durable now"
got -H 'Range: bytes=0-2' ''; like "$code $(header content-range)" '^206 bytes 0-2/\*$' "of which nobody knows the whole"
is "$(curl -sI --max-time 5 -o /dev/null -w '%{http_code}' "$log?follow=1")" 200 "HEAD does not wait for the end"
kill -0 $text $packed $lines $cast $grep $tail; ok $? "all of them wait"
rm "$hold"
wait_for 30 sh -c "! kill -0 $text $packed $lines $cast $grep $tail 2>/dev/null"; wait $text $packed $lines $cast $grep $tail
ok $? "all of them end with the build"
wait_for 30 log_complete "$id"; curl -s "$log" >"$T/raw"
cmp "$T/text1" "$T/raw"; ok $? "who followed has all of it"
cmp "$T/text2" "$T/raw"; ok $? "packed as well"
is "$(python3 "$T/lines.py" "$T/lines1" "$T/raw" both "$T/raw" 2>&1)" "$(stat -c %s "$T/raw")" "as JSON lines"
python3 "$T/cast.py" "$T/cast1" "$T/raw" >/dev/null; ok $? "as an asciicast"
cmp "$T/tail1" <(sed -n '/^first/,$p' "$T/raw"); ok $? "from the tail on"
cmp "$T/grep1" <(grep -n s "$T/raw"); ok $? "of what matches"
started=$(curl -s "$URL/v1/tasks/$id" | jq -r '.attempts[-1].started_at')
got "?since=$started"; same "$T/raw"; ok $? "since its start"
got '?since=1h'; same "$T/raw"; ok $? "of the last hour"
got '?since=2100-01-01T00:00:00Z'; is "$code $(stat -c %s "$T/got")" "200 0" "nothing since a day to come"
later=$(curl -s "$log?format=jsonl" | jq -r 'select(.text == "second") | .time')
got "?since=$later"; like "$(cat "$T/got")" '^second' "since a line's time"

# --- nothing yet
"$ORION" queue pause >/dev/null
id=$("$ORION" submit builds many)
log=$URL/v1/tasks/$id/log
got ''; is "$code" 404 "a task that waits has no log"
curl -sN "$log?follow=1" >"$T/text1" & text=$!
curl -sN "$log?format=jsonl&follow=1" >"$T/lines1" & lines=$!
wait_for 5 sh -c "[ \$(curl -s $URL/v1/tasks/$id | jq -r .state) = queued ]"
"$ORION" queue resume >/dev/null
wait_for 30 sh -c "! kill -0 $text $lines 2>/dev/null"; wait $text $lines; ok $? "who follows waits for it"
wait_for 30 log_complete "$id"; curl -s "$log" | cmp - "$T/text1"; ok $? "and has all of it"
is "$(jq -r .text "$T/lines1" | grep -c '^[0-9]*$')" 5000 "in either form"

# --- a line of many megabytes
built big; ok $? "a line of $((big >> 20)) MB"
written() { echo before; head -c $big /dev/zero | tr '\0' x; echo; echo behind; }
tail -c $((big + 15)) "$T/raw" | cmp - <(written); ok $? "is what was written"
got '?tail=1'; is "$(cat "$T/got")" behind "behind it lies the tail"
curl -s "$log?tail=2" | cmp - <(written | tail -n +2); ok $? "it is a tail itself"
is "$(curl -s "$log?format=jsonl" | jq -n 'reduce (inputs | select(.text[:2] == "xx")) as $l (0; . + ($l.text | length))')" "$big" "its pieces are all of it"
is "$(curl -s "$log?grep=behind" | wc -l)" 1 "it is passed over"
is "$(curl -s "$log?grep=xxx" | wc -c)" $((big + 3)) "or found"
curl -s -H 'Accept-Encoding: gzip' "$log" | gzip -dc | cmp - "$T/raw"; ok $? "or packed"
sanitizers_quiet
plan_done
