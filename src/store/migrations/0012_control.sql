-- What is managed by the API: in a schema and of a database role of its own, which the trail's roles do not see.
-- Every record has the same first columns; mac proves all of its columns and links with a key that the store never
-- sees. A record that goes leaves a tombstone, so that nodes tell a deletion from a row that somebody took away.
CREATE SCHEMA ringfence_control;

-- One row: it is locked by each change, so that revisions are committed in their order.
CREATE TABLE ringfence_control.state (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  store_id uuid NOT NULL DEFAULT gen_random_uuid(),
  revision bigint NOT NULL DEFAULT 0 CHECK (revision >= 0)
);
INSERT INTO ringfence_control.state DEFAULT VALUES;

CREATE TABLE ringfence_control.tombstones (
  noun text NOT NULL,
  id uuid NOT NULL,
  version bigint NOT NULL CHECK (version > 1),
  revision bigint NOT NULL,
  deleted_at timestamptz NOT NULL,
  deleted_by text NOT NULL,
  key_id text NOT NULL,
  mac bytea NOT NULL CHECK (octet_length(mac) = 32),
  PRIMARY KEY (noun, id)
);
CREATE INDEX ON ringfence_control.tombstones (revision);

CREATE TABLE ringfence_control.groups (
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

CREATE TABLE ringfence_control.roles (
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
  permissions text[] NOT NULL DEFAULT '{}' CHECK (cardinality(permissions) <= 64),
  priority bigint NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 AND 1000000),
  owner text CHECK (octet_length(owner) <= 200),
  built_in boolean NOT NULL DEFAULT false
);

CREATE TABLE ringfence_control.users (
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
  name text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 63),
  display_name text COLLATE "C" CHECK (octet_length(display_name) <= 200),
  email text COLLATE "C" CHECK (octet_length(email) <= 254),
  enabled boolean NOT NULL DEFAULT true,
  must_change_password boolean NOT NULL DEFAULT false,
  expires_at timestamptz,
  password_set_at timestamptz,
  password_hash text,
  verifier text,
  CHECK ((password_hash IS NULL) = (password_set_at IS NULL) AND (verifier IS NULL) = (password_set_at IS NULL))
);

CREATE TABLE ringfence_control.keys (
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
  name text COLLATE "C" NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9._-]{1,100}$'),
  "user" uuid NOT NULL REFERENCES ringfence_control.users ON DELETE RESTRICT,
  scopes text[] NOT NULL DEFAULT '{}' CHECK (cardinality(scopes) <= 64),
  enabled boolean NOT NULL DEFAULT true,
  expires_at timestamptz,
  prefix text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(prefix) BETWEEN 8 AND 16),
  hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$')
);
CREATE INDEX ON ringfence_control.keys ("user");

CREATE TABLE ringfence_control.targets (
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
  name text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 63),
  type text COLLATE "C" NOT NULL CHECK (type IN ('postgres', 'tcp')),
  description text CHECK (octet_length(description) <= 1000),
  enabled boolean NOT NULL DEFAULT true,
  hosts text[] NOT NULL CHECK (cardinality(hosts) BETWEEN 1 AND 16),
  port bigint CHECK (port BETWEEN 1 AND 65535),
  database text CHECK (octet_length(database) <= 63),
  "user" text CHECK (octet_length("user") <= 63),
  password_set_at timestamptz,
  sealed_password text,
  sslmode text NOT NULL DEFAULT 'prefer',
  sslrootcert text,
  tags text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 64),
  connections_max bigint NOT NULL DEFAULT 0 CHECK (connections_max BETWEEN 0 AND 1000000),
  CHECK ((sealed_password IS NULL) = (password_set_at IS NULL))
);

CREATE INDEX ON ringfence_control.groups (revision);
CREATE INDEX ON ringfence_control.roles (revision);
CREATE INDEX ON ringfence_control.users (revision);
CREATE INDEX ON ringfence_control.keys (revision);
CREATE INDEX ON ringfence_control.targets (revision);
CREATE SEQUENCE ringfence_control.groups_number;
CREATE SEQUENCE ringfence_control.roles_number;
CREATE SEQUENCE ringfence_control.users_number;
CREATE SEQUENCE ringfence_control.keys_number;
CREATE SEQUENCE ringfence_control.targets_number;

-- Links of the fields that refer to several records: <table>_<field> (owner, other).
CREATE TABLE ringfence_control.roles_parents (
  owner uuid NOT NULL REFERENCES ringfence_control.roles ON DELETE CASCADE,
  other uuid NOT NULL REFERENCES ringfence_control.roles ON DELETE RESTRICT,
  PRIMARY KEY (owner, other),
  CHECK (owner <> other)
);
CREATE INDEX ON ringfence_control.roles_parents (other);
CREATE TABLE ringfence_control.users_roles (
  owner uuid NOT NULL REFERENCES ringfence_control.users ON DELETE CASCADE,
  other uuid NOT NULL REFERENCES ringfence_control.roles ON DELETE RESTRICT,
  PRIMARY KEY (owner, other)
);
CREATE INDEX ON ringfence_control.users_roles (other);
CREATE TABLE ringfence_control.users_groups (
  owner uuid NOT NULL REFERENCES ringfence_control.users ON DELETE CASCADE,
  other uuid NOT NULL REFERENCES ringfence_control.groups ON DELETE RESTRICT,
  PRIMARY KEY (owner, other)
);
CREATE INDEX ON ringfence_control.users_groups (other);

-- When a key was last used: no record's part, written at most once a minute for each key.
CREATE TABLE ringfence_control.key_uses (
  key_id uuid PRIMARY KEY REFERENCES ringfence_control.keys ON DELETE CASCADE,
  last_used_at timestamptz NOT NULL
);

-- Answers to requests that may come again with the same Idempotency-Key.
CREATE TABLE ringfence_control.idempotency (
  actor text NOT NULL,
  key text NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
  request_digest bytea NOT NULL,
  answer jsonb NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (actor, key)
);
CREATE INDEX ON ringfence_control.idempotency (made_at);

REVOKE ALL ON SCHEMA ringfence_control FROM PUBLIC;
DO $$
DECLARE
  relation record;
BEGIN
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ringfence_control') THEN
      CREATE ROLE ringfence_control NOLOGIN;
    END IF;
    EXECUTE 'ALTER SCHEMA ringfence_control OWNER TO ringfence_control';
    FOR relation IN SELECT c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = 'ringfence_control' AND c.relkind IN ('r', 'S') LOOP
      EXECUTE format('ALTER %s ringfence_control.%I OWNER TO ringfence_control',
                     CASE relation.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relation.relname);
    END LOOP;
  EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'no separate role: the store''s user may not create it';
  END;
END
$$;
