<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** The body of a job of the kind `withdrawal`, in the words of the gateway's page. */
final class WithdrawalBody implements \JsonSerializable
{
    public function __construct(
        /** One of `0`, `1`. */
        public readonly string $account_sub_type,
        public readonly string $sso_node_id,
        /** An amount in fen. */
        public readonly int $total_amount,
        public readonly ?string $bank_card_name = null,
        public readonly ?string $bank_card_no = null,
        public readonly ?string $bank_id = null,
        public readonly ?string $bank_name = null,
        /** One of `0`, `1`, `2`. */
        public readonly ?string $card_type = null,
        public readonly ?array $extra = null,
        public readonly ?int $merchant_id = null,
        public readonly ?string $platform_no = null,
        public readonly ?string $remark = null,
        public readonly ?string $store_no = null,
    ) {
    }

    public function jsonSerialize(): array
    {
        $fields = array_filter(get_object_vars($this), fn ($value) => $value !== null);
        isset($fields['extra']) && $fields['extra'] = (object) $fields['extra'];
        return $fields;
    }
}
