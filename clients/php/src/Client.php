<?php

declare(strict_types=1);

namespace Bursar;

use Bursar\Types\Accepted;
use Bursar\Types\BatchOutcomes;
use Bursar\Types\Job;
use Bursar\Types\State;

/** A client of one server: one method for each thing that a producer does. */
final class Client
{
    private const VERSION = '0.1.0';

    /**
     * The pause before the first repetition, in seconds; it doubles up to the other one. Each is shortened at random by up to a half,
     * so that clients that failed together do not come back together.
     */
    private const FIRST_PAUSE = 0.2;
    private const LONGEST_PAUSE = 5.0;

    /** The longest wait of one request, in seconds: proxies cut connections that are silent for longer. */
    private const LONGEST_WAIT = 30;

    private readonly string $url;

    /**
     * @param string $url where the server is, for example `https://bursar.example`
     * @param string $token a token of the role `producer`
     * @param float $timeout seconds for one attempt
     * @param float $retryFor seconds within which a request is repeated; no attempt begins later
     * @param array<int, mixed> $options further options of curl, for example `CURLOPT_CAINFO`
     */
    public function __construct(
        string $url,
        private readonly string $token,
        private readonly float $timeout = 15.0,
        private readonly float $retryFor = 120.0,
        private readonly array $options = [],
    ) {
        $parts = parse_url($url);
        $isHttp = in_array($parts['scheme'] ?? '', ['http', 'https'], true) && isset($parts['host']);
        if (!$isHttp || isset($parts['query']) || isset($parts['fragment'])) {
            throw new \InvalidArgumentException('url must be http://HOST or https://HOST, with a port or path where they are needed');
        }
        $this->url = rtrim($url, '/');
    }

    /**
     * Submits a job: a `TransferJob`, `BillUploadJob`, `SplitJob` or `WithdrawalJob`, or an array with the same members. The outcome is
     * `new`, or `existing` if the same job was stored before; both mean that it is accepted.
     *
     * @throws ConflictException another job has this key or this business key
     * @throws ProblemException any other refusal
     * @throws UnavailableException whether the job is stored is unknown
     */
    public function submit(\JsonSerializable|array $job): Accepted
    {
        return Accepted::fromArray($this->call('POST', '/v1/jobs', self::encoded($job), $this->deadline(), $this->timeout));
    }

    /**
     * Submits up to 1,000 jobs. There is an outcome for each, in order; a refused job keeps none of the others back.
     *
     * @param list<\JsonSerializable|array> $jobs
     */
    public function batch(array $jobs): BatchOutcomes
    {
        $body = self::encoded(['jobs' => array_values($jobs)]);
        return BatchOutcomes::fromArray($this->call('POST', '/v1/jobs', $body, $this->deadline(), $this->timeout));
    }

    /**
     * Reads a job.
     *
     * @throws ProblemException of the type `not-found` if there is no such job
     */
    public function get(string $account, string $kind, string $platformNo): Job
    {
        return Job::fromArray($this->call('GET', self::path($account, $kind, $platformNo), null, $this->deadline(), $this->timeout));
    }

    /**
     * Reads a job once it has ended or needs review, after `$within` seconds at the latest.
     *
     * @throws NotSettledException the job has not ended by then
     * @throws UnavailableException the job was never read
     */
    public function wait(string $account, string $kind, string $platformNo, float $within = 600.0): Job
    {
        $deadline = self::now() + $within;
        $path = self::path($account, $kind, $platformNo);
        for ($job = null; ;) {
            $began = self::now();
            if ($job !== null && $began >= $deadline) {
                throw new NotSettledException($job);
            }
            [$text, $seconds] = self::waitOf($deadline - $began);
            try {
                $job = Job::fromArray($this->call('GET', "$path?wait=$text", null, $deadline, $seconds + $this->timeout));
            } catch (UnavailableException $error) {
                throw $job === null ? $error : new NotSettledException($job, $error);
            }
            if (in_array($job->state, State::SETTLED, true)) {
                return $job;
            }
            if (self::now() - $began < $seconds / 2) { // the server drains: another one will answer
                self::sleep(self::pause(0));
            }
        }
    }

