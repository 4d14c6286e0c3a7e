// The client: one method for each thing that a producer does, and the one place that repeats requests.

import { SETTLED } from './constants.js';
import { NotSettledError, UnavailableError, problemOf } from './errors.js';

const VERSION = '0.1.0';

// The pause before the first repetition; it doubles up to the other one. Each is shortened at random by up to a half, so that clients
// that failed together do not come back together.
const FIRST_PAUSE_MILLIS = 200;
const LONGEST_PAUSE_MILLIS = 5_000;

// The longest wait of one request: proxies cut connections that are silent for longer.
const LONGEST_WAIT_SECONDS = 30;

const sleep = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

/** A client of one server. */
export class Client {
  #url;
  #token;
  #timeoutMillis;
  #retryForMillis;

  constructor(url, token, { timeoutMillis = 15_000, retryForMillis = 120_000 } = {}) {
    const { protocol, search, hash } = new URL(url);
    if (!['http:', 'https:'].includes(protocol) || search || hash) {
      throw new TypeError('url must be http://HOST or https://HOST, with a port or path where they are needed');
    }
    this.#url = url.replace(/\/+$/, '');
    this.#token = token;
    this.#timeoutMillis = timeoutMillis;
    this.#retryForMillis = retryForMillis;
  }

  async submit(job) {
    return this.#call('POST', '/v1/jobs', JSON.stringify(job), this.#deadline(), this.#timeoutMillis);
  }

  async batch(jobs) {
    return this.#call('POST', '/v1/jobs', JSON.stringify({ jobs }), this.#deadline(), this.#timeoutMillis);
  }

  async get(account, kind, platformNo) {
    return this.#call('GET', pathOf(account, kind, platformNo), undefined, this.#deadline(), this.#timeoutMillis);
  }

  async wait(account, kind, platformNo, { withinMillis = 600_000 } = {}) {
    const deadline = Date.now() + withinMillis;
    const path = pathOf(account, kind, platformNo);
    for (let job; ; ) {
      const began = Date.now();
      if (job && began >= deadline) throw new NotSettledError(job);
      const { text, millis } = waitOf(deadline - began);
      try {
        job = await this.#call('GET', `${path}?wait=${text}`, undefined, deadline, millis + this.#timeoutMillis);
      } catch (error) {
        if (job && error instanceof UnavailableError) throw new NotSettledError(job, { cause: error });
        throw error;
      }
      if (SETTLED.includes(job.state)) return job;
      // The server drains: another one will answer.
      if (Date.now() - began < millis / 2) await sleep(pauseMillis(0));
    }
  }

  #deadline() {
    return Date.now() + this.#retryForMillis;
  }

  /** The reply's JSON. The identical request is repeated after a lost connection or reply, 429 and 5xx. */
  async #call(method, path, body, deadline, timeoutMillis) {
    for (let attempts = 0; ; attempts += 1) {
      let why, problem, cause;
      let retryAfterMillis = 0;
      const reply = await this.#exchange(method, path, body, timeoutMillis).catch((error) => {
        cause = error;
        why = error.cause?.message || error.message;
      });
      if (reply && reply.status >= 200 && reply.status < 300) {
        if (reply.json !== null && typeof reply.json === 'object') return reply.json;
        why = "the reply is not Bursar's";
      } else if (reply) {
        problem = problemOf(reply.status, reply.reason, reply.json, reply.text);
        if (reply.status !== 429 && reply.status < 500) throw problem;
        why = problem.message;
        retryAfterMillis = millisOf(reply.retryAfter);
      }
      const pause = Math.max(pauseMillis(attempts), retryAfterMillis);
      if (Date.now() + pause >= deadline) throw new UnavailableError(unknown(method, why), { problem, cause });
      await sleep(pause);
    }
  }

  /** One attempt, without redirects: they would make another request of a POST. */
  async #exchange(method, path, body, timeoutMillis) {
    const headers = { authorization: `Bearer ${this.#token}`, 'user-agent': `bursar-client-node/${VERSION}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const signal = AbortSignal.timeout(timeoutMillis);
    const response = await fetch(this.#url + path, { method, headers, body, signal, redirect: 'manual' });
    const text = await response.text();
    const { status, statusText: reason } = response;
    return { status, reason, text, json: parsed(text), retryAfter: response.headers.get('retry-after') };
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** fetch takes `.` and `..` out of a path in any spelling, so such a key would be read as another address. */
function pathOf(account, kind, platformNo) {
  const names = [account, kind, platformNo];
  if (names.some((name) => name === '.' || name === '..')) throw new RangeError('fetch can read no job whose key is . or ..');
  return `/v1/jobs/${names.map(encodeURIComponent).join('/')}`;
}

/** A `wait` of the API, and its milliseconds. */
function waitOf(left) {
  const millis = Math.max(Math.floor(left), 0);
  if (millis < 1000) return { text: `${millis}ms`, millis };
  const seconds = Math.min(Math.floor(millis / 1000), LONGEST_WAIT_SECONDS);
  return { text: `${seconds}s`, millis: seconds * 1000 };
}

function pauseMillis(attempts) {
  const ceiling = Math.min(FIRST_PAUSE_MILLIS * 2 ** Math.min(attempts, 16), LONGEST_PAUSE_MILLIS);
  return ceiling * (0.5 + Math.random() / 2);
}

/** `Retry-After`: seconds, or a date as proxies may write it. 0 where it says nothing that can be read. */
function millisOf(retryAfter) {
  if (/^[0-9]+$/.test(retryAfter ?? '')) return Number(retryAfter) * 1000;
  return Math.max((Date.parse(retryAfter) || 0) - Date.now(), 0);
}

function unknown(method, why) {
  if (method === 'POST') return `whether Bursar has the job is unknown, so submit the same job again: ${why}`;
  return `Bursar cannot be read: ${why}`;
}
