// Generated from the server's /openapi.json by clients/generate.py. Do not edit.

/** The kind of a job. */
export type Kind =
  | 'bill_upload'
  | 'transfer'
  | 'split'
  | 'withdrawal';

/** The state of a job. */
export type State =
  | 'queued'
  | 'in_doubt'
  | 'pending'
  | 'needs_review'
  | 'succeeded'
  | 'failed'
  | 'refunded'
  | 'cancelled';

/** How durably it is stored: in Redis's memory, on its disk, or at its replicas. */
export type Durability =
  | 'fast'
  | 'local'
  | 'replicated';

export type WebhookType =
  | 'job.needs_review'
  | 'job.succeeded'
  | 'job.failed'
  | 'job.refunded'
  | 'job.cancelled'
  | 'notification.received';

/** The kind of a refusal. A `type` never changes its meaning. */
export type ProblemType =
  | 'urn:bursar:problem:unauthenticated'
  | 'urn:bursar:problem:forbidden'
  | 'urn:bursar:problem:not-found'
  | 'urn:bursar:problem:method-not-allowed'
  | 'urn:bursar:problem:request-timeout'
  | 'urn:bursar:problem:malformed'
  | 'urn:bursar:problem:key-conflict'
  | 'urn:bursar:problem:business-key-conflict'
  | 'urn:bursar:problem:invalid-state'
  | 'urn:bursar:problem:payload-too-large'
  | 'urn:bursar:problem:head-too-large'
  | 'urn:bursar:problem:wrong-content-type'
  | 'urn:bursar:problem:invalid'
  | 'urn:bursar:problem:rate-limited'
  | 'urn:bursar:problem:unavailable'
  | 'urn:bursar:problem:unreadable-record'
  | 'urn:bursar:problem:internal';

/** The body of a job of the kind `bill_upload`, in the words of the gateway's page. */
export interface BillUploadBody {
  node_id: string;
  /** An amount in fen. */
  order_amount: number | string;
  order_id: string;
  /** yyyyMMddHHmmss. */
  order_time: string;
  store_id: string;
  /** One of `1`, `2`. */
  trade_type: '1' | '2';
  extra?: Record<string, unknown> | null;
  fee_amount?: number | string | null;
  goods_detail?: Array<BillUploadGoodsDetail> | null;
  /** Of the page's example; the same as in `extra`. */
  merchant_id?: unknown;
  org_order_id?: string | null;
  pay_merchant_id?: string | null;
  pay_type?: string | null;
  platform_no?: string | null;
  /** Of the page's example; the same as in `extra`. */
  remark?: unknown;
  split_refund_seq?: string | null;
  split_rule_source?: string | null;
  trade_no?: string | null;
  user_id?: string | null;
}

export interface BillUploadGoodsDetail {
  goods_id: string;
  goods_name: string;
  /** An amount in fen. */
  price: number | string;
  /** A whole number. */
  quantity: number | string;
  /** An amount in fen. */
  real_price: number | string;
  body?: string | null;
  goods_category?: string | null;
  goods_fee_amount?: number | string | null;
}

/** A new job of the kind bill_upload. */
export interface BillUploadJob {
  /** A configured account's name. */
  account: string;
  body: BillUploadBody;
  kind: 'bill_upload';
  /** The producer's own key. */
  platform_no: string;
  /** The URL that the job's webhooks are posted to. */
  callback_url?: string | null;
  /** The time before which the job is not sent, RFC 3339 with an offset. */
  run_at?: string | null;
  /**
   * The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
   * nothing else are the same.
   */
  traceparent?: string | null;
}

/** The body of a job of the kind `split`, in the words of the gateway's page. */
export interface SplitBody {
  mchOrderNo?: string | null;
  paid_at?: string | null;
  payOrderId?: string | null;
  platform_no?: string | null;
  receivers?: Array<SplitReceiver> | null;
  useSysAutoDivisionReceivers?: number | string | null;
}

export interface SplitReceiver {
  divisionProfit?: number | string | null;
  receiverGroupId?: number | string | null;
  receiverId?: number | string | null;
}

