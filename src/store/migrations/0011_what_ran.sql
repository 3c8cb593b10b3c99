-- Where another statement ran than the one that was recorded when it was sent, the outcome says which, and all that is said of
-- its text and parameters. It may be a row of its own. Metadata and redactions of such a row were not shown either.
-- The outcome is found by its parent's identifier alone: without statistics PostgreSQL took the index by node and place for it,
-- and read the whole trail of the node for each statement. The empty text keeps it from that.
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
FROM ringfence.audit_event q
LEFT JOIN ringfence.audit_event o
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
