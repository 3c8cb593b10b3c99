-- Grants, requests and their rules may name users and targets of a configuration file, which no table has. The
-- ids of those are of version 8 (RFC 9562); the names stand beside them. Ids of another version are of this store's
-- records, as before: a column that follows from the id holds the reference.
ALTER TABLE ringfence_control.grants
  DROP CONSTRAINT grants_user_fkey,
  DROP CONSTRAINT grants_target_fkey,
  ADD COLUMN declared_user text COLLATE "C" CHECK (octet_length(declared_user) BETWEEN 1 AND 63),
  ADD COLUMN declared_target text COLLATE "C" CHECK (octet_length(declared_target) BETWEEN 1 AND 63),
  ADD COLUMN stored_user uuid GENERATED ALWAYS AS
    (CASE WHEN substr("user"::text, 15, 1) <> '8' THEN "user" END) STORED
    CONSTRAINT grants_user_fkey REFERENCES ringfence_control.users ON DELETE RESTRICT,
  ADD COLUMN stored_target uuid GENERATED ALWAYS AS
    (CASE WHEN substr(target::text, 15, 1) <> '8' THEN target END) STORED
    CONSTRAINT grants_target_fkey REFERENCES ringfence_control.targets ON DELETE RESTRICT,
  ADD CONSTRAINT grants_declared_user
    CHECK ((declared_user IS NULL) = ("user" IS NULL OR substr("user"::text, 15, 1) <> '8')),
  ADD CONSTRAINT grants_declared_target
    CHECK ((declared_target IS NULL) = (target IS NULL OR substr(target::text, 15, 1) <> '8'));
CREATE INDEX ON ringfence_control.grants (stored_user);
CREATE INDEX ON ringfence_control.grants (stored_target);
CREATE INDEX ON ringfence_control.grants (declared_user) WHERE declared_user IS NOT NULL;
CREATE INDEX ON ringfence_control.grants (declared_target) WHERE declared_target IS NOT NULL;

ALTER TABLE ringfence_control.access_requests
  DROP CONSTRAINT access_requests_target_fkey,
  ADD COLUMN declared_target text COLLATE "C" CHECK (octet_length(declared_target) BETWEEN 1 AND 63),
  ADD COLUMN stored_target uuid GENERATED ALWAYS AS
    (CASE WHEN substr(target::text, 15, 1) <> '8' THEN target END) STORED
    CONSTRAINT access_requests_target_fkey REFERENCES ringfence_control.targets ON DELETE RESTRICT,
  ADD CONSTRAINT access_requests_declared_target
    CHECK ((declared_target IS NULL) = (target IS NULL OR substr(target::text, 15, 1) <> '8'));
CREATE INDEX ON ringfence_control.access_requests (stored_target);
CREATE INDEX ON ringfence_control.access_requests (declared_target) WHERE declared_target IS NOT NULL;

ALTER TABLE ringfence_control.request_rules
  ADD COLUMN declared_targets text[] NOT NULL DEFAULT '{}' CHECK (cardinality(declared_targets) <= 1000);
ALTER TABLE ringfence_control.request_rules_targets
  DROP CONSTRAINT request_rules_targets_other_fkey,
  ADD COLUMN stored uuid GENERATED ALWAYS AS
    (CASE WHEN substr(other::text, 15, 1) <> '8' THEN other END) STORED
    CONSTRAINT request_rules_targets_other_fkey REFERENCES ringfence_control.targets ON DELETE RESTRICT;
CREATE INDEX ON ringfence_control.request_rules_targets (stored);
