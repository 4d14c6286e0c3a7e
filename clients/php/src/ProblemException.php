<?php

declare(strict_types=1);

namespace Bursar;

use Bursar\Types\FieldError;
use Bursar\Types\ProblemType;

/** Bursar has refused the request, as a problem of RFC 9457. The same request would be refused again. */
class ProblemException extends BursarException
{
    /** The kind of refusal: one of `ProblemType`, or `about:blank` where the refusal is not Bursar's. */
    public readonly string $type;
    public readonly string $title;
    public readonly int $status;
    /** The refusal in a sentence, for people. */
    public readonly string $detail;
    /** @var list<FieldError> Every field that breaks a rule, where the type is `invalid`. */
    public readonly array $errors;

    /** @param array $members every member of the problem */
    final public function __construct(public readonly array $members)
    {
        $this->type = (string) $members['type'];
        $this->title = (string) $members['title'];
        $this->status = (int) $members['status'];
        $this->detail = (string) $members['detail'];
        $this->errors = array_map(FieldError::fromArray(...), $members['errors'] ?? []);
        parent::__construct("{$this->title} ({$this->status}): {$this->detail}");
    }

    /** The problem in a reply; one of the type `about:blank` where another program than Bursar has replied. */
    public static function of(int $status, mixed $json, string $text): self
    {
        $given = is_array($json) && !array_is_list($json) ? $json : [];
        $members = $given + ['type' => 'about:blank', 'title' => 'HTTP error', 'detail' => substr($text, 0, 200)];
        $members['status'] = $status;
        $conflicts = [ProblemType::KEY_CONFLICT, ProblemType::BUSINESS_KEY_CONFLICT];
        return in_array($members['type'], $conflicts, true) ? new ConflictException($members) : new self($members);
    }
}
