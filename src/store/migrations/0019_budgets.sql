-- What has been spent of grants' budgets, and which shares of them nodes have.
CREATE TABLE ringfence_control.budgets (
  grant_id uuid PRIMARY KEY REFERENCES ringfence_control.grants ON DELETE CASCADE,
  queries bigint NOT NULL DEFAULT 0 CHECK (queries >= 0),
  bytes bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
  rows bigint NOT NULL DEFAULT 0 CHECK (rows >= 0)
);
CREATE TABLE ringfence_control.budget_leases (
  grant_id uuid NOT NULL REFERENCES ringfence_control.budgets ON DELETE CASCADE,
  node uuid NOT NULL,  -- Of one run of an appliance.
  queries bigint NOT NULL CHECK (queries >= 0),
  bytes bigint NOT NULL CHECK (bytes >= 0),
  rows bigint NOT NULL CHECK (rows >= 0),
  until timestamptz NOT NULL,
  PRIMARY KEY (grant_id, node)
);
