-- Policies, and grants to users and groups.
CREATE TABLE ringfence_control.policies (
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
  roles text[] NOT NULL CHECK (cardinality(roles) BETWEEN 1 AND 1000),
  tags text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 64),
  tag_match text NOT NULL DEFAULT 'all' CHECK (tag_match IN ('all', 'any')),
  level text NOT NULL DEFAULT 'read' CHECK (level IN ('read', 'write', 'ddl', 'admin')),
  kinds text[] NOT NULL DEFAULT '{}' CHECK (cardinality(kinds) <= 1000),
  functions text[] NOT NULL DEFAULT '{}' CHECK (cardinality(functions) <= 1000),
  catalog text NOT NULL DEFAULT 'closed' CHECK (catalog IN ('closed', 'open')),
  whitelist text[] CHECK (cardinality(whitelist) <= 1000),
  allow jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(allow) = 'array'),
  deny jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(deny) = 'array'),
  metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object')
);

CREATE TABLE ringfence_control.grants (
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
  "user" uuid REFERENCES ringfence_control.users ON DELETE RESTRICT,
  "group" uuid REFERENCES ringfence_control.groups ON DELETE RESTRICT,
  target uuid REFERENCES ringfence_control.targets ON DELETE RESTRICT,
  target_group uuid REFERENCES ringfence_control.target_groups ON DELETE RESTRICT,
  tag text COLLATE "C" CHECK (octet_length(tag) BETWEEN 1 AND 64),
  level text NOT NULL DEFAULT 'read' CHECK (level IN ('read', 'write', 'ddl', 'admin')),
  controls text[] NOT NULL DEFAULT '{}' CHECK (controls <@ ARRAY['read_only', 'block_copy', 'block_ddl']),
  enabled boolean NOT NULL DEFAULT true,
  starts_at timestamptz,
  expires_at timestamptz,
  days text[] NOT NULL DEFAULT '{}' CHECK (days <@ ARRAY['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']),
  hours_from text CHECK (hours_from ~ '^[0-2][0-9]:[0-5][0-9]$'),
  hours_until text CHECK (hours_until ~ '^[0-2][0-9]:[0-5][0-9]$'),
  time_zone text CHECK (octet_length(time_zone) BETWEEN 1 AND 64),
  max_queries bigint CHECK (max_queries > 0),
  max_bytes bigint CHECK (max_bytes > 0),
  max_rows bigint CHECK (max_rows > 0),
  statement_rows bigint CHECK (statement_rows > 0),
  statement_bytes bigint CHECK (statement_bytes > 0),
  statement_ms bigint CHECK (statement_ms > 0),
  priority bigint NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 1000000),
  reason text CHECK (octet_length(reason) <= 1000),
  origin text NOT NULL DEFAULT 'administrator' CHECK (origin IN ('administrator', 'request', 'break_glass')),
  CONSTRAINT grants_subject CHECK (num_nonnulls("user", "group") = 1),
  CONSTRAINT grants_object CHECK (num_nonnulls(target, target_group, tag) = 1),
  CONSTRAINT grants_window CHECK (starts_at < expires_at)
);

CREATE INDEX ON ringfence_control.policies (revision);
CREATE INDEX ON ringfence_control.grants (revision);
CREATE INDEX ON ringfence_control.grants ("user");
CREATE INDEX ON ringfence_control.grants ("group");
CREATE INDEX ON ringfence_control.grants (target);
CREATE INDEX ON ringfence_control.grants (target_group);
CREATE SEQUENCE ringfence_control.policies_number;
CREATE SEQUENCE ringfence_control.grants_number;
