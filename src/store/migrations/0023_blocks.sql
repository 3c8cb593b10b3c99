-- Rows that are written together are stored as one block: an array for each column. What many of them share stands once:
-- s_* are the facts of sessions, k_* what statements of one kind have in common, r_* what each row has of its own; r_s and
-- r_k say which of the first two a row refers to, counted from 1. Few rows at a time stay rows of their own, in audit_row,
-- and so does what was written before. audit_event shows both.
ALTER TABLE ringfence.audit_event RENAME TO audit_row;
-- Of hash_version 2: 16 bytes for the row, 16 for the session's facts, 16 for the text where it has one (chain.h).
ALTER TABLE ringfence.audit_row ADD COLUMN salts bytea;

-- keys and sessions are what a block is found by ("user:ana"); where there are very many of one kind, "user:*" or the nil
-- identifier stands for them. last_hash is the chain's hash of the last row.
CREATE TABLE ringfence.audit_block (
  node text NOT NULL,
  first_chain_no bigint NOT NULL,
  row_count int NOT NULL,
  recorded_at timestamptz NOT NULL,
  hash_version smallint NOT NULL,
  retention_class smallint NOT NULL,
  last_hash bytea NOT NULL,
  first_ts timestamptz NOT NULL,
  last_ts timestamptz NOT NULL,
  first_id uuid NOT NULL,
  last_id uuid NOT NULL,
  keys text[] NOT NULL,
  sessions uuid[] NOT NULL,
  row_salts bytea NOT NULL,
  s_salts bytea NOT NULL,
  k_text_salts bytea,
  r_text_salts bytea,
  r_s smallint[] NOT NULL,
  r_k smallint[] NOT NULL,
  s_shard bigint[],
  s_user_name text[],
  s_auth_method text[],
  s_api_key text[],
  s_client_addr text[],
  s_application_name text[],
  s_transport text[],
  s_session_id uuid[],
  s_connection_id uuid[],
  s_target text[],
  s_tags jsonb[],
  s_database text[],
  s_server_addr text[],
  s_server_user text[],
  s_project_id text[],
  k_category text[],
  k_action text[],
  k_severity text[],
  k_outcome text[],
  k_statement text[],
  k_statement_bytes bigint[],
  k_statement_truncated boolean[],
  k_parameters_truncated boolean[],
  k_fingerprint text[],
  k_facts jsonb[],
  k_decision text[],
  k_rule text[],
  k_sqlstate text[],
  k_command_tag text[],
  k_message_type text[],
  k_entity_type text[],
  k_redacted jsonb[],
  k_attribution text[],
  r_id uuid[],
  r_seq bigint[],
  r_outcome_seq bigint[],
  r_ts timestamptz[],
  r_statement text[],
  r_statement_raw bytea[],
  r_parameters jsonb[],
  r_duration_us bigint[],
  r_rows bigint[],
  r_bytes_to_client bigint[],
  r_bytes_to_server bigint[],
  r_error_message text[],
  r_replayed_from uuid[],
  r_parent_id uuid[],
  r_entity_id text[],
  r_changes jsonb[],
  r_metadata jsonb[],
  r_reason text[],
  r_statement_sha256 bytea[],
  r_message_id uuid[],
  r_statement_begin bigint[],
  r_redacted_digest jsonb[],
  r_sealed bytea[],
  r_outcome_digest jsonb[],
  r_outcome_sealed bytea[]
) PARTITION BY LIST (retention_class);
CREATE TABLE ringfence.audit_block_c1 PARTITION OF ringfence.audit_block
  FOR VALUES IN (1) PARTITION BY RANGE (recorded_at);
CREATE INDEX audit_block_chain ON ringfence.audit_block (node, first_chain_no);
CREATE INDEX audit_block_keys ON ringfence.audit_block USING gin (keys, sessions);
CREATE INDEX audit_block_place ON ringfence.audit_block
  USING brin (first_id, last_id, first_ts, last_ts) WITH (pages_per_range = 8, autosummarize = on);

-- What is random is not compressed; for the rest LZ4 is used where the server has it.
DO $$
DECLARE
  one text;
