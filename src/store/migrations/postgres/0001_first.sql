-- Closed lists name also what no release writes yet, as on SQLite, which cannot widen them later.

CREATE TABLE server_profiles (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    server_type TEXT NOT NULL CHECK (server_type IN ('imap_smtp', 'pop3_smtp', 'exchange_online')),
    authenticate_using TEXT NOT NULL CHECK (authenticate_using IN ('mailbox', 'profile', 'oauth')),
    username TEXT,
    credential_source TEXT NOT NULL CHECK (credential_source IN ('stored', 'file', 'systemd_credential')),
    credential_name TEXT,
    incoming_host TEXT NOT NULL,
    incoming_port BIGINT NOT NULL CHECK (incoming_port BETWEEN 1 AND 65535),
    incoming_security TEXT NOT NULL CHECK (incoming_security IN ('tls', 'starttls', 'none')),
    incoming_auth TEXT NOT NULL CHECK (incoming_auth IN ('auto', 'plain', 'login', 'xoauth2', 'oauthbearer')),
    process_email_from TIMESTAMPTZ,
    minimum_polling_interval DOUBLE PRECISION NOT NULL CHECK (minimum_polling_interval BETWEEN 0 AND 86400), -- seconds
    maximum_concurrent_connections BIGINT NOT NULL CHECK (maximum_concurrent_connections BETWEEN 1 AND 300),
    connection_timeout DOUBLE PRECISION NOT NULL CHECK (connection_timeout > 0 AND connection_timeout <= 100), -- seconds
    is_default BOOLEAN NOT NULL,
    hold_since TIMESTAMPTZ,
    hold_until TIMESTAMPTZ,
    hold_failures BIGINT NOT NULL DEFAULT 0 CHECK (hold_failures >= 0),
    hold_code TEXT,
    hold_text TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    managed_by TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK ((credential_name IS NULL) = (credential_source = 'stored')),
    CHECK ((hold_since IS NULL) = (hold_until IS NULL)),
    CHECK ((hold_since IS NULL) = (hold_code IS NULL)),
    CHECK ((hold_since IS NULL) = (hold_text IS NULL))
);

