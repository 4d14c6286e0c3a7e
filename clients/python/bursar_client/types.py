# Generated from the server's /openapi.json by clients/generate.py. Do not edit.
"""The types of jobs, replies and webhooks, and the words in them."""

from __future__ import annotations

from typing import Any, Dict, List, Literal, Optional, TypedDict, Union

from .words import *  # noqa: F401,F403


class _BillUploadBodyRequired(TypedDict):
    node_id: str
    # An amount in fen.
    order_amount: Union[int, str]
    order_id: str
    # yyyyMMddHHmmss.
    order_time: str
    store_id: str
    # One of `1`, `2`.
    trade_type: Literal["1", "2"]


class BillUploadBody(_BillUploadBodyRequired, total=False):
    """The body of a job of the kind `bill_upload`, in the words of the gateway's page."""

    extra: Optional[Dict[str, Any]]
    fee_amount: Optional[Union[int, str]]
    goods_detail: Optional[List[BillUploadGoodsDetail]]
    # Of the page's example; the same as in `extra`.
    merchant_id: Any
    org_order_id: Optional[str]
    pay_merchant_id: Optional[str]
    pay_type: Optional[str]
    platform_no: Optional[str]
    # Of the page's example; the same as in `extra`.
    remark: Any
    split_refund_seq: Optional[str]
    split_rule_source: Optional[str]
    trade_no: Optional[str]
    user_id: Optional[str]


class _BillUploadGoodsDetailRequired(TypedDict):
    goods_id: str
    goods_name: str
    # An amount in fen.
    price: Union[int, str]
    # A whole number.
    quantity: Union[int, str]
    # An amount in fen.
    real_price: Union[int, str]


class BillUploadGoodsDetail(_BillUploadGoodsDetailRequired, total=False):
    body: Optional[str]
    goods_category: Optional[str]
    goods_fee_amount: Optional[Union[int, str]]


class _BillUploadJobRequired(TypedDict):
    # A configured account's name.
    account: str
    body: BillUploadBody
    kind: Literal["bill_upload"]
    # The producer's own key.
    platform_no: str


class BillUploadJob(_BillUploadJobRequired, total=False):
    """A new job of the kind bill_upload."""

    # The URL that the job's webhooks are posted to.
    callback_url: Optional[str]
    # The time before which the job is not sent, RFC 3339 with an offset.
    run_at: Optional[str]
    # The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
    # nothing else are the same.
    traceparent: Optional[str]


class SplitBody(TypedDict, total=False):
    """The body of a job of the kind `split`, in the words of the gateway's page."""

    mchOrderNo: Optional[str]
    paid_at: Optional[str]
    payOrderId: Optional[str]
    platform_no: Optional[str]
    receivers: Optional[List[SplitReceiver]]
    useSysAutoDivisionReceivers: Optional[Union[int, str]]


class SplitReceiver(TypedDict, total=False):
    divisionProfit: Optional[Union[float, str]]
    receiverGroupId: Optional[Union[int, str]]
    receiverId: Optional[Union[int, str]]


class _SplitJobRequired(TypedDict):
    # A configured account's name.
    account: str
    body: SplitBody
    kind: Literal["split"]
    # The producer's own key.
    platform_no: str


class SplitJob(_SplitJobRequired, total=False):
    """A new job of the kind split."""

    # The URL that the job's webhooks are posted to.
    callback_url: Optional[str]
    # The time before which the job is not sent, RFC 3339 with an offset.
    run_at: Optional[str]
    # The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
    # nothing else are the same.
    traceparent: Optional[str]


class _TransferBodyRequired(TypedDict):
    # One of `T0`, `T1`.
    arrive_time: Literal["T0", "T1"]
    node_id: str
    payee_type: str
    payer_type: str
    # An amount in fen.
    total_amount: Union[int, str]


