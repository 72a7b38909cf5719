-- Identifiers that the database gives begin with the time (UUID version 7): mails that are queued, and so
-- sent, one after the other lie side by side in every index, and a transaction writes fewer pages.
-- A default is words in the schema alone, so these are changed where they stand, as SQLite's page on
-- ALTER TABLE describes it: no row is copied.

PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql,
    'lower(hex(randomblob(4)) || ''-'' || hex(randomblob(2)) || ''-4'' ||',
    'lower(substr(printf(''%012x'', CAST((julianday(''now'') - 2440587.5) * 86400000 AS INTEGER)), 1, 8) || ''-'' ||
            substr(printf(''%012x'', CAST((julianday(''now'') - 2440587.5) * 86400000 AS INTEGER)), 9) || ''-7'' ||')
WHERE type = 'table' AND name = 'email_activities';
-- A table made and dropped tells other connections that the schema is another.
CREATE TABLE told (anything INTEGER) STRICT;
DROP TABLE told;
PRAGMA writable_schema = RESET;
