-- What is remembered of a workload beyond its failures, as JSON; NULL: nothing.

ALTER TABLE mailboxes ADD COLUMN incoming_care JSONB;
ALTER TABLE mailboxes ADD COLUMN outgoing_care JSONB;
