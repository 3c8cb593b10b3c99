-- Groups of targets, which grants name, and who is a member of them.
CREATE TABLE ringfence_control.target_groups (
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
  description text CHECK (octet_length(description) <= 1000)
);
CREATE INDEX ON ringfence_control.target_groups (revision);
CREATE SEQUENCE ringfence_control.target_groups_number;
CREATE TABLE ringfence_control.targets_groups (
  owner uuid NOT NULL REFERENCES ringfence_control.targets ON DELETE CASCADE,
  other uuid NOT NULL REFERENCES ringfence_control.target_groups ON DELETE RESTRICT,
  PRIMARY KEY (owner, other)
);
CREATE INDEX ON ringfence_control.targets_groups (other);
