<?php

declare(strict_types=1);

namespace Bursar;

/** Another job has this key or this business key. Nothing is stored. */
final class ConflictException extends ProblemException
{
    /** The key of the job that was submitted first. */
    public function first(): ?string
    {
        return $this->members['first'] ?? null;
    }

    /**
     * The fields that differ from that job's, where it has this key.
     *
     * @return list<string>
     */
    public function fields(): array
    {
        return $this->members['fields'] ?? [];
    }
}
