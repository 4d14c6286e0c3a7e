<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** The body of a job of the kind `bill_upload`, in the words of the gateway's page. */
final class BillUploadBody implements \JsonSerializable
{
    public function __construct(
        public readonly string $node_id,
        /** An amount in fen. */
        public readonly int $order_amount,
        public readonly string $order_id,
        /** yyyyMMddHHmmss. */
        public readonly string $order_time,
        public readonly string $store_id,
        /** One of `1`, `2`. */
        public readonly string $trade_type,
        public readonly ?array $extra = null,
        public readonly ?int $fee_amount = null,
        /** @var list<BillUploadGoodsDetail> */
        public readonly ?array $goods_detail = null,
        /** Of the page's example; the same as in `extra`. */
        public readonly mixed $merchant_id = null,
        public readonly ?string $org_order_id = null,
        public readonly ?string $pay_merchant_id = null,
        public readonly ?string $pay_type = null,
        public readonly ?string $platform_no = null,
        /** Of the page's example; the same as in `extra`. */
        public readonly mixed $remark = null,
        public readonly ?string $split_refund_seq = null,
        public readonly ?string $split_rule_source = null,
        public readonly ?string $trade_no = null,
        public readonly ?string $user_id = null,
    ) {
    }

    public function jsonSerialize(): array
    {
        $fields = array_filter(get_object_vars($this), fn ($value) => $value !== null);
        isset($fields['extra']) && $fields['extra'] = (object) $fields['extra'];
        return $fields;
    }
}
