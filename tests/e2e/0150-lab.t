#!/bin/bash
# The lab as a new user meets it: a second up, a port in use, no disk, a folder nobody may reach, Ctrl-C in a build,
# down after kill -9 of the supervisor. Each does what the manual says.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile slow <<'MAKE'
all:
	@for i in $$(seq 1 100); do echo "line $$i"; sleep 0.05; done
MAKE
)
lab_up lab --repo "slow=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
is "$("$ORION" lab up --dir "$LAB" --port "$PORT" --detach 2>/dev/null | head -1)" "ready $URL" "a second up prints the ready line"
"$ORION" lab up --dir "$LAB" --detach >/dev/null 2>&1; ok $? "and exits 0"
for f in lab.conf url pid/postgres.pid pid/scheduler.pid pid/logsink-1.pid pid/gateway.pid pid/agent-1.pid log/gateway.log pg sink-1 agent-1/mirror agent-1/work; do
    [ -e "$LAB/$f" ]; ok $? "$f is there"
done
is "$(cat "$LAB/url")" "$URL" "url holds the URL"
user=$(lab_user)
is "$(ps -o user= -p "$(lab_pid postgres)" -p "$(lab_pid gateway)" -p "$(lab_pid agent-1)" | sort -u | xargs)" "$user" "everything runs as $user"
like "$("$ORION" lab status --dir "$LAB")" 'scheduler' "lab status lists the parts"
ss -Hltn 2>/dev/null | grep -q ':5432 ' && [ "$(lab_sql 'SHOW listen_addresses')" != "" ]; is $? 1 "PostgreSQL listens on no port"

# a port in use
pid=$(lab_pid gateway)
out=$("$ORION" lab up --dir "$T/other" --port "$PORT" --detach 2>&1); rc=$?
is $rc 1 "a port in use: exit 1"
like "$out" "port $PORT is in use.*; choose another with --port or ORION_PORT" "and the sentence that names the fix"
like "$out" "pid $pid|pid [0-9]+" "and who has it"
[ ! -e "$T/other/pg" ]; ok $? "before anything starts"

# a DIR that the user cannot reach
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$T/closed/deep" && chmod 700 "$T/closed"
    out=$("$ORION" lab up --dir "$T/closed/deep/lab" --port "$(free_port)" --detach 2>&1); rc=$?
    is $rc 1 "a folder that $user cannot reach: exit 1"
    like "$out" "$T/closed" "names the first folder that stops it"
fi

# no disk
if [ "$(id -u)" = 0 ] && mkdir -p "$T/small" && mount -t tmpfs -o size=30m tmpfs "$T/small" 2>/dev/null; then
    out=$("$ORION" lab up --dir "$T/small/lab" --port "$(free_port)" --detach 2>&1); rc=$?
    is $rc 1 "no disk: exit 1"
    like "$out" 'space|free|MiB' "and says so"
    umount -l "$T/small"
fi

# a missing program is named with its package, before anything starts
mkdir "$T/bin" && ln -s /usr/bin/* "$T/bin/" && rm "$T/bin/git"
out=$(PATH=$T/bin "$ORION" lab up --dir "$T/nogit" --port "$(free_port)" --detach 2>&1); rc=$?
is $rc 1 "no git: exit 1"
like "$out" 'apt-get install git' "and the package"

# down after kill -9 of the supervisor, and up again on the same data
id=$("$ORION" submit slow)
running() { task_is "$id" running; }
wait_for 20 running; ok $? "a build runs"
parts=$(cat "$LAB"/pid/*.pid | grep -E '^[0-9]+$' | xargs)
supervisor=$(ps -o ppid= -p "$(lab_pid gateway)" | tr -d ' ')
kill -9 "$supervisor"
"$ORION" lab restart logsink-1 --dir "$LAB" >"$T/out" 2>&1; ok $? "restart works without the supervisor" "$(cat "$T/out")"
is "$(lab_sql 'SELECT 1')" 1 "psql works without the supervisor"
"$ORION" lab down --dir "$LAB" >"$T/out" 2>&1; ok $? "down works without the supervisor" "$(cat "$T/out")"
nothing_left() { local p; for p in $parts; do [ -d "/proc/$p" ] && [ "$(awk '/State/ { print $2 }' "/proc/$p/status" 2>/dev/null)" != Z ] && return 1; done; return 0; }
wait_for 5 nothing_left; ok $? "nothing of it is left"
is "$(ss -Hltn "sport = :$PORT" | wc -l)" 0 "the port is free"
"$ORION" lab up --dir "$LAB" --port "$PORT" --detach >"$T/out" 2>&1; ok $? "up goes on with the data" "$(cat "$T/out")"
completed() { task_is "$id" succeeded; }
wait_for 60 completed; ok $? "the build that was interrupted has run again" "$(curl -s "$URL/v1/tasks/$id")"
"$ORION" lab down --dir "$LAB" >/dev/null; ok $? "down"
"$ORION" lab down --dir "$LAB" >/dev/null; ok $? "down of a lab that is down"

# in a terminal: Ctrl-C in a build stops in order, the task is queued again at the next up
if command -v tmux >/dev/null; then
    export TMUX_TMPDIR=$T
    tmux -L orion -f /dev/null new-session -d -x 150 -y 50 "$ORION lab up --dir $LAB --port $PORT 2>&1 | tee $T/fg; sleep 1000"
    fg_ready() { grep -q "^ready $URL" "$T/fg"; }
    wait_for 60 fg_ready; ok $? "up in the foreground is ready" "$(cat "$T/fg" 2>/dev/null)"
    id=$("$ORION" submit slow)
    wait_for 20 running; ok $? "a build runs"
    start=$SECONDS
    tmux -L orion send-keys C-c
    down() { ! "$ORION" lab status --dir "$LAB" 2>/dev/null | grep -qw running; }
    wait_for 20 down; ok $? "the first Ctrl-C stops everything within 20 s ($((SECONDS - start)) s)"
    tmux -L orion kill-server
    "$ORION" lab up --dir "$LAB" --port "$PORT" --detach >/dev/null 2>&1
    wait_for 60 completed; ok $? "the build runs at the next up" "$(curl -s "$URL/v1/tasks/$id")"
    is "$(violations)" 0 "no invariant is violated"
fi
sanitizers_quiet
plan_done
