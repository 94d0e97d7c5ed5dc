#!/bin/bash
# sources.sh - real projects for a farm to build: bare git repositories from Debian's source packages.
#
#   scripts/sources.sh DIR PACKAGE...      makes DIR/PACKAGE.git for each; does nothing for those that exist
#
# Uses apt's mirror and lists of its own below DIR, changes nothing in /etc, and needs no root. The trees are upstream's
# (Debian's patches left out). DIR/cache may be deleted at any time.
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cache=$dir/cache
for tool in apt-get dpkg-source git; do
    command -v $tool >/dev/null || { echo "sources.sh: $tool is missing (apt-get install dpkg-dev git)" >&2; exit 1; }
done

missing=()
for p in "$@"; do [ -d "$dir/$p.git" ] || missing+=("$p"); done
[ ${#missing[@]} -gt 0 ] || exit 0

mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null | grep -v '^#' |
    grep -oE 'https?://[^ ]+/debian/?( |$)' | head -1) || true
[ -n "$mirror" ] || { echo "sources.sh: no Debian mirror in /etc/apt" >&2; exit 1; }
mkdir -p "$cache/parts" "$cache/lists/partial" "$cache/archives/partial" "$cache/dsc"
cat >"$cache/parts/src.sources" <<DEB
Types: deb-src
URIs: $mirror
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
DEB
options=(-qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$cache/parts" -o "Dir::State::lists=$cache/lists"
    -o "Dir::Cache=$cache" -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
(cd "$cache/dsc" && apt-get "${options[@]}" source --download-only "${missing[@]}")

for p in "${missing[@]}"; do
    rm -rf "${cache:?}/$p" "$dir/$p.git.new"
    dpkg-source --no-check --skip-patches -x "$cache/dsc/${p}"_*.dsc "$cache/$p" >"$cache/$p.log" 2>&1 || { cat "$cache/$p.log" >&2; exit 1; }
    rm -rf "$cache/$p/debian"
    # Debian's zlib leaves the Windows resources out; its CMakeLists.txt names one all the same
    [ "$p" != zlib ] || { mkdir -p "$cache/zlib/win32" && touch "$cache/zlib/win32/zlib1.rc"; }
    (
        cd "$cache/$p"
        find . -name .gitignore -delete
        git init -q -b main .
        git add -A -f .
        git -c user.name=orion -c user.email=orion@localhost commit -q -m "$p of Debian 12"
    )
    git clone -q --bare "$cache/$p" "$dir/$p.git.new"
    chmod -R a+rX "$dir/$p.git.new"
    mv "$dir/$p.git.new" "$dir/$p.git"
    rm -rf "${cache:?}/$p"
done
