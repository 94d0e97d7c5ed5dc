#!/bin/bash
# layering.sh - the boundary rules of HACKING.md, each one a grep.
cd "$(dirname "$0")/.." || exit 1
shopt -s lastpipe   # `none` counts in this shell
n=0
bad=0
# none NAME: standard input must be empty
none() {
    n=$((n + 1))
    local found
    found=$(cat)
    if [ -z "$found" ]; then echo "ok $n - $1"; else
        bad=1
        echo "not ok $n - $1"
        printf '%s\n' "$found" | sed 's/^/# /'
    fi
}
own='gateway|scheduler|logsink|agent|cli'
grep -rnE '^#include "' src/lib --include=*.[ch] | grep -vE '"lib/' | none "lib includes nothing of ours but lib"
grep -rnE '^#include "' src/proto --include=*.[ch] | grep -vE '"(lib|proto)/' | none "proto includes lib and proto only"
for p in gateway scheduler logsink agent cli; do
    grep -rnE "^#include \"($own)/" "src/$p" --include=*.[ch] | grep -vE "\"$p/" | none "$p includes no other process"
done
only() { # HEADER-REGEX FILES-REGEX NAME
    grep -rnE "^#include <($1)" src --include=*.[ch] | grep -vE "^src/($2):" | none "$3"
}
only 'zmq\.h|czmq\.h' 'lib/bus\.c' "ZeroMQ only in lib/bus.c"
only 'libpq-fe\.h' 'lib/pg(_admin)?\.c' "libpq only in lib/pg.c and lib/pg_admin.c"
only 'wslay' 'lib/ws\.c' "wslay only in lib/ws.c"
only 'curl/' 'lib/fetch[a-z0-9_]*\.c' "libcurl only in lib/fetch*.c"
only 'json-c|json\.h|json_' 'proto/msg_json\.c' "json-c only in proto/msg_json.c"
only 'microhttpd' 'gateway/http[a-z_]*\.[ch]' "libmicrohttpd only in gateway/http*.c"
only 'systemd/' 'lib/(loop|service[a-z_]*)\.c' "libsystemd only in lib/loop.c and lib/service*.c"
only 'yaml' 'agent/repos\.c' "libyaml only in agent/repos.c"
only 'sodium' 'lib/hash\.c' "libsodium only in lib/hash.c"
only 'zlib\.h' 'gateway/download_gzip\.c' "zlib only in gateway/download_gzip.c"
only 'zstd' 'logsink/frames\.c' "libzstd only in logsink/frames.c"
grep -rnwE 'fork|vfork|posix_spawnp?' src --include=*.c | grep -E '\b(v?fork|posix_spawnp?) ?\(' | grep -vE '^src/lib/(service[a-z_]*|proc)\.c:' |
    none "processes are made only in lib/service*.c and lib/proc.c"
grep -rnE '\b(epoll_create1?|epoll_wait|epoll_pwait|zmq_poll|select) ?\(' src --include=*.c | grep -v '^src/lib/loop\.c:' | none "waiting for descriptors only in lib/loop.c"
grep -rnE '\bpoll ?\(' src --include=*.c | grep -vE '^src/(lib/(loop|fetch|pg_admin)|cli/[a-z_]*)\.c:' | none "poll only in lib and the blocking CLI"
grep -rnE '"(SELECT|INSERT|UPDATE|DELETE|WITH) ' src --include=*.c | grep -vE '^src/[a-z]+/db[a-z_]*\.c:|^src/lib/pg|^src/cli/lab_pg\.c:' | none "SQL only in db*.c"
grep -nE '#include "(lib/(loop|bus|pg|service|ws|fetch)\.h)"' src/scheduler/{core,queue,match,agents,attempts,submit,load,facts,dump}*.c src/proto/*.c src/gateway/{sse,query,route,submission,accept,byte_range,log_query,moment,lines,grep,tail,cast,base64}.c src/lib/text.c src/agent/drivers.c 2>/dev/null |
    none "pure files do no I/O"
grep -rnE '\bexit ?\(' src --include=*.c | grep -vE '^src/(lib/(service[a-z_]*|mem)\.c|([a-z]+/)+main\.c|proto/protodoc\.c):' | none "exit only in lib/service*.c and main.c"
grep -rnwE 'TODO|FIXME|XXX' src | none "no TODO in src"
git ls-files 'src/*.c' | xargs -r wc -l | awk '$2 != "total" && $1 > 800 { print $2, $1 }' | none "no file over 800 lines"
git ls-files 'src/*.h' | xargs -r wc -l | awk '$2 != "total" && $1 > 260 { print $2, $1 }' | none "no header over 260 lines"
if command -v ctags >/dev/null; then
    find src -name '*.c' | ctags --fields=+ne --kinds-C=f -f - -L - 2>/dev/null | awk -F'\t' '
        { s = 0; e = 0; for (i = 4; i <= NF; i++) { if ($i ~ /^line:/) s = substr($i, 6); if ($i ~ /^end:/) e = substr($i, 5) }
          if (e - s + 1 > 100) print $2, $1, e - s + 1 }' | none "no function over 100 lines"
fi
echo "1..$n"
exit $bad
