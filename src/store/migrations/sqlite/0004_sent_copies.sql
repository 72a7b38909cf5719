-- When a copy of a sent mail was put into the Sent folder, where that is wanted.

ALTER TABLE email_activities ADD COLUMN copy_filed_at TEXT;