/** A new job of the kind split. */
export interface SplitJob {
  /** A configured account's name. */
  account: string;
  body: SplitBody;
  kind: 'split';
  /** The producer's own key. */
  platform_no: string;
  /** The URL that the job's webhooks are posted to. */
  callback_url?: string | null;
  /** The time before which the job is not sent, RFC 3339 with an offset. */
  run_at?: string | null;
  /**
   * The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
   * nothing else are the same.
   */
  traceparent?: string | null;
}

/** The body of a job of the kind `transfer`, in the words of the gateway's page. */
export interface TransferBody {
  /** One of `T0`, `T1`. */
  arrive_time: 'T0' | 'T1';
  node_id: string;
  payee_type: string;
  payer_type: string;
  /** An amount in fen. */
  total_amount: number | string;
  extra?: Record<string, unknown> | null;
  payee_merchant_id?: string | null;
  payee_store_no?: string | null;
  payer_merchant_id?: string | null;
  payer_store_no?: string | null;
  platform_no?: string | null;
}

/** A new job of the kind transfer. */
export interface TransferJob {
  /** A configured account's name. */
  account: string;
  body: TransferBody;
  kind: 'transfer';
  /** The producer's own key. */
  platform_no: string;
  /** The URL that the job's webhooks are posted to. */
  callback_url?: string | null;
  /** The time before which the job is not sent, RFC 3339 with an offset. */
  run_at?: string | null;
  /**
   * The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
   * nothing else are the same.
   */
  traceparent?: string | null;
}

/** The body of a job of the kind `withdrawal`, in the words of the gateway's page. */
export interface WithdrawalBody {
  /** One of `0`, `1`. */
  account_sub_type: '0' | '1';
  sso_node_id: string;
  /** An amount in fen. */
  total_amount: number | string;
  bank_card_name?: string | null;
  bank_card_no?: string | null;
  bank_id?: string | null;
  bank_name?: string | null;
  /** One of `0`, `1`, `2`. */
  card_type?: '0' | '1' | '2' | null;
  extra?: Record<string, unknown> | null;
  merchant_id?: number | string | null;
  platform_no?: string | null;
  remark?: string | null;
  store_no?: string | null;
}

/** A new job of the kind withdrawal. */
export interface WithdrawalJob {
  /** A configured account's name. */
  account: string;
  body: WithdrawalBody;
  kind: 'withdrawal';
  /** The producer's own key. */
  platform_no: string;
  /** The URL that the job's webhooks are posted to. */
  callback_url?: string | null;
  /** The time before which the job is not sent, RFC 3339 with an offset. */
  run_at?: string | null;
  /**
   * The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
   * nothing else are the same.
   */
  traceparent?: string | null;
}

/** One job. Times are RFC 3339 in UTC; a value that is not known yet is `null`. */
export interface Job {
  /** The account's name. */
  account: string;
  /** The amount in fen; `null` where the content names none. */
  amount_fen: number | null;
  /** The number of sends. Each send is recorded before its first byte leaves. */
  attempts: number;
  /** When the job was accepted. */
  created_at: string | null;
  /** When the job is due next. While a worker has claimed the job, it is the end of the worker's lease. */
  due_at: string | null;
  /**
   * The one that ended the job: the gateway by its response, an operator, or Bursar, which will never send it. `null`
   * while it has not ended. One of `gateway`, `operator`, `bursar`.
   */
  ended_by: 'gateway' | 'operator' | 'bursar' | null;
  /** The gateway's status as it wrote it. */
  gateway_status: string | null;
  /** The job's kind. */
  kind: Kind;
  /** The account that is paid, masked. */
  payee: string | null;
  /** The account that pays, masked: `****9a`. */
  payer: string | null;
  /** The job's key. */
  platform_no: string;
  /** The number of queries. */
  queries: number;
  /** Why the job is in this state. */
  reason: Reason | null;
  /** The job's state. */
  state: State;
  /** The gateway's transaction id, the newest that it named. */
  trade_no: string | null;
  /** When the job last changed. */
  updated_at: string | null;
  /** The name of the environment that the job was submitted in. It is left out where the submitter had none. */
  environment?: string | null;
  /** The order that the job is about. It is left out where the kind has none. */
  order_id?: string | null;
  /** Those among whom the order is divided. They are left out where the kind has none. */
  receivers?: Array<Receiver>;
}

