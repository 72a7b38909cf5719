-- When a mail told somebody of the alert.

ALTER TABLE alerts ADD COLUMN mailed_at TEXT;
