-- What a POP3 maildrop calls a message, and what becomes of a message on its server once it is recorded.

ALTER TABLE inbox_ledger
    ADD COLUMN uidl BYTEA CHECK (uidl IS NULL OR length(uidl) = 32), -- SHA-256 of the UIDL; NULL over IMAP
    ADD COLUMN uidl_rank BIGINT CHECK (uidl_rank >= 0), -- among messages with the same UIDL
    -- NULL: left there; due: deleted once the safety delay has passed; pending: the server was told to; gone: not there any more.
    ADD COLUMN server_copy TEXT CHECK (server_copy IN ('due', 'pending', 'gone')),
    ADD CHECK ((uidl IS NULL) = (uidl_rank IS NULL));

CREATE UNIQUE INDEX inbox_ledger_uidls ON inbox_ledger (mailbox, uid_validity, generation, uidl, uidl_rank)
    WHERE uidl IS NOT NULL AND coalesce(server_copy, '') <> 'gone';
CREATE INDEX inbox_ledger_due ON inbox_ledger (mailbox, judged_at) WHERE server_copy IN ('due', 'pending');
