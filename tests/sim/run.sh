#!/bin/bash
# The simulator keeps its promises for many seeds, and notices each of the planted bugs.
#
#   SIM     the program (default: of the build tree)
#   SEEDS   lives without a bug (default 2000)
TOP=$(cd "$(dirname "$0")/../.." && pwd)
SIM=${SIM:-${ORION_BUILD:-$TOP}/tests/sim/sim}
SEEDS=${SEEDS:-2000}
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

out=$("$SIM" --seeds "$SEEDS" 2>&1)
ok $? "$SEEDS seeds" "$out"
for bug in early-messages blind-resend forgetful-inventory lost-rows; do
    out=$("$SIM" --seeds 1000 --bug $bug 2>&1)
    seed=$(sed -n 's/^replay: sim --seed \([0-9]*\) .*/\1/p' <<<"$out")
    [ -n "$seed" ]
    ok $? "$bug is caught (seed ${seed:-none})" "$out"
done
again=$("$SIM" --seed "${seed:-1}" --bug lost-rows 2>&1)
[ "$again" = "$out" ]
ok $? "a seed gives the same life again" "$(diff <(echo "$out") <(echo "$again") | head)"
echo "1..$n"
exit $bad
