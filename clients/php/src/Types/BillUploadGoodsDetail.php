<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** A part of a body. */
final class BillUploadGoodsDetail implements \JsonSerializable
{
    public function __construct(
        public readonly string $goods_id,
        public readonly string $goods_name,
        /** An amount in fen. */
        public readonly int $price,
        /** A whole number. */
        public readonly int $quantity,
        /** An amount in fen. */
        public readonly int $real_price,
        public readonly ?string $body = null,
        public readonly ?string $goods_category = null,
        public readonly ?int $goods_fee_amount = null,
    ) {
    }

    public function jsonSerialize(): array
    {
        $fields = array_filter(get_object_vars($this), fn ($value) => $value !== null);
        return $fields;
    }
}
