-- 0002_scheduling.sql - what a submission may ask of the scheduler, and what people set: priorities, dependencies,
-- time limits, retries, projects' shares, concurrency groups, the pauses.
--
-- Applied by `orion db migrate` in one transaction, under its lock.

-- These come back below, with more columns.
DROP VIEW orion.invariant_violations, orion_api_v1.tasks, orion_api_v1.attempts, orion_api_v1.agents;

-- The words of a column are a domain: the server reads the CHECKs of a table anew in every statement, those of a domain
-- once in a session, and that was a tenth of what a task costs it.
CREATE DOMAIN orion.task_state AS text CHECK (VALUE IN ('waiting', 'queued', 'assigned', 'running', 'succeeded', 'failed',
                                                        'cancelled', 'superseded', 'timed_out', 'lost'));
CREATE DOMAIN orion.attempt_state AS text CHECK (VALUE IN ('assigned', 'running', 'stopping', 'succeeded', 'failed',
                                                           'cancelled', 'timed_out', 'lost', 'refused'));
CREATE DOMAIN orion.late_state AS text CHECK (VALUE IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'lost'));
CREATE DOMAIN orion.cause AS text CHECK (VALUE IN ('build', 'setup', 'agent', 'infrastructure', 'policy', 'quarantine'));
CREATE DOMAIN orion.log_state AS text CHECK (VALUE IN ('open', 'complete', 'gap'));
CREATE DOMAIN orion.stopping AS text CHECK (VALUE IN ('cancel', 'supersede', 'time_out'));
CREATE DOMAIN orion.priority AS text CHECK (VALUE IN ('critical', 'high', 'normal', 'low'));
CREATE DOMAIN orion.after_condition AS text CHECK (VALUE IN ('succeeded', 'finished', 'any'));

ALTER TABLE orion.task DROP CONSTRAINT task_state_check, DROP CONSTRAINT task_cause_check;
ALTER TABLE orion.attempt DROP CONSTRAINT attempt_state_check, DROP CONSTRAINT attempt_late_state_check,
    DROP CONSTRAINT attempt_cause_check, DROP CONSTRAINT attempt_log_state_check, DROP CONSTRAINT attempt_number_check;

-- Rarely used columns are NULL, which costs nothing. `after`: tasks this one waits for.
ALTER TABLE orion.task
    ALTER COLUMN state TYPE orion.task_state,
    ALTER COLUMN cause TYPE orion.cause,
    ADD COLUMN priority           orion.priority NOT NULL DEFAULT 'normal',
    ADD COLUMN concurrency_group  text,
    ADD COLUMN after              uuid[],
    ADD COLUMN after_condition    orion.after_condition,
    ADD COLUMN timeout_ms         bigint,                                 -- of an attempt, from its acceptance
    ADD COLUMN silence_timeout_ms bigint,
    ADD COLUMN queue_timeout_ms   bigint,                                 -- to the first start
    ADD COLUMN tries              integer,
    ADD COLUMN retry_on           text[],                                 -- NULL: agent and infrastructure
    ADD COLUMN retry_exit_codes   integer[],
    ADD COLUMN retry_of           uuid,                                   -- a person's retry of that task
    ADD COLUMN not_before         timestamptz;                            -- waiting: when the next attempt may begin

-- The sink of the log's beginning; orion.log_segment has those that took over from it.
ALTER TABLE orion.attempt
    ALTER COLUMN state TYPE orion.attempt_state,
    ALTER COLUMN late_state TYPE orion.late_state,
    ALTER COLUMN cause TYPE orion.cause,
    ALTER COLUMN log_state TYPE orion.log_state,
    ADD COLUMN sink     text,
    ADD COLUMN stopping orion.stopping;
UPDATE orion.attempt a SET sink = s.sink FROM orion.log_segment s
    WHERE s.task_id = a.task_id AND s.attempt = a.number AND s.from_offset = 0;
DELETE FROM orion.log_segment WHERE from_offset = 0;

ALTER TABLE orion.agent
    ADD COLUMN draining boolean NOT NULL DEFAULT false,
    ADD COLUMN hello    bigint NOT NULL DEFAULT 0;     -- counter of its latest hello

ALTER TABLE orion.project
    ADD COLUMN weight    integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
    ADD COLUMN paused    boolean NOT NULL DEFAULT false,
    ADD COLUMN supersede text NOT NULL DEFAULT 'queued' CHECK (supersede IN ('off', 'queued', 'running'));

INSERT INTO orion.project (name) SELECT DISTINCT project FROM orion.task ON CONFLICT DO NOTHING;

-- Attempts at once of the tasks that name a group. A group that is not here has the capacity 1.
CREATE TABLE orion.concurrency_group (
    name     text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 128),
    capacity integer NOT NULL CHECK (capacity BETWEEN 0 AND 1000000)
);

CREATE TABLE orion.queue (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    paused   boolean NOT NULL DEFAULT false
);
INSERT INTO orion.queue DEFAULT VALUES;

