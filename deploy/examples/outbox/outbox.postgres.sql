-- The table for PostgreSQL. `job` is text, because jsonb rewrites numbers and drops duplicate fields.
CREATE TABLE IF NOT EXISTS bursar_outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account     text NOT NULL,
    kind        text NOT NULL,
    platform_no text NOT NULL,
    job         text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    outcome     text,
    detail      text,
    sent_at     timestamptz,
    UNIQUE (account, kind, platform_no)
);
CREATE INDEX IF NOT EXISTS bursar_outbox_unsent ON bursar_outbox (id) WHERE outcome IS NULL;
