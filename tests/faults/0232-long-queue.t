#!/bin/bash
# A leader with a long queue serves within 5 s and loads the rest behind: submissions are answered meanwhile, what needs
# the whole queue waits for it, and then nothing is missing.
#
#   QUEUED (200000)   LONG=1: 1000000; the limits are meant for a build without sanitizers
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/farm.sh"

QUEUED=${QUEUED:-${LONG:+1000000}}
QUEUED=${QUEUED:-200000}
KEYS=$((QUEUED / 10))

pg_new db "shared_buffers = 256MB" "max_wal_size = 4GB" && pg_up db && orion_db db
ok $? "a database"
# Every tenth carries labels, an environment and a policy, one in a hundred was tried before.
sql db "
INSERT INTO orion.agent (id, name, instance, slots, session, state, seen_at)
    VALUES ('00000000-0000-4000-8000-0000000000a1', 'gone', '00000000-0000-4000-8000-0000000000a2', 1, 1, 'lost', now());
INSERT INTO orion.task (id, project, repo, target, labels, env, state, attempt, created_at, timeout_ms, concurrency_group)
    SELECT overlay(orion.uuid_at(now() - interval '1 hour' + i * interval '1 ms')::text PLACING '7000-8000-' || lpad(to_hex(i), 12, '0') FROM 15)::uuid,
        'project-' || i % 7, 'repo', 'target ' || i, CASE WHEN i % 10 = 0 THEN ARRAY['nobody', 'linux'] ELSE ARRAY['nobody'] END,
        CASE WHEN i % 10 = 0 THEN '{\"A\": \"1\", \"B\": \"x\"}'::jsonb ELSE '{}' END, 'queued', (i % 100 = 0)::int, now() - interval '1 hour' + i * interval '1 ms',
        CASE WHEN i % 10 = 0 THEN 3600000 END, CASE WHEN i % 10 = 0 THEN 'group ' || i % 3 END FROM generate_series(1, $QUEUED) i;
INSERT INTO orion.event (seq, at, epoch, kind, project, task_id)
    SELECT row_number() OVER (ORDER BY id), created_at, 0, 'task.submitted', project, id FROM orion.task;
INSERT INTO orion.attempt (task_id, number, agent_id, session, state, cause, log_state, assigned_at, ended_at)
    SELECT id, 1, '00000000-0000-4000-8000-0000000000a1', 1, 'lost', 'agent', 'gap', created_at, created_at FROM orion.task WHERE attempt = 1;
INSERT INTO orion.idempotency (project, key, body_hash, task_id, created_at)
    SELECT project, 'key ' || id, sha256('x'), id, created_at FROM orion.task LIMIT $KEYS"
is "$(sql db "SELECT count(*) FROM orion.task WHERE state = 'queued'")" "$QUEUED" "queued tasks"
oldest=$(sql db "SELECT id FROM orion.task ORDER BY id LIMIT 1")

rss_kb() { awk '/^VmRSS/ { print $2 }' "/proc/${PIDS[$1]}/status"; }
gateway_up "$(dsn db orion_gateway)" sched
health() { curl -s -m 2 "$URL/healthz"; }
wait_for 20 health; ok $? "a gateway"
start=$(now_ms)
sched_up sched "$(dsn db orion_scheduler)" --lease 10m
first=$(submit '{"repo": "repo", "target": "new", "labels": ["nobody"]}')
served=$(($(now_ms) - start))
[ -n "$first" ] && [ $served -lt 5000 ]; ok $? "a submission is answered $served ms after the leader's start" "$(cat "$T/submitted")"
! said sched "queue loaded"; ok $? "before the queue is loaded"

# A lost connection on the way: it goes on where it was.
sql db "SELECT pg_terminate_backend(backend_pid) FROM orion.leader" >/dev/null
! said sched "queue loaded"; ok $? "the leader's connection is cut meanwhile"

# What speaks of a task that is not loaded yet is answered when it is.
curl -s -m 60 -o "$T/cancelled" -w '%{http_code}' -X POST "$URL/v1/tasks/$oldest/cancel" >"$T/cancel" &
CANCEL=$!
longest=0 answered=0
while ! said sched "queue loaded" && [ $(($(now_ms) - start)) -lt 55000 ]; do
    one=$(now_ms)
    submit '{"repo": "repo", "target": "meanwhile", "labels": ["nobody"]}' >/dev/null && answered=$((answered + 1))
    one=$(($(now_ms) - one))
    [ $one -le $longest ] || longest=$one
done
loaded=$(($(now_ms) - start))
said sched "queue loaded"; ok $? "the queue is loaded $loaded ms after the start"
echo "# $(grep 'queue loaded' "$T/log/sched.log")"
[ $loaded -lt 30000 ]; ok $? "in less than 30 s"
[ $answered -gt 0 ] && [ $longest -lt 5000 ]; ok $? "$answered submissions were answered meanwhile, the slowest in $longest ms"
wait $CANCEL
like "$(cat "$T/cancel")" '^20[02]$' "a cancel of the oldest task was answered as well"
is "$(sql db "SELECT state FROM orion.task WHERE id = '$oldest'")" cancelled "and did what it says"
echo "# memory with the queue: $(rss_kb sched) kB, $(($(rss_kb sched) * 1024 / QUEUED)) bytes per queued task"

# Nothing is missing.
tasks=$(sed -n 's/.*queue loaded tasks=\([0-9]*\) keys=\([0-9]*\).*/\1/p' "$T/log/sched.log")
[ "$tasks" -ge "$QUEUED" ]; ok $? "$tasks tasks were loaded"
like "$(grep 'queue loaded' "$T/log/sched.log")" "keys=$KEYS " "and $KEYS keys"
said sched "leadership resumed"; ok $? "in one leadership"
for id in $(sql db "SELECT id FROM orion.task WHERE repo = 'repo' AND target IN ('target $((QUEUED / 2))', 'target $QUEUED')"); do
    curl -s -m 10 -o /dev/null -X POST "$URL/v1/tasks/$id/cancel"
done
is "$(sql db "SELECT count(*) FROM orion.task WHERE state = 'cancelled'")" 3 "any of them can be spoken of"
is "$(sql db "SELECT count(*) FROM orion.task WHERE state = 'queued'")" $((QUEUED + answered - 2)) "as many are queued as there should be"
is "$(sql db "SELECT count(*) FROM orion.invariant_violations")" 0 "no invariant is violated"
farm_down; ok $? "everybody ends when asked to"
sanitizers_quiet
plan_done
