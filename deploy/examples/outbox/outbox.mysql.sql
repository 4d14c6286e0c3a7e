-- The table for MySQL 8 (InnoDB). MySQL has no partial indexes, so the index begins with outcome; the relay reads its NULL part.
-- `job` is text, because JSON would reorder its fields. Keys are compared by their bytes, not by a collation.
CREATE TABLE IF NOT EXISTS bursar_outbox (
    id          bigint AUTO_INCREMENT PRIMARY KEY,
    account     varchar(32)  CHARACTER SET ascii   COLLATE ascii_bin NOT NULL,
    kind        varchar(32)  CHARACTER SET ascii   COLLATE ascii_bin NOT NULL,
    platform_no varchar(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    job         mediumtext   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at  datetime(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    outcome     varchar(16),
    detail      text,
    sent_at     datetime(3),
    UNIQUE KEY (account, kind, platform_no),
    KEY bursar_outbox_unsent (outcome, id)
) ENGINE = InnoDB;
