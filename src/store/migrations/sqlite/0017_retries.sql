-- When somebody asked that a message that was set aside be tried again; NULL: nobody, or it was.

ALTER TABLE inbox_ledger ADD COLUMN
    retry_requested_at TEXT CHECK (retry_requested_at IS NULL OR verdict = 'set_aside');
ALTER TABLE inbox_ledger ADD COLUMN
    retry_attempts INTEGER NOT NULL DEFAULT 0 CHECK (retry_attempts >= 0); -- begun since then

CREATE INDEX inbox_ledger_retries ON inbox_ledger (mailbox) WHERE retry_requested_at IS NOT NULL;
