<?php

declare(strict_types=1);

namespace Bursar;

use Bursar\Types\Job;

/** The job has not ended within the time. It may still be paid: never pay it under another key. */
final class NotSettledException extends BursarException
{
    /** @param Job $job the job as it was read last */
    public function __construct(public readonly Job $job, ?\Throwable $cause = null)
    {
        parent::__construct("{$job->platform_no} is still {$job->state}", 0, $cause);
    }
}
