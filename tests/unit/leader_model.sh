#!/bin/bash
# docs/leader.pml keeps its promises in every interleaving, and spin notices when the protocol is made wrong.
TOP=$(cd "$(dirname "$0")/../.." && pwd)
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
bad=0
n=0
ok() { # STATUS NAME OUTPUT-FILE
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else
        bad=1
        echo "not ok $n - $2"
        sed 's/^/# /' "$3" | tail -30
    fi
}
# search NAME SPIN-OPTIONS: all states of the model; what spin says goes to $DIR/NAME/out
search() {
    local name=$1
    shift
    mkdir "$DIR/$name" && cd "$DIR/$name" || exit 1
    { spin -a "$@" "$TOP/docs/leader.pml" && gcc -O2 -w -DSAFETY -DCOLLAPSE -o pan pan.c &&
        timeout 120 ./pan -E -m100000 -n; } >out 2>&1
}

search attempts -DATTEMPTS=2 -DEPOCHS=2 -DDEPTH=1 &
search epochs -DATTEMPTS=1 -DEPOCHS=3 &
wait
for name in attempts epochs; do
    grep -q 'errors: 0$' "$DIR/$name/out" && ! grep -q 'not completed' "$DIR/$name/out"
    ok $? "two schedulers, two agents: several $name" "$DIR/$name/out"
done
for wrong in SELECT_FENCE BLIND_RESEND OLD_EPOCHS; do
    search $wrong -D$wrong -DATTEMPTS=1 -DEPOCHS=3
    grep -q 'assertion violated' "$DIR/$wrong/out"
    ok $? "$wrong is noticed: $(sed -n 's/.*assertion violated \(([^ ]*)\).*/\1/p' "$DIR/$wrong/out" | head -1)" "$DIR/$wrong/out"
done
echo "1..$n"
exit $bad
