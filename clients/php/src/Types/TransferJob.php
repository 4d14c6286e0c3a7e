<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** A new job of the kind transfer. */
final class TransferJob implements \JsonSerializable
{
    public function __construct(
        /** A configured account's name. */
        public readonly string $account,
        public readonly TransferBody $body,
        /** The producer's own key. */
        public readonly string $platform_no,
        /** The URL that the job's webhooks are posted to. */
        public readonly ?string $callback_url = null,
        /** The time before which the job is not sent, RFC 3339 with an offset. */
        public readonly ?string $run_at = null,
        /**
         * The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
         * nothing else are the same.
         */
        public readonly ?string $traceparent = null,
    ) {
    }

    public function jsonSerialize(): array
    {
        $fields = array_filter(get_object_vars($this), fn ($value) => $value !== null);
        return ['kind' => 'transfer'] + $fields;
    }
}
