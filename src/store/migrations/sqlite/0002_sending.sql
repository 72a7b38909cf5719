-- Sending. Tables whose rules change are copied: SQLite cannot change a column in place. The program
-- turns foreign keys off for this; the last statements see that none of them dangles.

ALTER TABLE server_profiles ADD COLUMN outgoing_host TEXT;
ALTER TABLE server_profiles ADD COLUMN outgoing_port INTEGER CHECK (outgoing_port BETWEEN 1 AND 65535);
ALTER TABLE server_profiles ADD COLUMN outgoing_security TEXT
    CHECK (outgoing_security IN ('tls', 'starttls', 'none'));
ALTER TABLE server_profiles ADD COLUMN outgoing_auth TEXT
    CHECK (outgoing_auth IN ('auto', 'plain', 'login', 'none', 'xoauth2', 'oauthbearer'))
    CHECK ((outgoing_host IS NULL) = (outgoing_port IS NULL))
    CHECK ((outgoing_host IS NULL) = (outgoing_security IS NULL))
    CHECK ((outgoing_host IS NULL) = (outgoing_auth IS NULL));
ALTER TABLE server_profiles ADD COLUMN save_to_sent INTEGER NOT NULL DEFAULT 0 CHECK (save_to_sent IN (0, 1));
ALTER TABLE server_profiles ADD COLUMN in_doubt TEXT CHECK (in_doubt IN ('verify', 'retry', 'hold'));
ALTER TABLE server_profiles ADD COLUMN outgoing_hold_since TEXT;
ALTER TABLE server_profiles ADD COLUMN outgoing_hold_until TEXT;
ALTER TABLE server_profiles ADD COLUMN outgoing_hold_failures INTEGER NOT NULL DEFAULT 0
    CHECK (outgoing_hold_failures >= 0);
ALTER TABLE server_profiles ADD COLUMN outgoing_hold_code TEXT;
ALTER TABLE server_profiles ADD COLUMN outgoing_hold_text TEXT
    CHECK ((outgoing_hold_since IS NULL) = (outgoing_hold_until IS NULL))
    CHECK ((outgoing_hold_since IS NULL) = (outgoing_hold_code IS NULL))
    CHECK ((outgoing_hold_since IS NULL) = (outgoing_hold_text IS NULL));

ALTER TABLE mailboxes ADD COLUMN outgoing_method TEXT NOT NULL DEFAULT 'none'
    CHECK (outgoing_method IN ('none', 'server_side_sync'));
ALTER TABLE mailboxes ADD COLUMN delete_after_processing INTEGER NOT NULL DEFAULT 0
    CHECK (delete_after_processing IN (0, 1));
ALTER TABLE mailboxes ADD COLUMN outgoing_enabled INTEGER NOT NULL DEFAULT 0 CHECK (outgoing_enabled IN (0, 1));
ALTER TABLE mailboxes ADD COLUMN outgoing_postponed_until TEXT;
ALTER TABLE mailboxes ADD COLUMN outgoing_transient_failures INTEGER NOT NULL DEFAULT 0
    CHECK (outgoing_transient_failures >= 0);
ALTER TABLE mailboxes ADD COLUMN outgoing_confirmations INTEGER NOT NULL DEFAULT 0
    CHECK (outgoing_confirmations >= 0);
ALTER TABLE mailboxes ADD COLUMN outgoing_failing_since TEXT;
ALTER TABLE mailboxes ADD COLUMN outgoing_failure_code TEXT;
ALTER TABLE mailboxes ADD COLUMN outgoing_last_error TEXT;
ALTER TABLE mailboxes ADD COLUMN outgoing_last_success_at TEXT;
ALTER TABLE mailboxes ADD COLUMN outgoing_next_due_at TEXT;
ALTER TABLE mailboxes ADD COLUMN outgoing_lease_owner TEXT;
ALTER TABLE mailboxes ADD COLUMN outgoing_lease_epoch INTEGER NOT NULL DEFAULT 0 CHECK (outgoing_lease_epoch >= 0);
ALTER TABLE mailboxes ADD COLUMN outgoing_lease_expires TEXT
    CHECK ((outgoing_lease_owner IS NULL) = (outgoing_lease_expires IS NULL));

