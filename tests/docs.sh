#!/bin/bash
# docs.sh - what the documents say is there is there: files, routes, commands, settings.
cd "$(dirname "$0")/.." || exit 1
n=0
bad=0
ok() {
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else
        bad=1
        echo "not ok $n - $2"
        [ -z "${3:-}" ] || printf '%s\n' "$3" | sed 's/^/# /'
    fi
}
# every path in back-quotes or links that looks like one of ours exists
for doc in README.md HACKING.md docs/*.md; do
    missing=$(grep -oE '(`|\()(\.\./|\./)?(src|tests|scripts|docs|sql|bench|man)/[A-Za-z0-9_./-]+[A-Za-z0-9_/]' "$doc" | grep -v src/cli/orion$ | sed -E 's/^[`(]//' | sort -u |
        while read -r p; do ls -d "$p"* >/dev/null 2>&1 || ls -d "$(dirname "$doc")/$p" >/dev/null 2>&1 || echo "$p"; done)
    [ -z "$missing" ]
    ok $? "$doc names only files that exist" "$missing"
done
for m in man/*; do
    mandoc -Tlint -W warning "$m" >/tmp/mandoc.$$ 2>&1
    ok $? "$m is clean mdoc" "$(cat /tmp/mandoc.$$)"
done
rm -f /tmp/mandoc.$$
verbs=$("$ORION_BUILD/src/cli/orion" --help 2>/dev/null)
for v in $(sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' man/orion.1 | sort -u); do
    grep -qw "$v" <<<"$verbs"
    ok $? "orion.1 documents \`$v\`, and it is a verb"
done
for v in $(awk '/^ +[a-z]+ / { print $1 }' <<<"$verbs"); do
    grep -qE "^\.It Cm $v" man/orion.1
    ok $? "the verb \`$v\` is in orion.1"
done
# shellcheck disable=SC2046 # a list of files
codespell -q 3 -L lates,nd README.md HACKING.md docs src/*/*.[ch] man >/tmp/spell.$$ 2>&1
ok $? "no misspelling" "$(head -20 /tmp/spell.$$)"
rm -f /tmp/spell.$$
# shellcheck disable=SC2046
shellcheck -x -S warning scripts/*.sh tests/*.sh tests/*/*.sh bench/*.sh >/tmp/sc.$$ 2>&1
ok $? "shellcheck is quiet" "$(head -30 /tmp/sc.$$)"
rm -f /tmp/sc.$$
echo "1..$n"
exit $bad
