#!/bin/bash
# A scheduler that was sent to a read replica, or through a connection pooler, says so in one sentence, does nothing and
# tries again without haste.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/farm.sh"

PGBOUNCER=$(PATH=$PATH:/usr/sbin command -v pgbouncer) || skip_all "no pgbouncer"
pg_new db "wal_level = replica" && pg_up db && orion_db db && pg_replica twin db
ok $? "a database with a replica"

ticks() { awk '{ print $14 + $15 }' "/proc/${PIDS[$1]}/stat"; }
# refuses NAME REGEX: said again and again, yet rarely, at little cost, and nobody leads
refuses() {
    local name=$1 what=$2 start=$SECONDS n
    often() { [ "$(times_said "$name" "$what")" -ge 2 ] && [ $((SECONDS - start)) -ge 5 ]; }
    wait_for 20 often; ok $? "$name: says why" "$(cat "$T/log/$name.log")"
    n=$(times_said "$name" "$what")
    [ "$n" -le 10 ]; ok $? "$name: and not too often ($n times in $((SECONDS - start)) s)"
    [ "$(ticks "$name")" -lt 100 ]; ok $? "$name: costs next to nothing ($(ticks "$name") ticks)"
    is "$(sql db "SELECT epoch FROM orion.leader")" "${3:-0}" "$name: nobody leads"
    is "$(sql db "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")" 0 "$name: nobody has the lock"
    end "$name"; ok $? "$name: ends when asked to"
}

sched_up on-replica "$(dsn twin orion_scheduler)"
refuses on-replica "read replica; name the primary in ORION_DATABASE_URL"
sched_up both "postgresql:///orion?host=$T/twin.s,$T/db.s&user=orion_scheduler&target_session_attrs=read-write"
wait_for 20 said both leading; ok $? "with both hosts and target_session_attrs it finds the primary"
end both; ok $? "and ends when asked to"

# pooler NAME MODE
pooler() {
    mkdir -p "$T/$1.s" && chmod 777 "$T/$1.s"
    cat >"$T/$1.ini" <<INI
[databases]
orion = host=$T/db.s
[pgbouncer]
listen_port = 5432
unix_socket_dir = $T/$1.s
auth_type = any
pool_mode = $2
default_pool_size = 2
INI
    sed -i '/^orion/s/$/ user=orion_scheduler/' "$T/$1.ini"
    run "$1" "${AS_PG[@]}" "$PGBOUNCER" "$T/$1.ini"
    wait_for 20 psql -h "$T/$1.s" -U orion_scheduler -Xc "SELECT 1" orion
}
for mode in transaction session; do
    pooler "$mode" "$mode"; ok $? "$mode pooling"
    sched_up "through-$mode" "$(dsn "$mode" orion_scheduler)"
    refuses "through-$mode" "connects through a connection pooler" 1
    end "$mode"
done
farm_down; ok $? "everybody ends when asked to"
sanitizers_quiet
plan_done
