<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** One job. Times are RFC 3339 in UTC; a value that is not known yet is `null`. */
final class Job
{
    public function __construct(
        /** The account's name. */
        public readonly string $account,
        /** The number of sends. Each send is recorded before its first byte leaves. */
        public readonly int $attempts,
        /** When the job was accepted. */
        public readonly ?string $created_at,
        /** When the job is due next. While a worker has claimed the job, it is the end of the worker's lease. */
        public readonly ?string $due_at,
        /** The gateway's status as it wrote it. */
        public readonly ?string $gateway_status,
        /** The job's kind. */
        public readonly string $kind,
        /** The job's key. */
        public readonly string $platform_no,
        /** The number of queries. */
        public readonly int $queries,
        /** Why the job is in this state. */
        public readonly ?Reason $reason,
        /** The job's state. */
        public readonly string $state,
        /** The gateway's transaction id, the newest that it named. */
        public readonly ?string $trade_no,
        /** When the job last changed. */
        public readonly ?string $updated_at,
        /** The name of the environment that the job was submitted in. It is left out where the submitter had none. */
        public readonly ?string $environment,
        /** Every member, those that this client does not know included. */
        public readonly array $json,
    ) {
    }

    public static function fromArray(array $json): self
    {
        return new self(
            account: $json['account'],
            attempts: $json['attempts'],
            created_at: $json['created_at'] ?? null,
            due_at: $json['due_at'] ?? null,
            gateway_status: $json['gateway_status'] ?? null,
            kind: $json['kind'],
            platform_no: $json['platform_no'],
            queries: $json['queries'],
            reason: isset($json['reason']) ? Reason::fromArray($json['reason']) : null,
            state: $json['state'],
            trade_no: $json['trade_no'] ?? null,
            updated_at: $json['updated_at'] ?? null,
            environment: $json['environment'] ?? null,
            json: $json,
        );
    }
}
