-- The trail: insert-only rows, their chain, and what the writer needs to continue after any kind of end.
-- node is the distribution key of every table of the trail.
CREATE SCHEMA IF NOT EXISTS ringfence;

CREATE TABLE ringfence.schema_migration (
  number int PRIMARY KEY,
  name text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);

-- How long rows are kept. days NULL: for ever.
CREATE TABLE ringfence.audit_retention_class (
  retention_class smallint PRIMARY KEY,
  name text NOT NULL UNIQUE,
  days int
);
INSERT INTO ringfence.audit_retention_class VALUES (1, 'standard', 90);

-- One column per tag of the event model, under its name; after them what the writer adds. There is no unique key
-- over (node, shard, seq): the checkpoint's compare-and-swap is what keeps a record from being written twice.
CREATE TABLE ringfence.audit_event (
  id uuid,
  node text NOT NULL,
  shard bigint NOT NULL,
  seq bigint,
  outcome_seq bigint,
  ts timestamptz,
  category text,
  action text,
  severity text,
  outcome text,
  user_name text,
  auth_method text,
  api_key text,
  client_addr text,
  application_name text,
  transport text,
  session_id uuid,
  connection_id uuid,
  target text,
  tags jsonb,
  database text,
  server_addr text,
  server_user text,
  statement text,
  statement_bytes bigint,
  statement_truncated boolean,
  statement_raw bytea,
  parameters jsonb,
  parameters_truncated boolean,
  fingerprint text,
  facts jsonb,
  decision text,
  rule text,
  duration_us bigint,
  rows bigint,
  bytes_to_client bigint,
  bytes_to_server bigint,
  sqlstate text,
  error_message text,
  command_tag text,
  message_type text,
  replayed_from uuid,
  parent_id uuid,
  entity_type text,
  entity_id text,
  changes jsonb,
  project_id text,
  metadata jsonb,
  redacted jsonb,
  reason text,
  chain_no bigint NOT NULL,
  recorded_at timestamptz NOT NULL,
  hash_version smallint NOT NULL,
  leaf bytea NOT NULL,
  hash bytea NOT NULL,
  retention_class smallint NOT NULL
) PARTITION BY LIST (retention_class);

CREATE TABLE ringfence.audit_event_c1 PARTITION OF ringfence.audit_event
  FOR VALUES IN (1) PARTITION BY RANGE (recorded_at);

-- Reading goes by (node, chain_no): cursors, verification, "the newest first". The rest is chosen so that a row
-- costs little to insert: summaries (BRIN) for what every row has and what grows or clusters with time, trees only
-- over the few rows that somebody looks for by name.
CREATE INDEX audit_event_chain ON ringfence.audit_event (node, chain_no);
CREATE INDEX audit_event_time ON ringfence.audit_event
  USING brin (ts, recorded_at, id) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX audit_event_who ON ringfence.audit_event
  USING brin (user_name text_bloom_ops, target text_bloom_ops, session_id uuid_bloom_ops,
              fingerprint text_bloom_ops, client_addr text_bloom_ops)
  WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX audit_event_action ON ringfence.audit_event (action, chain_no)
  WHERE action <> 'postgres_query' AND action <> 'http_request';
CREATE INDEX audit_event_bad ON ringfence.audit_event (outcome, chain_no)
  WHERE outcome <> 'success';
CREATE INDEX audit_event_parent ON ringfence.audit_event (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX audit_event_entity ON ringfence.audit_event (entity_type, entity_id, chain_no)
  WHERE entity_id IS NOT NULL;

-- Outlives the rows.
CREATE TABLE ringfence.audit_link (
  node text NOT NULL,
  chain_no bigint NOT NULL,
  leaf bytea NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (node, chain_no)
);

CREATE TABLE ringfence.audit_node (
  node text NOT NULL,
  key_id text NOT NULL,
  public_key bytea NOT NULL,
  first_seen timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node, key_id)
);

CREATE TABLE ringfence.audit_anchor (
  node text NOT NULL,
  chain_no bigint NOT NULL,
  hash bytea NOT NULL,
  signed_at timestamptz NOT NULL,
  key_id text NOT NULL,
  signature bytea NOT NULL,
  PRIMARY KEY (node, chain_no)
);

-- shard 65535 is the writer itself: its position is the chain's head, with its hash and time.
CREATE TABLE ringfence.audit_checkpoint (
  node text NOT NULL,
  shard int NOT NULL,
  position bigint NOT NULL,
  next_seq bigint NOT NULL,
  hash bytea,
  recorded_at timestamptz,
  PRIMARY KEY (node, shard)
) WITH (fillfactor = 50);

