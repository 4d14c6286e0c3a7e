// The ways in which a call ends without its result.

import { PROBLEMS } from './constants.js';

/** Every error of this package. */
export class BursarError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = this.constructor.name;
  }
}

/** Bursar has refused the request, as a problem of RFC 9457. The same request would be refused again. */
export class ProblemError extends BursarError {
  constructor(members) {
    super(`${members.title} (${members.status}): ${members.detail}`);
    this.members = members;
    this.type = members.type;
    this.title = members.title;
    this.status = members.status;
    this.detail = members.detail;
    this.errors = members.errors ?? [];
  }
}

/** Another job has this key or this business key. Nothing is stored. */
export class ConflictError extends ProblemError {
  constructor(members) {
    super(members);
    this.first = members.first;
    this.fields = members.fields ?? [];
  }
}

/** No reply that says the outcome until the deadline. A submitted job may be stored: submit the same job again. */
export class UnavailableError extends BursarError {
  constructor(message, { problem, cause } = {}) {
    super(message, { cause });
    this.problem = problem;
  }
}

/** The job has not ended within the time. It may still be paid: never pay it under another key. */
export class NotSettledError extends BursarError {
  constructor(job, options) {
    super(`${job.platform_no} is still ${job.state}`, options);
    this.job = job;
  }
}

/** The problem in a reply; one of the type `about:blank` where another program than Bursar has replied. */
export function problemOf(status, reason, json, text) {
  const given = json !== null && typeof json === 'object' && !Array.isArray(json) ? json : {};
  const members = { type: 'about:blank', title: reason || 'HTTP error', detail: text.slice(0, 200), ...given, status };
  const conflicts = [PROBLEMS.KEY_CONFLICT, PROBLEMS.BUSINESS_KEY_CONFLICT];
  return conflicts.includes(members.type) ? new ConflictError(members) : new ProblemError(members);
}
