#!/bin/bash
# Readers of a log through nginx and HAProxy, cut off again and again while the build writes and after it, while the
# gateway is killed, and through proxies that give up on a quiet stream: what each puts together is the stored log, byte
# for byte, and nothing is held back on the way.
#
#   VIEWERS (100), CUTS (20), SEED; LONG=1: 1000 viewers, 100 cuts each, or as many as files allow
. "$(dirname "$0")/../lib.sh"

if [ -n "${LONG:-}" ]; then VIEWERS=${VIEWERS:-1000} CUTS=${CUTS:-100}; fi
VIEWERS=${VIEWERS:-100}
CUTS=${CUTS:-20}
RANDOM=${SEED:=$$}
echo "# seed $SEED"
for program in nginx haproxy; do
    command -v $program >/dev/null || [ -x /usr/sbin/$program ] || skip_all "$program is not installed"
done
PATH=$PATH:/usr/sbin
ulimit -n "$(ulimit -Hn)"
files=$(ulimit -n)
[ "$files" != unlimited ] || files=65536
CONNECTIONS=$(((files - 512) / 3))      # a proxy has two sockets for each
if [ "$VIEWERS" -gt $((CONNECTIONS / 2)) ]; then
    VIEWERS=$((CONNECTIONS / 2))
    echo "# $files files: $VIEWERS viewers"
fi
STORM=$ORION_BUILD/tests/faults/viewer_storm

# --- builds ------------------------------------------------------------------------------------------------------

# Waits for its word, writes, is quiet for longer than the impatient proxies wait (in the middle of a line), writes on.
GATE=$T/gate
mkdir "$GATE" && chmod 777 "$GATE"
mkdir -p "$T/src/talk"
cat >"$T/src/talk/talk.py" <<'PY'
import os, random, sys, time
kind, size, gate = sys.argv[1], int(sys.argv[2]), sys.argv[3]
out = sys.stdout.buffer
rng = random.Random(int(sys.argv[4]))
plain = "abcdefghijklmnopqrstuvwxyz ,.:;0123456789\t\u00e9\u20ac\U0001f600"
def line():
    if kind == "bytes":
        return bytes(rng.choice((0, 10, 13, 13, 27, 65, 66, 128, 195, 169, 255)) for _ in range(rng.randrange(120)))
    n = 40000 if rng.randrange(500) == 0 else rng.randrange(160)
    return "".join(rng.choice(plain) for _ in range(n)).encode() + b"\n"
def write(size):
    while size > 0:
        text = b"".join(line() for _ in range(50))
        size -= len(text)
        out.write(text); out.flush()
        time.sleep(0.01)
out.write(b"at the gate\n"); out.flush()
while not os.path.exists(gate):
    time.sleep(0.02)
