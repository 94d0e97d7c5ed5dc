-- 0001_init.sql - tasks, attempts, agents, the journal, and who may touch what.
--
-- Applied by `orion db migrate` in one transaction, under its lock. docs/ARCHITECTURE.md "Data" says why the tables
-- are partitioned: task and attempt by the time inside their UUIDv7, event by ranges of its number.

CREATE SCHEMA orion;
COMMENT ON SCHEMA orion IS 'Orion''s own tables: read orion_api_v1 instead';

-- Who leads. Every transaction of a scheduler begins by moving `batch` on from the value it knows: fence,
-- heartbeat and batch number in one row.
CREATE TABLE orion.leader (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch       bigint NOT NULL,
    batch       bigint NOT NULL,
    name        text NOT NULL DEFAULT '',
    backend_pid integer NOT NULL DEFAULT 0,
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO orion.leader (epoch, batch) VALUES (0, 0);

CREATE TABLE orion.project (
    name       text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 128),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO orion.project (name) VALUES ('default');

CREATE TABLE orion.agent (
    id       uuid PRIMARY KEY,
    name     text NOT NULL,
    instance uuid NOT NULL,
    labels   text[] NOT NULL DEFAULT '{}',
    slots    integer NOT NULL CHECK (slots >= 0),
    version  text NOT NULL DEFAULT '',
    session  bigint NOT NULL,          -- number of the latest hello; grows farm-wide
    state    text NOT NULL CHECK (state IN ('up', 'lost')),
    seen_at  timestamptz NOT NULL
);

CREATE TABLE orion.task (
    id               uuid NOT NULL,
    project          text NOT NULL,
    repo             text NOT NULL,
    target           text,
    args             text[] NOT NULL DEFAULT '{}',
    ref              text,
    commit           text,             -- pinned by the first attempt that found it
    mr               text,
    driver           text,
    labels           text[] NOT NULL DEFAULT '{}',
    env              jsonb NOT NULL DEFAULT '{}',
    separate_streams boolean NOT NULL DEFAULT false,
    state            text NOT NULL CHECK (state IN ('waiting', 'queued', 'assigned', 'running', 'succeeded', 'failed',
                                                    'cancelled', 'superseded', 'timed_out', 'lost')),
    cause            text CHECK (cause IN ('build', 'setup', 'agent', 'infrastructure', 'policy', 'quarantine')),
    message          text,
    exit_code        integer,
    attempt          integer NOT NULL DEFAULT 0,   -- number of the latest
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,                  -- first acceptance
    ended_at         timestamptz,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
-- What a new leader loads. State changes of an open task touch no index.
CREATE INDEX task_open ON orion.task (id) WHERE ended_at IS NULL;
CREATE INDEX task_mr ON orion.task (mr, id) WHERE mr IS NOT NULL;

CREATE TABLE orion.attempt (
    task_id     uuid NOT NULL,
    number      integer NOT NULL CHECK (number > 0),
    agent_id    uuid NOT NULL,
    session     bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('assigned', 'running', 'stopping', 'succeeded', 'failed', 'cancelled',
                                               'timed_out', 'lost', 'refused')),
    late_state  text CHECK (late_state IN ('succeeded', 'failed', 'cancelled', 'timed_out', 'lost')),
    cause       text CHECK (cause IN ('build', 'setup', 'agent', 'infrastructure', 'policy', 'quarantine')),
    message     text,
    exit_code   integer,
    signal      integer,
    commit      text,
    driver      text,
    workspace   text,
    log_state   text NOT NULL DEFAULT 'open' CHECK (log_state IN ('open', 'complete', 'gap')),
    log_bytes   bigint,
    log_lines   bigint,
    log_chunks  bigint,
    log_head    bytea,
    assigned_at timestamptz NOT NULL,
    started_at  timestamptz,
    ended_at    timestamptz,
    PRIMARY KEY (task_id, number)
) PARTITION BY RANGE (task_id);
-- Held by an agent, or with a log that is not sealed: what a new leader loads.
CREATE INDEX attempt_open ON orion.attempt (task_id, number) WHERE ended_at IS NULL OR log_state = 'open';

CREATE TABLE orion.log_segment (
    task_id     uuid NOT NULL,
    attempt     integer NOT NULL,
    from_offset bigint NOT NULL,
    sink        text NOT NULL,
    PRIMARY KEY (task_id, attempt, from_offset)
) PARTITION BY RANGE (task_id);

-- Journal, audit log and outbox in one. seq is counted by the scheduler's core, without holes.
CREATE TABLE orion.event (
    seq      bigint NOT NULL,
    at       timestamptz NOT NULL,
    epoch    bigint NOT NULL,
    kind     text NOT NULL,
    project  text,
    task_id  uuid,
    attempt  integer,
    agent_id uuid,
    data     jsonb,
    PRIMARY KEY (seq)
) PARTITION BY RANGE (seq);
CREATE INDEX event_task ON orion.event (task_id, seq) WHERE task_id IS NOT NULL;

-- Unpartitioned on purpose: a key is unique over all time it is kept.
CREATE TABLE orion.idempotency (
    project    text NOT NULL,
    key        text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_hash  bytea NOT NULL,
    task_id    uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, key)
);

