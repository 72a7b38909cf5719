-- The daemons that work on this database. Each writes its row every few seconds and takes it away at its end.

CREATE TABLE daemons (
    node UUID NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    key_ids TEXT NOT NULL, -- of the keys it opens stored passwords with, one a line
    paused_since TIMESTAMPTZ, -- since then it starts nothing: it is in trouble of its own
    paused_code TEXT,
    paused_text TEXT,
    CHECK ((paused_since IS NULL) = (paused_code IS NULL)),
    CHECK ((paused_since IS NULL) = (paused_text IS NULL))
);
