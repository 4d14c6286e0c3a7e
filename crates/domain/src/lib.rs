//! The rules of Bursar, pure: what a job is, what a gateway can answer, and what follows from it.
//!
//! Nothing here reads a clock, draws a random number or talks to anyone: `now`, seeds and facts are arguments.

mod account_rules;
mod action_batch;
mod approvals;
mod audit;
mod ended_by;
mod fair_order;
mod fields;
mod history;
mod identifier;
mod ids;
mod job;
mod job_filter;
mod kinds;
mod mask;
mod money;
mod notification;
mod operate;
mod outcome;
mod policy;
mod reason;
mod report;
mod schedule;
#[cfg(test)]
mod schema_tests;
mod share;
mod state;
mod strict_json;
mod suggest;
mod time;
mod trace;
mod transition;
mod unsendable;
mod view;
mod webhook;
mod worker_view;
mod zone;

pub use account_rules::{AccountRules, GatewayKind, KindSet, PartyTypes};
pub use action_batch::{BatchOutcome, BatchResult, EffectSum, MAX_ACTIONS, PlannedAction, PlannedEffect, PlannedSum};
pub use approvals::{
    ApprovalAction, ApprovalRefused, ApprovalRule, Approvals, Proposal, ProposalSeen, ProposalView, SYSTEM_USER,
    answers_for_lost_writes,
};
pub use audit::{
    Actor, AuditAction, AuditEvent, AuditFilter, AuditResult, AuditRole, AuditTarget, CLI_ADDRESS, PROCESS_ADDRESS,
};
pub use ended_by::EndedBy;
pub use fair_order::{FairBy, FairOrder};
pub use fields::FieldError;
pub use history::{
    ActionKind, Adopted, BusinessKeyConflict, ClaimEvent, DeadlinePassed, Delivery, DeliveryError, DeliveryOutcome,
    HistoryEvent, NotificationNamed, OperatorAction, OtherEvent, ProposalChange, ProposalOutcome, Quarantine,
    QuarantineOutcome, Response, ResponseEvidence, RestoredFromJournal, Unreadable, WebhookResent, last_action,
};
pub use identifier::{identifier_fault, invisible_character};
pub use ids::{AccountName, IdError, Key, Queue};
pub use job::{BYTE_ORDER_MARK, Content, Invalid, Job, MAX_DAYS_AHEAD, MAX_JOB_BYTES, NewJob, is_too_far_ahead};
pub use job_filter::JobFilter;
pub use kinds::{ContentDetails, ContentSummary, Kind, Receiver, Repetition, Shown, business_key};
pub use mask::{shown_field, shown_fields, whole_fields, without_accounts, without_accounts_but};
pub use money::{DEFAULT_MAX_AMOUNT, Fen, yuan, yuan_of_field};
pub use notification::{HeldReason, NotificationOutcome, NotificationView};
pub use operate::{MAX_REASON_CHARS, Operation, OperationRefused, REASON_PATTERN, is_reason};
pub use outcome::{Call, Names, Outcome, ParsedResponse, Received, Suspicion};
pub use policy::{Confirm, ManualResend, OnAmbiguous, Policy};
pub use reason::{GatewayText, OtherReason, Reason, ReasonView};
pub use report::{DayReport, OpenPlace, REPORT_COLUMNS, ReconcileView, ReportRow, csv_line};
pub use schedule::{not_ready_delay, poll_delay, resend_spread, retry_delay};
pub use state::State;
pub use suggest::nearest_name;
pub use time::Millis;
pub use trace::TraceParent;
pub use transition::{
    Action, Due, IllegalTransition, JobProgress, MAX_LOSSES, MAX_NOT_READY_SENDS, MAX_SENDS, Transition, after,
    next_action, overdue, restored_from_journal,
};
pub use unsendable::{Unsendable, check_content};
pub use view::{JobView, QueueCounts, QueueView};
pub use webhook::{NotificationMessage, ResendResult, Resent, WebhookMessage, WebhookState, WebhookType, WebhookView};
pub use worker_view::{WorkerErrorView, WorkerStatus, WorkerView};
pub use zone::{DEFAULT_ZONE, Day, Zone};
