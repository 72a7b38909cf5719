-- Alerts about the daemon too, and by which workload each is open; which severities are raised; who
-- is told about a profile. The table is copied: SQLite cannot change a column in place.

CREATE TABLE new_alerts (
    id TEXT NOT NULL PRIMARY KEY,
    subject_kind TEXT NOT NULL CHECK (subject_kind IN ('mailbox', 'profile', 'activity', 'daemon')),
    subject TEXT NOT NULL, -- of the daemon: 00000000-0000-0000-0000-000000000000
    severity TEXT NOT NULL CHECK (severity IN ('information', 'warning', 'error')),
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    hint TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 1),
    closed_at TEXT,
    -- Workloads that raised it and still fail; neither: it is closed by what raised it, or by a person.
    incoming INTEGER NOT NULL DEFAULT 0 CHECK (incoming IN (0, 1)),
    outgoing INTEGER NOT NULL DEFAULT 0 CHECK (outgoing IN (0, 1)),
    CHECK ((subject_kind = 'daemon') = (subject = '00000000-0000-0000-0000-000000000000'))
) STRICT;

INSERT INTO new_alerts (id, subject_kind, subject, severity, code, text, hint, first_seen, last_seen, count, closed_at)
    SELECT id, subject_kind, subject, severity, code, text, hint, first_seen, last_seen, count, closed_at FROM alerts;
DROP TABLE alerts;
ALTER TABLE new_alerts RENAME TO alerts;

CREATE UNIQUE INDEX alerts_open ON alerts (subject, code) WHERE closed_at IS NULL;
CREATE INDEX alerts_closed ON alerts (closed_at) WHERE closed_at IS NOT NULL;

-- What the configuration says; every statement that raises an alert looks here.
CREATE TABLE alert_severities (
    severity TEXT NOT NULL PRIMARY KEY CHECK (severity IN ('information', 'warning', 'error')),
    is_raised INTEGER NOT NULL CHECK (is_raised IN (0, 1))
) STRICT, WITHOUT ROWID;

INSERT INTO alert_severities VALUES ('information', 1), ('warning', 1), ('error', 1);

ALTER TABLE server_profiles ADD COLUMN owner TEXT; -- address of the person who is told about it
