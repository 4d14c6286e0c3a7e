<?php

// The client against a server behind a proxy that loses replies. `tests/e2e/sdks.rs` starts both, and checks what arrived:
//
//   cargo test -p bursar --test e2e -- sdks::php
//
// A program, for a test library would have to be fetched.

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

use Bursar\Client;
use Bursar\ConflictException;
use Bursar\NotSettledException;
use Bursar\ProblemException;
use Bursar\Types;
use Bursar\Types\ProblemType;
use Bursar\UnavailableException;
use Bursar\Webhook;
use Bursar\WebhookException;

set_error_handler(static fn (int $level, string $text, string $file, int $line) => throw new ErrorException($text, 0, $level, $file, $line));

function equal(mixed $actual, mixed $expected): void
{
    if ($actual !== $expected) {
        throw new Exception('expected ' . json_encode($expected) . ', and it is ' . json_encode($actual));
    }
}

/** The exception of a call that must fail with one of this class. */
function failure(string $class, callable $call): Throwable
{
    try {
        $call();
    } catch (Throwable $error) {
        return $error instanceof $class ? $error : throw $error;
    }
    throw new Exception('it did not fail');
}

function client(float $retryFor = 30.0, ?string $token = null): Client
{
    return new Client(getenv('BURSAR_URL'), $token ?? getenv('BURSAR_TOKEN'), timeout: 2.0, retryFor: $retryFor);
}

function transfer(string $key, int $amount = 10, ?string $runAt = null): Types\TransferJob
{
    return new Types\TransferJob(account: 'main', platform_no: $key, run_at: $runAt, body: new Types\TransferBody(
        node_id: '00061967',
        total_amount: $amount,
        payer_store_no: 'amy99a',
        payer_type: '1',
        payee_store_no: 'amy99b',
        payee_type: '2',
        arrive_time: 'T0',
    ));
}

function bill(string $key): Types\BillUploadJob
{
    return new Types\BillUploadJob(account: 'main', platform_no: $key, body: new Types\BillUploadBody(
        node_id: '100001',
        order_amount: 199,
        order_id: $key,
        order_time: '20240301131800',
        store_id: '20008221',
        trade_type: '1',
        goods_detail: [new Types\BillUploadGoodsDetail(
            goods_id: 'apple-01',
            goods_name: 'ipad',
            quantity: 1,
            price: 200000,
            real_price: 199999,
        )],
        extra: ['remark' => '备注'],
    ));
}

function split(string $key): Types\SplitJob
{
    return new Types\SplitJob(account: 'shop', platform_no: $key, body: new Types\SplitBody(
        payOrderId: $key,
        useSysAutoDivisionReceivers: 0,
        receivers: [new Types\SplitReceiver(receiverId: 800029, divisionProfit: '0.0001')],
    ));
}

function withdrawal(string $key): Types\WithdrawalJob
{
    return new Types\WithdrawalJob(account: 'main', platform_no: $key, body: new Types\WithdrawalBody(
        merchant_id: 1000000001116,
        sso_node_id: '00061967',
        account_sub_type: '0',
        total_amount: 110,
        card_type: '0',
        remark: $key,
    ));
}

$vectors = json_decode(file_get_contents(__DIR__ . '/../../webhook-vectors.json'), true, flags: JSON_THROW_ON_ERROR);

