<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** A job that is stored. */
final class Accepted
{
    public function __construct(
        /** The durability of the job. */
        public readonly string $durability,
        /** One of `new`, `existing`. */
        public readonly string $outcome,
        /** The job's key; `null` where the job has none. */
        public readonly ?string $platform_no,
        /** The job's state. */
        public readonly string $state,
        /** The account's name. It is left out where the job is invalid. */
        public readonly ?string $account,
        /** The job's kind. It is left out where the job is invalid. */
        public readonly ?string $kind,
        /** Every member, those that this client does not know included. */
        public readonly array $json,
    ) {
    }

    public static function fromArray(array $json): self
    {
        return new self(
            durability: $json['durability'],
            outcome: $json['outcome'],
            platform_no: $json['platform_no'] ?? null,
            state: $json['state'],
            account: $json['account'] ?? null,
            kind: $json['kind'] ?? null,
            json: $json,
        );
    }
}
