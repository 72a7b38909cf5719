-- What is remembered of a workload beyond its failures, as JSON; NULL: nothing.

ALTER TABLE mailboxes ADD COLUMN incoming_care TEXT CHECK (json_valid(incoming_care));
ALTER TABLE mailboxes ADD COLUMN outgoing_care TEXT CHECK (json_valid(outgoing_care));