-- Partitions --------------------------------------------------------------------------------------------------------

-- The smallest UUIDv7 of a moment.
CREATE FUNCTION orion.uuid_at(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

-- Makes the partitions from last month to `months` ahead of `at`, and those of event around `seq`. Safe to call again.
CREATE FUNCTION orion.make_partitions(at timestamptz, months integer, seq bigint) RETURNS integer LANGUAGE plpgsql AS $$
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

CREATE TABLE orion.task_default PARTITION OF orion.task DEFAULT;
CREATE TABLE orion.attempt_default PARTITION OF orion.attempt DEFAULT;
CREATE TABLE orion.log_segment_default PARTITION OF orion.log_segment DEFAULT;
CREATE TABLE orion.event_default PARTITION OF orion.event DEFAULT;
SELECT orion.make_partitions(now(), 12, 0);

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
    SELECT seq, lag(seq) OVER (ORDER BY seq) AS before FROM orion.event) s WHERE before IS NOT NULL AND seq <> before + 1;
COMMENT ON VIEW orion.invariant_violations IS 'One row per broken promise: must be empty at any time';

-- For everybody else ------------------------------------------------------------------------------------------------

CREATE SCHEMA orion_api_v1;
COMMENT ON SCHEMA orion_api_v1 IS 'Orion''s history for SQL users: these views keep their columns';

CREATE VIEW orion_api_v1.tasks AS
SELECT id, project, repo, target, args, ref, commit, mr, driver, labels, separate_streams, state, cause, message,
       exit_code, attempt, created_at, started_at, ended_at FROM orion.task;
CREATE VIEW orion_api_v1.attempts AS
SELECT task_id, number, agent_id, state, late_state, cause, message, exit_code, signal, commit, driver, workspace,
       log_state, log_bytes, log_lines, log_head, assigned_at, started_at, ended_at FROM orion.attempt;
CREATE VIEW orion_api_v1.agents AS
SELECT id, name, labels, slots, version, state, seen_at FROM orion.agent;
CREATE VIEW orion_api_v1.events AS
SELECT seq, at, kind, project, task_id, attempt, agent_id FROM orion.event;

DO $$
DECLARE
    c record;
    said constant jsonb := '{
      "id": "UUIDv7 (tasks) or the agent''s stable id", "project": "project the task belongs to", "repo": "repository as submitted",
      "target": "targets as submitted", "args": "arguments as submitted", "ref": "branch, tag or commit asked for",
      "commit": "commit that is built", "mr": "merge request", "driver": "build tool", "labels": "labels asked for or offered",
      "separate_streams": "stdout and stderr kept apart", "state": "state now", "cause": "why it ended so: build, setup, agent, infrastructure, policy, quarantine",
      "message": "one sentence for people", "exit_code": "of the command that ended the build", "attempt": "number of an attempt (tasks: of the latest)",
      "created_at": "accepted", "started_at": "accepted by an agent", "ended_at": "terminal", "task_id": "task", "number": "attempt, from 1",
      "agent_id": "agent", "late_state": "what a result said that came after the end", "signal": "signal that ended the build",
      "workspace": "folder on the agent", "log_state": "open, complete or gap", "log_bytes": "bytes the build wrote", "log_lines": "lines the build wrote",
      "log_head": "last hash of the log''s chain", "assigned_at": "given to the agent", "name": "agent''s name", "slots": "attempts it runs at once",
      "version": "agent''s version", "seen_at": "last hello or loss", "seq": "number in the journal, without holes", "at": "when", "kind": "what happened"}';
BEGIN
    FOR c IN SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'orion_api_v1' LOOP
        EXECUTE format('COMMENT ON COLUMN orion_api_v1.%I.%I IS %L', c.table_name, c.column_name, said ->> c.column_name);
    END LOOP;
END
$$;

-- One role per process, so that a boundary broken in code fails here as well ------------------------------------------

DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['orion_scheduler', 'orion_gateway', 'orion_report'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', r);
        END IF;
    END LOOP;
END
$$;
GRANT USAGE ON SCHEMA orion TO orion_scheduler, orion_gateway;
GRANT SELECT, INSERT, UPDATE ON orion.task, orion.attempt, orion.agent, orion.log_segment, orion.project TO orion_scheduler;
GRANT SELECT, INSERT ON orion.event TO orion_scheduler;
GRANT SELECT, INSERT, DELETE ON orion.idempotency TO orion_scheduler;
GRANT SELECT, UPDATE ON orion.leader TO orion_scheduler;
GRANT SELECT ON ALL TABLES IN SCHEMA orion TO orion_gateway;
GRANT USAGE ON SCHEMA orion_api_v1 TO orion_report;
GRANT SELECT ON ALL TABLES IN SCHEMA orion_api_v1 TO orion_report;
ALTER FUNCTION orion.make_partitions(timestamptz, integer, bigint) SECURITY DEFINER SET search_path = pg_catalog, orion;
REVOKE ALL ON FUNCTION orion.make_partitions(timestamptz, integer, bigint) FROM public;
GRANT EXECUTE ON FUNCTION orion.make_partitions(timestamptz, integer, bigint) TO orion_scheduler;
