<?php

// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

declare(strict_types=1);

namespace Bursar\Types;

/** How durably it is stored: in Redis's memory, on its disk, or at its replicas. */
final class Durability
{
    public const FAST = 'fast';
    public const LOCAL = 'local';
    public const REPLICATED = 'replicated';
}
