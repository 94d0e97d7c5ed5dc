-- 0003_logs.sql - what projects say of their logs, the log sinks and how they are, and the segments of logs that moved.
--
-- Applied by `orion db migrate` in one transaction, under its lock.

DROP VIEW orion_api_v1.attempts, orion_api_v1.projects;

-- NULL: no limit, and the sinks decide how long a log is kept.
ALTER TABLE orion.project
    ADD COLUMN log_max_bytes bigint CHECK (log_max_bytes > 0),
    ADD COLUMN log_keep_ms   bigint CHECK (log_keep_ms > 0);

-- A sink's rows are written when its state changes. lost: gone for longer than the scheduler waits; what only it had
-- cannot be read until it is back.
CREATE TABLE orion.log_sink (
    name  text PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('up', 'full', 'down', 'lost')),
    since timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON orion.log_sink TO orion_scheduler;
GRANT SELECT ON orion.log_sink TO orion_gateway;

-- From behind that chunk on, the attempt's log is on this sink; attempt.sink has its beginning.
ALTER TABLE orion.log_segment
    ADD COLUMN from_chunk bigint NOT NULL,
    ADD COLUMN head       bytea NOT NULL,
    ADD COLUMN created_at timestamptz NOT NULL;

CREATE VIEW orion_api_v1.attempts AS
SELECT task_id, number, agent_id, a.state, late_state, cause, message, exit_code, signal, commit, driver, workspace,
       log_state, log_bytes, log_lines, log_head, assigned_at, started_at, ended_at, sink, stopping,
       EXISTS (SELECT FROM orion.log_sink l WHERE l.state = 'lost' AND (l.name = a.sink OR l.name IN (
           SELECT s.sink FROM orion.log_segment s WHERE s.task_id = a.task_id AND s.attempt = a.number))) AS log_lost
    FROM orion.attempt a;
CREATE VIEW orion_api_v1.log_segments AS
SELECT task_id, attempt, from_offset, from_chunk, sink, created_at FROM orion.log_segment;
CREATE VIEW orion_api_v1.log_sinks AS SELECT name, state, since FROM orion.log_sink;
CREATE VIEW orion_api_v1.projects AS
SELECT name, weight, paused, supersede, created_at, log_max_bytes, log_keep_ms FROM orion.project;
GRANT SELECT ON ALL TABLES IN SCHEMA orion_api_v1 TO orion_report;
