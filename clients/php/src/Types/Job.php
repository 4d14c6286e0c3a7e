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
        /** The amount in fen; `null` where the content names none. */
        public readonly ?int $amount_fen,
        /** The number of sends. Each send is recorded before its first byte leaves. */
        public readonly int $attempts,
        /** When the job was accepted. */
        public readonly ?string $created_at,
        /** When the job is due next. While a worker has claimed the job, it is the end of the worker's lease. */
        public readonly ?string $due_at,
        /**
         * The one that ended the job: the gateway by its response, an operator, or Bursar, which will never send it.
         * `null` while it has not ended. One of `gateway`, `operator`, `bursar`.
         */
        public readonly ?string $ended_by,
        /** The gateway's status as it wrote it. */
        public readonly ?string $gateway_status,
        /** The job's kind. */
        public readonly string $kind,
        /** The account that is paid, masked. */
        public readonly ?string $payee,
        /** The account that pays, masked: `****9a`. */
        public readonly ?string $payer,
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
        /** The order that the job is about. It is left out where the kind has none. */
        public readonly ?string $order_id,
        /** @var list<Receiver> Those among whom the order is divided. They are left out where the kind has none. */
        public readonly array $receivers,
        /** Every member, those that this client does not know included. */
        public readonly array $json,
    ) {
    }

    public static function fromArray(array $json): self
    {
        return new self(
            account: $json['account'],
            amount_fen: $json['amount_fen'] ?? null,
            attempts: $json['attempts'],
            created_at: $json['created_at'] ?? null,
            due_at: $json['due_at'] ?? null,
            ended_by: $json['ended_by'] ?? null,
            gateway_status: $json['gateway_status'] ?? null,
            kind: $json['kind'],
            payee: $json['payee'] ?? null,
            payer: $json['payer'] ?? null,
            platform_no: $json['platform_no'],
            queries: $json['queries'],
            reason: isset($json['reason']) ? Reason::fromArray($json['reason']) : null,
            state: $json['state'],
            trade_no: $json['trade_no'] ?? null,
            updated_at: $json['updated_at'] ?? null,
            environment: $json['environment'] ?? null,
            order_id: $json['order_id'] ?? null,
            receivers: array_map(Receiver::fromArray(...), $json['receivers'] ?? []),
            json: $json,
        );
    }
}