CREATE TABLE users (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    email_address TEXT NOT NULL,
    external_id TEXT,
    filter_method TEXT NOT NULL
        CHECK (filter_method IN ('all', 'in_response', 'from_directory', 'from_enabled', 'none')),
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    managed_by TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE queues (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    email_address TEXT NOT NULL,
    external_id TEXT,
    filter_method TEXT NOT NULL
        CHECK (filter_method IN ('all', 'in_response', 'from_directory', 'from_enabled', 'none')),
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    managed_by TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE mailboxes (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    email_address TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('user', 'queue', 'forward')),
    owner UUID,
    server_profile UUID REFERENCES server_profiles (id),
    username TEXT NOT NULL,
    credential_source TEXT NOT NULL CHECK (credential_source IN ('stored', 'file', 'systemd_credential')),
    credential_name TEXT,
    incoming_method TEXT NOT NULL CHECK (incoming_method IN ('none', 'server_side_sync', 'forward_mailbox')),
    process_email_received_after TIMESTAMPTZ,
    approval TEXT NOT NULL CHECK (approval IN ('empty', 'approved', 'pending', 'rejected')),
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    managed_by TEXT,
    incoming_enabled BOOLEAN NOT NULL,
    incoming_postponed_until TIMESTAMPTZ,
    incoming_transient_failures BIGINT NOT NULL CHECK (incoming_transient_failures >= 0),
    incoming_confirmations BIGINT NOT NULL CHECK (incoming_confirmations >= 0),
    incoming_failing_since TIMESTAMPTZ,
    incoming_failure_code TEXT,
    incoming_last_error TEXT,
    incoming_last_success_at TIMESTAMPTZ,
    incoming_next_due_at TIMESTAMPTZ,
    poll_requested_at TIMESTAMPTZ,
    lease_owner UUID,
    lease_epoch BIGINT NOT NULL DEFAULT 0 CHECK (lease_epoch >= 0),
    lease_expires TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK ((credential_name IS NULL) = (credential_source = 'stored')),
    CHECK (kind <> 'forward' OR owner IS NULL),
    CHECK ((lease_owner IS NULL) = (lease_expires IS NULL))
) WITH (fillfactor = 70);

CREATE INDEX mailboxes_poll_requested ON mailboxes (poll_requested_at) WHERE poll_requested_at IS NOT NULL;

CREATE TABLE inbox_cursors (
    mailbox UUID NOT NULL PRIMARY KEY REFERENCES mailboxes (id),
    uid_validity BIGINT NOT NULL CHECK (uid_validity BETWEEN 1 AND 4294967295),
    generation BIGINT NOT NULL CHECK (generation >= 0),
    last_uid BIGINT NOT NULL CHECK (last_uid BETWEEN 0 AND 4294967295),
    message_count BIGINT NOT NULL CHECK (message_count >= 0),
    compared_at TIMESTAMPTZ,
    starting_point TIMESTAMPTZ NOT NULL,
    starts_over BIGINT NOT NULL CHECK (starts_over >= 0),
    in_flight_first BIGINT,
    in_flight_last BIGINT,
    in_flight_attempts BIGINT,
    CHECK ((in_flight_first IS NULL) = (in_flight_last IS NULL)),
    CHECK ((in_flight_first IS NULL) = (in_flight_attempts IS NULL))
);

CREATE TABLE email_sources (
    sha256 BYTEA NOT NULL PRIMARY KEY CHECK (length(sha256) = 32), -- of the bytes as they came
    size BIGINT NOT NULL CHECK (size >= 0),                      -- of the bytes as they came
    encoding TEXT NOT NULL CHECK (encoding IN ('none', 'lz4')),   -- of `bytes`; lz4: one LZ4 block
    bytes BYTEA NOT NULL
);

-- Compressed already where that helps.
ALTER TABLE email_sources ALTER COLUMN bytes SET STORAGE EXTERNAL;

CREATE TABLE email_activities (
    id UUID NOT NULL PRIMARY KEY,
    direction TEXT NOT NULL CHECK (direction IN ('incoming', 'outgoing')),
    status TEXT NOT NULL
        CHECK (status IN ('received', 'draft', 'pending_send', 'sending', 'sent', 'failed', 'canceled')),
    message_key BYTEA CHECK (message_key IS NULL OR length(message_key) = 32),
    source BYTEA REFERENCES email_sources (sha256),
    mailbox UUID NOT NULL REFERENCES mailboxes (id),
    subject TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT,
    in_reply_to TEXT,
    message_references TEXT NOT NULL, -- oldest first, one a line
    received_at TIMESTAMPTZ,
    sent_at TIMESTAMPTZ,
    body_text TEXT,
    body_html TEXT,
    notifications TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (direction, message_key),
    CHECK ((direction = 'incoming') = (status = 'received')),
    CHECK (direction <> 'incoming' OR (message_key IS NOT NULL AND received_at IS NOT NULL))
);

CREATE INDEX email_activities_received ON email_activities (received_at);

CREATE TABLE email_parties (
    activity UUID NOT NULL REFERENCES email_activities (id),
    position BIGINT NOT NULL CHECK (position >= 0),
    role TEXT NOT NULL CHECK (role IN ('from', 'to', 'cc', 'bcc', 'reply_to')),
    address TEXT NOT NULL,
    display_name TEXT NOT NULL,
    PRIMARY KEY (activity, position)
);

CREATE TABLE email_attachments (
    activity UUID NOT NULL REFERENCES email_activities (id),
    position BIGINT NOT NULL CHECK (position >= 0),
    part BIGINT NOT NULL CHECK (part >= 0), -- number of the MIME part in the source
    file_name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    content_id TEXT,
    size BIGINT NOT NULL CHECK (size >= 0),
    sha256 BYTEA NOT NULL CHECK (length(sha256) = 32),
    blocked TEXT,
    PRIMARY KEY (activity, position)
);

CREATE TABLE inbox_ledger (
    mailbox UUID NOT NULL REFERENCES mailboxes (id),
    uid_validity BIGINT NOT NULL CHECK (uid_validity BETWEEN 1 AND 4294967295),
    generation BIGINT NOT NULL CHECK (generation >= 0),
    uid BIGINT NOT NULL CHECK (uid BETWEEN 1 AND 4294967295),
    verdict TEXT NOT NULL CHECK (verdict IN ('recorded', 'ignored', 'set_aside')),
    reason TEXT,
    activity UUID REFERENCES email_activities (id),
    internal_date TIMESTAMPTZ,
    size BIGINT NOT NULL CHECK (size >= 0),
    message_key BYTEA CHECK (message_key IS NULL OR length(message_key) = 32),
    message_id TEXT,
    failure_code TEXT,
    failure_detail TEXT,
    source BYTEA REFERENCES email_sources (sha256),
    judged_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (mailbox, uid_validity, generation, uid),
    CHECK ((verdict = 'recorded') = (activity IS NOT NULL)),
    CHECK (verdict <> 'ignored' OR reason IS NOT NULL),
    CHECK ((verdict = 'set_aside') = (failure_code IS NOT NULL)),
    CHECK ((verdict = 'set_aside') = (failure_detail IS NOT NULL))
);

CREATE INDEX inbox_ledger_dates ON inbox_ledger (mailbox, internal_date);
CREATE INDEX inbox_ledger_activity ON inbox_ledger (activity) WHERE activity IS NOT NULL;
CREATE INDEX inbox_ledger_set_aside ON inbox_ledger (mailbox, judged_at) WHERE verdict = 'set_aside';

CREATE TABLE secrets (
    owner_kind TEXT NOT NULL CHECK (owner_kind IN ('mailbox', 'profile')),
    owner UUID NOT NULL,
    key_id TEXT NOT NULL,
    data_key BYTEA NOT NULL,
    ciphertext BYTEA NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (owner_kind, owner)
);

CREATE TABLE events (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at TIMESTAMPTZ NOT NULL,
    kind TEXT NOT NULL,
    subject UUID NOT NULL,
    payload JSONB NOT NULL
);

CREATE TABLE audit_log (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at TIMESTAMPTZ NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    subject UUID NOT NULL,
    before JSONB,
    after JSONB
);
