-- What the node's own key says of its rows (src/audit/seal.h): in audit_open of each start; in the writer's row of
-- audit_checkpoint of all the node's checkpoints and of which starts are open.
ALTER TABLE ringfence.audit_open ADD COLUMN seal bytea;
ALTER TABLE ringfence.audit_checkpoint ADD COLUMN seal bytea;

-- Anchors are numbered, and each signs the digest of the one before. NULL in those of earlier versions.
ALTER TABLE ringfence.audit_anchor ADD COLUMN anchor_no bigint;
ALTER TABLE ringfence.audit_anchor ADD COLUMN previous bytea;
