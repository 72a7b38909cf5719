-- When somebody asked that a message that was set aside be tried again; NULL: nobody, or it was.

ALTER TABLE inbox_ledger
    ADD COLUMN retry_requested_at TIMESTAMPTZ,
    ADD COLUMN retry_attempts BIGINT NOT NULL DEFAULT 0 CHECK (retry_attempts >= 0), -- begun since then
    ADD CHECK (retry_requested_at IS NULL OR verdict = 'set_aside');

CREATE INDEX inbox_ledger_retries ON inbox_ledger (mailbox) WHERE retry_requested_at IS NOT NULL;
