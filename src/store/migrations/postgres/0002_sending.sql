-- Sending.

ALTER TABLE server_profiles
    ADD COLUMN outgoing_host TEXT,
    ADD COLUMN outgoing_port BIGINT CHECK (outgoing_port BETWEEN 1 AND 65535),
    ADD COLUMN outgoing_security TEXT CHECK (outgoing_security IN ('tls', 'starttls', 'none')),
    ADD COLUMN outgoing_auth TEXT CHECK (outgoing_auth IN ('auto', 'plain', 'login', 'none', 'xoauth2', 'oauthbearer')),
    ADD COLUMN save_to_sent BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN in_doubt TEXT CHECK (in_doubt IN ('verify', 'retry', 'hold')),
    ADD COLUMN outgoing_hold_since TIMESTAMPTZ,
    ADD COLUMN outgoing_hold_until TIMESTAMPTZ,
    ADD COLUMN outgoing_hold_failures BIGINT NOT NULL DEFAULT 0 CHECK (outgoing_hold_failures >= 0),
    ADD COLUMN outgoing_hold_code TEXT,
    ADD COLUMN outgoing_hold_text TEXT,
    ADD CHECK ((outgoing_host IS NULL) = (outgoing_port IS NULL)),
    ADD CHECK ((outgoing_host IS NULL) = (outgoing_security IS NULL)),
    ADD CHECK ((outgoing_host IS NULL) = (outgoing_auth IS NULL)),
    ADD CHECK ((outgoing_hold_since IS NULL) = (outgoing_hold_until IS NULL)),
    ADD CHECK ((outgoing_hold_since IS NULL) = (outgoing_hold_code IS NULL)),
    ADD CHECK ((outgoing_hold_since IS NULL) = (outgoing_hold_text IS NULL));

ALTER TABLE mailboxes
    ADD COLUMN outgoing_method TEXT NOT NULL DEFAULT 'none' CHECK (outgoing_method IN ('none', 'server_side_sync')),
    ADD COLUMN delete_after_processing BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN outgoing_enabled BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN outgoing_postponed_until TIMESTAMPTZ,
    ADD COLUMN outgoing_transient_failures BIGINT NOT NULL DEFAULT 0 CHECK (outgoing_transient_failures >= 0),
    ADD COLUMN outgoing_confirmations BIGINT NOT NULL DEFAULT 0 CHECK (outgoing_confirmations >= 0),
    ADD COLUMN outgoing_failing_since TIMESTAMPTZ,
    ADD COLUMN outgoing_failure_code TEXT,
    ADD COLUMN outgoing_last_error TEXT,
    ADD COLUMN outgoing_last_success_at TIMESTAMPTZ,
    ADD COLUMN outgoing_next_due_at TIMESTAMPTZ,
    ADD COLUMN outgoing_lease_owner UUID,
    ADD COLUMN outgoing_lease_epoch BIGINT NOT NULL DEFAULT 0 CHECK (outgoing_lease_epoch >= 0),
    ADD COLUMN outgoing_lease_expires TIMESTAMPTZ,
    ADD CHECK ((outgoing_lease_owner IS NULL) = (outgoing_lease_expires IS NULL));

-- Besides its own address, a mailbox may send as these.
CREATE TABLE send_grants (
    mailbox UUID NOT NULL REFERENCES mailboxes (id),
    address TEXT NOT NULL,
    PRIMARY KEY (mailbox, address)
);

ALTER TABLE email_activities
    ADD COLUMN send_after TIMESTAMPTZ,
    ADD COLUMN send_as TEXT,
    ADD COLUMN idempotency_key TEXT,
    ADD COLUMN answers UUID REFERENCES email_activities (id),
    ADD COLUMN delivery_attempts BIGINT NOT NULL DEFAULT 0 CHECK (delivery_attempts >= 0),
    ADD COLUMN postponed_until TIMESTAMPTZ,
    ADD COLUMN queued_at TIMESTAMPTZ, -- from when on its expiry counts
    ADD COLUMN send_epoch BIGINT, -- of the lease under which it was taken
    ADD COLUMN dot_at TIMESTAMPTZ, -- its last line may have been sent since then: never sent again blindly
    ADD COLUMN verifications BIGINT NOT NULL DEFAULT 0 CHECK (verifications >= 0),
    ADD COLUMN failure_code TEXT,
    ADD COLUMN failure_detail TEXT,
    ADD COLUMN server_reply TEXT,
    DROP CONSTRAINT email_activities_status_check,
    ADD CONSTRAINT email_activities_status_check CHECK (status IN
        ('received', 'draft', 'pending_send', 'sending', 'sent', 'failed', 'canceled', 'held')),
    ADD UNIQUE (mailbox, idempotency_key),
    ADD CHECK (status <> 'sending' OR send_epoch IS NOT NULL),
    ADD CHECK (dot_at IS NULL OR status NOT IN ('received', 'draft', 'pending_send')),
    ALTER COLUMN id SET DEFAULT gen_random_uuid(),
    ALTER COLUMN sender SET DEFAULT '',
    ALTER COLUMN message_references SET DEFAULT '',
    ALTER COLUMN notifications SET DEFAULT '',
    ALTER COLUMN created_at SET DEFAULT now();

-- Few rows whatever has been sent: what the schedule asks again and again is answered from these alone.
CREATE INDEX email_activities_pending ON email_activities (mailbox, created_at, id, send_after, postponed_until, send_as)
    WHERE status = 'pending_send';
CREATE INDEX email_activities_sending ON email_activities (mailbox, send_epoch, dot_at, postponed_until, created_at)
    WHERE status = 'sending';
CREATE INDEX email_activities_held ON email_activities (mailbox) WHERE status = 'held';
CREATE INDEX email_activities_outgoing ON email_activities (created_at) WHERE direction = 'outgoing';

ALTER TABLE email_parties
    ADD COLUMN result TEXT CHECK (result IN ('accepted', 'refused', 'deferred', 'unknown')),
    ADD COLUMN reply_code BIGINT CHECK (reply_code BETWEEN 200 AND 599),
    ADD COLUMN enhanced_code TEXT,
    ADD COLUMN reply_text TEXT,
    ADD CHECK (position <= 4294967295),
    ALTER COLUMN display_name SET DEFAULT '';

-- Outgoing attachments: `content` has the bytes until they are in the source; no part, no SHA-256.
ALTER TABLE email_attachments
    ADD COLUMN content BYTEA,
    ALTER COLUMN part DROP NOT NULL,
    ALTER COLUMN size DROP NOT NULL,
    ALTER COLUMN sha256 DROP NOT NULL,
    ALTER COLUMN file_name SET DEFAULT '',
    ALTER COLUMN content_type SET DEFAULT 'application/octet-stream',
    ADD CHECK ((part IS NULL) = (sha256 IS NULL)),
    ADD CHECK (part IS NULL OR size IS NOT NULL);

CREATE TABLE alerts (
    id UUID NOT NULL PRIMARY KEY,
    subject_kind TEXT NOT NULL CHECK (subject_kind IN ('mailbox', 'profile', 'activity')),
    subject UUID NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('information', 'warning', 'error')),
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    hint TEXT NOT NULL,
    first_seen TIMESTAMPTZ NOT NULL,
    last_seen TIMESTAMPTZ NOT NULL,
    count BIGINT NOT NULL CHECK (count >= 1),
    closed_at TIMESTAMPTZ
);

CREATE UNIQUE INDEX alerts_open ON alerts (subject, code) WHERE closed_at IS NULL;
