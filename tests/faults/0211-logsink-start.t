#!/bin/bash
# What a log sink says when it cannot start: the folder is in use, its journal is of a newer format, the folder is missing.
. "$(dirname "$0")/../lib.sh"
sink=$ORION_BUILD/src/logsink/orion-logsink

start() { # DIR: runs to its end; output in $out, exit code in $code
    out=$("$sink" --config /dev/null --name sink-1 --dir "$1" --listen "ipc://$T/second.sock" --live "ipc://$T/second.live" \
        --schedulers "ipc://$T/scheduler.sock" 2>&1)
    code=$?
}

mkfifo "$T/ready"
ORION_READY_FD=9 "$sink" --config /dev/null --name sink-1 --dir "$T/one" --listen "ipc://$T/one.sock" --live "ipc://$T/one.live" \
    --schedulers "ipc://$T/scheduler.sock" 9>"$T/ready" 2>"$T/first.log" &
first=$!
read -r line <"$T/ready"
is "$line" "ready logsink" "the first sink is ready"
start "$T/one"
is "$code" 1 "a second sink on the same folder ends with 1"
like "$out" "$T/one is in use by another orion-logsink" "and says why"
kill -TERM "$first"
wait "$first"
is "$?" 0 "the first one ends with 0 when asked"

mkdir -p "$T/newer/journal" "$T/newer/log"
# "ORIONJNL", version 3, segment 1, and the checksum that belongs to it
printf 'ORIONJNL\003\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000\000\000\000\000' >"$T/head"
crc=$(perl -e 'local $/; my $c = 0xffffffff; for my $b (unpack "C*", <STDIN>) { $c ^= $b; $c = $c & 1 ? ($c >> 1) ^ 0x82f63b78 : $c >> 1 for 1 .. 8 }
    print join "", map { sprintf "\\x%02x", ($c ^ 0xffffffff) >> 8 * $_ & 255 } 0 .. 3' <"$T/head")
{ cat "$T/head"; printf "$crc"; } >"$T/newer/journal/0000000001.j"
start "$T/newer"
is "$code" 1 "a journal of a newer format ends the start with 1"
like "$out" "journal/0000000001.j: journal format 3 is newer than this program's 2" "and is named"
[ -f "$T/newer/journal/0000000001.j" ]
ok $? "and is left alone"

start "$T/no/such/place"
is "$code" 1 "a folder that cannot be made ends the start with 1"
like "$out" "cannot make $T/no/such/place" "and is named"
plan_done
