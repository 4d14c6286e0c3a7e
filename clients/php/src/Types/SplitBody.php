<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** The body of a job of the kind `split`, in the words of the gateway's page. */
final class SplitBody implements \JsonSerializable
{
    public function __construct(
        public readonly ?string $mchOrderNo = null,
        public readonly ?string $paid_at = null,
        public readonly ?string $payOrderId = null,
        public readonly ?string $platform_no = null,
        /** @var list<SplitReceiver> */
        public readonly ?array $receivers = null,
        public readonly ?int $useSysAutoDivisionReceivers = null,
    ) {
    }

    public function jsonSerialize(): array
    {
        $fields = array_filter(get_object_vars($this), fn ($value) => $value !== null);
        return $fields;
    }
}
