-- On which machine a daemon runs: where many share a database, trouble has a place.

ALTER TABLE daemons ADD COLUMN machine TEXT NOT NULL DEFAULT '';
