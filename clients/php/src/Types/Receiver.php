<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** One receiver of a split. */
final class Receiver
{
    public function __construct(
        /** The receiver or the group of receivers, masked. */
        public readonly string $receiver,
        /** The share of the whole, as the content has it; `null` where the gateway knows it. */
        public readonly ?string $share,
        /** Every member, those that this client does not know included. */
        public readonly array $json,
    ) {
    }

    public static function fromArray(array $json): self
    {
        return new self(
            receiver: $json['receiver'],
            share: $json['share'] ?? null,
            json: $json,
        );
    }
}
