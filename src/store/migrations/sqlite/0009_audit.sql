-- The audit log only grows: rows are never changed, nor taken away.

CREATE TRIGGER audit_log_stays BEFORE UPDATE ON audit_log
BEGIN
    SELECT raise(ABORT, 'rows of audit_log are never changed');
END;

CREATE TRIGGER audit_log_is_kept BEFORE DELETE ON audit_log
BEGIN
    SELECT raise(ABORT, 'rows of audit_log are never deleted');
END;

CREATE INDEX audit_log_subject ON audit_log (subject, sequence);
