-- Which key new rows of the control plane are by, on every node; null: each node takes the active key of its ring.
-- No row is believed for what stands here: who owns the store can only stop changes with it.
ALTER TABLE ringfence_control.state ADD COLUMN current_key text CHECK (octet_length(current_key) BETWEEN 1 AND 64);

-- Moves of all rows and sealed secrets to another key: how far one is, so that it goes on after a kill.
CREATE TABLE ringfence_control.key_rotations (
  id uuid PRIMARY KEY,
  to_key text NOT NULL,
  node text NOT NULL,
  started_by text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'completed', 'failed')),
  total bigint NOT NULL CHECK (total >= 0),
  moved bigint NOT NULL DEFAULT 0 CHECK (moved >= 0),
  left_out bigint NOT NULL DEFAULT 0 CHECK (left_out >= 0),
  ended_at timestamptz,
  message text,
  CHECK ((ended_at IS NULL) = (state = 'running'))
);
CREATE UNIQUE INDEX key_rotations_running ON ringfence_control.key_rotations (state) WHERE state = 'running';

-- Which keys each node has in use, so that no rotation begins that another node could not follow.
CREATE TABLE ringfence_control.key_holders (
  node text PRIMARY KEY,
  key_ids text[] NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now()
);
