-- Log-ins that a server refused, so that no account is locked there: an account is one login at one host,
-- whichever protocol, profile or mailbox it is used by. `mark` tells one password from another, under a
-- key that is not in the database. Of the last days only, and none once the server lets the login in.

CREATE TABLE refused_log_ins (
    host TEXT NOT NULL,
    username TEXT NOT NULL,
    refused_at TIMESTAMPTZ NOT NULL,
    mark BYTEA NOT NULL
);

CREATE INDEX refused_log_ins_account ON refused_log_ins (username, host);
