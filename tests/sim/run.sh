#!/bin/bash
# The simulator keeps its promises for many seeds, and notices each of the planted bugs.
#
#   SEEDS     lives without a bug (default 10000), by the program of ORION_BUILD_FAST if there is one
#   CHECKED   lives by the program of ORION_BUILD, the one with sanitizers (default 1000)
#
# Overnight: SEEDS=1000000 tests/sim/run.sh
TOP=$(cd "$(dirname "$0")/../.." && pwd)
CHECKED_SIM=${ORION_BUILD:-$TOP}/tests/sim/sim
SIM=${ORION_BUILD_FAST:-$TOP/build/fast}/tests/sim/sim
[ -x "$SIM" ] || SIM=$CHECKED_SIM
SEEDS=${SEEDS:-10000}
CHECKED=${CHECKED:-1000}
JOBS=$(nproc)
T=$(mktemp -d /tmp/orion-sim-XXXXXX)
trap 'rm -rf "$T"' EXIT
bad=0
n=0
ok() { # STATUS NAME OUTPUT
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else
        bad=1
        echo "not ok $n - $2"
        printf '%s\n' "$3" | tail -60 | sed 's/^#* */# /'
    fi
}

# shards PROGRAM SEEDS: all of them, on every processor; the output of the first shard that failed, or of the last
shards() {
    local size=$((($2 + JOBS - 1) / JOBS)) i pids=() status=0
    for ((i = 0; i < JOBS; i++)); do
        "$1" --first $((1 + i * size)) --seeds $size >"$T/$i" 2>&1 &
        pids+=($!)
    done
    for ((i = 0; i < JOBS; i++)); do
        wait "${pids[i]}" || { status=1; cat "$T/$i"; break; }
    done
    [ $status != 0 ] || cat "$T"/[0-9]*
    rm -f "$T"/[0-9]*
    return $status
}

out=$(shards "$SIM" "$SEEDS")
ok $? "$SEEDS seeds" "$out"
printf '%s\n' "$out" | tail -5 | sed 's/^/# /'
out=$(shards "$CHECKED_SIM" "$CHECKED")
ok $? "$CHECKED seeds with sanitizers" "$out"
for bug in $("$SIM" --bugs); do
    out=$("$SIM" --seeds 1000 --bug "$bug" 2>&1)
    seed=$(sed -n 's/^replay: sim --seed \([0-9]*\) .*/\1/p' <<<"$out")
    [ -n "$seed" ]
    ok $? "$bug is caught (seed ${seed:-none})" "$out"
done
again=$("$SIM" --seed "${seed:-1}" --bug "$bug" 2>&1)
[ "$again" = "$out" ]
ok $? "a seed gives the same life again" "$(diff <(echo "$out") <(echo "$again") | head)"
echo "1..$n"
exit $bad
