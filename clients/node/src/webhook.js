// Verifies webhooks: the form of Standard Webhooks (https://www.standardwebhooks.com).

import { createHmac, timingSafeEqual } from 'node:crypto';

import { BursarError } from './errors.js';

const PREFIX = 'whsec_';

// The lengths of a secret that the specification allows, in bytes.
const SHORTEST = 24;
const LONGEST = 64;

// Seconds by which a message may be old or ahead: a recorded message must not be of use later.
const TOLERANCE_SECONDS = 300;

/** The message is not to be believed. Answer 401. */
export class WebhookError extends BursarError {
  constructor(code) {
    super(`the webhook is refused: ${code}`);
    this.code = code;
  }
}

/** Verifies messages by one secret, or during a rotation by several (`whsec_…`). */
export class Webhook {
  #keys;
  #toleranceSeconds;

  constructor(secrets, { toleranceSeconds = TOLERANCE_SECONDS } = {}) {
    this.#keys = [secrets].flat().map(keyOf);
    if (this.#keys.length === 0) throw new TypeError('there is no secret to verify with');
    this.#toleranceSeconds = toleranceSeconds;
  }

  verify(headers, body, { now = Date.now() / 1000 } = {}) {
    const [id, timestamp, signature] = ['id', 'timestamp', 'signature'].map((name) => headerOf(headers, `webhook-${name}`));
    if (!id || !timestamp || !signature) throw new WebhookError('missing_header');
    if (!/^[0-9]{1,12}$/.test(timestamp)) throw new WebhookError('invalid_timestamp');
    const age = Math.floor(now) - Number(timestamp);
    if (Math.abs(age) > this.#toleranceSeconds) throw new WebhookError(age > 0 ? 'too_old' : 'too_new');
    const bytes = Buffer.from(body);
    const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), bytes]);
    if (!this.#isSigned(signed, signature)) throw new WebhookError('no_matching_signature');
    return { id, sentAt: Number(timestamp), payload: payloadOf(bytes) };
  }

  #isSigned(signed, header) {
    const expected = this.#keys.map((key) => Buffer.from(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`));
    let isSigned = false;
    for (const signature of header.split(' ').map((text) => Buffer.from(text))) {
      for (const one of expected) {
        // All of them, in constant time; every signature has the same length.
        if (one.length === signature.length && timingSafeEqual(one, signature)) isSigned = true;
      }
    }
    return isSigned;
  }
}

/** A header of a `Headers`, or of an object such as Node's `request.headers`. */
function headerOf(headers, name) {
  if (typeof headers.get === 'function') return headers.get(name);
  const found = Object.keys(headers).find((known) => known.toLowerCase() === name);
  return found === undefined ? undefined : [headers[found]].flat().join(' ');
}

function keyOf(secret) {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : '';
  const key = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text) ? Buffer.from(text, 'base64') : '';
  if (key.length < SHORTEST || key.length > LONGEST) {
    throw new TypeError(`a secret must be ${PREFIX} and ${SHORTEST} to ${LONGEST} bytes in base64`);
  }
  return key;
}

function payloadOf(bytes) {
  let payload;
  try {
    payload = JSON.parse(bytes.toString('utf8'));
  } catch {
    payload = undefined;
  }
  if (payload === null || typeof payload !== 'object' || Array.isArray(payload)) throw new WebhookError('invalid_body');
  return payload;
}
