-- Payments on which the app has decided, stored in the same transaction as the decision. A relay submits them.
CREATE TABLE IF NOT EXISTS bursar_outbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    account     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    platform_no TEXT NOT NULL,                            -- chosen here, once: what makes a payment that payment
    job         TEXT NOT NULL,                            -- the job's JSON as it is submitted, fixed from now on
    created_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    outcome     TEXT,                                     -- NULL: to be submitted; new, existing, conflict or invalid
    detail      TEXT,                                     -- why it was refused
    sent_at     TEXT,
    UNIQUE (account, kind, platform_no)
);
CREATE INDEX IF NOT EXISTS bursar_outbox_unsent ON bursar_outbox (id) WHERE outcome IS NULL;
