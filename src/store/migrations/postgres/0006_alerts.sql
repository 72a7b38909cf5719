-- Alerts about the daemon too, and by which workload each is open; which severities are raised; who
-- is told about a profile.

ALTER TABLE alerts DROP CONSTRAINT alerts_subject_kind_check;
ALTER TABLE alerts
    ADD CHECK (subject_kind IN ('mailbox', 'profile', 'activity', 'daemon')),
    ADD CHECK ((subject_kind = 'daemon') = (subject = '00000000-0000-0000-0000-000000000000')),
    -- Workloads that raised it and still fail; neither: it is closed by what raised it, or by a person.
    ADD COLUMN incoming BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN outgoing BOOLEAN NOT NULL DEFAULT FALSE;

CREATE INDEX alerts_closed ON alerts (closed_at) WHERE closed_at IS NOT NULL;

-- What the configuration says; every statement that raises an alert looks here.
CREATE TABLE alert_severities (
    severity TEXT NOT NULL PRIMARY KEY CHECK (severity IN ('information', 'warning', 'error')),
    is_raised BOOLEAN NOT NULL
);

INSERT INTO alert_severities VALUES ('information', TRUE), ('warning', TRUE), ('error', TRUE);

ALTER TABLE server_profiles ADD COLUMN owner TEXT; -- address of the person who is told about it
