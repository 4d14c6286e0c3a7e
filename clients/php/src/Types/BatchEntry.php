<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** One of a batch. */
final class BatchEntry
{
    public function __construct(
        /** One of `new`, `existing`, `conflict`, `invalid`, `unreadable`. */
        public readonly string $outcome,
        /** The job's key; `null` where the job has none. */
        public readonly ?string $platform_no,
        /** The status that the job would be answered with alone. */
        public readonly int $status,
        /** The account's name. It is left out where the job is invalid. */
        public readonly ?string $account,
        /** The body that was meant, where a whole request of the gateway's page was given as the body. */
        public readonly ?array $corrected_body,
        /** The conflict in a sentence, for people. */
        public readonly ?string $detail,
        /** @var list<FieldError> Every field that breaks a rule. */
        public readonly array $errors,
        /**
         * @var list<string> The fields of the content that differ from the first job's: names, never values. Empty
         * where another key has the business key, and where only a hash is left of the first job.
         */
        public readonly array $fields,
        /** The key of the job that was submitted first. */
        public readonly ?string $first,
        /** The job's kind. It is left out where the job is invalid. */
        public readonly ?string $kind,
        /** The job's state. */
        public readonly ?string $state,
        /** Why the stored job cannot be read. */
        public readonly ?string $unreadable,
        /** Every member, those that this client does not know included. */
        public readonly array $json,
    ) {
    }

    public static function fromArray(array $json): self
    {
        return new self(
            outcome: $json['outcome'],
            platform_no: $json['platform_no'] ?? null,
            status: $json['status'],
            account: $json['account'] ?? null,
            corrected_body: $json['corrected_body'] ?? null,
            detail: $json['detail'] ?? null,
            errors: array_map(FieldError::fromArray(...), $json['errors'] ?? []),
            fields: $json['fields'] ?? [],
            first: $json['first'] ?? null,
            kind: $json['kind'] ?? null,
            state: $json['state'] ?? null,
            unreadable: $json['unreadable'] ?? null,
            json: $json,
        );
    }
}
