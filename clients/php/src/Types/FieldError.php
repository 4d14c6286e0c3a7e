<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** One thing wrong with a submission. */
final class FieldError
{
    public function __construct(
        /** Where: `platform_no`, `body.total_amount`, `body.receivers[1].receiverId`. */
        public readonly string $field,
        /** The rule that it breaks: `must be a positive integer of fen`. */
        public readonly string $rule,
        /** Every member, those that this client does not know included. */
        public readonly array $json,
    ) {
    }

    public static function fromArray(array $json): self
    {
        return new self(
            field: $json['field'],
            rule: $json['rule'],
            json: $json,
        );
    }
}
