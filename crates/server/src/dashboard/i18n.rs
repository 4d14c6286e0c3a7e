//! Every text of the dashboard, in every language. A language is one value of [`Words`]: the compiler does not let it lack
//! one. `{0}`, `{1}` are what is filled in.

mod actions;
pub(super) mod audit;
mod chinese;
mod chinese_reasons;
mod english;
mod find;
mod frame;
pub(super) mod language;
mod proposals;
mod report;
#[cfg(test)]
mod tests;
mod webhooks;

use bursar_domain::{
    ActionKind, DeliveryError, DeliveryOutcome, HeldReason, NotificationOutcome, Operation, Outcome, Reason, State,
};

pub(super) use audit::AuditWords;
pub(super) use chinese::CHINESE;
pub(super) use english::ENGLISH;
pub(super) use report::ReportWords;

/// The texts of one language.
#[derive(Debug, serde::Serialize)]
#[allow(missing_docs, reason = "a text's name and its English say what it is")]
pub(super) struct Words {
    /// The language's tag, as addresses and cookies have it.
    pub(super) tag: &'static str,
    /// The same for browsers.
    pub(super) html_lang: &'static str,
    /// The language's name in itself.
    pub(super) language: &'static str,
    /// A link for readers of screens.
    pub(super) skip: &'static str,
    pub(super) navigation: &'static str,
    pub(super) audit: &'static AuditWords,
    pub(super) find: &'static find::FindWords,
    pub(super) report: &'static ReportWords,
    pub(super) queues: &'static str,
    pub(super) jobs: &'static str,
    pub(super) review: &'static str,
    pub(super) charts: &'static str,
    pub(super) search: &'static str,
    pub(super) search_key: &'static str,
    pub(super) live_on: &'static str,
    pub(super) live_off: &'static str,
    pub(super) signed_in_as: &'static str,
    pub(super) sign_in: &'static str,
    pub(super) sign_out: &'static str,
    pub(super) sign_in_how: &'static str,
    pub(super) sign_in_make: &'static str,
    /// {0} is the provider's host.
    pub(super) sign_in_provider: &'static str,
    pub(super) signing_in: &'static str,
    pub(super) signing_out: &'static str,
    pub(super) go_on: &'static str,
    pub(super) provider_away: &'static str,
    pub(super) provider_refused: &'static str,
    pub(super) provider_not_begun: &'static str,
    /// {0} is the person's name.
    pub(super) provider_no_role: &'static str,
    pub(super) provider_no_name: &'static str,
    /// {0} is the person's name.
    pub(super) provider_no_account: &'static str,
    /// {0} is the person's name.
    pub(super) provider_too_many_accounts: &'static str,
    pub(super) token: &'static str,
    pub(super) token_unknown: &'static str,
    pub(super) token_expired: &'static str,
    pub(super) too_many: &'static str,
    pub(super) form_unreadable: &'static str,
    pub(super) form_foreign: &'static str,
    pub(super) not_possible: &'static str,
    pub(super) not_found: &'static str,
    pub(super) not_allowed: &'static str,
    pub(super) redis_away: &'static str,
    pub(super) back_to_queues: &'static str,
    pub(super) to_the_job: &'static str,
    pub(super) never_mind: &'static str,
    /// Spans of time: {0} is the number.
    pub(super) seconds: &'static str,
    pub(super) minutes: &'static str,
    pub(super) hours: &'static str,
    pub(super) days: &'static str,
    /// {0} is a span.
    pub(super) ago: &'static str,
    /// {0} is a span.
    pub(super) ahead: &'static str,
    pub(super) queue: &'static str,
    pub(super) every_queue: &'static str,
    pub(super) to_send: &'static str,
    pub(super) to_query: &'static str,
    pub(super) in_doubt: &'static str,
    pub(super) in_review: &'static str,
    pub(super) ended: &'static str,
    /// Keys without a readable record.
    pub(super) quarantined_jobs: &'static str,
    pub(super) next_due: &'static str,
    pub(super) rate: &'static str,
    /// {0} is a number.
    pub(super) per_minute: &'static str,
    /// {0} is a span.
    pub(super) rate_over: &'static str,
    pub(super) sending: &'static str,
    pub(super) goes_on: &'static str,
    pub(super) circuit_open: &'static str,
    pub(super) circuit_in: &'static str,
    pub(super) circuit_means: &'static str,
    pub(super) paused: &'static str,
    pub(super) paused_queues: &'static str,
    pub(super) pause: &'static str,
    pub(super) resume: &'static str,
    /// {0} is a number.
    pub(super) pause_does: &'static str,
    /// {0} is a number.
    pub(super) resume_does: &'static str,
    /// {0} is the queue, {1} who and why.
    pub(super) paused_already: &'static str,
    /// {0} is the queue.
    pub(super) not_paused: &'static str,
    pub(super) queues_note: &'static str,
    pub(super) key: &'static str,
    pub(super) state_name: &'static str,
    pub(super) every_state: &'static str,
    pub(super) show: &'static str,
    pub(super) next_page: &'static str,
    pub(super) nothing_here: &'static str,
    pub(super) several_jobs: &'static str,
    pub(super) created: &'static str,
    pub(super) updated: &'static str,
    pub(super) due: &'static str,
    pub(super) why_so: &'static str,
    pub(super) trade_no: &'static str,
    pub(super) gateway_status: &'static str,
    pub(super) calls: &'static str,
    /// {0} sends, {1} queries.
    pub(super) calls_made: &'static str,
    pub(super) claimed_by: &'static str,
    pub(super) callback: &'static str,
    pub(super) environment: &'static str,
    pub(super) timeline: &'static str,
    pub(super) content: &'static str,
    pub(super) content_masked: &'static str,
    pub(super) content_gone: &'static str,
    pub(super) log_gone: &'static str,
    /// {0} is a number.
    pub(super) left_out: &'static str,
    pub(super) accepted: &'static str,
    pub(super) intent: &'static str,
    pub(super) was_sent: &'static str,
    pub(super) was_queried: &'static str,
    pub(super) released: &'static str,
    pub(super) send_skipped: &'static str,
    pub(super) deadline_passed: &'static str,
    pub(super) lost: &'static str,
    /// {0} who, {1} a key.
    pub(super) retried: &'static str,
    pub(super) dropped: &'static str,
    pub(super) rival: &'static str,
    /// {0} who, {1} a number of sends, {2} the state before, {3} an answer.
    pub(super) restored_from_journal: &'static str,
    /// {0} is a name, {1} a queue, {2} why.
    pub(super) adopted: &'static str,
    pub(super) adopt: &'static str,
    pub(super) confirm_gateway: &'static str,
    pub(super) no_record: &'static str,
    pub(super) no_answer_there: &'static str,
    pub(super) named_by_notification: &'static str,
    /// {0} is a number.
    pub(super) notification_number: &'static str,
    pub(super) unreadable: &'static str,
    pub(super) unreadable_job: &'static str,
    pub(super) record_unreadable: &'static str,
    pub(super) quarantine: &'static str,
    pub(super) quarantine_note: &'static str,
    pub(super) quarantine_empty: &'static str,
    /// {0} is a number.
    pub(super) quarantine_cut: &'static str,
    pub(super) retry: &'static str,
    pub(super) retry_does: &'static str,
    pub(super) deliver_does: &'static str,
    pub(super) drop: &'static str,
    pub(super) drop_does: &'static str,
    pub(super) drop_refused: &'static str,
    /// {0} is a key.
    pub(super) not_in_quarantine: &'static str,
    pub(super) came_late: &'static str,
    pub(super) reason: &'static str,
    pub(super) reason_rule: &'static str,
    pub(super) end_rule: &'static str,
    /// {0} is a name.
    pub(super) on_record: &'static str,
    pub(super) resolve_as: &'static str,
    pub(super) query_does: &'static str,
    pub(super) send_does: &'static str,
    pub(super) resolve_does: &'static str,
    pub(super) cancel_does: &'static str,
    pub(super) then_sent: &'static str,
    pub(super) then_queried: &'static str,
    pub(super) then_over: &'static str,
    pub(super) as_you_say: &'static str,
    pub(super) has_changed: &'static str,
    /// {0} is the action, {1} the state.
    pub(super) act_refused: &'static str,
    /// {0} who, {1} what, {2} when, {3} why.
    pub(super) last_action_text: &'static str,
    pub(super) review_note: &'static str,
    pub(super) review_empty: &'static str,
    pub(super) throughput: &'static str,
    pub(super) over: &'static str,
    /// {0} a number, {1} and {2} spans, {3} a number.
    pub(super) throughput_covers: &'static str,
    pub(super) answers: &'static str,
    pub(super) latency: &'static str,
    /// {0} calls, {1} jobs, {2} lines.
    pub(super) calls_covered: &'static str,
    /// {0} is a number.
    pub(super) queues_of_many: &'static str,
    pub(super) sends: &'static str,
    pub(super) queries: &'static str,
    pub(super) notifications: &'static str,
    pub(super) notification: &'static str,
    pub(super) notifications_note: &'static str,
    pub(super) no_notification_account: &'static str,
    /// {0} is an account.
    pub(super) notifications_of: &'static str,
    pub(super) notifications_held: &'static str,
    /// {0} is a number.
    pub(super) so_many_held: &'static str,
    pub(super) account: &'static str,
    pub(super) every_notification: &'static str,
    pub(super) only_held: &'static str,
    pub(super) only_read: &'static str,
    pub(super) number: &'static str,
    pub(super) received: &'static str,
    pub(super) written: &'static str,
    pub(super) status: &'static str,
    pub(super) method: &'static str,
    pub(super) record: &'static str,
    pub(super) version: &'static str,
    /// {0} is a number.
    pub(super) version_number: &'static str,
    pub(super) amount: &'static str,
    pub(super) deliveries: &'static str,
    /// {0} is a number.
    pub(super) times: &'static str,
    pub(super) sign_rule: &'static str,
    pub(super) late: &'static str,
    pub(super) late_means: &'static str,
    pub(super) names_job: &'static str,
    pub(super) names_nothing: &'static str,
    /// {0} is a name, {1} a queue.
    pub(super) names_no_job: &'static str,
    pub(super) versions: &'static str,
    pub(super) this_one: &'static str,
    pub(super) changed_field: &'static str,
    pub(super) webhook_delivery: &'static str,
    pub(super) no_receiver: &'static str,
    pub(super) delivery_due: &'static str,
    pub(super) delivery_over: &'static str,
    pub(super) notification_masked: &'static str,
    /// Actions that need a second operator.
    pub(super) proposal: proposals::ProposalWords,
    /// Actions on many jobs.
    pub(super) actions: actions::ActionWords,
    /// The frame of all pages.
    pub(super) frame: frame::FrameWords,
    /// Undelivered webhooks.
    pub(super) webhook: webhooks::WebhookWords,
    /// The states, in the domain's order.
    states: [&'static str; State::ALL.len()],
    /// The meaning of each.
    states_mean: [&'static str; State::ALL.len()],
    /// Ask, send, resolve, cancel.
    offered_operations: [&'static str; 4],
    /// The outcomes of responses, in the domain's order.
    answer_names: [&'static str; Outcome::ALL.len()],
    /// Why a key is in quarantine, by the word on record.
    quarantine_codes: [(&'static str, &'static str); 3],
    /// A notification's place among the versions of its record, in the domain's order.
    outcomes: [&'static str; NotificationOutcome::ALL.len()],
    outcomes_mean: [&'static str; NotificationOutcome::ALL.len()],
    /// A reason in this language.
    #[serde(skip)]
    reasons: fn(&Reason) -> String,
    /// Why a notification is held, in the domain's order.
    held_reasons: [&'static str; HeldReason::ALL.len()],
    /// The outcomes of deliveries, in the domain's order: {0} is the event's number, {1} the response, {2} a state.
    deliveries_end: [&'static str; DeliveryOutcome::ALL.len()],
    /// Why there is no response, in the domain's order.
    delivery_errors: [&'static str; DeliveryError::ALL.len()],
    /// Fields of log lines, by their names there.
    fields: [(&'static str, &'static str); 17],
}

impl Words {
    /// A state's name.
    pub(super) fn state(&self, state: State) -> &'static str {
        of(&State::ALL, &self.states, |known| *known == state).unwrap_or(state.as_str())
    }

    /// The meaning of a state.
    pub(super) fn state_means(&self, state: State) -> &'static str {
        of(&State::ALL, &self.states_mean, |known| *known == state).unwrap_or_default()
    }

    /// The outcome of a response.
    pub(super) fn answer(&self, answer: Outcome) -> &'static str {
        of(&Outcome::ALL, &self.answer_names, |known| *known == answer).unwrap_or(answer.as_str())
    }

    /// An action.
    pub(super) fn operation(&self, operation: Operation) -> &'static str {
        let [query, send, resolve, cancel] = self.offered_operations;
        match operation {
            Operation::Query => query,
            Operation::Send => send,
            Operation::Resolve(_) => resolve,
            Operation::Cancel => cancel,
        }
    }

    /// An operator's action.
    pub(super) fn action(&self, action: ActionKind) -> &'static str {
        let [query, send, resolve, cancel] = self.offered_operations;
        match action {
            ActionKind::Query => query,
            ActionKind::Send => send,
            ActionKind::Resolve => resolve,
            ActionKind::Cancel => cancel,
            ActionKind::Pause => self.pause,
            ActionKind::Resume => self.resume,
            ActionKind::Adopt => self.adopt,
            ActionKind::ConfirmGateway => self.confirm_gateway,
        }
    }

    /// Why a key is in quarantine, by the word on record; another build's word as it is.
    pub(super) fn quarantined_for<'a>(&self, code: &'a str) -> &'a str {
        by_word(&self.quarantine_codes, code).unwrap_or(code)
    }

    /// A notification's place among the versions of its record.
    pub(super) fn outcome(&self, outcome: NotificationOutcome) -> &'static str {
        of(&NotificationOutcome::ALL, &self.outcomes, |known| *known == outcome).unwrap_or(outcome.as_str())
    }

    /// The meaning of that place.
    pub(super) fn outcome_means(&self, outcome: NotificationOutcome) -> &'static str {
        of(&NotificationOutcome::ALL, &self.outcomes_mean, |known| *known == outcome).unwrap_or_default()
    }