-- Besides its own address, a mailbox may send as these.
CREATE TABLE send_grants (
    mailbox TEXT NOT NULL REFERENCES mailboxes (id),
    address TEXT NOT NULL,
    PRIMARY KEY (mailbox, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE new_activities (
    id TEXT NOT NULL PRIMARY KEY
        DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
            || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))
        CONSTRAINT "id is a UUID in lower case" CHECK
            (id GLOB '????????-????-????-????-????????????' AND id NOT GLOB '*[^0-9a-f-]*'
            AND length(replace(id, '-', '')) = 32),
    direction TEXT NOT NULL CHECK (direction IN ('incoming', 'outgoing')),
    status TEXT NOT NULL CHECK (status IN
        ('received', 'draft', 'pending_send', 'sending', 'sent', 'failed', 'canceled', 'held')),
    message_key BLOB CHECK (message_key IS NULL OR length(message_key) = 32),
    source BLOB REFERENCES email_sources (sha256),
    mailbox TEXT NOT NULL REFERENCES mailboxes (id),
    subject TEXT NOT NULL,
    sender TEXT NOT NULL DEFAULT '',
    message_id TEXT,
    in_reply_to TEXT,
    message_references TEXT NOT NULL DEFAULT '', -- oldest first, one a line
    received_at TEXT,
    sent_at TEXT, -- incoming: the Date field; outgoing: when the server took it
    body_text TEXT,
    body_html TEXT,
    notifications TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))
        CONSTRAINT "created_at is a time in UTC, written as 2026-01-31T23:59:59.000000Z" CHECK
            (created_at GLOB '????-[01]?-[0-3]?T[0-2]?:[0-5]?:[0-5]?.??????Z' AND created_at NOT GLOB '*[^0-9TZ:.-]*'
            AND strftime('%Y-%m-%dT%H:%M:%S', substr(created_at, 1, 19), '+0 days') IS substr(created_at, 1, 19)),
    send_after TEXT CONSTRAINT "send_after is a time in UTC, written as 2026-01-31T23:59:59.000000Z" CHECK
            (send_after GLOB '????-[01]?-[0-3]?T[0-2]?:[0-5]?:[0-5]?.??????Z' AND send_after NOT GLOB '*[^0-9TZ:.-]*'
            AND strftime('%Y-%m-%dT%H:%M:%S', substr(send_after, 1, 19), '+0 days') IS substr(send_after, 1, 19)),
    send_as TEXT,
    idempotency_key TEXT,
    answers TEXT REFERENCES email_activities (id) CONSTRAINT "answers is a UUID in lower case" CHECK
        (answers GLOB '????????-????-????-????-????????????' AND answers NOT GLOB '*[^0-9a-f-]*'
            AND length(replace(answers, '-', '')) = 32),
    delivery_attempts INTEGER NOT NULL DEFAULT 0 CHECK (delivery_attempts >= 0),
    postponed_until TEXT CONSTRAINT "postponed_until is a time in UTC, written as 2026-01-31T23:59:59.000000Z" CHECK
            (postponed_until GLOB '????-[01]?-[0-3]?T[0-2]?:[0-5]?:[0-5]?.??????Z' AND postponed_until NOT GLOB '*[^0-9TZ:.-]*'
            AND strftime('%Y-%m-%dT%H:%M:%S', substr(postponed_until, 1, 19), '+0 days') IS substr(postponed_until, 1, 19)),
    queued_at TEXT, -- from when on its expiry counts
    send_epoch INTEGER, -- of the lease under which it was taken
    dot_at TEXT, -- its last line may have been sent since then: never sent again blindly
    verifications INTEGER NOT NULL DEFAULT 0 CHECK (verifications >= 0),
    failure_code TEXT,
    failure_detail TEXT,
    server_reply TEXT,
    UNIQUE (direction, message_key),
    UNIQUE (mailbox, idempotency_key),
    CHECK ((direction = 'incoming') = (status = 'received')),
    CHECK (direction <> 'incoming' OR (message_key IS NOT NULL AND received_at IS NOT NULL)),
    CHECK (status <> 'sending' OR send_epoch IS NOT NULL),
    CHECK (dot_at IS NULL OR status NOT IN ('received', 'draft', 'pending_send'))
) STRICT;

