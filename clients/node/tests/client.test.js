// The client against a server behind a proxy that loses replies. `tests/e2e/sdks.rs` starts both, and checks what arrived:
//
//   cargo test -p bursar --test e2e -- sdks::node

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Client, ConflictError, NotSettledError, PROBLEMS, ProblemError, UnavailableError, Webhook } from '../src/index.js';

const { vectors, invalid_secrets: invalidSecrets } = JSON.parse(
  readFileSync(new URL('../../webhook-vectors.json', import.meta.url), 'utf8'),
);
const { BURSAR_URL: url, BURSAR_TOKEN: token, BURSAR_WEBHOOK: webhook } = process.env;
const options = { skip: url ? false : 'BURSAR_URL names no server', concurrency: true };

const client = (retryForMillis = 30_000, as = token) => new Client(url, as, { timeoutMillis: 2_000, retryForMillis });

const transfer = (key, amount = 10, fields = {}) => ({
  account: 'main',
  kind: 'transfer',
  platform_no: key,
  body: {
    node_id: '00061967',
    total_amount: amount,
    payer_store_no: 'amy99a',
    payer_type: '1',
    payee_store_no: 'amy99b',
    payee_type: '2',
    arrive_time: 'T0',
  },
  ...fields,
});

const bill = (key) => ({
  account: 'main',
  kind: 'bill_upload',
  platform_no: key,
  body: {
    node_id: '100001',
    order_amount: 199,
    order_id: key,
    order_time: '20240301131800',
    store_id: '20008221',
    trade_type: '1',
    goods_detail: [{ goods_id: 'apple-01', goods_name: 'ipad', quantity: 1, price: 200000, real_price: 199999 }],
    extra: { remark: '备注' },
  },
});

const split = (key) => ({
  account: 'shop',
  kind: 'split',
  platform_no: key,
  body: {
    payOrderId: key,
    useSysAutoDivisionReceivers: 0,
    receivers: [{ receiverId: 800029, divisionProfit: '0.0001' }],
  },
});

const withdrawal = (key) => ({
  account: 'main',
  kind: 'withdrawal',
  platform_no: key,
  body: {
    merchant_id: 1000000001116,
    sso_node_id: '00061967',
    account_sub_type: '0',
    total_amount: 110,
    card_type: '0',
    remark: key,
  },
});

/** The error of a call that must fail with one of this class. */
async function failure(type, call) {
  const error = await call.then(
    () => assert.fail('it did not fail'),
    (error) => error,
  );
  assert.ok(error instanceof type, error);
  return error;
}

test('every vector has its result', () => {
  for (const vector of vectors) {
    const names = ['id', 'timestamp', 'signature'].filter((name) => vector[name] !== null);
    const headers = Object.fromEntries(names.map((name) => [`Webhook-${name}`, vector[name]]));
    let result = 'verified';
    try {
      new Webhook(vector.secrets).verify(headers, vector.body, { now: vector.now });
    } catch (error) {
      result = error.code;
    }
    assert.equal(result, vector.expected, vector.name);
  }
});

test('a wrong secret is refused', () => {
  for (const secret of invalidSecrets) assert.throws(() => new Webhook(secret), TypeError);
});

test('a webhook of the server is verified', options, () => {
  const message = JSON.parse(readFileSync(webhook, 'utf8'));
  const { payload } = new Webhook(message.secrets).verify(new Headers(message.headers), Buffer.from(message.body));
  assert.deepEqual([payload.type, payload.data.platform_no], ['job.succeeded', 'HOOK-1']);
});

test('a job of each kind is accepted and followed', options, async () => {
  const jobs = [transfer('KIND-TRANSFER'), bill('KIND-BILL'), split('KIND-SPLIT'), withdrawal('KIND-WITHDRAWAL')];
  for (const job of jobs) assert.equal((await client().submit(job)).outcome, 'new');
  // A withdrawal cannot be queried: an operator ends it.
  for (const { account, kind, platform_no: key } of jobs.slice(0, 3)) {
    const ended = await client().wait(account, kind, key, { withinMillis: 30_000 });
    assert.equal(ended.state, 'succeeded', JSON.stringify(ended));
  }
});