/** A reason as outsiders read it: its code, its text in English, and the code's parameters. */
export interface Reason {
  code: string;
  /** The reason as an English text. Programs read `code`. */
  message: string;
}

/** One receiver of a split. */
export interface Receiver {
  /** The receiver or the group of receivers, masked. */
  receiver: string;
  /** The share of the whole, as the content has it; `null` where the gateway knows it. */
  share: string | null;
}

/** One thing wrong with a submission. */
export interface FieldError {
  /** Where: `platform_no`, `body.total_amount`, `body.receivers[1].receiverId`. */
  field: string;
  /** The rule that it breaks: `must be a positive integer of fen`. */
  rule: string;
}

/** A job that is stored. */
export interface Accepted {
  /** The durability of the job. */
  durability: Durability;
  /** One of `new`, `existing`. */
  outcome: 'new' | 'existing';
  /** The job's key; `null` where the job has none. */
  platform_no: string | null;
  /** The job's state. */
  state: State;
  /** The account's name. It is left out where the job is invalid. */
  account?: string | null;
  /** The job's kind. It is left out where the job is invalid. */
  kind?: string | null;
}

/** One of a batch. */
export interface BatchEntry {
  /** One of `new`, `existing`, `conflict`, `invalid`, `unreadable`. */
  outcome: 'new' | 'existing' | 'conflict' | 'invalid' | 'unreadable';
  /** The job's key; `null` where the job has none. */
  platform_no: string | null;
  /** The status that the job would be answered with alone. */
  status: number;
  /** The account's name. It is left out where the job is invalid. */
  account?: string | null;
  /** The body that was meant, where a whole request of the gateway's page was given as the body. */
  corrected_body?: Record<string, unknown> | null;
  /** The conflict in a sentence, for people. */
  detail?: string;
  /** Every field that breaks a rule. */
  errors?: Array<FieldError>;
  /**
   * The fields of the content that differ from the first job's: names, never values. Empty where another key has the
   * business key, and where only a hash is left of the first job.
   */
  fields?: Array<string>;
  /** The key of the job that was submitted first. */
  first?: string;
  /** The job's kind. It is left out where the job is invalid. */
  kind?: string | null;
  /** The job's state. */
  state?: State;
  /** Why the stored job cannot be read. */
  unreadable?: string;
}

/** The outcomes of a batch. */
export interface BatchOutcomes {
  /** The durability of the jobs that are stored. */
  durability: Durability;
  /** An outcome for each job, in the order of the batch. */
  jobs: Array<BatchEntry>;
}

/** The body of one webhook: the same bytes at each attempt. */
export interface JobWebhook {
  /** The job as it was at that time, or the notification. */
  data: Job;
  /** The event's number among those of its job or notification, from 1. */
  sequence: number;
  /** When the event happened. */
  timestamp: string;
  /** The event's type. */
  type: WebhookType;
}

/** The body of one webhook: the same bytes at each attempt. */
export interface NotificationWebhook {
  /** The job as it was at that time, or the notification. */
  data: NotificationReceived;
  /** The event's number among those of its job or notification, from 1. */
  sequence: number;
  /** When the event happened. */
  timestamp: string;
  /** The event's type. */
  type: WebhookType;
}

/** A gateway's notification as its webhook carries it. */
export interface NotificationReceived {
  /** The account's name. */
  account: string;
  /** The content as the gateway wrote it; a text where it is no JSON object. */
  content: unknown;
  /** The SHA-256 of the content as the gateway signed it, in hexadecimal. */
  content_sha256: string;
  /** The notification's number within the account. */
  id: number;
  /** True if its timestamp was old when it arrived first. */
  late: boolean;
  /** The gateway's method. */
  method: string;
  /** The notification's place among the versions of its record. One of `new`, `changed`, `regressed`, `held`. */
  outcome: 'new' | 'changed' | 'regressed' | 'held';
  /** The gateway's id of the record. */
  record_id: string | null;
  /** The notification's version of its record, in the order of arrival. */
  version: number;
  /** When the gateway wrote it. */
  written_at: string | null;
}

/** A new job. Its `kind` says which fields its `body` has. */
export type NewJob = BillUploadJob | SplitJob | TransferJob | WithdrawalJob;
