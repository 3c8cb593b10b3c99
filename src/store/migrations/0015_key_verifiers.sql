-- By which a key is checked as the password of a PostgreSQL login (SCRAM). Keys that are older have none.
ALTER TABLE ringfence_control.keys ADD COLUMN verifier text CHECK (octet_length(verifier) <= 255);
