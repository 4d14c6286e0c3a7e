<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** A part of a body. */
final class SplitReceiver implements \JsonSerializable
{
    public function __construct(
        public readonly ?string $divisionProfit = null,
        public readonly ?int $receiverGroupId = null,
        public readonly ?int $receiverId = null,
    ) {
    }

    public function jsonSerialize(): array
    {
        $fields = array_filter(get_object_vars($this), fn ($value) => $value !== null);
        return $fields;
    }
}
