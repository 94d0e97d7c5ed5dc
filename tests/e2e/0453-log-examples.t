#!/bin/bash
# What docs/LOGS.md shows works: every command of its code blocks is run and gives something; every parameter that it
# lists is one.
. "$(dirname "$0")/../lib.sh"

repo=$(repo_makefile mine <<'MAKE'
all:
	@seq 1 1000; echo made by make
MAKE
)
lab_up lab --repo "mine=$repo" || { ok 1 "the lab comes up"; plan_done; exit 1; }
id=$("$ORION" submit mine)
wait_for 30 log_complete "$id"; ok $? "a log is complete"
cd "$T" || exit 1
n=0
while IFS= read -r command; do
    n=$((n + 1))
    run=${command//http:\/\/127.0.0.1:8004/$URL}
    run=${run//ID/$id}
    rm -f build.cast
    eval "${run/#curl /curl -sf --max-time 30 }" >"$T/out" 2>"$T/err" </dev/null
    [ $? = 0 ] && { [ -s "$T/out" ] || [ -s build.cast ]; }; ok $? "$command" "$(head -5 "$T/out" "$T/err")"
done < <(awk '/^```sh/ { on = 1; next } /^```/ { on = 0 } on && NF' "$TEST_TOP/docs/LOGS.md" | sed -E 's/ +# .*//')
[ $n -ge 10 ]; ok $? "the document has its commands ($n)"
for name in $(sed -n 's/^| `\([a-z_]*\)=.*/\1/p' "$TEST_TOP/docs/LOGS.md"); do
    refusals=0
    for format in text sse jsonl cast chunks; do
        detail=$(curl -s "$URL/v1/tasks/$id/log?format=$format&$name=!" | jq -r .detail 2>/dev/null)
        [[ $detail != *unknown* ]] || refusals=$((refusals + 1))
    done
    [ $refusals -lt 5 ]; ok $? "the parameter $name"
done
sanitizers_quiet
plan_done