BEGIN
  FOREACH one IN ARRAY ARRAY['row_salts', 's_salts', 'k_text_salts', 'r_text_salts', 'r_sealed', 'r_outcome_sealed'] LOOP
    EXECUTE format('ALTER TABLE ringfence.audit_block ALTER %I SET STORAGE EXTERNAL', one);
  END LOOP;
END
$$;
DO $$
DECLARE
  one text;
BEGIN
  IF current_setting('server_version_num')::int >= 140000 THEN
    FOR one IN SELECT attname FROM pg_attribute WHERE attrelid = 'ringfence.audit_block'::regclass AND attnum > 0
      AND attstorage = 'x' LOOP
      -- The command does not go on to partitions; those that are made later take it from theirs.
      EXECUTE format('ALTER TABLE ringfence.audit_block ALTER %I SET COMPRESSION lz4', one);
      EXECUTE format('ALTER TABLE ringfence.audit_block_c1 ALTER %I SET COMPRESSION lz4', one);
    END LOOP;
  END IF;
EXCEPTION WHEN feature_not_supported THEN
  RAISE NOTICE 'the server has no LZ4: blocks are compressed by its own means';
END
$$;

-- Blocks row by row. is_chained: the block is of a form that a writer stores, and a known node's chain, up to where it
-- goes, has its last row with its hash.
CREATE VIEW ringfence.audit_block_row AS
SELECT
  r.id, b.node, s.shard, r.seq, r.outcome_seq, r.ts, k.category, k.action, k.severity, k.outcome, s.user_name,
  s.auth_method, s.api_key, s.client_addr, s.application_name, s.transport, s.session_id, s.connection_id,
  s.target, s.tags, s.database, s.server_addr, s.server_user, coalesce(r.statement, k.statement) AS statement,
  k.statement_bytes, k.statement_truncated, r.statement_raw, r.parameters, k.parameters_truncated, k.fingerprint,
  k.facts, k.decision, k.rule, r.duration_us, r.rows, r.bytes_to_client, r.bytes_to_server, k.sqlstate,
  r.error_message, k.command_tag, k.message_type, r.replayed_from, r.parent_id, k.entity_type, r.entity_id,
  r.changes, s.project_id, r.metadata, k.redacted, r.reason, r.statement_sha256, r.message_id, r.statement_begin,
  k.attribution, r.redacted_digest, r.sealed, r.outcome_digest, r.outcome_sealed,
  CASE WHEN b.first_chain_no < 9000000000000000000 THEN b.first_chain_no + r.no - 1 END AS chain_no,
  b.recorded_at,
  b.hash_version,
  b.retention_class,
  b.first_chain_no AS block_no,
  CASE WHEN b.first_chain_no BETWEEN 1 AND 9000000000000000000 AND b.row_count BETWEEN 1 AND 1024
    AND cardinality(b.r_s) = b.row_count
  THEN EXISTS (
    SELECT FROM ringfence.audit_checkpoint c, ringfence.audit_link_run l
    WHERE c.node = b.node AND c.shard = 65535 AND b.first_chain_no + b.row_count - 1 <= c.position
    AND l.node = b.node
    AND l.first_chain_no BETWEEN greatest(b.first_chain_no + b.row_count - 1, 24) - 23 AND b.first_chain_no + b.row_count - 1
    AND substring(l.links FROM ((b.first_chain_no + b.row_count - 1 - l.first_chain_no) * 64 + 33)::int FOR 32) = b.last_hash
    OFFSET 0)
  ELSE false END AS is_chained
FROM ringfence.audit_block b
CROSS JOIN LATERAL unnest(
    b.r_s, b.r_k, b.r_id, b.r_seq, b.r_outcome_seq, b.r_ts, b.r_statement, b.r_statement_raw, b.r_parameters,
    b.r_duration_us, b.r_rows, b.r_bytes_to_client, b.r_bytes_to_server, b.r_error_message, b.r_replayed_from,
    b.r_parent_id, b.r_entity_id, b.r_changes, b.r_metadata, b.r_reason, b.r_statement_sha256, b.r_message_id,
    b.r_statement_begin, b.r_redacted_digest, b.r_sealed, b.r_outcome_digest, b.r_outcome_sealed
  ) WITH ORDINALITY AS r (
    s, k, id, seq, outcome_seq, ts, statement, statement_raw, parameters, duration_us, rows, bytes_to_client,
    bytes_to_server, error_message, replayed_from, parent_id, entity_id, changes, metadata, reason,
    statement_sha256, message_id, statement_begin, redacted_digest, sealed, outcome_digest, outcome_sealed, no
  )