class TransferBody(_TransferBodyRequired, total=False):
    """The body of a job of the kind `transfer`, in the words of the gateway's page."""

    extra: Optional[Dict[str, Any]]
    payee_merchant_id: Optional[str]
    payee_store_no: Optional[str]
    payer_merchant_id: Optional[str]
    payer_store_no: Optional[str]
    platform_no: Optional[str]


class _TransferJobRequired(TypedDict):
    # A configured account's name.
    account: str
    body: TransferBody
    kind: Literal["transfer"]
    # The producer's own key.
    platform_no: str


class TransferJob(_TransferJobRequired, total=False):
    """A new job of the kind transfer."""

    # The URL that the job's webhooks are posted to.
    callback_url: Optional[str]
    # The time before which the job is not sent, RFC 3339 with an offset.
    run_at: Optional[str]
    # The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
    # nothing else are the same.
    traceparent: Optional[str]


class _WithdrawalBodyRequired(TypedDict):
    # One of `0`, `1`.
    account_sub_type: Literal["0", "1"]
    sso_node_id: str
    # An amount in fen.
    total_amount: Union[int, str]


class WithdrawalBody(_WithdrawalBodyRequired, total=False):
    """The body of a job of the kind `withdrawal`, in the words of the gateway's page."""

    bank_card_name: Optional[str]
    bank_card_no: Optional[str]
    bank_id: Optional[str]
    bank_name: Optional[str]
    # One of `0`, `1`, `2`.
    card_type: Optional[Literal["0", "1", "2"]]
    extra: Optional[Dict[str, Any]]
    merchant_id: Optional[Union[int, str]]
    platform_no: Optional[str]
    remark: Optional[str]
    store_no: Optional[str]


class _WithdrawalJobRequired(TypedDict):
    # A configured account's name.
    account: str
    body: WithdrawalBody
    kind: Literal["withdrawal"]
    # The producer's own key.
    platform_no: str


class WithdrawalJob(_WithdrawalJobRequired, total=False):
    """A new job of the kind withdrawal."""

    # The URL that the job's webhooks are posted to.
    callback_url: Optional[str]
    # The time before which the job is not sent, RFC 3339 with an offset.
    run_at: Optional[str]
    # The W3C `traceparent` of the producer's span, if the job is to be shown in its trace. Two jobs that differ in
    # nothing else are the same.
    traceparent: Optional[str]


class _JobRequired(TypedDict):
    # The account's name.
    account: str
    # The amount in fen; `null` where the content names none.
    amount_fen: Optional[int]
    # The number of sends. Each send is recorded before its first byte leaves.
    attempts: int
    # When the job was accepted.
    created_at: Optional[str]
    # When the job is due next. While a worker has claimed the job, it is the end of the worker's lease.
    due_at: Optional[str]
    # The one that ended the job: the gateway by its response, an operator, or Bursar, which will never send it. `null`
    # while it has not ended. One of `gateway`, `operator`, `bursar`.
    ended_by: Optional[Literal["gateway", "operator", "bursar"]]
    # The gateway's status as it wrote it.
    gateway_status: Optional[str]
    # The job's kind.
    kind: Kind
    # The account that is paid, masked.
    payee: Optional[str]
    # The account that pays, masked: `****9a`.
    payer: Optional[str]
    # The job's key.
    platform_no: str
    # The number of queries.
    queries: int
    # Why the job is in this state.
    reason: Optional[Reason]
    # The job's state.
    state: State
    # The gateway's transaction id, the newest that it named.
    trade_no: Optional[str]
    # When the job last changed.
    updated_at: Optional[str]


class Job(_JobRequired, total=False):
    """One job. Times are RFC 3339 in UTC; a value that is not known yet is `null`."""

    # The name of the environment that the job was submitted in. It is left out where the submitter had none.
    environment: Optional[str]
    # The order that the job is about. It is left out where the kind has none.
    order_id: Optional[str]
    # Those among whom the order is divided. They are left out where the kind has none.
    receivers: List[Receiver]


class Reason(TypedDict):
    """A reason as outsiders read it: its code, its text in English, and the code's parameters."""

    code: str
    # The reason as an English text. Programs read `code`.
    message: str