test('a lost reply is repeated until the job is known', options, async () => {
  for (const key of ['LOST-1', 'CUT-1', 'HANG-1']) {
    assert.equal((await client().submit(transfer(key))).outcome, 'existing', key);
  }
  assert.equal((await client().get('main', 'transfer', 'LOST-1')).platform_no, 'LOST-1');
});

test('what cannot be taken now is repeated', options, async () => {
  for (const key of ['DOWN-1', 'RATE-1', 'PAGE-1']) {
    assert.equal((await client().submit(transfer(key))).outcome, 'new', key);
  }
});

test('repeating ends at the deadline', options, async () => {
  const refused = await failure(UnavailableError, client(1_000).submit(transfer('GONE-1')));
  assert.deepEqual([refused.problem.status, refused.problem.type], [502, 'about:blank']);
  const away = new Client('http://127.0.0.1:1', token, { retryForMillis: 500 });
  assert.equal((await failure(UnavailableError, away.submit(transfer('GONE-1')))).problem, undefined);
});

test('the same job is accepted again', options, async () => {
  assert.equal((await client().submit(transfer('TWICE-1'))).outcome, 'new');
  assert.equal((await client().submit(transfer('TWICE-1'))).outcome, 'existing');
});

test('a conflict names the first job', options, async () => {
  await client().submit(transfer('FIRST-1'));
  const error = await failure(ConflictError, client().submit(transfer('FIRST-1', 11)));
  assert.deepEqual([error.first, error.status, error.type], ['FIRST-1', 409, PROBLEMS.KEY_CONFLICT]);
  assert.deepEqual(error.fields, ['total_amount']);
  assert.match(error.detail, /FIRST-1/);
});

test('an invalid job names each field', options, async () => {
  const error = await failure(ProblemError, client().submit(transfer('INVALID 1', -1)));
  assert.deepEqual([error.status, error.type], [422, PROBLEMS.INVALID]);
  assert.deepEqual(error.errors.map(({ field }) => field).sort(), ['body.total_amount', 'platform_no']);
});

test('other refusals are problems', options, async () => {
  const unknown = await failure(ProblemError, client(30_000, 'wrong').submit(transfer('TOKEN-1')));
  assert.deepEqual([unknown.status, unknown.type], [401, PROBLEMS.UNAUTHENTICATED]);
  const missing = await failure(ProblemError, client().get('main', 'transfer', 'MISSING-1'));
  assert.deepEqual([missing.status, missing.type], [404, PROBLEMS.NOT_FOUND]);
});

test('a batch has an outcome for each job', options, async () => {
  await client().submit(transfer('BATCH-1'));
  const jobs = [transfer('BATCH-1'), transfer('BATCH-1', 11), transfer('BATCH 3'), transfer('BATCH-2')];
  const outcomes = (await client().batch(jobs)).jobs;
  assert.deepEqual(outcomes.map(({ outcome }) => outcome), ['existing', 'conflict', 'invalid', 'new']);
  assert.deepEqual(outcomes.map(({ status }) => status), [200, 409, 422, 201]);
  assert.equal(outcomes[1].first, 'BATCH-1');
  assert.equal(outcomes[2].errors[0].field, 'platform_no');
});

test('a wait ends with the job as it is', options, async () => {
  const tomorrow = new Date(Date.now() + 24 * 3600 * 1000).toISOString();
  await client().submit(transfer('LATER-1', 10, { run_at: tomorrow }));
  const error = await failure(NotSettledError, client().wait('main', 'transfer', 'LATER-1', { withinMillis: 1_200 }));
  assert.equal(error.job.state, 'queued');
});

test('a key may have any characters', options, async () => {
  const key = 'ODD-/?#%41+&=:@';
  await client().submit(transfer(key));
  assert.equal((await client().get('main', 'transfer', key)).platform_no, key);
});
