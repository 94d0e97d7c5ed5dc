# lib.sh - for the tests that run real processes: TAP, labs in temporary folders, waiting for conditions.
#
#   . "$(dirname "$0")/../lib.sh"
#   ORION_BUILD   build tree with the programs (default: the tree of the test)
#
# Every lab lives in a folder of its own under $T, on a port that was free, and is taken down at the exit.
# shellcheck shell=bash

set -u
TEST_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ORION_BUILD=${ORION_BUILD:-$TEST_TOP}
ORION=$ORION_BUILD/src/cli/orion
T=$(mktemp -d /tmp/orion-test-XXXXXX)
chmod 755 "$T"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
unset ORION_URL ORION_API_URL ORION_PORT ORION_HOST ORION_DATABASE_URL DATABASE_URL ORION_DB_PATH
LABS=
TESTS=0
FAILED=0

plan_done() { echo "1..$TESTS"; }

# ok CONDITION-STATUS NAME [DETAIL]
ok() {
    TESTS=$((TESTS + 1))
    if [ "$1" = 0 ]; then echo "ok $TESTS - $2"
    else
        FAILED=$((FAILED + 1))
        echo "not ok $TESTS - $2"
        [ -z "${3:-}" ] || printf '%s\n' "$3" | sed 's/^/#   /'
    fi
}
is() { # GOT WANT NAME
    if [ "$1" = "$2" ]; then ok 0 "$3"; else ok 1 "$3" "got:  $1"$'\n'"want: $2"; fi
}
like() { # GOT REGEX NAME
    if [[ $1 =~ $2 ]]; then ok 0 "$3"; else ok 1 "$3" "got:  $1"$'\n'"like: $2"; fi
}
skip_all() { echo "1..0 # SKIP $1"; exit 0; }

# wait_for SECONDS COMMAND...: until it succeeds; 1 when it never did
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# A port nobody has now. Tests run side by side, so each asks the kernel.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# lab_up NAME [OPTIONS of orion lab up]: sets LAB (its folder), PORT and URL; exports ORION_URL
lab_up() {
    LAB=$T/$1
    shift
    PORT=${PORT_WANTED:-$(free_port)}
    URL=http://127.0.0.1:$PORT
    export ORION_URL=$URL
    LABS="$LABS $LAB"
    "$ORION" lab up --dir "$LAB" --port "$PORT" --detach "$@" >"$LAB.up" 2>&1 || {
        sed 's/^/# /' "$LAB.up"
        return 1
    }
}
lab_user() { if [ "$(id -u)" = 0 ]; then getent passwd orion >/dev/null && echo orion || echo postgres; else id -un; fi; }
lab_pid() { head -1 "$LAB/pid/$1.pid"; }
lab_sql() { "$ORION" lab psql --dir "$LAB" -XqAt -c "$1"; }

# as_lab COMMAND...: as the user the lab's agents run as
as_lab() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid="$(lab_user)" --regid="$(id -g "$(lab_user)")" --clear-groups env HOME="$T" "$@"
    else "$@"
    fi
}

# repo_make NAME: a git repository $T/repo/NAME from the files in $T/src/NAME; prints its path
repo_make() {
    local src=$T/src/$1 repo=$T/repo/$1.git
    mkdir -p "$T/repo"
    (
        cd "$src" || exit 1
        git init -q -b main .
        git -c core.safecrlf=false add -A -f .
        git -c user.name=t -c user.email=t@localhost commit -q -m "$1"
    ) >&2 && git clone -q --bare "$src" "$repo" >&2 && chmod -R a+rX "$T/repo" && echo "$repo"
}
# repo_makefile NAME: the same with a Makefile from standard input
repo_makefile() {
    mkdir -p "$T/src/$1" && cat >"$T/src/$1/Makefile" && repo_make "$1"
}

task_state() { curl -s "$ORION_URL/v1/tasks/$1" | jq -r .state; }
task_is() { [ "$(task_state "$1")" = "$2" ]; }
task_ended() { case $(task_state "$1") in succeeded | failed | cancelled | superseded | timed_out | lost) ;; *) false ;; esac; }
log_complete() { [ "$(curl -s "$ORION_URL/v1/tasks/$1" | jq -r '.attempts[-1].log_state')" = complete ]; }
violations() { lab_sql 'SELECT count(*) FROM orion.invariant_violations'; }

# Sanitizer reports of any process of the labs are failures of the test.
sanitizers_quiet() {
    local lab bad=0
    for lab in $LABS; do
        if grep -l -E 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$lab"/log/*.log 2>/dev/null; then bad=1; fi
    done | sed 's/^/# /'
    for lab in $LABS; do
        grep -q -E 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$lab"/log/*.log 2>/dev/null && bad=1
    done
    ok $bad "no sanitizer report in any process"
}

finish() {
    local status=$? lab
    trap - EXIT
    for lab in $LABS; do
        [ ! -e "$lab/lab.conf" ] || "$ORION" lab down --dir "$lab" >"$lab.down" 2>&1 || { sed 's/^/# down: /' "$lab.down"; status=1; }
    done
    if [ "$FAILED" != 0 ] || [ $status != 0 ]; then
        for lab in $LABS; do
            for f in "$lab"/log/*.log; do [ -s "$f" ] && { echo "# --- $f"; tail -15 "$f" | cut -c1-400 | sed 's/^/# /'; }; done
        done
    fi
    if [ -n "${KEEP:-}" ]; then echo "# kept: $T"; else rm -rf "$T"; fi
    [ $status = 0 ] && [ "$FAILED" = 0 ]
    exit
}
trap finish EXIT
trap 'exit 130' INT TERM