class Receiver(TypedDict):
    """One receiver of a split."""

    # The receiver or the group of receivers, masked.
    receiver: str
    # The share of the whole, as the content has it; `null` where the gateway knows it.
    share: Optional[str]


class FieldError(TypedDict):
    """One thing wrong with a submission."""

    # Where: `platform_no`, `body.total_amount`, `body.receivers[1].receiverId`.
    field: str
    # The rule that it breaks: `must be a positive integer of fen`.
    rule: str


class _AcceptedRequired(TypedDict):
    # The durability of the job.
    durability: Durability
    # One of `new`, `existing`.
    outcome: Literal["new", "existing"]
    # The job's key; `null` where the job has none.
    platform_no: Optional[str]
    # The job's state.
    state: State


class Accepted(_AcceptedRequired, total=False):
    """A job that is stored."""

    # The account's name. It is left out where the job is invalid.
    account: Optional[str]
    # The job's kind. It is left out where the job is invalid.
    kind: Optional[str]


class _BatchEntryRequired(TypedDict):
    # One of `new`, `existing`, `conflict`, `invalid`, `unreadable`.
    outcome: Literal["new", "existing", "conflict", "invalid", "unreadable"]
    # The job's key; `null` where the job has none.
    platform_no: Optional[str]
    # The status that the job would be answered with alone.
    status: int


class BatchEntry(_BatchEntryRequired, total=False):
    """One of a batch."""

    # The account's name. It is left out where the job is invalid.
    account: Optional[str]
    # The body that was meant, where a whole request of the gateway's page was given as the body.
    corrected_body: Optional[Dict[str, Any]]
    # The conflict in a sentence, for people.
    detail: str
    # Every field that breaks a rule.
    errors: List[FieldError]
    # The fields of the content that differ from the first job's: names, never values. Empty where another key has the
    # business key, and where only a hash is left of the first job.
    fields: List[str]
    # The key of the job that was submitted first.
    first: str
    # The job's kind. It is left out where the job is invalid.
    kind: Optional[str]
    # The job's state.
    state: State
    # Why the stored job cannot be read.
    unreadable: str


class BatchOutcomes(TypedDict):
    """The outcomes of a batch."""

    # The durability of the jobs that are stored.
    durability: Durability
    # An outcome for each job, in the order of the batch.
    jobs: List[BatchEntry]


class JobWebhook(TypedDict):
    """The body of one webhook: the same bytes at each attempt."""

    # The job as it was at that time, or the notification.
    data: Job
    # The event's number among those of its job or notification, from 1.
    sequence: int
    # When the event happened.
    timestamp: str
    # The event's type.
    type: WebhookType


class NotificationWebhook(TypedDict):
    """The body of one webhook: the same bytes at each attempt."""

    # The job as it was at that time, or the notification.
    data: NotificationReceived
    # The event's number among those of its job or notification, from 1.
    sequence: int
    # When the event happened.
    timestamp: str
    # The event's type.
    type: WebhookType


class NotificationReceived(TypedDict):
    """A gateway's notification as its webhook carries it."""

    # The account's name.
    account: str
    # The content as the gateway wrote it; a text where it is no JSON object.
    content: Any
    # The SHA-256 of the content as the gateway signed it, in hexadecimal.
    content_sha256: str
    # The notification's number within the account.
    id: int
    # True if its timestamp was old when it arrived first.
    late: bool
    # The gateway's method.
    method: str
    # The notification's place among the versions of its record. One of `new`, `changed`, `regressed`, `held`.
    outcome: Literal["new", "changed", "regressed", "held"]
    # The gateway's id of the record.
    record_id: Optional[str]
    # The notification's version of its record, in the order of arrival.
    version: int
    # When the gateway wrote it.
    written_at: Optional[str]


# A new job. Its `kind` says which fields its `body` has.
NewJob = Union[BillUploadJob, SplitJob, TransferJob, WithdrawalJob]
