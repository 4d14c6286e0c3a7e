<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** The outcomes of a batch. */
final class BatchOutcomes
{
    public function __construct(
        /** The durability of the jobs that are stored. */
        public readonly string $durability,
        /** @var list<BatchEntry> An outcome for each job, in the order of the batch. */
        public readonly array $jobs,
        /** Every member, those that this client does not know included. */
        public readonly array $json,
    ) {
    }

    public static function fromArray(array $json): self
    {
        return new self(
            durability: $json['durability'],
            jobs: array_map(BatchEntry::fromArray(...), $json['jobs'] ?? []),
            json: $json,
        );
    }
}
