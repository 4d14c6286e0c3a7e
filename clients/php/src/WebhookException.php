<?php

declare(strict_types=1);

namespace Bursar;

/** The message is not to be believed. Answer 401. */
final class WebhookException extends BursarException
{
    /**
     * @param string $reason `missing_header`, `invalid_timestamp`, `too_old`, `too_new`, `no_matching_signature` or `invalid_body`;
     *     an exception's `code` is a number
     */
    public function __construct(public readonly string $reason)
    {
        parent::__construct("the webhook is refused: $reason");
    }
}
