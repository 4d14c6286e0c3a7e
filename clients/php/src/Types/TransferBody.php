<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** The body of a job of the kind `transfer`, in the words of the gateway's page. */
final class TransferBody implements \JsonSerializable
{
    public function __construct(
        /** One of `T0`, `T1`. */
        public readonly string $arrive_time,
        public readonly string $node_id,
        public readonly string $payee_type,
        public readonly string $payer_type,
        /** An amount in fen. */
        public readonly int $total_amount,
        public readonly ?array $extra = null,
        public readonly ?string $payee_merchant_id = null,
        public readonly ?string $payee_store_no = null,
        public readonly ?string $payer_merchant_id = null,
        public readonly ?string $payer_store_no = null,
        public readonly ?string $platform_no = null,
    ) {
    }

    public function jsonSerialize(): array
    {
        $fields = array_filter(get_object_vars($this), fn ($value) => $value !== null);
        isset($fields['extra']) && $fields['extra'] = (object) $fields['extra'];
        return $fields;
    }
}
