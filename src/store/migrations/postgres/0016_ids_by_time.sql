-- Identifiers that the database gives begin with the time (UUID version 7): mails that are queued, and so
-- sent, one after the other lie side by side in every index.

ALTER TABLE email_activities ALTER COLUMN id SET DEFAULT CAST(overlay(CAST(gen_random_uuid() AS TEXT) PLACING
    regexp_replace(lpad(to_hex(CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)), 12, '0'), '(.{8})', '\1-')
    || '-7' FROM 1 FOR 15) AS UUID);
