<?php

declare(strict_types=1);

namespace Bursar;

/**
 * Verifies webhooks by one secret, or during a rotation by several (`whsec_…`): the form of Standard Webhooks
 * (https://www.standardwebhooks.com).
 */
final class Webhook
{
    private const PREFIX = 'whsec_';

    /** The lengths of a secret that the specification allows, in bytes. */
    private const SHORTEST = 24;
    private const LONGEST = 64;

    /** Seconds by which a message may be old or ahead: a recorded message must not be of use later. */
    private const TOLERANCE_SECONDS = 300;

    /** @var list<string> */
    private readonly array $keys;

    /** @param string|list<string> $secrets */
    public function __construct(
        #[\SensitiveParameter] string|array $secrets,
        private readonly int $toleranceSeconds = self::TOLERANCE_SECONDS,
    ) {
        if ($secrets === []) {
            throw new \InvalidArgumentException('there is no secret to verify with');
        }
        $this->keys = array_map(self::key(...), (array) $secrets);
    }

    /**
     * The message.
     *
     * @param array<string, string> $headers the request's headers by their names in any case, as `getallheaders()` has them
     * @param string $body the request's body as it arrived, byte by byte: `file_get_contents('php://input')`
     * @throws WebhookException if it is not to be believed
     */
    public function verify(array $headers, string $body, ?int $now = null): WebhookEvent
    {
        $headers = array_change_key_case($headers);
        $id = (string) ($headers['webhook-id'] ?? '');
        $timestamp = (string) ($headers['webhook-timestamp'] ?? '');
        $signature = (string) ($headers['webhook-signature'] ?? '');
        if ($id === '' || $timestamp === '' || $signature === '') {
            throw new WebhookException('missing_header');
        }
        if (preg_match('/^[0-9]{1,12}$/D', $timestamp) !== 1) {
            throw new WebhookException('invalid_timestamp');
        }
        $age = ($now ?? time()) - (int) $timestamp;
        if (abs($age) > $this->toleranceSeconds) {
            throw new WebhookException($age > 0 ? 'too_old' : 'too_new');
        }
        if (!$this->isSigned("$id.$timestamp.$body", $signature)) {
            throw new WebhookException('no_matching_signature');
        }
        $json = json_decode($body);
        if (!$json instanceof \stdClass) {
            throw new WebhookException('invalid_body');
        }
        return new WebhookEvent($id, (int) $timestamp, json_decode($body, true));
    }

    private function isSigned(string $signed, string $header): bool
    {
        $isSigned = false;
        foreach (explode(' ', $header) as $signature) {
            foreach ($this->keys as $key) { // all of them, in constant time
                $expected = 'v1,' . base64_encode(hash_hmac('sha256', $signed, $key, true));
                $isSigned = hash_equals($expected, $signature) || $isSigned;
            }
        }
        return $isSigned;
    }

    private static function key(#[\SensitiveParameter] string $secret): string
    {
        $text = str_starts_with($secret, self::PREFIX) ? substr($secret, strlen(self::PREFIX)) : '';
        $key = base64_decode($text, true);
        if ($key === false || strlen($key) < self::SHORTEST || strlen($key) > self::LONGEST) {
            throw new \InvalidArgumentException('a secret must be whsec_ and 24 to 64 bytes in base64');
        }
        return $key;
    }
}
