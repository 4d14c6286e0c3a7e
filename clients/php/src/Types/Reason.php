<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** A reason as outsiders read it: its code, its text in English, and the code's parameters. */
final class Reason
{
    public function __construct(
        public readonly string $code,
        /** The reason as an English text. Programs read `code`. */
        public readonly string $message,
        /** Every member, those that this client does not know included. */
        public readonly array $json,
    ) {
    }

    public static function fromArray(array $json): self
    {
        return new self(
            code: $json['code'],
            message: $json['message'],
            json: $json,
        );
    }
}