INSERT INTO new_activities (id, direction, status, message_key, source, mailbox, subject, sender, message_id,
    in_reply_to, message_references, received_at, sent_at, body_text, body_html, notifications, created_at)
SELECT id, direction, status, message_key, source, mailbox, subject, sender, message_id,
    in_reply_to, message_references, received_at, sent_at, body_text, body_html, notifications, created_at
FROM email_activities ORDER BY rowid;
DROP TABLE email_activities;
ALTER TABLE new_activities RENAME TO email_activities;

CREATE INDEX email_activities_received ON email_activities (received_at);
-- Few rows whatever has been sent: what the schedule asks again and again is answered from these alone.
CREATE INDEX email_activities_pending ON email_activities (mailbox, created_at, id, send_after, postponed_until, send_as)
    WHERE status = 'pending_send';
CREATE INDEX email_activities_sending ON email_activities (mailbox, send_epoch, dot_at, postponed_until, created_at)
    WHERE status = 'sending';
CREATE INDEX email_activities_held ON email_activities (mailbox) WHERE status = 'held';
CREATE INDEX email_activities_outgoing ON email_activities (created_at) WHERE direction = 'outgoing';

CREATE TABLE new_parties (
    activity TEXT NOT NULL REFERENCES email_activities (id),
    position INTEGER NOT NULL CHECK (position BETWEEN 0 AND 4294967295),
    role TEXT NOT NULL CHECK (role IN ('from', 'to', 'cc', 'bcc', 'reply_to')),
    address TEXT NOT NULL,
    display_name TEXT NOT NULL DEFAULT '',
    result TEXT CHECK (result IN ('accepted', 'refused', 'deferred', 'unknown')),
    reply_code INTEGER CHECK (reply_code BETWEEN 200 AND 599),
    enhanced_code TEXT,
    reply_text TEXT,
    PRIMARY KEY (activity, position)
) STRICT, WITHOUT ROWID;

INSERT INTO new_parties (activity, position, role, address, display_name)
SELECT activity, position, role, address, display_name FROM email_parties;
DROP TABLE email_parties;
ALTER TABLE new_parties RENAME TO email_parties;

CREATE TABLE new_attachments (
    activity TEXT NOT NULL REFERENCES email_activities (id),
    position INTEGER NOT NULL CHECK (position >= 0),
    part INTEGER CHECK (part >= 0), -- number of the MIME part in the source; outgoing: NULL
    file_name TEXT NOT NULL DEFAULT '',
    content_type TEXT NOT NULL DEFAULT 'application/octet-stream',
    content_id TEXT,
    size INTEGER CHECK (size >= 0), -- outgoing: NULL until it is composed
    sha256 BLOB CHECK (length(sha256) = 32), -- outgoing: NULL
    blocked TEXT,
    content BLOB, -- outgoing: the bytes, until they are in the source
    PRIMARY KEY (activity, position),
    CHECK ((part IS NULL) = (sha256 IS NULL)),
    CHECK (part IS NULL OR size IS NOT NULL)
) STRICT, WITHOUT ROWID;

INSERT INTO new_attachments (activity, position, part, file_name, content_type, content_id, size, sha256, blocked)
SELECT activity, position, part, file_name, content_type, content_id, size, sha256, blocked FROM email_attachments;
DROP TABLE email_attachments;
ALTER TABLE new_attachments RENAME TO email_attachments;

CREATE TABLE alerts (
    id TEXT NOT NULL PRIMARY KEY,
    subject_kind TEXT NOT NULL CHECK (subject_kind IN ('mailbox', 'profile', 'activity')),
    subject TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('information', 'warning', 'error')),
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    hint TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 1),
    closed_at TEXT
) STRICT;

CREATE UNIQUE INDEX alerts_open ON alerts (subject, code) WHERE closed_at IS NULL;

CREATE TABLE dangling (rows INTEGER NOT NULL CHECK (rows = 0)) STRICT;
INSERT INTO dangling SELECT count(*) FROM pragma_foreign_key_check;
DROP TABLE dangling;
