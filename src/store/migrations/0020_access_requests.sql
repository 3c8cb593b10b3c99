-- What users ask to be granted, and rules by which that is approved at once.
CREATE TABLE ringfence_control.access_requests (
  id uuid PRIMARY KEY,
  number bigint NOT NULL UNIQUE CHECK (number > 0),
  version bigint NOT NULL CHECK (version > 0),
  revision bigint NOT NULL,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL,
  key_id text NOT NULL,
  mac bytea NOT NULL CHECK (octet_length(mac) = 32),
  "user" uuid NOT NULL REFERENCES ringfence_control.users ON DELETE RESTRICT,
  target uuid REFERENCES ringfence_control.targets ON DELETE RESTRICT,
  target_group uuid REFERENCES ringfence_control.target_groups ON DELETE RESTRICT,
  tag text COLLATE "C" CHECK (octet_length(tag) BETWEEN 1 AND 64),
  level text NOT NULL DEFAULT 'read' CHECK (level IN ('read', 'write', 'ddl', 'admin')),
  controls text[] NOT NULL DEFAULT '{}' CHECK (controls <@ ARRAY['read_only', 'block_copy', 'block_ddl']),
  duration_s bigint NOT NULL CHECK (duration_s BETWEEN 1 AND 2592000),
  starts_at timestamptz,
  max_queries bigint CHECK (max_queries > 0),
  max_bytes bigint CHECK (max_bytes > 0),
  max_rows bigint CHECK (max_rows > 0),
  justification text NOT NULL CHECK (octet_length(justification) BETWEEN 1 AND 1000),
  expires_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'approved', 'denied', 'cancelled', 'expired')),
  decided_by text,
  decided_at timestamptz,
  decision_reason text CHECK (octet_length(decision_reason) <= 1000),
  -- No reference: the grant may go, and the request still says which one it was.
  "grant" text,
  CONSTRAINT access_requests_object CHECK (num_nonnulls(target, target_group, tag) = 1),
  CONSTRAINT access_requests_decided CHECK ((state = 'pending') = (decided_at IS NULL)),
  CONSTRAINT access_requests_granted CHECK ((state = 'approved') = ("grant" IS NOT NULL))
);

CREATE TABLE ringfence_control.request_rules (
  id uuid PRIMARY KEY,
  number bigint NOT NULL UNIQUE CHECK (number > 0),
  version bigint NOT NULL CHECK (version > 0),
  revision bigint NOT NULL,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL,
  key_id text NOT NULL,
  mac bytea NOT NULL CHECK (octet_length(mac) = 32),
  name text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9._-]{1,63}$'),
  description text CHECK (octet_length(description) <= 1000),
  enabled boolean NOT NULL DEFAULT true,
  tags text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 64),
  level text NOT NULL DEFAULT 'read' CHECK (level IN ('read', 'write', 'ddl', 'admin')),
  duration_s bigint NOT NULL CHECK (duration_s BETWEEN 1 AND 2592000)
);
CREATE TABLE ringfence_control.request_rules_roles (
  owner uuid NOT NULL REFERENCES ringfence_control.request_rules ON DELETE CASCADE,
  other uuid NOT NULL REFERENCES ringfence_control.roles ON DELETE RESTRICT,
  PRIMARY KEY (owner, other)
);
CREATE TABLE ringfence_control.request_rules_targets (
  owner uuid NOT NULL REFERENCES ringfence_control.request_rules ON DELETE CASCADE,
  other uuid NOT NULL REFERENCES ringfence_control.targets ON DELETE RESTRICT,
  PRIMARY KEY (owner, other)
);

CREATE INDEX ON ringfence_control.access_requests (revision);
CREATE INDEX ON ringfence_control.access_requests ("user");
CREATE INDEX ON ringfence_control.access_requests (target);
CREATE INDEX ON ringfence_control.access_requests (target_group);
CREATE INDEX ON ringfence_control.access_requests (expires_at) WHERE state = 'pending';
CREATE INDEX ON ringfence_control.request_rules (revision);
CREATE INDEX ON ringfence_control.request_rules_roles (other);
CREATE INDEX ON ringfence_control.request_rules_targets (other);
CREATE SEQUENCE ringfence_control.access_requests_number;
CREATE SEQUENCE ringfence_control.request_rules_number;
