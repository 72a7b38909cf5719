-- Ids and times are TEXT (UUID; RFC 3339 in UTC with six digits, so that text order is time order).
-- Closed lists name also what no release writes yet: SQLite cannot widen a CHECK without copying the table.

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
    updated_at TEXT NOT NULL,
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
    updated_at TEXT NOT NULL,
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

CREATE TABLE email_activities (
    id TEXT NOT NULL PRIMARY KEY,
    direction TEXT NOT NULL CHECK (direction IN ('incoming', 'outgoing')),
    status TEXT NOT NULL
        CHECK (status IN ('received', 'draft', 'pending_send', 'sending', 'sent', 'failed', 'canceled')),
    message_key BLOB CHECK (message_key IS NULL OR length(message_key) = 32),
    source BLOB REFERENCES email_sources (sha256),
    mailbox TEXT NOT NULL REFERENCES mailboxes (id),
    subject TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT,
    in_reply_to TEXT,
    message_references TEXT NOT NULL, -- oldest first, one a line
    received_at TEXT,
    sent_at TEXT,
    body_text TEXT,
    body_html TEXT,
    notifications TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (direction, message_key),
    CHECK ((direction = 'incoming') = (status = 'received')),
    CHECK (direction <> 'incoming' OR (message_key IS NOT NULL AND received_at IS NOT NULL))
) STRICT;

CREATE INDEX email_activities_received ON email_activities (received_at);

CREATE TABLE email_parties (
    activity TEXT NOT NULL REFERENCES email_activities (id),
    position INTEGER NOT NULL CHECK (position >= 0),
    role TEXT NOT NULL CHECK (role IN ('from', 'to', 'cc', 'bcc', 'reply_to')),
    address TEXT NOT NULL,
    display_name TEXT NOT NULL,
    PRIMARY KEY (activity, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE email_attachments (
    activity TEXT NOT NULL REFERENCES email_activities (id),
    position INTEGER NOT NULL CHECK (position >= 0),
    part INTEGER NOT NULL CHECK (part >= 0), -- number of the MIME part in the source
    file_name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    content_id TEXT,
    size INTEGER NOT NULL CHECK (size >= 0),
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    blocked TEXT,
    PRIMARY KEY (activity, position)
) STRICT, WITHOUT ROWID;

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
    judged_at TEXT NOT NULL,
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
    updated_at TEXT NOT NULL,
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
