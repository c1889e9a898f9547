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
    name TEXT PRIMARY KEY,      -- Envoy's node id, or the name that `conversion-relay pull` gives
    cluster TEXT NOT NULL,
    software TEXT NOT NULL,     -- Envoy's or pull's version
    via TEXT NOT NULL,          -- discovery or pull
    version TEXT NOT NULL,      -- of the configuration that it has
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
) STRICT;

-- What became of each event, newest last; the oldest go first.
CREATE TABLE record (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    gateway TEXT NOT NULL,
    integration TEXT NOT NULL,
    event TEXT NOT NULL,
    outcome TEXT NOT NULL,
    order_id TEXT,
    message_id TEXT,
    record TEXT NOT NULL        -- the whole, as the gateway wrote it
) STRICT;
CREATE INDEX record_by_order ON record (order_id, number) WHERE order_id IS NOT NULL;
CREATE INDEX record_by_message ON record (message_id, number) WHERE message_id IS NOT NULL;

-- Deliveries that were lost. The letter is sealed: only gateways can open it.
CREATE TABLE dead_letter (
    id TEXT PRIMARY KEY,        -- the CloudEvent's
    at INTEGER NOT NULL,
    integration TEXT NOT NULL,
    vendor TEXT NOT NULL,
    event TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    last_status TEXT,
    order_digest TEXT,
    letter TEXT NOT NULL,       -- the CloudEvent, whole
    replays INTEGER NOT NULL DEFAULT 0,
    replayed_at INTEGER,
    replayed_by TEXT,
    result TEXT                 -- of the last replay: delivered, or what the gateway said
) STRICT;
CREATE INDEX dead_letter_by_time ON dead_letter (at, id);
