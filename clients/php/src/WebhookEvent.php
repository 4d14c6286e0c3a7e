<?php

declare(strict_types=1);

namespace Bursar;

use Bursar\Types\JobWebhook;
use Bursar\Types\NotificationWebhook;
use Bursar\Types\WebhookType;

/** A message that was verified. */
final class WebhookEvent
{
    /**
     * @param string $id the same at each delivery: recognise repetitions by it
     * @param int $sentAt when this delivery was sent, in seconds since 1970
     * @param array $json every member of the message
     */
    public function __construct(
        public readonly string $id,
        public readonly int $sentAt,
        public readonly array $json,
    ) {
    }

    /** One of `WebhookType`. */
    public function type(): string
    {
        return (string) ($this->json['type'] ?? '');
    }

    /** The message about a job; null if the type is `notification.received`. */
    public function job(): ?JobWebhook
    {
        return $this->isNotification() ? null : JobWebhook::fromArray($this->json);
    }

    /** The gateway's notification; null for all other types. */
    public function notification(): ?NotificationWebhook
    {
        return $this->isNotification() ? NotificationWebhook::fromArray($this->json) : null;
    }

    private function isNotification(): bool
    {
        return $this->type() === WebhookType::NOTIFICATION_RECEIVED;
    }
}
