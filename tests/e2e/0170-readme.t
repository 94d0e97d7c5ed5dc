#!/bin/bash
# What the README shows works: every command of its code blocks is run, against a lab instead of port 8004.
# (scripts/dev.sh and the first build behind it need a machine of their own.)
. "$(dirname "$0")/../lib.sh"

mkdir -p "$T/src/mine" && printf 'all:\n\t@echo built V=$(V) at $(ORION_REF)\n' >"$T/src/mine/Makefile"
repo=$(repo_make mine)
git -C "$repo" tag v1.2
lab_up lab || { ok 1 "the lab comes up"; plan_done; exit 1; }

orion() {
    if [ "$1" = lab ]; then "$ORION" "$@" --dir "$LAB"
    else "$ORION" "$@"
    fi
}
id=
n=0
awk '/^```sh/ { on = 1; next } /^```/ { on = 0 } on && NF && !/^#/ && !/scripts\// && !/build\/dev/' "$TEST_TOP/README.md" |
    sed -E 's/ +# .*//' >"$T/commands"
while IFS= read -r command; do
    n=$((n + 1))
    run=${command//\/srv\/git\/mine.git/$repo}
    run=${run//http:\/\/127.0.0.1:8004/$URL}
    run=${run//ID/$id}
    run=${run/#curl /curl -sf --max-time 30 }
    eval "$run" >"$T/out" 2>&1 </dev/null
    ok $? "$command" "$(head -5 "$T/out")"
    case $command in "orion submit"*) id=$(tail -1 "$T/out") ;; esac
done <"$T/commands"
[ $n -ge 10 ]; ok $? "the README has its commands ($n)"
like "$("$ORION" logs "$id")" 'built V=1' "the argument reached make"
like "$(orion list --mr 123)" "$id" "the merge request lists the build"
sanitizers_quiet
plan_done
