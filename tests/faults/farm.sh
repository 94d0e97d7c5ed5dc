# farm.sh - for tests that need what a lab has not: several schedulers, several databases. Sourced behind lib.sh.
#
# Every process is started by itself, logs to $T/log/NAME.log and is ended by its pid at the exit.
# shellcheck shell=bash disable=SC2034

PGBIN=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
LABS=$T     # where lib.sh looks for logs
declare -A PIDS=()
declare -a CLUSTERS=()
mkdir -p "$T/log" && chmod 777 "$T" "$T/log"
# For `run`, whose pid must be the program's own: words, not functions.
AS_PG=() AS_LAB=()
if [ "$(id -u)" = 0 ]; then
    AS_PG=(setpriv --reuid=postgres --regid=postgres --clear-groups env "HOME=$T")
    AS_LAB=(setpriv "--reuid=$(lab_user)" "--regid=$(id -g "$(lab_user)")" --clear-groups env "HOME=$T")
fi
SINKS=sink-1=ipc://$T/sink.sock+ipc://$T/sink.live

# --- processes ---------------------------------------------------------------------------------------------------

# run NAME COMMAND...: in the background; its pid is in PIDS[NAME]
run() {
    local name=$1
    shift
    "$@" >>"$T/log/$name.log" 2>&1 &
    PIDS[$name]=$!
}
end() { # NAME [SIGNAL]
    kill "-${2:-TERM}" "${PIDS[$1]}" && wait "${PIDS[$1]}"
    local status=$?
    unset "PIDS[$1]"
    return $status
}
said() { grep -q -- "$2" "$T/log/$1.log"; }                      # NAME REGEX
times_said() { grep -c -- "$2" "$T/log/$1.log"; }
now_ms() { date +%s%3N; }

# --- databases ---------------------------------------------------------------------------------------------------

as_pg() { "${AS_PG[@]}" "$@"; }
# pg_new NAME [SETTING...]: a cluster $T/NAME whose socket is in $T/NAME.s
pg_new() {
    local name=$1 setting
    shift
    as_pg "$PGBIN/initdb" -A trust -U orion -E UTF8 --locale=C.UTF-8 -D "$T/$name" >/dev/null || return
    for setting in "$@"; do echo "$setting" | as_pg tee -a "$T/$name/postgresql.conf" >/dev/null; done
}
pg_up() {
    CLUSTERS+=("$1")
    as_pg mkdir -p "$T/$1.s" &&
        as_pg "$PGBIN/pg_ctl" -D "$T/$1" -o "-c listen_addresses='' -k $T/$1.s" -l "$T/log/$1.log" -w start >/dev/null
}
pg_kill() { as_pg "$PGBIN/pg_ctl" -D "$T/$1" -m immediate stop >/dev/null 2>&1; }
# pg_replica NAME OF: streams from the cluster OF
pg_replica() {
    as_pg "$PGBIN/pg_basebackup" -h "$T/$2.s" -U orion -D "$T/$1" -R -X stream -c fast -d "application_name=$1" && pg_up "$1"
}
sql() { psql -h "$T/$1.s" -U orion -XqAt -v ON_ERROR_STOP=1 -c "$2" "${3:-orion}"; }   # NAME QUERY [DATABASE]
orion_db() { # NAME: Orion's schema in it
    sql "$1" "CREATE DATABASE orion" postgres || return
    local file
    for file in "$TEST_TOP"/sql/0*.sql; do
        psql -h "$T/$1.s" -U orion -Xq1 -v ON_ERROR_STOP=1 -f "$file" orion >/dev/null || return
    done
}
dsn() { echo "postgresql:///orion?host=$T/$1.s&user=$2"; }       # NAME ROLE

# --- Orion ---------------------------------------------------------------------------------------------------------

# sched_up NAME DSN [OPTION...]
sched_up() {
    local name=$1 database=$2
    shift 2
    run "$name" "$ORION_BUILD/src/scheduler/orion-scheduler" --config /dev/null --listen "ipc://$T/$name.sock" --name "$name" \
        --sinks "$SINKS" --database "$database" "$@"
}
# gateway_up DSN SCHEDULER...: sets URL
gateway_up() {
    local database=$1 port schedulers
    shift
    port=$(free_port)
    URL=http://127.0.0.1:$port
    export ORION_URL=$URL
    schedulers=$(printf "ipc://$T/%s.sock " "$@")
    run gateway "$ORION_BUILD/src/gateway/orion-gateway" --config /dev/null --port "$port" --workers 1 --database "$database" \
        --schedulers "$schedulers" --sinks "$SINKS"
}
# sink_up SCHEDULER...
sink_up() {
    run sink "$ORION_BUILD/src/logsink/orion-logsink" --config /dev/null --name sink-1 --dir "$T/sink" --listen "ipc://$T/sink.sock" \
        --live "ipc://$T/sink.live" --schedulers "$(printf "ipc://$T/%s.sock " "$@")"
}
# agent_up [OPTION...]: builds as the user the lab's agents run as; $T/agent.yaml names its repositories
agent_up() {
    mkdir -p "$T/agent" && chmod 777 "$T/agent"
    run agent "${AS_LAB[@]}" "$ORION_BUILD/src/agent/orion-agent" --config /dev/null --url "$URL" --name agent --dir "$T/agent" \
        --agent-config "$T/agent.yaml" --runner "$ORION_BUILD/src/agent/runner/orion-runner" "$@"
}
# submit JSON: prints the new task's id; 1 when it was not kept
submit() {
    curl -s -m 20 -o "$T/submitted" -w '%{http_code}' -H 'Content-Type: application/json' -d "$1" "$URL/v1/tasks" | grep -q '^201$' &&
        jq -r .id "$T/submitted"
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }
# Asks everybody to end; 1 when one did not, or not well.
farm_down() {
    local name status=0
    for name in agent gateway sink "${!PIDS[@]}"; do
        [ -n "${PIDS[$name]:-}" ] || continue
        kill -CONT "${PIDS[$name]}" 2>/dev/null
        kill -TERM "${PIDS[$name]}" 2>/dev/null
        wait_for 20 is_gone "${PIDS[$name]}" || kill -9 "${PIDS[$name]}"
        wait "${PIDS[$name]}" || { echo "# $name ended with $?"; status=1; }
        unset "PIDS[$name]"
    done
    return $status
}
farm_ended() {
    local status=$? name
    farm_down
    for name in "${CLUSTERS[@]}"; do pg_kill "$name"; done
    (exit $status)
    finish
}
trap farm_ended EXIT