    /** The reply's JSON. The identical request is repeated after a lost connection or reply, 429 and 5xx. */
    private function call(string $method, string $path, ?string $body, float $deadline, float $timeout): array
    {
        for ($attempts = 0; ; $attempts++) {
            $problem = null;
            $retryAfter = 0.0;
            [$status, $text, $header, $why] = $this->exchange($method, $path, $body, $timeout);
            $json = json_decode($text, true);
            if ($why === '' && $status >= 200 && $status < 300) {
                if (is_array($json) && !array_is_list($json)) {
                    return $json;
                }
                $why = "the reply is not Bursar's";
            } elseif ($why === '') {
                $problem = ProblemException::of($status, $json, $text);
                if ($status !== 429 && $status < 500) {
                    throw $problem;
                }
                $why = $problem->getMessage();
                $retryAfter = self::secondsOf($header);
            }
            $pause = max(self::pause($attempts), $retryAfter);
            if (self::now() + $pause >= $deadline) {
                throw new UnavailableException(self::unknown($method, $why), $problem);
            }
            self::sleep($pause);
        }
    }

    /**
     * One attempt, without redirects: they would make another request of a POST.
     *
     * @return array{int, string, string, string} the status, the body, `Retry-After`, and the failure, which is empty for a whole reply
     */
    private function exchange(string $method, string $path, ?string $body, float $timeout): array
    {
        $headers = ["Authorization: Bearer {$this->token}", 'Expect:']; // no pause before a long body
        if ($body !== null) {
            $headers[] = 'Content-Type: application/json';
        }
        $retryAfter = '';
        $read = static function ($handle, string $line) use (&$retryAfter): int {
            if (stripos($line, 'retry-after:') === 0) {
                $retryAfter = trim(substr($line, strlen('retry-after:')));
            }
            return strlen($line);
        };
        $handle = curl_init($this->url . $path);
        curl_setopt_array($handle, $this->options + [
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_HTTPHEADER => $headers,
            CURLOPT_USERAGENT => 'bursar-client-php/' . self::VERSION,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_HEADERFUNCTION => $read,
            CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_PATH_AS_IS => true, // a key may be two dots
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_NOSIGNAL => true,
            CURLOPT_TIMEOUT_MS => max((int) ($timeout * 1000), 1),
        ]);
        if ($body !== null) {
            curl_setopt($handle, CURLOPT_POSTFIELDS, $body);
        }
        $text = curl_exec($handle);
        $why = $text === false ? curl_error($handle) ?: 'no reply' : '';
        return [curl_getinfo($handle, CURLINFO_RESPONSE_CODE), $text === false ? '' : $text, $retryAfter, $why];
    }

    private function deadline(): float
    {
        return self::now() + $this->retryFor;
    }

    /** Written once for all attempts, so that each has the same bytes. */
    private static function encoded(mixed $value): string
    {
        return json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
    }

    private static function path(string $account, string $kind, string $platformNo): string
    {
        return '/v1/jobs/' . implode('/', array_map(rawurlencode(...), [$account, $kind, $platformNo]));
    }

    /** A `wait` of the API, and its seconds. */
    private static function waitOf(float $left): array
    {
        if ($left >= 1) {
            $seconds = min((int) $left, self::LONGEST_WAIT);
            return ["{$seconds}s", (float) $seconds];
        }
        $millis = max((int) ($left * 1000), 0);
        return ["{$millis}ms", $millis / 1000];
    }

    private static function pause(int $attempts): float
    {
        $ceiling = min(self::FIRST_PAUSE * 2 ** min($attempts, 16), self::LONGEST_PAUSE);
        return $ceiling * random_int(500, 1000) / 1000;
    }

    /** `Retry-After`: seconds, or a date as proxies may write it; 0 where it says nothing that can be read. */
    private static function secondsOf(string $retryAfter): float
    {
        if (preg_match('/^[0-9]+$/D', $retryAfter) === 1) {
            return (float) $retryAfter;
        }
        $until = $retryAfter === '' ? false : strtotime($retryAfter);
        return $until === false ? 0.0 : max((float) ($until - time()), 0.0);
    }

    private static function unknown(string $method, string $why): string
    {
        return $method === 'POST'
            ? "whether Bursar has the job is unknown, so submit the same job again: $why"
            : "Bursar cannot be read: $why";
    }

    /** A clock that no one sets, in seconds. */
    private static function now(): float
    {
        return hrtime(true) / 1e9;
    }

    private static function sleep(float $seconds): void
    {
        usleep((int) ($seconds * 1e6));
    }
}