JOIN LATERAL unnest(
    b.s_shard, b.s_user_name, b.s_auth_method, b.s_api_key, b.s_client_addr, b.s_application_name, b.s_transport,
    b.s_session_id, b.s_connection_id, b.s_target, b.s_tags, b.s_database, b.s_server_addr, b.s_server_user,
    b.s_project_id
  ) WITH ORDINALITY AS s (
    shard, user_name, auth_method, api_key, client_addr, application_name, transport, session_id, connection_id,
    target, tags, database, server_addr, server_user, project_id, no
  ) ON s.no = r.s
JOIN LATERAL unnest(
    b.k_category, b.k_action, b.k_severity, b.k_outcome, b.k_statement, b.k_statement_bytes,
    b.k_statement_truncated, b.k_parameters_truncated, b.k_fingerprint, b.k_facts, b.k_decision, b.k_rule,
    b.k_sqlstate, b.k_command_tag, b.k_message_type, b.k_entity_type, b.k_redacted, b.k_attribution
  ) WITH ORDINALITY AS k (
    category, action, severity, outcome, statement, statement_bytes, statement_truncated, parameters_truncated,
    fingerprint, facts, decision, rule, sqlstate, command_tag, message_type, entity_type, redacted, attribution, no
  ) ON k.no = r.k;

-- Every event, one column for each tag of the event model.
CREATE VIEW ringfence.audit_event AS
SELECT
  id, node, shard, seq, outcome_seq, ts, category, action, severity, outcome, user_name, auth_method, api_key,
  client_addr, application_name, transport, session_id, connection_id, target, tags, database, server_addr,
  server_user, statement, statement_bytes, statement_truncated, statement_raw, parameters, parameters_truncated,
  fingerprint, facts, decision, rule, duration_us, rows, bytes_to_client, bytes_to_server, sqlstate, error_message,
  command_tag, message_type, replayed_from, parent_id, entity_type, entity_id, changes, project_id, metadata,
  redacted, reason,
  chain_no, recorded_at, hash_version, leaf, hash, retention_class,
  statement_sha256, message_id, statement_begin, attribution, redacted_digest, sealed, outcome_digest,
  outcome_sealed
FROM ringfence.audit_row
UNION ALL
SELECT
  id, node, shard, seq, outcome_seq, ts, category, action, severity, outcome, user_name, auth_method, api_key,
  client_addr, application_name, transport, session_id, connection_id, target, tags, database, server_addr,
  server_user, statement, statement_bytes, statement_truncated, statement_raw, parameters, parameters_truncated,
  fingerprint, facts, decision, rule, duration_us, rows, bytes_to_client, bytes_to_server, sqlstate, error_message,
  command_tag, message_type, replayed_from, parent_id, entity_type, entity_id, changes, project_id, metadata,
  redacted, reason,
  chain_no, recorded_at, hash_version,
  (SELECT substring(l.links FROM ((q.chain_no - l.first_chain_no) * 64 + 1)::int FOR 32) FROM ringfence.audit_link_run l
    WHERE l.node = q.node AND l.first_chain_no BETWEEN greatest(q.chain_no, 24) - 23 AND q.chain_no
    ORDER BY l.first_chain_no DESC LIMIT 1) AS leaf,
  (SELECT substring(l.links FROM ((q.chain_no - l.first_chain_no) * 64 + 33)::int FOR 32) FROM ringfence.audit_link_run l
    WHERE l.node = q.node AND l.first_chain_no BETWEEN greatest(q.chain_no, 24) - 23 AND q.chain_no
    ORDER BY l.first_chain_no DESC LIMIT 1) AS hash,
  retention_class,
  statement_sha256, message_id, statement_begin, attribution, redacted_digest, sealed, outcome_digest,
  outcome_sealed
FROM ringfence.audit_block_row q
WHERE is_chained;

