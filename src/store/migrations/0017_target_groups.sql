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

-- They belong to whom the schema belongs to.
DO $$
DECLARE
  relation record;
BEGIN
  FOR relation IN SELECT c.relname, c.relkind, o.rolname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  JOIN pg_roles o ON o.oid = n.nspowner
                  WHERE n.nspname = 'ringfence_control' AND c.relkind IN ('r', 'S') AND c.relowner <> n.nspowner LOOP
    EXECUTE format('ALTER %s ringfence_control.%I OWNER TO %I',
                   CASE relation.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relation.relname, relation.rolname);
  END LOOP;
END
$$;
