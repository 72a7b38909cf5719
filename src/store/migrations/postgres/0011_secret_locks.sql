-- Passwords that wait to be entered again, because the server that they would go to was changed.

ALTER TABLE secrets ADD COLUMN locked_at TIMESTAMPTZ; -- NULL: it is used

CREATE INDEX secrets_locked ON secrets (owner) WHERE locked_at IS NOT NULL;
