-- Test & Enable: what the last test of each workload said, the test itself, and the mails it sent.

ALTER TABLE mailboxes
    ADD COLUMN incoming_test_status TEXT NOT NULL DEFAULT 'not_run'
        CHECK (incoming_test_status IN ('not_run', 'success', 'failure')),
    ADD COLUMN outgoing_test_status TEXT NOT NULL DEFAULT 'not_run'
        CHECK (outgoing_test_status IN ('not_run', 'success', 'failure')),
    ADD COLUMN test_completed_at TIMESTAMPTZ,
    -- What the file said of `enabled` when it was last read; NULL: nothing, or there is no file.
    ADD COLUMN declared_enabled TEXT CHECK (declared_enabled IN ('true', 'false', 'test'));

CREATE TABLE mailbox_tests (
    mailbox UUID NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    run UUID NOT NULL UNIQUE, -- each request is another one
    requested_at TIMESTAMPTZ NOT NULL,
    requested_by TEXT NOT NULL,
    round_trip BOOLEAN NOT NULL,
    dry_run BOOLEAN NOT NULL,
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    next_attempt_at TIMESTAMPTZ, -- NULL: it is over
    lease_owner UUID,
    lease_expires TIMESTAMPTZ,
    stages JSONB NOT NULL, -- of the last attempt, in order
    results JSONB NOT NULL, -- per workload, as far as it is known
    preview JSONB, -- of a dry run
    message_id TEXT, -- of the test mail, without brackets
    sent_at TIMESTAMPTZ, -- when the server took it
    refused TEXT, -- why it was not run after all
    finished_at TIMESTAMPTZ,
    CHECK ((lease_owner IS NULL) = (lease_expires IS NULL)),
    CHECK ((finished_at IS NULL) = (next_attempt_at IS NOT NULL)),
    CHECK (sent_at IS NULL OR message_id IS NOT NULL)
);

CREATE INDEX mailbox_tests_due ON mailbox_tests (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

-- By their Message-ID, and by nothing else, test mails are told from mail when they are read.
CREATE TABLE test_mails (
    message_id TEXT NOT NULL PRIMARY KEY, -- without brackets
    mailbox UUID NOT NULL REFERENCES mailboxes (id),
    made_at TIMESTAMPTZ NOT NULL
);