write(size // 2)
out.write(b"half a line"); out.flush()
time.sleep(4)
write(size // 2)
out.write(b"no end of line"); out.flush()
PY
printf 'all:\n\t@python3 talk.py $(KIND) $(SIZE) $(GATE)/$(KIND) $(SEED)\n' >"$T/src/talk/Makefile"
repo=$(repo_make talk)
# Below the ports of outgoing connections: else one of the many that are tried while the gateway is away may have its port.
below=$(cut -f1 /proc/sys/net/ipv4/ip_local_port_range)
PORT_WANTED=$(python3 -c 'import random, socket, sys
while True:
    port = random.randrange(10000, int(sys.argv[1]))
    try: socket.socket().bind(("127.0.0.1", port))
    except OSError: continue
    print(port)
    break' "$below")
export PORT_WANTED
lab_up lab --repo "talk=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
SIZE=1000000
start() { "$ORION" submit talk -a "KIND=$1" -a "SIZE=$SIZE" -a "GATE=$GATE" -a "SEED=$SEED"; }

# --- proxies -----------------------------------------------------------------------------------------------------

# As they come: nginx buffers and speaks HTTP/1.0 to the gateway; one of each gives up after 2 s without a byte.
NGINX=$(free_port) NGINX11=$(free_port) NGINX_HASTY=$(free_port)
HAPROXY=$(free_port) HAPROXY_HASTY=$(free_port) HAPROXY_H2=$(free_port)
mkdir "$T/nginx"
cat >"$T/nginx/conf" <<CONF
$([ "$(id -u)" != 0 ] || echo 'user root;')
worker_processes 2;
pid $T/nginx/pid;
error_log $T/nginx/error.log warn;
events { worker_connections $((CONNECTIONS * 2)); }
http {
    access_log off;
    client_body_temp_path $T/nginx/body;
    proxy_temp_path $T/nginx/proxy;
    fastcgi_temp_path $T/nginx/fastcgi;
    uwsgi_temp_path $T/nginx/uwsgi;
    scgi_temp_path $T/nginx/scgi;
    gzip on;
    gzip_types text/plain text/event-stream;
    server { listen 127.0.0.1:$NGINX; gzip off; location / { proxy_pass $URL; } }
    server { listen 127.0.0.1:$NGINX11; location / { proxy_pass $URL; proxy_http_version 1.1; } }
    server { listen 127.0.0.1:$NGINX_HASTY; location / { proxy_pass $URL; proxy_read_timeout 2s; } }
}
CONF
cat >"$T/haproxy.cfg" <<CONF
global
    maxconn $CONNECTIONS
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    retries 3
listen patient
    bind 127.0.0.1:$HAPROXY
    bind 127.0.0.1:$HAPROXY_H2 proto h2
    server gateway ${URL#http://}
listen hasty
    bind 127.0.0.1:$HAPROXY_HASTY
    timeout server 2s
    server gateway ${URL#http://}
CONF
nginx -p "$T/nginx" -c "$T/nginx/conf" -e "$T/nginx/start.log" -g 'daemon off;' >"$T/nginx/out" 2>&1 &
nginx=$!
haproxy -db -f "$T/haproxy.cfg" >"$T/haproxy.out" 2>&1 &
haproxy=$!
ended() {
    local status=$?
    kill $nginx $haproxy ${STORMS:-} 2>/dev/null
    wait $nginx $haproxy ${STORMS:-} 2>/dev/null
    (exit $status)
    finish
}
trap ended EXIT
PORTS=("$NGINX" "$HAPROXY" "$NGINX_HASTY" "$HAPROXY_HASTY")
for port in "${PORTS[@]}" "$NGINX11"; do
    healthy() { curl -sf "http://127.0.0.1:$port/readyz" >/dev/null; }
    wait_for 20 healthy; ok $? "a proxy serves" "$(tail -n 3 "$T/haproxy.out"; tail -n 3 "$T/nginx/error.log")"
done

# storm NAME MODE ID BYTES PORT...: in the background; `calm` is two that nobody cuts but their proxies
storm() {
    local name=$1 mode=$2 id=$3 bytes=$4
    local viewers=$VIEWERS cuts=$CUTS
    [ "$name" != calm ] || viewers=2 cuts=0
    shift 4
    "$STORM" "$mode" "$id" "$viewers" "$cuts" "$bytes" "$RANDOM" "$T/$name.log" "$@" >"$T/$name.out" 2>&1 &
    STORMS="${STORMS:-} $!"
    eval "storm_$name=$!"
}
# stormed NAME ID WHAT: waits for it and compares
stormed() {
    local pid
    eval "pid=\$storm_$1"
    wait "$pid"
    ok $? "$3: all read to the end and agree" "$(tail -5 "$T/$1.out")"
    echo "# $1: $(tail -1 "$T/$1.out")"
    [ "$1" = calm ] || like "$(cat "$T/$1.out")" "; $((VIEWERS * CUTS)) cuts" "and each was cut $CUTS times"
    curl -s "$URL/v1/tasks/$2/log?format=text" >"$T/$1.stored"
    cmp "$T/$1.log" "$T/$1.stored" >"$T/$1.cmp" 2>&1
    ok $? "what they put together is the stored log" "$(cat "$T/$1.cmp")"
}

# --- while the builds write ---------------------------------------------------------------------------------------

lines=$(start lines)
bytes=$(start bytes)
running() { task_is "$lines" running && task_is "$bytes" running; }
wait_for 30 running; ok $? "the builds run"
PIECE=$((SIZE * 20 / (CUTS * 17)))
for port in "$NGINX" "$HAPROXY"; do
    curl -sN --max-time 30 -H 'Accept: text/event-stream' "http://127.0.0.1:$port/v1/tasks/$lines/log" >"$T/live.$port" &
    live=$!
    seen() { grep -q '^data: at the gate' "$T/live.$port"; }
    wait_for 20 seen; ok $? "a line comes through before there is more" "$(head -c 400 "$T/live.$port")"
    kill $live 2>/dev/null
    wait $live 2>/dev/null
done
for port in "$NGINX_HASTY" "$HAPROXY_HASTY"; do
    curl -sN --max-time 60 -H 'Accept: text/event-stream' "http://127.0.0.1:$port/v1/tasks/$lines/log" >/dev/null
    [ $? != 28 ]; ok $? "a hasty proxy gives up on a quiet stream"
done
storm lines sse "$lines" $PIECE "${PORTS[@]}"
storm bytes text "$bytes" $PIECE "$NGINX11" "$HAPROXY" "$HAPROXY_HASTY"
storm calm sse "$lines" $PIECE "$NGINX_HASTY" "$HAPROXY_HASTY"
curl -sN --http2-prior-knowledge --max-time 120 "http://127.0.0.1:$HAPROXY_H2/v1/tasks/$lines/log?format=sse" >"$T/h2" &
h2=$!
touch "$GATE/lines" "$GATE/bytes"
sleep 1     # how long they write before the gateway goes
kill -9 "$(lab_pid gateway)"
"$ORION" lab restart gateway --dir "$LAB" >"$T/restart" 2>&1; ok $? "the gateway is killed and started again" "$(cat "$T/restart")"
stormed lines "$lines" "events, while it writes"
stormed bytes "$bytes" "any bytes as text, while it writes"
stormed calm "$lines" "events through proxies that wait for 2 s only"
wait $h2
is "$(task_state "$lines") $(task_state "$bytes")" "succeeded succeeded" "the builds are done"
wait_for 20 log_complete "$lines" && wait_for 20 log_complete "$bytes"; ok $? "their logs are complete"

# --- after the end ------------------------------------------------------------------------------------------------

storm after sse "$lines" $PIECE "${PORTS[@]}"
stormed after "$lines" "events, after the end"
storm afterwards text "$bytes" $PIECE "$NGINX11" "$HAPROXY" "$HAPROXY_HASTY"
stormed afterwards "$bytes" "any bytes as text, after the end"
curl -sN --http2-prior-knowledge --max-time 60 -o "$T/h2" -w '%{http_version}\n' \
    "http://127.0.0.1:$HAPROXY_H2/v1/tasks/$lines/log?format=sse" >"$T/h2.version"
is "$(cat "$T/h2.version")" 2 "HTTP/2 in front"
awk '/^event: / { kind = $2 } /^data: / && (kind == "log" || kind == "part") {
    printf "%s%s", substr($0, 7), kind == "log" ? "\n" : "" }' "$T/h2" | cmp - "$T/after.stored" >"$T/h2.cmp" 2>&1
ok $? "gives the same log" "$(cat "$T/h2.cmp")"
is "$(curl -s --compressed "http://127.0.0.1:$NGINX11/v1/tasks/$lines/log?format=text" | cmp - "$T/after.stored" 2>&1)" "" \
    "and so does nginx with gzip"
sanitizers_quiet
plan_done
