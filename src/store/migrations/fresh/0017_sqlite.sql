CREATE TABLE server_profiles (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    server_type TEXT NOT NULL CHECK (server_type IN ('imap_smtp', 'pop3_smtp', 'exchange_online')),
    authenticate_using TEXT NOT NULL CHECK (authenticate_using IN ('mailbox', 'profile', 'oauth')),
    username TEXT,
    credential_source TEXT NOT NULL CHECK (credential_source IN ('stored', 'file', 'systemd_credential')),
    credential_name TEXT,
    incoming_host TEXT NOT NULL,
    incoming_port INTEGER NOT NULL CHECK (incoming_port BETWEEN 1 AND 65535),
    incoming_security TEXT NOT NULL CHECK (incoming_security IN ('tls', 'starttls', 'none')),
    incoming_auth TEXT NOT NULL CHECK (incoming_auth IN ('auto', 'plain', 'login', 'xoauth2', 'oauthbearer')),
    process_email_from TEXT,
    minimum_polling_interval REAL NOT NULL CHECK (minimum_polling_interval BETWEEN 0 AND 86400), -- seconds
    maximum_concurrent_connections INTEGER NOT NULL CHECK (maximum_concurrent_connections BETWEEN 1 AND 300),
    connection_timeout REAL NOT NULL CHECK (connection_timeout > 0 AND connection_timeout <= 100), -- seconds
    is_default INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    hold_since TEXT,
    hold_until TEXT,
    hold_failures INTEGER NOT NULL DEFAULT 0 CHECK (hold_failures >= 0),
    hold_code TEXT,
    hold_text TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    managed_by TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL, outgoing_host TEXT, outgoing_port INTEGER CHECK (outgoing_port BETWEEN 1 AND 65535), outgoing_security TEXT
    CHECK (outgoing_security IN ('tls', 'starttls', 'none')), outgoing_auth TEXT
    CHECK (outgoing_auth IN ('auto', 'plain', 'login', 'none', 'xoauth2', 'oauthbearer'))
    CHECK ((outgoing_host IS NULL) = (outgoing_port IS NULL))
    CHECK ((outgoing_host IS NULL) = (outgoing_security IS NULL))
    CHECK ((outgoing_host IS NULL) = (outgoing_auth IS NULL)), save_to_sent INTEGER NOT NULL DEFAULT 0 CHECK (save_to_sent IN (0, 1)), in_doubt TEXT CHECK (in_doubt IN ('verify', 'retry', 'hold')), outgoing_hold_since TEXT, outgoing_hold_until TEXT, outgoing_hold_failures INTEGER NOT NULL DEFAULT 0
    CHECK (outgoing_hold_failures >= 0), outgoing_hold_code TEXT, outgoing_hold_text TEXT
    CHECK ((outgoing_hold_since IS NULL) = (outgoing_hold_until IS NULL))
    CHECK ((outgoing_hold_since IS NULL) = (outgoing_hold_code IS NULL))
    CHECK ((outgoing_hold_since IS NULL) = (outgoing_hold_text IS NULL)), owner TEXT,
    CHECK ((credential_name IS NULL) = (credential_source = 'stored')),
    CHECK ((hold_since IS NULL) = (hold_until IS NULL)),
    CHECK ((hold_since IS NULL) = (hold_code IS NULL)),
    CHECK ((hold_since IS NULL) = (hold_text IS NULL))
) STRICT;

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    email_address TEXT NOT NULL,
    external_id TEXT,
    filter_method TEXT NOT NULL
        CHECK (filter_method IN ('all', 'in_response', 'from_directory', 'from_enabled', 'none')),
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    managed_by TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE queues (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    email_address TEXT NOT NULL,
    external_id TEXT,
    filter_method TEXT NOT NULL
        CHECK (filter_method IN ('all', 'in_response', 'from_directory', 'from_enabled', 'none')),
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    managed_by TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE mailboxes (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email_address TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'queue', 'forward')),
    owner TEXT,
    server_profile TEXT REFERENCES server_profiles (id),
    username TEXT NOT NULL,
    credential_source TEXT NOT NULL CHECK (credential_source IN ('stored', 'file', 'systemd_credential')),
    credential_name TEXT,
    incoming_method TEXT NOT NULL CHECK (incoming_method IN ('none', 'server_side_sync', 'forward_mailbox')),
    process_email_received_after TEXT,
    approval TEXT NOT NULL CHECK (approval IN ('empty', 'approved', 'pending', 'rejected')),
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    managed_by TEXT,
    incoming_enabled INTEGER NOT NULL CHECK (incoming_enabled IN (0, 1)),
    incoming_postponed_until TEXT,
    incoming_transient_failures INTEGER NOT NULL CHECK (incoming_transient_failures >= 0),
    incoming_confirmations INTEGER NOT NULL CHECK (incoming_confirmations >= 0),
    incoming_failing_since TEXT,
    incoming_failure_code TEXT,
    incoming_last_error TEXT,
    incoming_last_success_at TEXT,
    incoming_next_due_at TEXT,
    poll_requested_at TEXT,
    lease_owner TEXT,
    lease_epoch INTEGER NOT NULL DEFAULT 0 CHECK (lease_epoch >= 0),
    lease_expires TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL, outgoing_method TEXT NOT NULL DEFAULT 'none'
    CHECK (outgoing_method IN ('none', 'server_side_sync')), delete_after_processing INTEGER NOT NULL DEFAULT 0
    CHECK (delete_after_processing IN (0, 1)), outgoing_enabled INTEGER NOT NULL DEFAULT 0 CHECK (outgoing_enabled IN (0, 1)), outgoing_postponed_until TEXT, outgoing_transient_failures INTEGER NOT NULL DEFAULT 0
    CHECK (outgoing_transient_failures >= 0), outgoing_confirmations INTEGER NOT NULL DEFAULT 0
    CHECK (outgoing_confirmations >= 0), outgoing_failing_since TEXT, outgoing_failure_code TEXT, outgoing_last_error TEXT, outgoing_last_success_at TEXT, outgoing_next_due_at TEXT, outgoing_lease_owner TEXT, outgoing_lease_epoch INTEGER NOT NULL DEFAULT 0 CHECK (outgoing_lease_epoch >= 0), outgoing_lease_expires TEXT
    CHECK ((outgoing_lease_owner IS NULL) = (outgoing_lease_expires IS NULL)), incoming_test_status TEXT NOT NULL DEFAULT 'not_run'
    CHECK (incoming_test_status IN ('not_run', 'success', 'failure')), outgoing_test_status TEXT NOT NULL DEFAULT 'not_run'
    CHECK (outgoing_test_status IN ('not_run', 'success', 'failure')), test_completed_at TEXT, declared_enabled TEXT CHECK (declared_enabled IN ('true', 'false', 'test')), incoming_care TEXT CHECK (json_valid(incoming_care)), outgoing_care TEXT CHECK (json_valid(outgoing_care)),
    CHECK ((credential_name IS NULL) = (credential_source = 'stored')),
    CHECK (kind <> 'forward' OR owner IS NULL),
    CHECK ((lease_owner IS NULL) = (lease_expires IS NULL))
) STRICT;