-- Starts whose outcome is not known yet. is_written: their row with outcome "running" is in audit_event.
CREATE TABLE ringfence.audit_open (
  node text NOT NULL,
  shard int NOT NULL,
  seq bigint NOT NULL,
  is_written boolean NOT NULL,
  fields bytea NOT NULL,
  PRIMARY KEY (node, shard, seq)
);

-- Which rows were dropped for their age, signed by the node that dropped them.
CREATE TABLE ringfence.audit_retention (
  node text NOT NULL,
  first_chain_no bigint NOT NULL,
  last_chain_no bigint NOT NULL,
  row_count bigint NOT NULL,
  partition_name text NOT NULL,
  dropped_at timestamptz NOT NULL,
  signed_by text NOT NULL,
  key_id text NOT NULL,
  signature bytea NOT NULL,
  PRIMARY KEY (node, partition_name)
);

-- Statements with their outcomes, one row each, whether they were written as one row or as two.
CREATE VIEW ringfence.audit_query AS
SELECT
  q.id,
  q.node,
  q.shard,
  q.seq,
  coalesce(q.outcome_seq, o.seq) AS outcome_seq,
  q.ts,
  q.category,
  q.action,
  coalesce(o.severity, q.severity) AS severity,
  coalesce(o.outcome, q.outcome) AS outcome,
  q.user_name,
  q.auth_method,
  q.api_key,
  q.client_addr,
  q.application_name,
  q.transport,
  q.session_id,
  q.connection_id,
  q.target,
  q.tags,
  q.database,
  q.server_addr,
  q.server_user,
  q.statement,
  q.statement_bytes,
  q.statement_truncated,
  q.statement_raw,
  q.parameters,
  q.parameters_truncated,
  q.fingerprint,
  q.facts,
  coalesce(o.decision, q.decision) AS decision,
  coalesce(o.rule, q.rule) AS rule,
  coalesce(o.duration_us, q.duration_us) AS duration_us,
  coalesce(o.rows, q.rows) AS rows,
  coalesce(o.bytes_to_client, q.bytes_to_client) AS bytes_to_client,
  coalesce(o.bytes_to_server, q.bytes_to_server) AS bytes_to_server,
  coalesce(o.sqlstate, q.sqlstate) AS sqlstate,
  coalesce(o.error_message, q.error_message) AS error_message,
  coalesce(o.command_tag, q.command_tag) AS command_tag,
  q.message_type,
  q.replayed_from,
  q.parent_id,
  q.entity_type,
  q.entity_id,
  q.changes,
  q.project_id,
  q.metadata,
  q.redacted,
  coalesce(o.reason, q.reason) AS reason,
  q.chain_no,
  q.recorded_at,
  o.id AS outcome_id,
  o.chain_no AS outcome_chain_no,
  o.recorded_at AS outcome_recorded_at
FROM ringfence.audit_event q
LEFT JOIN ringfence.audit_event o
  ON q.outcome = 'running' AND o.parent_id = q.id AND o.node = q.node AND o.action = 'postgres_query_outcome'
WHERE q.action = 'postgres_query';

-- The writer may insert, and move the checkpoint with the open starts; it can neither change nor delete a row.
DO $$
BEGIN
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ringfence_writer') THEN
      CREATE ROLE ringfence_writer NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ringfence_reader') THEN
      CREATE ROLE ringfence_reader NOLOGIN;
    END IF;
  EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'no separate roles: the store''s user may not create them';
  END;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ringfence_writer') THEN
    GRANT USAGE ON SCHEMA ringfence TO ringfence_writer;
    GRANT INSERT ON ringfence.audit_event, ringfence.audit_link, ringfence.audit_anchor, ringfence.audit_node,
      ringfence.audit_checkpoint, ringfence.audit_open TO ringfence_writer;
    GRANT SELECT ON ringfence.audit_checkpoint, ringfence.audit_open, ringfence.audit_node, ringfence.audit_anchor,
      ringfence.schema_migration TO ringfence_writer;
    GRANT UPDATE ON ringfence.audit_checkpoint TO ringfence_writer;
    GRANT DELETE ON ringfence.audit_open TO ringfence_writer;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ringfence_reader') THEN
    GRANT USAGE ON SCHEMA ringfence TO ringfence_reader;
    GRANT SELECT ON ALL TABLES IN SCHEMA ringfence TO ringfence_reader;
  END IF;
END
$$;
