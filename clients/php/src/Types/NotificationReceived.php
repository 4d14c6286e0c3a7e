<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** A gateway's notification as its webhook carries it. */
final class NotificationReceived
{
    public function __construct(
        /** The account's name. */
        public readonly string $account,
        /** The content as the gateway wrote it; a text where it is no JSON object. */
        public readonly mixed $content,
        /** The SHA-256 of the content as the gateway signed it, in hexadecimal. */
        public readonly string $content_sha256,
        /** The notification's number within the account. */
        public readonly int $id,
        /** True if its timestamp was old when it arrived first. */
        public readonly bool $late,
        /** The gateway's method. */
        public readonly string $method,
        /** The notification's place among the versions of its record. One of `new`, `changed`, `regressed`, `held`. */
        public readonly string $outcome,
        /** The gateway's id of the record. */
        public readonly ?string $record_id,
        /** The notification's version of its record, in the order of arrival. */
        public readonly int $version,
        /** When the gateway wrote it. */
        public readonly ?string $written_at,
        /** Every member, those that this client does not know included. */
        public readonly array $json,
    ) {
    }

    public static function fromArray(array $json): self
    {
        return new self(
            account: $json['account'],
            content: $json['content'],
            content_sha256: $json['content_sha256'],
            id: $json['id'],
            late: $json['late'],
            method: $json['method'],
            outcome: $json['outcome'],
            record_id: $json['record_id'] ?? null,
            version: $json['version'],
            written_at: $json['written_at'] ?? null,
            json: $json,
        );
    }
}