    /// A reason in this language; the texts of gateways and operators as they are.
    pub(super) fn reason(&self, reason: &Reason) -> String {
        (self.reasons)(reason)
    }

    /// Why a notification is held.
    pub(super) fn held_reason<'a>(&self, reason: &'a HeldReason) -> &'a str {
        of(&HeldReason::ALL, &self.held_reasons, |known| known == reason).unwrap_or(reason.code())
    }

    /// The outcome of a delivery.
    pub(super) fn delivery(&self, outcome: DeliveryOutcome) -> &'static str {
        of(&DeliveryOutcome::ALL, &self.deliveries_end, |known| *known == outcome).unwrap_or_default()
    }

    /// Why a receiver was not heard.
    pub(super) fn delivery_error(&self, error: DeliveryError) -> &'static str {
        of(&DeliveryError::ALL, &self.delivery_errors, |known| *known == error).unwrap_or_default()
    }

    /// A field of a log line; one that is not known by its own name.
    pub(super) fn field<'a>(&self, name: &'a str) -> &'a str {
        by_word(&self.fields, name).unwrap_or(name)
    }
}

/// The text for a recorded word.
fn by_word(texts: &[(&str, &'static str)], word: &str) -> Option<&'static str> {
    texts.iter().find(|(known, _)| *known == word).map(|(_, text)| *text)
}

/// The text at the place of the thing.
fn of<T>(things: &[T], texts: &[&'static str], is: impl Fn(&T) -> bool) -> Option<&'static str> {
    things.iter().position(is).and_then(|index| texts.get(index).copied())
}

/// A text with its places filled in.
pub(super) fn filled(template: &str, values: &[&str]) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (index, after) = after.split_once('}').unwrap_or(("", after));
        text.push_str(index.parse().ok().and_then(|index: usize| values.get(index)).unwrap_or(&""));
        rest = after;
    }
    text + rest
}
