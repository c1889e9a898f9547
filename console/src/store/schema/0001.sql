-- All times are Unix time in milliseconds.

-- The whole configuration after each change, with *** for each secret.
CREATE TABLE revision (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    summary TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE TRIGGER revision_stays BEFORE UPDATE ON revision BEGIN SELECT RAISE(ABORT, 'a revision is never changed'); END;
CREATE TRIGGER revision_is_kept BEFORE DELETE ON revision BEGIN SELECT RAISE(ABORT, 'a revision is never deleted'); END;

-- The secrets of the newest configuration, by place. Older ones are gone.
CREATE TABLE secret (
    place TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,  -- in which it was set
    at_rest TEXT NOT NULL,      -- sealed under the console's secret
    sealed_for TEXT NOT NULL,   -- the id of the gateways' secret under which the next column is sealed
    for_gateways TEXT NOT NULL
) STRICT;

CREATE TABLE gateway (
    name TEXT NOT NULL,         -- Envoy's node id, or the name that `conversion-relay pull` gives
    via TEXT NOT NULL,          -- discovery or pull
    cluster TEXT NOT NULL,
    software TEXT NOT NULL,     -- Envoy's or pull's version
    version TEXT NOT NULL,      -- of the configuration that it has; empty: none of the console's
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (name, via)
) STRICT, WITHOUT ROWID;

-- What became of each event, newest last; the oldest go first. A search without an order or message id reads this table from its
-- end, so the records themselves stand in another one.
CREATE TABLE record (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,        -- when the console got it
    bytes INTEGER NOT NULL,     -- of the record
    gateway TEXT NOT NULL,
    integration TEXT,
    event TEXT,
    outcome TEXT NOT NULL,      -- of an end; else what the record is about: attempt, ignored
    reason TEXT,
    order_id TEXT,
    message_id TEXT
) STRICT;
CREATE INDEX record_by_order ON record (order_id, number) WHERE order_id IS NOT NULL;
CREATE INDEX record_by_message ON record (message_id, number) WHERE message_id IS NOT NULL;
CREATE TABLE record_text (
    number INTEGER PRIMARY KEY,
    record TEXT NOT NULL        -- the whole, as the gateway wrote it
) STRICT;

-- Deliveries that were lost.
CREATE TABLE dead_letter (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,    -- the CloudEvent's
    at INTEGER NOT NULL,        -- when the console got it
    bytes INTEGER NOT NULL,     -- of the letter
    integration TEXT,
    vendor TEXT,
    event TEXT,
    reason TEXT,
    attempts INTEGER,
    last_status TEXT,
    order_digest TEXT,
    wanted INTEGER NOT NULL DEFAULT 0, -- a replay is wanted: 2 of this letter, 1 of all like it
    wanted_by TEXT,
    replays INTEGER NOT NULL DEFAULT 0,
    replayed_at INTEGER,
    replayed_by TEXT,
    result TEXT,                -- of the last replay: delivered, given_back, refused or unreachable
    detail TEXT                 -- the same in words
) STRICT;
CREATE INDEX dead_letter_wanted ON dead_letter (wanted, number) WHERE wanted > 0;
CREATE TABLE dead_letter_text (
    number INTEGER PRIMARY KEY,
    letter TEXT NOT NULL        -- the CloudEvent as it came. What it was about is sealed: only gateways can open it
) STRICT;
