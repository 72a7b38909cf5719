-- Test & Enable: what the last test of each workload said, the test itself, and the mails it sent.

ALTER TABLE mailboxes ADD COLUMN incoming_test_status TEXT NOT NULL DEFAULT 'not_run'
    CHECK (incoming_test_status IN ('not_run', 'success', 'failure'));
ALTER TABLE mailboxes ADD COLUMN outgoing_test_status TEXT NOT NULL DEFAULT 'not_run'
    CHECK (outgoing_test_status IN ('not_run', 'success', 'failure'));
ALTER TABLE mailboxes ADD COLUMN test_completed_at TEXT;
-- What the file said of `enabled` when it was last read; NULL: nothing, or there is no file.
ALTER TABLE mailboxes ADD COLUMN declared_enabled TEXT CHECK (declared_enabled IN ('true', 'false', 'test'));

CREATE TABLE mailbox_tests (
    mailbox TEXT NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    run TEXT NOT NULL UNIQUE, -- each request is another one
    requested_at TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    round_trip INTEGER NOT NULL CHECK (round_trip IN (0, 1)),
    dry_run INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    next_attempt_at TEXT, -- NULL: it is over
    lease_owner TEXT,
    lease_expires TEXT,
    stages TEXT NOT NULL CHECK (json_valid(stages)), -- of the last attempt, in order
    results TEXT NOT NULL CHECK (json_valid(results)), -- per workload, as far as it is known
    preview TEXT CHECK (preview IS NULL OR json_valid(preview)), -- of a dry run
    message_id TEXT, -- of the test mail, without brackets
    sent_at TEXT, -- when the server took it
    refused TEXT, -- why it was not run after all
    finished_at TEXT,
    CHECK ((lease_owner IS NULL) = (lease_expires IS NULL)),
    CHECK ((finished_at IS NULL) = (next_attempt_at IS NOT NULL)),
    CHECK (sent_at IS NULL OR message_id IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX mailbox_tests_due ON mailbox_tests (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

-- By their Message-ID, and by nothing else, test mails are told from mail when they are read.
CREATE TABLE test_mails (
    message_id TEXT NOT NULL PRIMARY KEY, -- without brackets
    mailbox TEXT NOT NULL REFERENCES mailboxes (id),
    made_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
