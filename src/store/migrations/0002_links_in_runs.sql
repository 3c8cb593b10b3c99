-- Links are stored in runs, for a row of its own costs each of them more than its 64 bytes do. audit_link shows them
-- one by one.
ALTER TABLE ringfence.audit_link RENAME TO audit_link_single;

-- links: leaf and hash of first_chain_no, of the one after it, and so on; so few that the row stays in its page.
CREATE TABLE ringfence.audit_link_run (
  node text NOT NULL,
  first_chain_no bigint NOT NULL,
  links bytea NOT NULL CHECK (length(links) > 0 AND length(links) % 64 = 0 AND length(links) <= 24 * 64),
  PRIMARY KEY (node, first_chain_no)
);
ALTER TABLE ringfence.audit_link_run ALTER links SET STORAGE EXTERNAL;

INSERT INTO ringfence.audit_link_run
SELECT node, min(chain_no), string_agg(leaf || hash, ''::bytea ORDER BY chain_no)
FROM (
  SELECT *, chain_no - row_number() OVER (PARTITION BY node ORDER BY chain_no) AS island
  FROM ringfence.audit_link_single
) l
GROUP BY node, island, chain_no / 24;
DROP TABLE ringfence.audit_link_single;

CREATE VIEW ringfence.audit_link AS
SELECT
  r.node,
  r.first_chain_no + i AS chain_no,
  substring(r.links FROM i * 64 + 1 FOR 32) AS leaf,
  substring(r.links FROM i * 64 + 33 FOR 32) AS hash
FROM ringfence.audit_link_run r, generate_series(0, length(r.links) / 64 - 1) i;

-- Which state directory writes as the node, and how many dropped records its gap events account for.
ALTER TABLE ringfence.audit_checkpoint ADD COLUMN state_id uuid;
ALTER TABLE ringfence.audit_checkpoint ADD COLUMN told bigint NOT NULL DEFAULT 0;

-- Of a text that is not kept whole: SHA-256 over all of it, as sent.
ALTER TABLE ringfence.audit_event ADD COLUMN statement_sha256 bytea;

CREATE OR REPLACE VIEW ringfence.audit_query AS
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
  o.recorded_at AS outcome_recorded_at,
  q.statement_sha256
FROM ringfence.audit_event q
LEFT JOIN ringfence.audit_event o
  ON q.outcome = 'running' AND o.parent_id = q.id AND o.node = q.node AND o.action = 'postgres_query_outcome'
WHERE q.action = 'postgres_query';

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ringfence_writer') THEN
    GRANT INSERT ON ringfence.audit_link_run TO ringfence_writer;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ringfence_reader') THEN
    GRANT SELECT ON ringfence.audit_link_run, ringfence.audit_link TO ringfence_reader;
  END IF;
END
$$;
