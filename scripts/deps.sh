#!/bin/sh
# deps.sh - installs what building, running and testing Orion needs on Debian 12.
#
#   scripts/deps.sh [build|run|test]...      default: all three
#
# Idempotent: asks apt only for what is missing. Calls sudo for apt alone; everything else runs as the caller.
set -eu

build="gcc clang make autoconf automake pkg-config git curl ca-certificates
  libzmq3-dev libmicrohttpd-dev libpq-dev libjson-c-dev libsystemd-dev libwslay-dev
  libcurl4-openssl-dev libsodium-dev libzstd-dev zlib1g-dev libisal-dev libssl-dev libyaml-dev libcmocka-dev"
run="postgresql-15 git ninja-build cmake make gcc dpkg-dev"
test="libclang-rt-14-dev llvm-14 postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl perl python3
  shellcheck spin mandoc codespell universal-ctags tmux iproute2 procps meson nftables jq lsof pgbouncer zstd asciinema nginx
  haproxy"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else echo "deps.sh: not root and no sudo; run as root: $*" >&2; exit 1
    fi
}

want=
[ $# -gt 0 ] || set -- build run test
for set in "$@"; do
    case $set in
    build) want="$want $build" ;;
    run) want="$want $run" ;;
    test) want="$want $test" ;;
    *) echo "usage: deps.sh [build|run|test]..." >&2; exit 2 ;;
    esac
done

missing=
for p in $want; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

# A PostgreSQL package would otherwise create and start a cluster nobody asked for.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    as_root mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
# Nor are nginx, haproxy and pgbouncer to be started: the tests start their own.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
fi
echo "deps.sh: installing$missing"
as_root apt-get -q -o DPkg::Lock::Timeout=600 update >/dev/null
# shellcheck disable=SC2086 # a list of words
as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
    -o Dpkg::Options::=--force-confold install --no-install-recommends $missing >/dev/null