$tests = [
    'every vector has its result' => static function () use ($vectors): void {
        foreach ($vectors['vectors'] as $vector) {
            $headers = [];
            foreach (['id', 'timestamp', 'signature'] as $name) {
                if ($vector[$name] !== null) {
                    $headers["Webhook-$name"] = $vector[$name];
                }
            }
            try {
                (new Webhook($vector['secrets']))->verify($headers, $vector['body'], $vector['now']);
                $result = 'verified';
            } catch (WebhookException $error) {
                $result = $error->reason;
            }
            equal("{$vector['name']}: $result", "{$vector['name']}: {$vector['expected']}");
        }
    },
    'a wrong secret is refused' => static function () use ($vectors): void {
        foreach ($vectors['invalid_secrets'] as $secret) {
            failure(InvalidArgumentException::class, fn () => new Webhook($secret));
        }
    },
    'a webhook of the server is verified' => static function (): void {
        $message = json_decode(file_get_contents(getenv('BURSAR_WEBHOOK')), true);
        $event = (new Webhook($message['secrets']))->verify($message['headers'], $message['body']);
        equal([$event->type(), $event->job()->data->platform_no], ['job.succeeded', 'HOOK-1']);
    },
    'a job of each kind is accepted and followed' => static function (): void {
        $jobs = [transfer('KIND-TRANSFER'), bill('KIND-BILL'), split('KIND-SPLIT'), withdrawal('KIND-WITHDRAWAL')];
        foreach ($jobs as $job) {
            equal(client()->submit($job)->outcome, 'new');
        }
        foreach (array_slice($jobs, 0, 3) as $job) { // a withdrawal cannot be queried: an operator ends it
            $kind = $job->jsonSerialize()['kind'];
            equal(client()->wait($job->account, $kind, $job->platform_no, 30)->state, Types\State::SUCCEEDED);
        }
    },
    'a lost reply is repeated until the job is known' => static function (): void {
        foreach (['LOST-1', 'CUT-1', 'HANG-1'] as $key) {
            equal(client()->submit(transfer($key))->outcome, 'existing');
        }
        equal(client()->get('main', 'transfer', 'LOST-1')->platform_no, 'LOST-1');
    },
    'what cannot be taken now is repeated' => static function (): void {
        foreach (['DOWN-1', 'RATE-1', 'PAGE-1'] as $key) {
            equal(client()->submit(transfer($key))->outcome, 'new');
        }
    },
    'repeating ends at the deadline' => static function (): void {
        $refused = failure(UnavailableException::class, fn () => client(retryFor: 1.0)->submit(transfer('GONE-1')));
        equal([$refused->problem->status, $refused->problem->type], [502, 'about:blank']);
        $away = new Client('http://127.0.0.1:1', 'x', retryFor: 0.5);
        equal(failure(UnavailableException::class, fn () => $away->submit(transfer('GONE-1')))->problem, null);
    },
    'the same job is accepted again' => static function (): void {
        equal(client()->submit(transfer('TWICE-1'))->outcome, 'new');
        equal(client()->submit(transfer('TWICE-1'))->outcome, 'existing');
    },
    'a conflict names the first job' => static function (): void {
        client()->submit(transfer('FIRST-1'));
        $error = failure(ConflictException::class, fn () => client()->submit(transfer('FIRST-1', 11)));
        equal([$error->first(), $error->status, $error->type], ['FIRST-1', 409, ProblemType::KEY_CONFLICT]);
        equal($error->fields(), ['total_amount']);
        equal(str_contains($error->detail, 'FIRST-1'), true);
    },
    'an invalid job names each field' => static function (): void {
        $error = failure(ProblemException::class, fn () => client()->submit(transfer('INVALID 1', -1)));
        equal([$error->status, $error->type], [422, ProblemType::INVALID]);
        $fields = array_map(fn ($wrong) => $wrong->field, $error->errors);
        sort($fields);
        equal($fields, ['body.total_amount', 'platform_no']);
    },
    'other refusals are problems' => static function (): void {
        $unknown = failure(ProblemException::class, fn () => client(token: 'wrong')->submit(transfer('TOKEN-1')));
        equal([$unknown->status, $unknown->type], [401, ProblemType::UNAUTHENTICATED]);
        $missing = failure(ProblemException::class, fn () => client()->get('main', 'transfer', 'MISSING-1'));
        equal([$missing->status, $missing->type], [404, ProblemType::NOT_FOUND]);
    },
    'a batch has an outcome for each job' => static function (): void {
        client()->submit(transfer('BATCH-1'));
        $jobs = [transfer('BATCH-1'), transfer('BATCH-1', 11), transfer('BATCH 3'), transfer('BATCH-2')];
        $outcomes = client()->batch($jobs)->jobs;
        equal(array_map(fn ($one) => $one->outcome, $outcomes), ['existing', 'conflict', 'invalid', 'new']);
        equal(array_map(fn ($one) => $one->status, $outcomes), [200, 409, 422, 201]);
        equal([$outcomes[1]->first, $outcomes[2]->errors[0]->field], ['BATCH-1', 'platform_no']);
    },
    'a wait ends with the job as it is' => static function (): void {
        client()->submit(transfer('LATER-1', runAt: gmdate('Y-m-d\TH:i:s\Z', time() + 86400)));
        $error = failure(NotSettledException::class, fn () => client()->wait('main', 'transfer', 'LATER-1', 1.2));
        equal($error->job->state, Types\State::QUEUED);
    },
    'a key may have any characters' => static function (): void {
        $key = 'ODD-/?#%41+&=:@';
        client()->submit(transfer($key));
        equal(client()->get('main', 'transfer', $key)->platform_no, $key);
    },
];

$failed = 0;
foreach ($tests as $name => $test) {
    try {
        $test();
        echo "ok     $name\n";
    } catch (Throwable $error) {
        $failed++;
        echo "FAILED $name\n$error\n";
    }
}
echo count($tests) - $failed, " passed, $failed failed\n";
exit($failed === 0 ? 0 : 1);
