#!/usr/bin/env node
// Submits one transfer, repeats safely, and follows it to its end. Node 18 or newer, no packages.
//
//   BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… node submit.mjs ORDER-1
//
// Exit code: 0 paid; 1 refused, failed, or needs review; 2 wrong use; 3 Bursar is out of reach.

const url = process.env.BURSAR_URL ?? 'http://127.0.0.1:8080';
const token = process.env.BURSAR_TOKEN;
// Timeout of one request; longer than the wait below.
const timeoutMillis = Number(process.env.BURSAR_TIMEOUT ?? '45') * 1000;
// The time for which one request is repeated; after it, a person must look.
const repeatMillis = Number(process.env.BURSAR_REPEAT_FOR ?? '120') * 1000;
const unfinished = new Set(['queued', 'in_doubt', 'pending']); // what is in doubt is never "not paid"

/** Whether Bursar has the job is unknown: submit the identical job again. */
class OutOfReach extends Error {}

const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

/** The answer's status and JSON. Lost connections, lost answers, 429 and 5xx are repeated with the identical request. */
async function call(method, path, body) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const until = Date.now() + repeatMillis;
  for (let pause = 200, why; ; pause = Math.min(pause * 2, 5_000)) {
    try {
      const signal = AbortSignal.timeout(timeoutMillis);
      const answer = await fetch(url + path, { method, headers, body, signal });
      if (answer.status !== 429 && answer.status < 500) {
        return { status: answer.status, json: await answer.json() };
      }
      why = `HTTP ${answer.status}`;
    } catch (error) {
      why = error.cause?.message ?? error.message;
    }
    if (Date.now() + pause > until) throw new OutOfReach(why);
    await sleep(pause);
  }
}

async function main(platformNo) {
  // Choose the key once and keep it: it identifies this payment in every repetition.
  const job = JSON.stringify({
    account: 'main',
    kind: 'transfer',
    platform_no: platformNo,
    body: {
      node_id: '00061967',
      total_amount: 10,
      payer_store_no: 'amy99a',
      payer_type: '1',
      payee_store_no: 'amy99b',
      payee_type: '2',
      arrive_time: 'T0',
    },
  });
  const submitted = await call('POST', '/v1/jobs', job);
  if (submitted.status !== 200 && submitted.status !== 201) {
    console.error(`refused (${submitted.status}): ${submitted.json.detail}`);
    return 1;
  }
  let { state } = submitted.json;
  console.log(`${platformNo} is ${state}`);
  while (unfinished.has(state)) {
    const { status, json } = await call('GET', `/v1/jobs/main/transfer/${encodeURIComponent(platformNo)}?wait=30s`);
    if (status !== 200) {
      console.error(`${platformNo} cannot be read (${status}): ${json.detail}`);
      return 3;
    }
    state = json.state;
  }
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
  if (!(error instanceof OutOfReach)) throw error;
  console.error(`${url} is out of reach (${error.message}); run this again`);
  process.exitCode = 3;
}
