<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** The types of webhooks. */
final class WebhookType
{
    public const JOB_NEEDS_REVIEW = 'job.needs_review';
    public const JOB_SUCCEEDED = 'job.succeeded';
    public const JOB_FAILED = 'job.failed';
    public const JOB_REFUNDED = 'job.refunded';
    public const JOB_CANCELLED = 'job.cancelled';
    public const NOTIFICATION_RECEIVED = 'notification.received';
}
