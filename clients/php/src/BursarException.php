<?php

declare(strict_types=1);

namespace Bursar;

/** Every error of this package. */
class BursarException extends \RuntimeException
{
}
