// A client of Bursar, a durable queue of payment jobs: submit, follow, and verify webhooks. No packages.

export { Client } from './client.js';
export { KINDS, PROBLEMS, SETTLED, STATES } from './constants.js';
export { BursarError, ConflictError, NotSettledError, ProblemError, UnavailableError } from './errors.js';
export { Webhook, WebhookError } from './webhook.js';
