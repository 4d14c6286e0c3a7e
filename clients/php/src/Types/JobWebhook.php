<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** The body of one webhook: the same bytes at each attempt. */
final class JobWebhook
{
    public function __construct(
        /** The job as it was at that time, or the notification. */
        public readonly Job $data,
        /** The event's number among those of its job or notification, from 1. */
        public readonly int $sequence,
        /** When the event happened. */
        public readonly string $timestamp,
        /** The event's type. */
        public readonly string $type,
        /** Every member, those that this client does not know included. */
        public readonly array $json,
    ) {
    }

    public static function fromArray(array $json): self
    {
        return new self(
            data: Job::fromArray($json['data']),
            sequence: $json['sequence'],
            timestamp: $json['timestamp'],
            type: $json['type'],
            json: $json,
        );
    }
}