CREATE INDEX mailboxes_poll_requested ON mailboxes (poll_requested_at) WHERE poll_requested_at IS NOT NULL;

CREATE TABLE inbox_cursors (
    mailbox TEXT NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    uid_validity INTEGER NOT NULL CHECK (uid_validity BETWEEN 1 AND 4294967295),
    generation INTEGER NOT NULL CHECK (generation >= 0),
    last_uid INTEGER NOT NULL CHECK (last_uid BETWEEN 0 AND 4294967295),
    message_count INTEGER NOT NULL CHECK (message_count >= 0),
    compared_at TEXT,
    starting_point TEXT NOT NULL,
    starts_over INTEGER NOT NULL CHECK (starts_over >= 0),
    in_flight_first INTEGER,
    in_flight_last INTEGER,
    in_flight_attempts INTEGER,
    CHECK ((in_flight_first IS NULL) = (in_flight_last IS NULL)),
    CHECK ((in_flight_first IS NULL) = (in_flight_attempts IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE email_sources (
    sha256 BLOB NOT NULL PRIMARY KEY CHECK (length(sha256) = 32), -- of the bytes as they came
    size INTEGER NOT NULL CHECK (size >= 0),                      -- of the bytes as they came
    encoding TEXT NOT NULL CHECK (encoding IN ('none', 'lz4')),   -- of `bytes`; lz4: one LZ4 block
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE inbox_ledger (
    mailbox TEXT NOT NULL REFERENCES mailboxes (id),
    uid_validity INTEGER NOT NULL CHECK (uid_validity BETWEEN 1 AND 4294967295),
    generation INTEGER NOT NULL CHECK (generation >= 0),
    uid INTEGER NOT NULL CHECK (uid BETWEEN 1 AND 4294967295),
    verdict TEXT NOT NULL CHECK (verdict IN ('recorded', 'ignored', 'set_aside')),
    reason TEXT,
    activity TEXT REFERENCES email_activities (id),
    internal_date TEXT,
    size INTEGER NOT NULL CHECK (size >= 0),
    message_key BLOB CHECK (message_key IS NULL OR length(message_key) = 32),
    message_id TEXT,
    failure_code TEXT,
    failure_detail TEXT,
    source BLOB REFERENCES email_sources (sha256),
    judged_at TEXT NOT NULL, uidl BLOB CHECK (uidl IS NULL OR length(uidl) = 32), uidl_rank INTEGER CHECK (uidl_rank >= 0) CHECK ((uidl IS NULL) = (uidl_rank IS NULL)), server_copy TEXT CHECK (server_copy IN ('due', 'pending', 'gone')), retry_requested_at TEXT CHECK (retry_requested_at IS NULL OR verdict = 'set_aside'), retry_attempts INTEGER NOT NULL DEFAULT 0 CHECK (retry_attempts >= 0),
    PRIMARY KEY (mailbox, uid_validity, generation, uid),
    CHECK ((verdict = 'recorded') = (activity IS NOT NULL)),
    CHECK (verdict <> 'ignored' OR reason IS NOT NULL),
    CHECK ((verdict = 'set_aside') = (failure_code IS NOT NULL)),
    CHECK ((verdict = 'set_aside') = (failure_detail IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX inbox_ledger_dates ON inbox_ledger (mailbox, internal_date);

CREATE INDEX inbox_ledger_activity ON inbox_ledger (activity) WHERE activity IS NOT NULL;

CREATE INDEX inbox_ledger_set_aside ON inbox_ledger (mailbox, judged_at) WHERE verdict = 'set_aside';

CREATE TABLE secrets (
    owner_kind TEXT NOT NULL CHECK (owner_kind IN ('mailbox', 'profile')),
    owner TEXT NOT NULL,
    key_id TEXT NOT NULL,
    data_key BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    updated_at TEXT NOT NULL, locked_at TEXT,
    PRIMARY KEY (owner_kind, owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    occurred_at TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL CHECK (json_valid(payload))
) STRICT;

CREATE TABLE audit_log (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    occurred_at TEXT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    before TEXT CHECK (before IS NULL OR json_valid(before)),
    after TEXT CHECK (after IS NULL OR json_valid(after))
) STRICT;

CREATE TABLE send_grants (
    mailbox TEXT NOT NULL REFERENCES mailboxes (id),
    address TEXT NOT NULL,
    PRIMARY KEY (mailbox, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE "email_activities" (
    id TEXT NOT NULL PRIMARY KEY
        DEFAULT (lower(substr(printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)), 1, 8) || '-' ||
            substr(printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)), 9) || '-7' || substr(hex(randomblob(2)), 2) || '-'
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
    server_reply TEXT, copy_filed_at TEXT,
    UNIQUE (direction, message_key),
    UNIQUE (mailbox, idempotency_key),
    CHECK ((direction = 'incoming') = (status = 'received')),
    CHECK (direction <> 'incoming' OR (message_key IS NOT NULL AND received_at IS NOT NULL)),
    CHECK (status <> 'sending' OR send_epoch IS NOT NULL),
    CHECK (dot_at IS NULL OR status NOT IN ('received', 'draft', 'pending_send'))
) STRICT;

CREATE INDEX email_activities_received ON email_activities (received_at);

CREATE INDEX email_activities_pending ON email_activities (mailbox, created_at, id, send_after, postponed_until, send_as)
    WHERE status = 'pending_send';

CREATE INDEX email_activities_sending ON email_activities (mailbox, send_epoch, dot_at, postponed_until, created_at)
    WHERE status = 'sending';

CREATE INDEX email_activities_held ON email_activities (mailbox) WHERE status = 'held';

CREATE INDEX email_activities_outgoing ON email_activities (created_at) WHERE direction = 'outgoing';

CREATE TABLE "email_parties" (
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

CREATE TABLE "email_attachments" (
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

CREATE UNIQUE INDEX inbox_ledger_uidls ON inbox_ledger (mailbox, uid_validity, generation, uidl, uidl_rank)
    WHERE uidl IS NOT NULL AND coalesce(server_copy, '') <> 'gone';

CREATE INDEX inbox_ledger_due ON inbox_ledger (mailbox, judged_at) WHERE server_copy IN ('due', 'pending');

CREATE TABLE daemons (
    node TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    started_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    key_ids TEXT NOT NULL, -- of the keys it opens stored passwords with, one a line
    paused_since TEXT,     -- since then it starts nothing: it is in trouble of its own
    paused_code TEXT,
    paused_text TEXT, machine TEXT NOT NULL DEFAULT '',
    CHECK ((paused_since IS NULL) = (paused_code IS NULL)),
    CHECK ((paused_since IS NULL) = (paused_text IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE "alerts" (
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
    mailed_at TEXT, incoming_severity TEXT CHECK (incoming_severity IN ('information', 'warning', 'error')), outgoing_severity TEXT CHECK (outgoing_severity IN ('information', 'warning', 'error')),
    CHECK ((subject_kind = 'daemon') = (subject = '00000000-0000-0000-0000-000000000000'))
) STRICT;

CREATE UNIQUE INDEX alerts_open ON alerts (subject, code) WHERE closed_at IS NULL;

CREATE INDEX alerts_closed ON alerts (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE alert_severities (
    severity TEXT NOT NULL PRIMARY KEY CHECK (severity IN ('information', 'warning', 'error')),
    is_raised INTEGER NOT NULL CHECK (is_raised IN (0, 1))
) STRICT, WITHOUT ROWID;

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

CREATE TABLE test_mails (
    message_id TEXT NOT NULL PRIMARY KEY, -- without brackets
    mailbox TEXT NOT NULL REFERENCES mailboxes (id),
    made_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE refused_log_ins (
    host TEXT NOT NULL,
    username TEXT NOT NULL,
    refused_at TEXT NOT NULL,
    mark BLOB NOT NULL
) STRICT;

CREATE INDEX refused_log_ins_account ON refused_log_ins (username, host);

CREATE TRIGGER audit_log_stays BEFORE UPDATE ON audit_log
BEGIN
    SELECT raise(ABORT, 'rows of audit_log are never changed');
END;

CREATE TRIGGER audit_log_is_kept BEFORE DELETE ON audit_log
BEGIN
    SELECT raise(ABORT, 'rows of audit_log are never deleted');
END;

CREATE INDEX audit_log_subject ON audit_log (subject, sequence);

CREATE INDEX secrets_locked ON secrets (owner) WHERE locked_at IS NOT NULL;

CREATE INDEX email_activities_refused ON email_activities (created_at, mailbox)
    WHERE status = 'failed' AND failure_code = 'mail-refused';

CREATE INDEX inbox_ledger_retries ON inbox_ledger (mailbox) WHERE retry_requested_at IS NOT NULL;

INSERT INTO alert_severities VALUES ('error', 1);

INSERT INTO alert_severities VALUES ('information', 1);

INSERT INTO alert_severities VALUES ('warning', 1);