-- Statements with their outcomes. An outcome that came later is always a row of its own: it is found by its parent's
-- identifier.
CREATE VIEW ringfence.audit_query_row AS
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
  CASE WHEN o.statement IS NULL THEN q.statement ELSE o.statement END AS statement,
  CASE WHEN o.statement IS NULL THEN q.statement_bytes ELSE o.statement_bytes END AS statement_bytes,
  CASE WHEN o.statement IS NULL THEN q.statement_truncated ELSE o.statement_truncated END AS statement_truncated,
  CASE WHEN o.statement IS NULL THEN q.statement_raw ELSE o.statement_raw END AS statement_raw,
  CASE WHEN o.parameters_truncated IS NULL THEN q.parameters ELSE o.parameters END AS parameters,
  CASE WHEN o.parameters_truncated IS NULL THEN q.parameters_truncated ELSE o.parameters_truncated END AS parameters_truncated,
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
  coalesce(o.metadata, q.metadata) AS metadata,
  CASE WHEN o.statement IS NULL THEN coalesce(o.redacted || q.redacted, o.redacted, q.redacted) ELSE o.redacted END AS redacted,
  coalesce(o.reason, q.reason) AS reason,
  q.chain_no,
  q.recorded_at,
  o.id AS outcome_id,
  o.chain_no AS outcome_chain_no,
  o.recorded_at AS outcome_recorded_at,
  CASE WHEN o.statement IS NULL THEN q.statement_sha256 ELSE o.statement_sha256 END AS statement_sha256,
  q.action <> 'postgres_query_blocked' AND q.decision IS DISTINCT FROM 'refuse' AS allowed,
  q.message_id,
  CASE WHEN o.statement IS NULL OR q.message_id IS NOT NULL THEN q.statement_begin ELSE o.statement_begin END AS statement_begin,
  coalesce(o.attribution, q.attribution) AS attribution,
  CASE WHEN o.statement IS NULL THEN q.redacted_digest ELSE o.redacted_digest END AS redacted_digest,
  coalesce(o.outcome_digest, q.outcome_digest) AS outcome_digest
FROM ringfence.audit_row q
LEFT JOIN ringfence.audit_row o
  ON q.outcome = 'running' AND o.parent_id = q.id AND o.node || '' = q.node AND o.action = q.action || '_outcome'
  AND EXISTS (
    SELECT FROM ringfence.audit_checkpoint c, ringfence.audit_link_run r
    WHERE c.node = o.node AND c.shard = 65535 AND o.chain_no BETWEEN 1 AND c.position
    AND r.node = o.node AND r.first_chain_no BETWEEN greatest(o.chain_no, 24) - 23 AND o.chain_no
    AND substring(r.links FROM ((o.chain_no - r.first_chain_no) * 64 + 1)::int FOR 64) = o.leaf || o.hash OFFSET 0)
WHERE q.action IN ('postgres_query', 'postgres_query_blocked', 'postgres_bind') AND EXISTS (
  SELECT FROM ringfence.audit_checkpoint c, ringfence.audit_link_run r
  WHERE c.node = q.node AND c.shard = 65535 AND q.chain_no BETWEEN 1 AND c.position
  AND r.node = q.node AND r.first_chain_no BETWEEN greatest(q.chain_no, 24) - 23 AND q.chain_no
  AND substring(r.links FROM ((q.chain_no - r.first_chain_no) * 64 + 1)::int FOR 64) = q.leaf || q.hash OFFSET 0);

