// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

import type { Kind, State } from './types.js';

export const KINDS: readonly Kind[];
export const STATES: readonly State[];
export const SETTLED: readonly State[];
export const PROBLEMS: {
  readonly UNAUTHENTICATED: 'urn:bursar:problem:unauthenticated';
  readonly FORBIDDEN: 'urn:bursar:problem:forbidden';
  readonly NOT_FOUND: 'urn:bursar:problem:not-found';
  readonly METHOD_NOT_ALLOWED: 'urn:bursar:problem:method-not-allowed';
  readonly REQUEST_TIMEOUT: 'urn:bursar:problem:request-timeout';
  readonly MALFORMED: 'urn:bursar:problem:malformed';
  readonly KEY_CONFLICT: 'urn:bursar:problem:key-conflict';
  readonly BUSINESS_KEY_CONFLICT: 'urn:bursar:problem:business-key-conflict';
  readonly INVALID_STATE: 'urn:bursar:problem:invalid-state';
  readonly PAYLOAD_TOO_LARGE: 'urn:bursar:problem:payload-too-large';
  readonly HEAD_TOO_LARGE: 'urn:bursar:problem:head-too-large';
  readonly WRONG_CONTENT_TYPE: 'urn:bursar:problem:wrong-content-type';
  readonly INVALID: 'urn:bursar:problem:invalid';
  readonly RATE_LIMITED: 'urn:bursar:problem:rate-limited';
  readonly UNAVAILABLE: 'urn:bursar:problem:unavailable';
  readonly UNREADABLE_RECORD: 'urn:bursar:problem:unreadable-record';
  readonly INTERNAL: 'urn:bursar:problem:internal';
};