-- A key of another call than a submission may name no task.
ALTER TABLE orion.idempotency ALTER COLUMN task_id DROP NOT NULL;

-- The scheduler changes the rows of now in their partition itself: an UPDATE by way of the whole table takes its locks
-- and makes its plan for every month there is. And a month is one of UTC, whatever the session's time zone.
CREATE OR REPLACE FUNCTION orion.make_partitions(at timestamptz, months integer, seq bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, orion SET timezone = 'UTC' AS $$
DECLARE
    month   timestamptz;
    first   bigint;
    made    integer := 0;
    parent  text;
    child   text;
    width   constant bigint := 10000000;
BEGIN
    FOR i IN -1 .. months LOOP
        month := date_trunc('month', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(months => i);
        FOREACH parent IN ARRAY ARRAY['task', 'attempt', 'log_segment'] LOOP
            child := parent || to_char(month AT TIME ZONE 'UTC', '_YYYY_MM');
            IF to_regclass('orion.' || child) IS NULL THEN
                EXECUTE format('CREATE TABLE orion.%I PARTITION OF orion.%I FOR VALUES FROM (%L) TO (%L) %s', child, parent,
                               orion.uuid_at(month), orion.uuid_at(month + interval '1 month'),
                               CASE parent WHEN 'log_segment' THEN '' ELSE 'WITH (fillfactor = 70)' END);
                made := made + 1;
            END IF;
            EXECUTE format('GRANT SELECT, UPDATE ON orion.%I TO orion_scheduler', child);
        END LOOP;
    END LOOP;
    FOR i IN 0 .. 1 LOOP
        first := (seq / width + i) * width;
        child := 'event_' || lpad((first / width)::text, 6, '0');
        IF to_regclass('orion.' || child) IS NULL THEN
            EXECUTE format('CREATE TABLE orion.%I PARTITION OF orion.event FOR VALUES FROM (%L) TO (%L)', child, first,
                           first + width);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;
SELECT orion.make_partitions(now(), 12, (SELECT COALESCE(max(seq), 0) FROM orion.event));

-- The partition that a task of that moment is in, if it is as make_partitions makes it and the caller may change its
-- rows: its suffix and bounds.
CREATE FUNCTION orion.partition_at(at timestamptz, OUT suffix text, OUT first uuid, OUT behind uuid)
LANGUAGE sql STABLE AS $$
    SELECT m.suffix, m.first, m.behind FROM (
        SELECT to_char(s.month, '_YYYY_MM') AS suffix, orion.uuid_at(s.month AT TIME ZONE 'UTC') AS first,
               orion.uuid_at((s.month + interval '1 month') AT TIME ZONE 'UTC') AS behind
        FROM (SELECT date_trunc('month', at AT TIME ZONE 'UTC') AS month) s) m
    WHERE 2 = (SELECT count(*) FROM pg_class c
               WHERE c.oid IN (to_regclass('orion.task' || m.suffix), to_regclass('orion.attempt' || m.suffix))
               AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'UPDATE')
               AND pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES FROM (%L) TO (%L)', m.first, m.behind))
$$;

-- What must always be empty -----------------------------------------------------------------------------------------

CREATE VIEW orion.invariant_violations AS
SELECT 'default_partition' AS rule, 'task ' || id AS what FROM orion.task_default
UNION ALL SELECT 'default_partition', 'attempt ' || task_id || '.' || number FROM orion.attempt_default
UNION ALL SELECT 'default_partition', 'event ' || seq FROM orion.event_default
UNION ALL SELECT 'ended_state', 'task ' || id FROM orion.task
    WHERE (ended_at IS NOT NULL) <> (state IN ('succeeded', 'failed', 'cancelled', 'superseded', 'timed_out', 'lost'))
UNION ALL SELECT 'one_open_attempt', 'task ' || task_id FROM orion.attempt WHERE ended_at IS NULL
    GROUP BY task_id HAVING count(*) > 1
UNION ALL SELECT 'open_attempt_of_ended_task', 'task ' || t.id FROM orion.attempt a JOIN orion.task t ON t.id = a.task_id
    WHERE a.ended_at IS NULL AND t.ended_at IS NOT NULL AND a.state <> 'stopping'
UNION ALL SELECT 'event_hole', 'before event ' || seq FROM (
    SELECT seq, lag(seq) OVER (ORDER BY seq) AS before FROM orion.event) s WHERE before IS NOT NULL AND seq <> before + 1
UNION ALL SELECT 'task_without_attempt', 'task ' || t.id FROM orion.task t WHERE t.state IN ('assigned', 'running')
    AND NOT EXISTS (SELECT FROM orion.attempt a WHERE a.task_id = t.id AND a.ended_at IS NULL)
UNION ALL SELECT 'open_attempt_of_idle_task', 'task ' || t.id FROM orion.attempt a JOIN orion.task t ON t.id = a.task_id
    WHERE a.ended_at IS NULL AND t.state IN ('waiting', 'queued')
UNION ALL SELECT 'two_verdicts', 'task ' || task_id FROM orion.attempt
    WHERE state IN ('succeeded', 'timed_out') GROUP BY task_id HAVING count(*) > 1
UNION ALL SELECT 'one_end', 'task ' || task_id FROM orion.event WHERE kind = 'task.ended' GROUP BY task_id HAVING count(*) > 1
UNION ALL SELECT 'end_without_event', 'task ' || t.id FROM orion.task t WHERE t.ended_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM orion.event e WHERE e.task_id = t.id AND e.kind = 'task.ended');

-- For everybody else ------------------------------------------------------------------------------------------------

CREATE VIEW orion_api_v1.tasks AS
SELECT id, project, repo, target, args, ref, commit, mr, driver, labels, separate_streams, state, cause, message,
       exit_code, attempt, created_at, started_at, ended_at, priority, concurrency_group, after, after_condition,
       timeout_ms, silence_timeout_ms, queue_timeout_ms, tries, retry_on, retry_exit_codes, retry_of, not_before
    FROM orion.task;
CREATE VIEW orion_api_v1.attempts AS
SELECT task_id, number, agent_id, state, late_state, cause, message, exit_code, signal, commit, driver, workspace,
       log_state, log_bytes, log_lines, log_head, assigned_at, started_at, ended_at, sink, stopping FROM orion.attempt;
CREATE VIEW orion_api_v1.agents AS
SELECT id, name, labels, slots, version, state, seen_at, draining FROM orion.agent;
CREATE VIEW orion_api_v1.projects AS SELECT name, weight, paused, supersede, created_at FROM orion.project;
CREATE VIEW orion_api_v1.groups AS SELECT name, capacity FROM orion.concurrency_group;
CREATE VIEW orion_api_v1.queue AS SELECT paused FROM orion.queue;

DO $$
DECLARE
    c record;
    said constant jsonb := '{
      "id": "UUIDv7 (tasks) or the agent''s stable id", "project": "project the task belongs to", "repo": "repository as submitted",
      "target": "targets as submitted", "args": "arguments as submitted", "ref": "branch, tag or commit asked for",
      "commit": "commit that is built", "mr": "merge request", "driver": "build tool", "labels": "labels asked for or offered",
      "separate_streams": "stdout and stderr kept apart", "state": "state now", "cause": "why it ended so: build, setup, agent, infrastructure, policy, quarantine",
      "message": "one sentence for people", "exit_code": "of the command that ended the build", "attempt": "number of an attempt (tasks: of the latest)",
      "created_at": "accepted (projects: since when it is known)", "started_at": "accepted by an agent", "ended_at": "terminal", "task_id": "task", "number": "attempt, from 1",
      "agent_id": "agent", "late_state": "what a result said that came after the end", "signal": "signal that ended the build",
      "workspace": "folder on the agent", "log_state": "open, complete or gap", "log_bytes": "bytes the build wrote", "log_lines": "lines the build wrote",
      "log_head": "last hash of the log''s chain", "assigned_at": "given to the agent", "name": "of the agent, project or group", "slots": "attempts it runs at once",
      "version": "agent''s version", "seen_at": "last hello or loss", "seq": "number in the journal, without holes", "at": "when", "kind": "what happened",
      "priority": "critical, high, normal or low", "concurrency_group": "named limit the task counts against",
      "after": "tasks it waits for", "after_condition": "how those must end: succeeded, finished (succeeded or failed), any",
      "timeout_ms": "longest run of an attempt, from its acceptance", "silence_timeout_ms": "longest time without output",
      "queue_timeout_ms": "longest time to the first start", "tries": "attempts it has at most",
      "retry_on": "causes that are tried again", "retry_exit_codes": "exit codes that are tried again",
      "retry_of": "task that a person asked to try again", "not_before": "when the next attempt may begin",
      "sink": "log sink that has the log''s beginning", "stopping": "why it was told to end: cancel, supersede, time_out",
      "draining": "gets nothing new", "weight": "share of the slots among projects that have work",
      "paused": "nothing of it is assigned", "supersede": "what a newer task of the same merge request ends: off, queued, running",
      "capacity": "attempts at once"}';
BEGIN
    FOR c IN SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'orion_api_v1'
             AND col_description(to_regclass(format('orion_api_v1.%I', table_name)), ordinal_position::int) IS NULL LOOP
        EXECUTE format('COMMENT ON COLUMN orion_api_v1.%I.%I IS %L', c.table_name, c.column_name, said ->> c.column_name);
    END LOOP;
END
$$;

-- A standby ends the session of a leader that is stopped rather than dead: same role, so it may. ----------------------

GRANT SELECT, INSERT, UPDATE, DELETE ON orion.concurrency_group TO orion_scheduler;
GRANT SELECT, UPDATE ON orion.queue TO orion_scheduler;
GRANT SELECT ON orion.concurrency_group, orion.queue TO orion_gateway;
GRANT SELECT ON ALL TABLES IN SCHEMA orion_api_v1 TO orion_report;