CREATE VIEW ringfence.audit_query_block AS
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
  CASE WHEN o.statement IS NULL THEN q.statement ELSE o.statement END AS statement,
  CASE WHEN o.statement IS NULL THEN q.statement_bytes ELSE o.statement_bytes END AS statement_bytes,
  CASE WHEN o.statement IS NULL THEN q.statement_truncated ELSE o.statement_truncated END AS statement_truncated,
  CASE WHEN o.statement IS NULL THEN q.statement_raw ELSE o.statement_raw END AS statement_raw,
  CASE WHEN o.parameters_truncated IS NULL THEN q.parameters ELSE o.parameters END AS parameters,
  CASE WHEN o.parameters_truncated IS NULL THEN q.parameters_truncated ELSE o.parameters_truncated END AS parameters_truncated,
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
  coalesce(o.metadata, q.metadata) AS metadata,
  CASE WHEN o.statement IS NULL THEN coalesce(o.redacted || q.redacted, o.redacted, q.redacted) ELSE o.redacted END AS redacted,
  coalesce(o.reason, q.reason) AS reason,
  q.chain_no,
  q.recorded_at,
  o.id AS outcome_id,
  o.chain_no AS outcome_chain_no,
  o.recorded_at AS outcome_recorded_at,
  CASE WHEN o.statement IS NULL THEN q.statement_sha256 ELSE o.statement_sha256 END AS statement_sha256,
  q.action <> 'postgres_query_blocked' AND q.decision IS DISTINCT FROM 'refuse' AS allowed,
  q.message_id,
  CASE WHEN o.statement IS NULL OR q.message_id IS NOT NULL THEN q.statement_begin ELSE o.statement_begin END AS statement_begin,
  coalesce(o.attribution, q.attribution) AS attribution,
  CASE WHEN o.statement IS NULL THEN q.redacted_digest ELSE o.redacted_digest END AS redacted_digest,
  coalesce(o.outcome_digest, q.outcome_digest) AS outcome_digest,
  q.block_no
FROM ringfence.audit_block_row q
LEFT JOIN ringfence.audit_row o
  ON q.outcome = 'running' AND o.parent_id = q.id AND o.node || '' = q.node AND o.action = q.action || '_outcome'
  AND EXISTS (
    SELECT FROM ringfence.audit_checkpoint c, ringfence.audit_link_run r
    WHERE c.node = o.node AND c.shard = 65535 AND o.chain_no BETWEEN 1 AND c.position
    AND r.node = o.node AND r.first_chain_no BETWEEN greatest(o.chain_no, 24) - 23 AND o.chain_no
    AND substring(r.links FROM ((o.chain_no - r.first_chain_no) * 64 + 1)::int FOR 64) = o.leaf || o.hash OFFSET 0)
WHERE q.action IN ('postgres_query', 'postgres_query_blocked', 'postgres_bind') AND q.is_chained;

CREATE OR REPLACE VIEW ringfence.audit_query AS
SELECT
  id, node, shard, seq, outcome_seq, ts, category, action, severity, outcome, user_name, auth_method, api_key,
  client_addr, application_name, transport, session_id, connection_id, target, tags, database, server_addr,
  server_user, statement, statement_bytes, statement_truncated, statement_raw, parameters, parameters_truncated,
  fingerprint, facts, decision, rule, duration_us, rows, bytes_to_client, bytes_to_server, sqlstate, error_message,
  command_tag, message_type, replayed_from, parent_id, entity_type, entity_id, changes, project_id, metadata,
  redacted, reason, chain_no, recorded_at, outcome_id, outcome_chain_no, outcome_recorded_at, statement_sha256,
  allowed, message_id, statement_begin, attribution, redacted_digest, outcome_digest
FROM ringfence.audit_query_row
UNION ALL
SELECT
  id, node, shard, seq, outcome_seq, ts, category, action, severity, outcome, user_name, auth_method, api_key,
  client_addr, application_name, transport, session_id, connection_id, target, tags, database, server_addr,
  server_user, statement, statement_bytes, statement_truncated, statement_raw, parameters, parameters_truncated,
  fingerprint, facts, decision, rule, duration_us, rows, bytes_to_client, bytes_to_server, sqlstate, error_message,
  command_tag, message_type, replayed_from, parent_id, entity_type, entity_id, changes, project_id, metadata,
  redacted, reason, chain_no, recorded_at, outcome_id, outcome_chain_no, outcome_recorded_at, statement_sha256,
  allowed, message_id, statement_begin, attribution, redacted_digest, outcome_digest
FROM ringfence.audit_query_block;

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ringfence_writer') THEN
    GRANT INSERT ON ringfence.audit_block TO ringfence_writer;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ringfence_reader') THEN
    GRANT SELECT ON ringfence.audit_block, ringfence.audit_block_row, ringfence.audit_event, ringfence.audit_query_row,
      ringfence.audit_query_block TO ringfence_reader;
  END IF;
END
$$;
