-- Few rows: how much of the mail of a day its servers did not want is asked every minute.

CREATE INDEX email_activities_refused ON email_activities (created_at, mailbox)
    WHERE status = 'failed' AND failure_code = 'mail-refused';
