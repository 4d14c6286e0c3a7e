import type {
  Accepted,
  BatchOutcomes,
  FieldError,
  Job,
  JobWebhook,
  Kind,
  NewJob,
  NotificationWebhook,
  ProblemType,
} from './types.js';

export * from './constants.js';
export * from './types.js';

export interface ClientOptions {
  /** Milliseconds for one attempt. */
  timeoutMillis?: number;
  /** Milliseconds within which a request is repeated. No attempt begins later. */
  retryForMillis?: number;
}

/** A client of one server. */
export class Client {
  /**
   * @param url where the server is, for example `https://bursar.example`
   * @param token a token of the role `producer`
   */
  constructor(url: string, token: string, options?: ClientOptions);

  /**
   * Submits a job. The outcome is `new`, or `existing` if the same job was stored before; both mean that it is accepted.
   * Choose `platform_no` before the first call and keep it: it identifies the payment in every repetition.
   *
   * @throws {ConflictError} another job has this key or this business key
   * @throws {ProblemError} any other refusal
   * @throws {UnavailableError} whether the job is stored is unknown
   */
  submit(job: NewJob): Promise<Accepted>;

  /** Submits up to 1,000 jobs. There is an outcome for each, in order; a refused job keeps none of the others back. */
  batch(jobs: readonly NewJob[]): Promise<BatchOutcomes>;

  /** Reads a job. */
  get(account: string, kind: Kind, platformNo: string): Promise<Job>;

  /**
   * Reads a job once it has ended or needs review, after `withinMillis` (600,000) at the latest.
   *
   * @throws {NotSettledError} the job has not ended by then
   * @throws {UnavailableError} the job was never read
   */
  wait(account: string, kind: Kind, platformNo: string, options?: { withinMillis?: number }): Promise<Job>;
}

/** Every error of this package. */
export class BursarError extends Error {}

/** Bursar has refused the request, as a problem of RFC 9457. The same request would be refused again. */
export class ProblemError extends BursarError {
  /** The kind of refusal; `about:blank` where the refusal is not Bursar's. */
  readonly type: ProblemType | 'about:blank' | (string & {});
  readonly title: string;
  readonly status: number;
  /** The refusal in a sentence, for people. */
  readonly detail: string;
  /** Every field that breaks a rule, where the type is `invalid`. */
  readonly errors: FieldError[];
  /** Every member of the problem. */
  readonly members: Record<string, unknown>;
}

/** Another job has this key or this business key. Nothing is stored. */
export class ConflictError extends ProblemError {
  /** The key of the job that was submitted first. */
  readonly first?: string;
  /** The fields that differ from that job's, where it has this key. */
  readonly fields: string[];
}

/** No reply that says the outcome until the deadline. A submitted job may be stored: submit the same job again. */
export class UnavailableError extends BursarError {
  /** The last refusal that may be repeated (429, 5xx); `undefined` if the last attempt had no reply. */
  readonly problem?: ProblemError;
}

/** The job has not ended within the time. It may still be paid: never pay it under another key. */
export class NotSettledError extends BursarError {
  /** The job as it was read last. */
  readonly job: Job;
}

/** A message that was verified. */
export interface WebhookEvent {
  /** The same at each delivery: recognise repetitions by it. */
  id: string;
  /** When this delivery was sent, in seconds since 1970. */
  sentAt: number;
  payload: JobWebhook | NotificationWebhook;
}

export type WebhookCode =
  | 'missing_header'
  | 'invalid_timestamp'
  | 'too_old'
  | 'too_new'
  | 'no_matching_signature'
  | 'invalid_body';

/** The message is not to be believed. Answer 401. */
export class WebhookError extends BursarError {
  readonly code: WebhookCode;
}

/** Verifies messages by one secret, or during a rotation by several (`whsec_…`). */
export class Webhook {
  constructor(secrets: string | readonly string[], options?: { toleranceSeconds?: number });

  /**
   * @param headers of the request: a `Headers`, or an object such as Node's `request.headers`
   * @param body the request's body as it arrived, byte by byte
   * @throws {WebhookError}
   */
  verify(
    headers: { get(name: string): string | null } | Record<string, string | string[] | undefined>,
    body: Uint8Array | string,
    options?: { now?: number },
  ): WebhookEvent;
}
