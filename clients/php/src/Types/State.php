<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** The state of a job. */
final class State
{
    /** Never sent, or certainly not executed. */
    public const QUEUED = 'queued';
    /** A send may have reached the gateway. */
    public const IN_DOUBT = 'in_doubt';
    /** Accepted; the gateway says 9 or n. */
    public const PENDING = 'pending';
    /** A person must decide. */
    public const NEEDS_REVIEW = 'needs_review';
    /** The gateway's last word is 1; a bill upload was received. */
    public const SUCCEEDED = 'succeeded';
    /** The gateway's last word is 0, or the job was certainly never executed and never will be. */
    public const FAILED = 'failed';
    /** The gateway's last word is 2. */
    public const REFUNDED = 'refunded';
    /** Taken back before any send took effect. */
    public const CANCELLED = 'cancelled';

    /** The states in which a job stays until a person acts: it has ended, or needs review. */
    public const SETTLED = [self::NEEDS_REVIEW, self::SUCCEEDED, self::FAILED, self::REFUNDED, self::CANCELLED];
}
