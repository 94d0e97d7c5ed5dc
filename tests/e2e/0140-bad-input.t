#!/bin/bash
# Bad input gets a clear error (or close code) that names the field, costs bounded memory, and loses nothing.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile good <<'MAKE'
all:
	@echo fine
MAKE
)
lab_up lab --workers 1 --repo "good=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }

# post PATH BODY [CONTENT-TYPE]: answers in $code and $body
post() {
    body=$(curl -s -o - -w '\n%{http_code}' -X POST "$URL$1" -H "Content-Type: ${3:-application/json}" --data-binary "$2")
    code=${body##*$'\n'}
    body=${body%$'\n'*}
}
want() { is "$code" "$1" "$3: $1"; like "$body" "$2" "$3: the answer says what"; }

post /task '{"repo": "good", '; want 400 'JSON' "malformed JSON"
post /task ''; want 400 'empty|JSON|body' "an empty body"
post /task '{"target": "x"}'; want 422 'repo' "a missing field"
post /task '{"repo": 7, "target": "x"}'; want 422 'repo' "a wrong type"
post /task '{"repo": "good", "target": "", "args": ["a", 3]}'; want 422 'args' "a wrong element"
post /task '{"repo": "good", "target": "x", "tpyo": 1}'; is "$code" 200 "the seed's route ignores unknown fields"
post /task '{"repo": "good", "target": "x"}' text/plain; want 415 'application/json' "another content type"
post /v1/tasks '{"repo": "good", "tagret": "x"}'; want 400 'tagret.*target' "/v1 names the nearest field"
like "$body" '"type":.*"status":400' "as problem+json"
post /v1/tasks '{"target": "x"}'; want 400 'repo' "/v1: a missing field"
post /v1/tasks '{"repo": "good", "env": {"A": 1}}'; want 400 'env' "/v1: a wrong value in env"
post /v1/tasks '{"repo": "go\u0000od"}'; want 400 'NUL' "NUL in a text"
post /v1/tasks "$(printf '{"repo": "g\xffod"}')"; want 400 'UTF-8' "invalid UTF-8"
post /v1/tasks '[1,2]'; want 400 'object' "not an object"
post /v1/tasks '{"repo": "good", "priority": 3}'; want 400 'priority' "a field that is reserved"
printf '[%.0s' $(seq 1 100000) >"$T/deep"
post /v1/tasks "@$T/deep"; is "$code" 400 "a hundred thousand brackets"
head -c 3000000 /dev/zero | tr '\0' x >"$T/big"
post /task "@$T/big"; want 413 '1048576|1 MiB' "a body of 3 MB"
is "$(curl -s -o /dev/null -w '%{http_code}' -H "X-Long: $(head -c 20000 /dev/zero | tr '\0' y)" "$URL/api/health")" 431 "oversized headers"
for id in nope 00000000-0000-0000 "%00" "..%2f..%2fetc" "%ff%fe"; do
    is "$(curl -s -o /dev/null -w '%{http_code}' "$URL/v1/tasks/$id")" 400 "invalid id $id"
done
is "$(curl -s -o /dev/null -w '%{http_code}' "$URL/v1/tasks/01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90")" 404 "an unknown id"
is "$(curl -s -o /dev/null -w '%{http_code}' "$URL/nowhere")" 404 "an unknown route"
is "$(curl -s -o /dev/null -w '%{http_code}' -X DELETE "$URL/task")" 405 "a wrong method"
like "$(curl -s -D - -o /dev/null -X DELETE "$URL/task")" '[Aa]llow: POST' "with the ones that are allowed"
is "$(curl -s -o /dev/null -w '%{http_code}' "$URL/v1/tasks?limit=x")" 400 "a bad query value"
like "$(curl -s "$URL/v1/tasks?stat=queued")" 'stat.*state' "an unknown query parameter names the nearest"
is "$(curl -s -o /dev/null -w '%{http_code}' -H 'Accept: image/png' "$URL/v1/tasks/01985c0a-7d3e-7c41-9a52-3f1b6c2d8e90/log")" 406 "a form that logs do not have"

# Raw sockets and WebSockets, 200 of them at once, and the worker's memory before and after.
worker=$(pgrep -P "$(lab_pid gateway)" | head -1)
rss() { awk '/VmRSS/ { print $2 }' "/proc/$worker/status"; }
before=$(rss)
cat >"$T/ws.py" <<'PY'
import base64, os, socket, struct, sys, time
port = int(sys.argv[1])
def ok(cond, name, detail=""):
    print(f"{0 if cond else 1}|{name}" + ("" if cond else f" ({detail})"), flush=True)
def connect(protocol="orion.agent.v1", extra=b""):
    s = socket.create_connection(("127.0.0.1", port)); s.settimeout(15)
    head = f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
    if protocol: head += f"Sec-WebSocket-Protocol: {protocol}\r\n"
    s.sendall(head.encode() + b"\r\n" + extra)
    got = b""
    while b"\r\n\r\n" not in got:
        d = s.recv(4096)
        if not d: break
        got += d
    return s, got
def frame(op, data, mask=True):
    n = len(data); b = bytes([0x80 | op])
    ln = n if n < 126 else 126 if n < 65536 else 127
    b += bytes([(0x80 if mask else 0) | ln])
    if ln == 126: b += struct.pack(">H", n)
    if ln == 127: b += struct.pack(">Q", n)
    if not mask: return b + data
    k = os.urandom(4)
    return b + k + bytes(c ^ k[i & 3] for i, c in enumerate(data))
def close_code(s):
    got = b""
    try:
        while True:
            d = s.recv(65536)
            if not d: break
            got += d
    except (socket.timeout, ConnectionError): pass
    i = 0
    while i + 2 <= len(got):
        op, ln = got[i] & 15, got[i + 1] & 127; i += 2
        if ln == 126: ln = struct.unpack(">H", got[i:i + 2])[0]; i += 2
        if op == 8: return (struct.unpack(">H", got[i:i + 2])[0] if ln >= 2 else 1005, got[i + 2:i + ln].decode(errors="replace"))
        i += ln
    return (1006, "")
s, head = connect(); ok(b" 101 " in head.split(b"\r\n")[0], "a WebSocket opens")
s.sendall(frame(1, b"garbage")); c = close_code(s); ok(c[0] in (1007, 1008, 1002) and c[1], "text that is no message", c)
s, _ = connect(); s.sendall(frame(1, b'{"type":"agent.heartbeat"}')); c = close_code(s); ok(c[0] == 1008 and "hello" in c[1], "a frame before hello", c)
s, _ = connect(); s.sendall(frame(1, b'{"type":"task.assign"}')); c = close_code(s); ok(c[0] == 1008, "a message that agents may not send", c)
s, _ = connect(); s.sendall(frame(1, b"\xff\xfe")); c = close_code(s); ok(c[0] == 1007, "invalid UTF-8", c)
s, _ = connect(); s.sendall(frame(1, b"{}", mask=False)); c = close_code(s); ok(c[0] == 1002, "an unmasked frame", c)
s, _ = connect(); s.sendall(frame(2, os.urandom(100))); c = close_code(s); ok(c[0] in (1007, 1008), "binary garbage", c)
s, _ = connect(); s.sendall(b"\x81\xff" + struct.pack(">Q", 1 << 40) + b"aaaa" + b"x" * 100); c = close_code(s); ok(c[0] in (1009, 1002), "a frame that claims a terabyte", c)
s, _ = connect(); s.sendall(os.urandom(2000)); c = close_code(s); ok(c[0] != 1000, "random bytes", c)
s, head = connect(protocol=None); ok(b" 101 " not in head.split(b"\r\n")[0], "no subprotocol is not upgraded", head[:60])
s, _ = connect(); t = time.time(); c = close_code(s); ok(c[0] == 1008 and time.time() - t < 14, "silence is closed within its deadline", c)
half = []
for i in range(200):
    s = socket.create_connection(("127.0.0.1", port)); s.sendall(b"POST /task HTTP/1.1\r\nHost: x\r\nContent-Le" if i % 2 else b"")
    half.append(s)
for i in range(100):
    s, _ = connect(); s.sendall(frame(1, b"x" * 100)); half.append(s)
for s in half: s.close()
PY
while IFS='|' read -r status name; do ok "$status" "$name"; done < <(timeout 120 python3 "$T/ws.py" "$PORT" || echo "1|the socket tests ran to their end")
rss_after() { [ "$(rss)" -lt $((before + 40000)) ]; }
wait_for 5 rss_after; ok $? "the worker's memory stays within 40 MB of before" "$before -> $(rss)"
is "$(pgrep -P "$(lab_pid gateway)" | head -1)" "$worker" "and it is the same worker"
is "$("$ORION" run good 2>/dev/null | tail -1)" fine "builds go on"
is "$(violations)" 0 "no invariant is violated"
is "$(lab_sql "SELECT count(*) FROM orion.task WHERE repo <> 'good'")" 0 "nothing of the refused was kept"
sanitizers_quiet
plan_done
