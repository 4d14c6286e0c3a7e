#!/usr/bin/env php
<?php

// Submits one transfer and follows it to its end, whatever is lost on the way.
//
//   BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… php examples/submit.php ORDER-1
//
// Exit code: 0 paid; 1 refused, failed, or needs review; 2 wrong use; 3 Bursar is out of reach.

declare(strict_types=1);

require __DIR__ . '/../autoload.php'; // vendor/autoload.php once installed

use Bursar\BursarException;
use Bursar\Client;
use Bursar\ProblemException;
use Bursar\Types\State;
use Bursar\Types\TransferBody;
use Bursar\Types\TransferJob;

$token = getenv('BURSAR_TOKEN') ?: '';
if ($argc !== 2 || $token === '') {
    fwrite(STDERR, "usage: BURSAR_URL=… BURSAR_TOKEN=… php submit.php PLATFORM_NO\n");
    exit(2);
}
$client = new Client(
    getenv('BURSAR_URL') ?: 'http://127.0.0.1:8080',
    $token,
    timeout: (float) (getenv('BURSAR_TIMEOUT') ?: 15),
    retryFor: (float) (getenv('BURSAR_REPEAT_FOR') ?: 120), // after it, a person must look
);
// Choose the key once and keep it: it identifies this payment in every repetition.
$platformNo = $argv[1];
$job = new TransferJob(
    account: 'main',
    platform_no: $platformNo,
    body: new TransferBody(
        node_id: '00061967',
        total_amount: 10, // fen
        payer_store_no: 'amy99a',
        payer_type: '1',
        payee_store_no: 'amy99b',
        payee_type: '2',
        arrive_time: 'T0',
    ),
);
try {
    echo "$platformNo is {$client->submit($job)->state}\n";
    $state = $client->wait('main', 'transfer', $platformNo)->state;
} catch (ProblemException $error) {
    fwrite(STDERR, "refused ({$error->status}): {$error->detail}\n");
    exit(1);
} catch (BursarException $error) { // run this again: it is the same payment
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(3);
}
echo "$platformNo $state\n";
exit($state === State::SUCCEEDED ? 0 : 1);
