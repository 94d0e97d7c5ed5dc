#!/bin/bash
# dev.sh - from a fresh clone to a running farm: dependencies, build, `orion lab up`, and a first build to try.
#
#   scripts/dev.sh [OPTIONS of orion lab up]       e.g. --port 8005 --agents 2
#
# Run it again at any time: it builds what changed and goes on with the same data. Stop the farm with
# `orion lab down`. The build runs as the owner of the clone; only apt is asked for as root.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/deps.sh build run
owner=$(stat -c %U .)
as_owner() {
    if [ "$(id -u)" = 0 ] && [ "$owner" != root ]; then setpriv --reuid="$owner" --regid="$(id -g "$owner")" --init-groups "$@"
    else "$@"
    fi
}
build() {
    [ ! -f config.status ] || { echo "this tree is configured in place; run make distclean first"; exit 1; }
    [ -x configure ] && [ configure -nt configure.ac ] || autoreconf -fi
    mkdir -p build/dev
    [ -f build/dev/config.status ] || (cd build/dev && ../../configure --quiet CFLAGS='-O2 -g')
    make -C build/dev -s -j"$(nproc)"
}
log=$(mktemp)
chmod 666 "$log"
echo "building Orion..."
export -f build
as_owner env HOME="$(getent passwd "$owner" | cut -d: -f6)" bash -euo pipefail -c build >"$log" 2>&1 || {
    tail -40 "$log"
    echo "dev.sh: the build failed" >&2
    exit 1
}
rm -f "$log"

orion=$PWD/build/dev/src/cli/orion
lab=$([ "$(id -u)" = 0 ] && echo /var/lib/orion-lab || echo "${XDG_STATE_HOME:-$HOME/.local/state}/orion/lab")
for ((i = 1; i < $#; i++)); do
    next=$((i + 1))
    [ "${!i}" != --dir ] || lab=${!next}
done
# Something real to build: lua, from Debian's sources.
demo=()
first="run lua linux"
if scripts/sources.sh "$lab/demo" lua5.4; then demo=(--repo "lua=$lab/demo/lua5.4.git")
else first="run /path/to/a/repository.git    (a local git repository; Debian's sources could not be fetched)"
fi
"$orion" lab up --detach "${demo[@]}" "$@"
dir=
[ "$lab" = /var/lib/orion-lab ] || [ -z "${*:-}" ] || dir="export ORION_URL=$(cat "$lab/url")"
cat <<TXT

Try a first build:
    ${dir:+$dir; }$orion $first
Stop the farm:
    $orion lab down --dir $lab
TXT
