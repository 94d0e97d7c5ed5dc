-- 0003_logs.sql - what projects say of their logs, the log sinks and how they are, and the segments of logs that moved.
--
-- Applied by `orion db migrate` in one transaction, under its lock.

-- These come back below, with more columns.
DROP VIEW orion_api_v1.attempts, orion_api_v1.projects;

-- NULL: no limit, and the sinks decide how long a log is kept.
ALTER TABLE orion.project
    ADD COLUMN log_max_bytes bigint CHECK (log_max_bytes > 0),
    ADD COLUMN log_keep_ms   bigint CHECK (log_keep_ms > 0);

-- A sink's rows are written when its state changes. lost: gone for longer than the scheduler waits; what only it had
-- cannot be read until it is back. One that has no row is up, as far as anybody knows.
CREATE DOMAIN orion.sink_state AS text CHECK (VALUE IN ('up', 'full', 'down', 'lost'));
CREATE TABLE orion.log_sink (
    name  text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    state orion.sink_state NOT NULL,
    since timestamptz NOT NULL
);

-- A gap that may still become complete: the sink is asked once more (NULL: it is not).
ALTER TABLE orion.attempt ADD COLUMN log_wanted boolean;
-- Held by an agent, or with a log that is to be sealed: what a new leader loads.
DROP INDEX orion.attempt_open;
CREATE INDEX attempt_open ON orion.attempt (task_id, number) WHERE ended_at IS NULL OR log_state = 'open' OR log_wanted;

-- From behind that chunk on, the attempt's log is on this sink; attempt.sink has its beginning. A sink that got nothing
-- before the log moved on leaves no row. No program has written rows before this step.
ALTER TABLE orion.log_segment
    ADD COLUMN from_chunk bigint NOT NULL DEFAULT 0,
    ADD COLUMN head       bytea NOT NULL DEFAULT '',
    ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE orion.log_segment
    ALTER COLUMN from_chunk DROP DEFAULT, ALTER COLUMN head DROP DEFAULT, ALTER COLUMN created_at DROP DEFAULT;

-- The call with this key made no task of its own: it joined one that was open.
ALTER TABLE orion.idempotency ADD COLUMN joined boolean NOT NULL DEFAULT false;

-- What must always be empty -----------------------------------------------------------------------------------------

CREATE OR REPLACE VIEW orion.invariant_violations AS
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
    AND NOT EXISTS (SELECT FROM orion.event e WHERE e.task_id = t.id AND e.kind = 'task.ended')
UNION ALL SELECT 'default_partition', 'log_segment ' || task_id || '.' || attempt FROM orion.log_segment_default
UNION ALL SELECT 'segment_without_attempt', 'log_segment ' || s.task_id || '.' || s.attempt FROM orion.log_segment s
    WHERE NOT EXISTS (SELECT FROM orion.attempt a WHERE a.task_id = s.task_id AND a.number = s.attempt)
UNION ALL SELECT 'segment_order', 'log_segment ' || task_id || '.' || attempt || ' from ' || from_offset FROM (
    SELECT task_id, attempt, from_offset, from_chunk, lag(from_chunk) OVER (PARTITION BY task_id, attempt ORDER BY from_offset) AS before
    FROM orion.log_segment) s WHERE from_chunk < before OR (from_chunk > 0) <> (from_offset > 0)
UNION ALL SELECT 'complete_without_totals', 'attempt ' || task_id || '.' || number FROM orion.attempt
    WHERE log_state = 'complete' AND (log_bytes IS NULL OR log_lines IS NULL)
UNION ALL SELECT 'sealed_before_its_end', 'attempt ' || task_id || '.' || number FROM orion.attempt
    WHERE log_state <> 'open' AND ended_at IS NULL
UNION ALL SELECT 'wanted_log_is_no_gap', 'attempt ' || task_id || '.' || number FROM orion.attempt
    WHERE log_wanted AND log_state <> 'gap';
COMMENT ON VIEW orion.invariant_violations IS 'One row per broken promise: must be empty at any time';

-- For everybody else ------------------------------------------------------------------------------------------------

CREATE VIEW orion_api_v1.attempts AS
SELECT task_id, number, agent_id, a.state, late_state, cause, message, exit_code, signal, commit, driver, workspace,
       log_state, log_bytes, log_lines, log_head, assigned_at, started_at, ended_at, sink, stopping,
       log_chunks IS DISTINCT FROM 0 AND EXISTS (SELECT FROM orion.log_sink l WHERE l.state = 'lost' AND (
           (l.name = a.sink AND NOT EXISTS (SELECT FROM orion.log_segment s
            WHERE s.task_id = a.task_id AND s.attempt = a.number AND s.from_offset = 0))
           OR l.name IN (SELECT s.sink FROM orion.log_segment s WHERE s.task_id = a.task_id AND s.attempt = a.number)))
       AS log_lost
    FROM orion.attempt a;
CREATE VIEW orion_api_v1.log_segments AS
SELECT task_id, attempt, from_offset, from_chunk, sink, created_at FROM orion.log_segment;
CREATE VIEW orion_api_v1.log_sinks AS SELECT name, state, since FROM orion.log_sink;
CREATE VIEW orion_api_v1.projects AS
SELECT name, weight, paused, supersede, created_at, log_max_bytes, log_keep_ms FROM orion.project;

DO $$
DECLARE
    c record;
    said constant jsonb := '{
      "name": "of the project or log sink", "weight": "share of the slots among projects that have work", "paused": "nothing of it is assigned",
      "supersede": "what a newer task of the same merge request ends: off, queued, running",
      "created_at": "since when it is known", "log_max_bytes": "bytes of a log that are kept, the last ones among them; NULL: all",
      "log_keep_ms": "how long a log is kept behind its seal; NULL: as its sink is set",
      "task_id": "task", "attempt": "number of the attempt", "number": "attempt, from 1", "agent_id": "agent", "state": "state now",
      "late_state": "what a result said that came after the end", "cause": "why it ended so: build, setup, agent, infrastructure, policy, quarantine",
      "message": "one sentence for people", "exit_code": "of the command that ended the build", "signal": "signal that ended the build",
      "commit": "commit that is built", "driver": "build tool", "workspace": "folder on the agent",
      "log_state": "open, complete or gap; a gap may become complete when the rest comes late",
      "log_bytes": "bytes of the log", "log_lines": "lines of the log", "log_head": "last hash of the log''s chain",
      "assigned_at": "given to the agent", "started_at": "accepted by an agent", "ended_at": "terminal",
      "sink": "log sink that has the log''s beginning (segments: this part of it)", "stopping": "why it was told to end: cancel, supersede, time_out",
      "log_lost": "a sink that has a part of the log is lost",
      "from_offset": "first byte of the log that is there", "from_chunk": "last chunk that is not there", "since": "when it came to that state"}';
BEGIN
    FOR c IN SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'orion_api_v1'
             AND col_description(to_regclass(format('orion_api_v1.%I', table_name)), ordinal_position::int) IS NULL LOOP
        EXECUTE format('COMMENT ON COLUMN orion_api_v1.%I.%I IS %L', c.table_name, c.column_name, said ->> c.column_name);
    END LOOP;
END
$$;

-- Who may ------------------------------------------------------------------------------------------------------------

GRANT SELECT, INSERT, UPDATE ON orion.log_sink TO orion_scheduler;
GRANT SELECT ON orion.log_sink TO orion_gateway;
GRANT SELECT ON ALL TABLES IN SCHEMA orion_api_v1 TO orion_report;
