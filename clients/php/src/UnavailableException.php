<?php

declare(strict_types=1);

namespace Bursar;

/** No reply that says the outcome until the deadline. A submitted job may be stored: submit the same job again. */
final class UnavailableException extends BursarException
{
    /** @param ?ProblemException $problem the last refusal that may be repeated (429, 5xx); null if the last attempt had no reply */
    public function __construct(string $message, public readonly ?ProblemException $problem)
    {
        parent::__construct($message);
    }
}
