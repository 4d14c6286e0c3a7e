#!/usr/bin/env node
// Submits one transfer and follows it to its end, whatever is lost on the way.
//
//   BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… node examples/submit.mjs ORDER-1
//
// Exit code: 0 paid; 1 refused, failed, or needs review; 2 wrong use; 3 Bursar is out of reach.

import { Client, NotSettledError, ProblemError, UnavailableError } from '../src/index.js'; // 'bursar-client' once installed

const url = process.env.BURSAR_URL ?? 'http://127.0.0.1:8080';
const token = process.env.BURSAR_TOKEN;

async function main(platformNo) {
  const client = new Client(url, token, {
    timeoutMillis: Number(process.env.BURSAR_TIMEOUT ?? '15') * 1000,
    retryForMillis: Number(process.env.BURSAR_REPEAT_FOR ?? '120') * 1000, // after it, a person must look
  });
  // Choose the key once and keep it: it identifies this payment in every repetition.
  const accepted = await client.submit({
    account: 'main',
    kind: 'transfer',
    platform_no: platformNo,
    body: {
      node_id: '00061967',
      total_amount: 10, // fen
      payer_store_no: 'amy99a',
      payer_type: '1',
      payee_store_no: 'amy99b',
      payee_type: '2',
      arrive_time: 'T0',
    },
  });
  console.log(`${platformNo} is ${accepted.state}`);
  const { state } = await client.wait('main', 'transfer', platformNo);
  console.log(`${platformNo} ${state}`);
  return state === 'succeeded' ? 0 : 1;
}

if (process.argv.length !== 3 || !token) {
  console.error('usage: BURSAR_URL=… BURSAR_TOKEN=… node submit.mjs PLATFORM_NO');
  process.exit(2);
}
try {
  process.exitCode = await main(process.argv[2]);
} catch (error) {
  if (error instanceof ProblemError) {
    console.error(`refused (${error.status}): ${error.detail}`);
    process.exitCode = 1;
  } else if (error instanceof UnavailableError || error instanceof NotSettledError) {
    console.error(error.message); // run this again: it is the same payment
    process.exitCode = 3;
  } else {
    throw error;
  }
}
