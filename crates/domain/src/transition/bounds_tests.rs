//! Rules that hold for all facts: brute force over states, counters, policies and moments around every deadline.

use super::*;

const SENT: Millis = Millis(1_000_000_000);

/// One set of facts, one answer, and what came of it.
struct Case {
    progress: JobProgress,
    call: Call,
    outcome: Outcome,
    policy: Policy,
    now: Millis,
    next: Transition,
}

impl Case {
    fn open_doubt(&self) -> bool {
        matches!(self.progress.state, State::InDoubt | State::Pending)
    }

    fn settled(&self) -> bool {
        self.now >= SENT.plus(self.policy.resend_after)
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { progress, call, outcome, policy, now, next } = self;
        write!(out, "{call:?} {outcome:?} at {now:?}\nof {progress:?}\nunder {policy:?}\nbecame {next:?}")
    }
}

fn policies() -> Vec<Policy> {
    let with = |on_ambiguous, resend_max, settle_s| Policy {
        on_ambiguous,
        resend_max,
        resend_after: Duration::from_secs(settle_s),
        ..Policy::default()
    };
    vec![
        with(OnAmbiguous::Resend, 3, 60),
        with(OnAmbiguous::Resend, 0, 60),
        with(OnAmbiguous::Resend, 3, 1_800), // longer than the grace for "never seen"
        with(OnAmbiguous::Hold, 3, 60),
    ]
}

/// Just before, at and after every moment that a rule speaks of.
fn moments(policy: &Policy) -> Vec<Millis> {
    let spoken_of = [Duration::ZERO, policy.resend_after, UNSEEN_GRACE, policy.retry_deadline, policy.poll_deadline_t1]
        .map(|delay| SENT.plus(delay));
    let around = |at: Millis| [Millis(at.0 - 1), at, at.plus(Duration::from_secs(1))];
    spoken_of.into_iter().flat_map(around).filter(|at| *at >= SENT).collect()
}

fn every_fact() -> Vec<JobProgress> {
    let mut all = Vec::new();
    for state in State::ALL {
        for flags in 0..64_u8 {
            for resends in [0, 1, 2, 3, u32::MAX] {
                for (sends, queries) in [(1, 0), (4, 7), (MAX_SENDS, 1_000), (u32::MAX, u32::MAX)] {
                    all.push(JobProgress {
                        state,
                        sends,
                        resends,
                        queries,
                        losses: queries,
                        first_sent: Some(SENT),
                        last_sent: Some(SENT),
                        sent_before: None,
                        ordered: None,
                        late_response: None,
                        can_query: flags & 1 > 0,
                        names: if flags & 8 > 0 { Names::Job } else { Names::Nothing },
                        received: if flags & 16 > 0 { Received::Response } else { Received::Nothing },
                        not_ready: flags & 32 > 0,
                        repeat_is_answered: flags & 2 > 0,
                        next_day: flags & 4 > 0,
                        seed: u64::from(resends) ^ 7,
                    });
                }
            }
        }
    }
    all
}

/// Runs `check` on every legal case.
fn in_every_case(check: impl Fn(&Case)) {
    let progress = every_fact();
    for policy in policies() {
        for now in moments(&policy) {
            for progress in &progress {
                for call in [Call::Send, Call::Query] {
                    for outcome in Outcome::ALL {
                        let Ok(next) = after(progress, call, outcome, &policy, now) else { continue };
                        let (progress, policy) = (progress.clone(), policy.clone());
                        check(&Case { progress, call, outcome, policy, now, next });
                    }
                }
            }
        }
    }
}

#[test]
fn out_of_attempts_never_turns_maybe_into_no() {
    in_every_case(|case| {
        if case.open_doubt() && case.next.state == State::Failed {
            assert_eq!(case.outcome, Outcome::Failed, "{case:?}");
        }
    });
}

#[test]
fn only_a_final_outcome_ends_what_may_have_been_executed() {
    in_every_case(|case| {
        if case.open_doubt() && case.next.state.is_terminal() {
            assert_eq!(Some(case.next.state), case.outcome.final_state(), "{case:?}");
        }
    });
}

#[test]
fn what_may_have_been_executed_is_never_queued_or_cancelled() {
    in_every_case(|case| {
        if case.progress.state != State::Queued {
            assert!(!matches!(case.next.state, State::Queued | State::Cancelled), "{case:?}");
        }
    });
}

#[test]
fn an_account_that_holds_never_resends_a_possible_execution() {
    in_every_case(|case| {
        if case.policy.on_ambiguous == OnAmbiguous::Hold && case.next.state != State::Queued {
            assert!(!matches!(case.next.due, Due::Send(_)), "{case:?}");
        }
    });
}

#[test]
fn a_kind_that_pays_again_is_never_sent_again() {
    in_every_case(|case| {
        let policy = Policy { manual_resend: ManualResend::Refused, ..case.policy.clone() };
        let Ok(next) = after(&case.progress, case.call, case.outcome, &policy, case.now) else { return };
        assert!(next.state == State::Queued || !matches!(next.due, Due::Send(_)), "{case:?}");
        if case.progress.state != State::Queued {
            let ordered = JobProgress { ordered: Some(Millis(u64::MAX)), ..case.progress.clone() };
            assert_ne!(next_action(&ordered, Call::Send, &policy, case.now), Action::Send, "{case:?}");
        }
    });
}

#[test]
fn nothing_is_resent_before_resend_after_without_a_proof() {
    in_every_case(|case| {
        let Due::Send(at) = case.next.due else { return };
        let certainly_nothing = case.call == Call::Send && case.outcome.is_not_executed();
        if case.next.state == State::Queued {
            assert!(certainly_nothing && case.progress.state == State::Queued, "{case:?}");
        } else if !(certainly_nothing && case.progress.state == State::InDoubt) {
            assert!(at >= SENT.plus(case.policy.resend_after), "{case:?}");
        }
    });
}

#[test]
fn never_seen_proves_nothing_until_the_settle_time_is_over() {
    in_every_case(|case| {
        if case.outcome == Outcome::NotFound && case.progress.state == State::InDoubt && !case.settled() {
            assert!(matches!(case.next.due, Due::Query(_)) && case.next.state == State::InDoubt, "{case:?}");
        }
    });
}

#[test]
fn the_identical_bytes_go_out_again_at_most_resend_max_times() {
    in_every_case(|case| {
        if case.next.state != State::Queued && matches!(case.next.due, Due::Send(_)) {
            let not_counted = u32::from(case.call == Call::Send && case.outcome.is_not_executed());
            assert!(case.progress.resends.saturating_sub(not_counted) < case.policy.resend_max, "{case:?}");
        }
    });
}

#[test]
fn an_end_is_left_only_from_succeeded_to_refunded() {
    in_every_case(|case| {
        if case.progress.state.is_terminal() {
            assert_eq!(case.progress.state, State::Succeeded, "{case:?}");
            assert!(matches!(case.next.state, State::Succeeded | State::Refunded), "{case:?}");
            assert_eq!(case.next.state == State::Refunded, case.outcome == Outcome::Refunded, "{case:?}");
        }
    });
}

#[test]
fn a_job_is_due_unless_it_is_in_review_or_has_ended() {
    in_every_case(|case| {
        let over = case.next.state.is_terminal() || case.next.state == State::NeedsReview;
        assert_eq!(case.next.due == Due::Never, over, "{case:?}");
    });
}

#[test]
fn nothing_is_due_in_the_past_or_too_far_ahead() {
    in_every_case(|case| {
        let (Due::Send(at) | Due::Query(at)) = case.next.due else { return };
        let policy = &case.policy;
        let longest = policy.poll_deadline_t1.max(policy.retry_deadline).max(policy.resend_after);
        assert!(at >= case.now, "{case:?}");
        assert!(at <= case.now.max(SENT.plus(longest)).plus(policy.retry_max), "{case:?}");
    });
}

#[test]
fn every_reason_fits_and_every_job_in_review_has_one() {
    in_every_case(|case| {
        assert!(case.next.reason.as_ref().is_none_or(|reason| reason.recorded().len() <= 60), "{case:?}");
        assert!(case.next.state != State::NeedsReview || case.next.reason.is_some(), "{case:?}");
    });
}

#[test]
fn a_configuration_fault_and_nothing_else_pauses_the_queue() {
    in_every_case(|case| assert_eq!(case.next.pause_queue, case.outcome == Outcome::Misconfigured, "{case:?}"));
}

#[test]
fn a_claim_without_a_call_obeys_the_same_bounds() {
    for policy in policies() {
        for now in moments(&policy) {
            for progress in every_fact() {
                let Action::Commit(next) = next_action(&progress, Call::Query, &policy, now) else { continue };
                let open = matches!(progress.state, State::InDoubt | State::Pending);
                assert!(!open || !next.state.is_terminal(), "{progress:?} {next:?}");
                match next.due {
                    Due::Send(at) if open => {
                        assert_eq!(policy.on_ambiguous, OnAmbiguous::Resend, "{progress:?}");
                        assert!(progress.resends < policy.resend_max, "{progress:?}");
                        assert!(at >= now && at >= SENT.plus(policy.resend_after), "{progress:?}");
                    }
                    Due::Send(at) | Due::Query(at) => assert!(at >= now, "{progress:?} {next:?}"),
                    Due::Never => assert!(next.state.is_terminal() || next.state == State::NeedsReview, "{progress:?}"),
                }
            }
        }
    }
}

#[test]
fn a_job_that_its_workers_do_not_survive_is_put_before_a_person() {
    for state in [State::InDoubt, State::Pending, State::Succeeded] {
        for progress in
            every_fact().into_iter().filter(|progress| progress.state == state && progress.losses > MAX_LOSSES)
        {
            let Action::Commit(next) = next_action(&progress, Call::Query, &Policy::default(), SENT) else {
                panic!("{progress:?} is called about again");
            };
            let expected = if state == State::Succeeded { State::Succeeded } else { State::NeedsReview };
            assert_eq!((next.state, next.due), (expected, Due::Never), "{progress:?}");
        }
    }
}

/// Tells the whole story of one job whose gateway answers every call in the same way.
fn story(outcomes: (Outcome, Outcome), mut progress: JobProgress, policy: &Policy) -> (Transition, Millis) {
    let mut call = if progress.state == State::Queued { Call::Send } else { Call::Query };
    let mut now = SENT;
    for _ in 0..10_000 {
        let next = match next_action(&progress, call, policy, now) {
            Action::Commit(next) => next,
            Action::Send => {
                progress.sends += 1;
                progress.resends += u32::from(progress.state != State::Queued);
                progress.last_sent = Some(now);
                let next = after(&progress, Call::Send, outcomes.0, policy, now).unwrap();
                progress.resends -= u32::from(progress.state != State::Queued && outcomes.0.is_not_executed());
                next
            }
            Action::Query => {
                progress.queries += 1;
                after(&progress, Call::Query, outcomes.1, policy, now).unwrap()
            }
        };
        progress.state = next.state;
        (call, now) = match next.due {
            Due::Send(at) => (Call::Send, at),
            Due::Query(at) => (Call::Query, at),
            Due::Never => return (next, now),
        };
        assert!(progress.resends <= policy.resend_max, "{progress:?}");
    }
    panic!("no end in sight: {progress:?}");
}

#[test]
fn every_job_ends_or_is_in_review_by_its_deadline() {
    let sent = [Outcome::NotExecuted, Outcome::NotReady, Outcome::Accepted, Outcome::NoResponse];
    let queried = [Outcome::NotExecuted, Outcome::Accepted, Outcome::NoResponse, Outcome::NotFound];
    let open = |progress: &JobProgress| matches!(progress.state, State::Queued | State::InDoubt | State::Pending);
    for progress in
        every_fact().into_iter().filter(|progress| open(progress) && progress.sends == 1 && progress.resends == 0)
    {
        for policy in policies() {
            for outcomes in sent.into_iter().flat_map(|send| queried.map(|query| (send, query))) {
                let (next, at) = story(outcomes, progress.clone(), &policy);
                let never_executed =
                    progress.state == State::Queued && outcomes.0 == Outcome::NotExecuted && !progress.not_ready;
                let expected = if never_executed { State::Failed } else { State::NeedsReview };
                assert_eq!(next.state, expected, "{outcomes:?} {progress:?} {policy:?}");
                // A job may be sent for the last time just before its deadline, and then has its time of `resend_after`.
                let query_time = policy.poll_deadline_t1 + policy.resend_after + policy.retry_max;
                assert!(at <= SENT.plus(query_time), "{outcomes:?} {progress:?} ended at {at:?}");
            }
        }
    }
}

/// A job of a holding account that was sent at [`SENT`] and is due to be sent again.
fn due_while_holding(state: State, ordered: Option<Millis>) -> (JobProgress, Policy) {
    let policy = Policy { on_ambiguous: OnAmbiguous::Hold, ..Policy::default() };
    let progress = every_fact().into_iter().find(|progress| progress.state == state && !progress.can_query).unwrap();
    (JobProgress { sends: 2, resends: 1, sent_before: Some(SENT), ordered, ..progress }, policy)
}

#[test]
fn a_switch_to_holding_stops_the_resends_that_were_due() {
    for (state, ordered) in
        [State::InDoubt, State::Pending].into_iter().flat_map(|state| [(state, None), (state, Some(SENT))])
    {
        let (progress, policy) = due_while_holding(state, ordered);
        let now = SENT.plus(policy.resend_after);
        let Action::Commit(next) = next_action(&progress, Call::Send, &policy, now) else {
            panic!("sent again: {progress:?}")
        };
        assert!(!matches!(next.due, Due::Send(_)), "{next:?}");
    }
}

#[test]
fn an_account_that_holds_resends_once_per_operator_send() {
    let (progress, policy) = due_while_holding(State::InDoubt, Some(SENT.plus(Duration::from_secs(1))));
    let now = SENT.plus(policy.resend_after);
    assert_eq!(next_action(&progress, Call::Send, &policy, now), Action::Send);
    let sent = JobProgress { last_sent: Some(now), ..progress };
    let next = after(&sent, Call::Send, Outcome::NoResponse, &policy, now).unwrap();
    assert!(!matches!(next.due, Due::Send(_)), "{next:?}");
}

#[test]
fn an_operators_action_restarts_a_jobs_deadlines() {
    let policy = Policy::default();
    let late = SENT.plus(policy.poll_deadline_t1 * 2);
    let progress =
        every_fact().into_iter().find(|progress| progress.state == State::InDoubt && progress.can_query).unwrap();
    let state_of = |ordered| {
        after(&JobProgress { ordered, ..progress.clone() }, Call::Query, Outcome::Accepted, &policy, late)
            .unwrap()
            .state
    };
    assert_eq!((state_of(None), state_of(Some(late))), (State::NeedsReview, State::Pending));
}

#[test]
fn a_job_not_ready_is_tried_a_few_times_then_reviewed() {
    let policy = Policy::default();
    let once = |progress: &JobProgress| progress.state == State::Queued && progress.sends == 1 && progress.resends == 0;
    for progress in every_fact().into_iter().filter(once) {
        let first = after(&progress, Call::Send, Outcome::NotReady, &policy, SENT).unwrap();
        assert!(matches!(first.due, Due::Send(at) if at >= SENT.plus(policy.not_ready_wait)), "{progress:?} {first:?}");
        let (last, at) =
            story((Outcome::NotReady, Outcome::NoResponse), JobProgress { sends: 0, ..progress.clone() }, &policy);
        assert_eq!((last.state, last.pause_queue), (State::NeedsReview, false), "{progress:?}");
        let tries = MAX_NOT_READY_SENDS - 1;
        assert!(at >= SENT.plus(policy.not_ready_wait * tries), "{progress:?} ended at {at:?}");
        assert!(at <= SENT.plus(policy.not_ready_wait * (tries + 1)), "{progress:?} ended at {at:?}");
    }
}

/// Some gateways say so of an order that was divided: whatever is said afterwards, that it was never executed is not certain.
#[test]
fn a_job_once_not_ready_never_ends_as_never_executed() {
    let policy = Policy::default();
    let late = SENT.plus(policy.retry_deadline);
    for progress in every_fact().into_iter().filter(|progress| progress.state == State::Queued) {
        let first = after(&progress, Call::Send, Outcome::NotReady, &policy, SENT).unwrap();
        let remembered = first.state != State::Queued || matches!(first.reason, Some(Reason::OrderNotReady(_)));
        assert!(remembered, "{progress:?} {first:?}");
        let progress = JobProgress { not_ready: true, ..progress };
        for now in [SENT, late] {
            for outcome in [Outcome::NotExecuted, Outcome::Misconfigured, Outcome::Rejected] {
                let next = after(&progress, Call::Send, outcome, &policy, now).unwrap();
                if next.state == State::Queued {
                    assert!(matches!(next.reason, Some(Reason::OrderNotReady(_))), "{outcome:?} {progress:?} {next:?}");
                } else {
                    assert_eq!(next.state, State::NeedsReview, "{outcome:?} {progress:?} {next:?}");
                }
            }
        }
        let waited = overdue(&progress, &policy, late);
        assert!(waited.is_none_or(|next| next.state == State::NeedsReview), "{progress:?}");
    }
}

#[test]
fn a_job_from_the_journal_is_in_doubt_or_in_review() {
    for policy in policies() {
        for now in moments(&policy) {
            for progress in every_fact() {
                let next = restored_from_journal(&progress, &policy, now);
                let may_send_again = may_resend(&progress, &policy) && !progress.can_query;
                let fits = match (next.state, next.due) {
                    (State::InDoubt, Due::Send(at)) => may_send_again && at >= SENT.plus(policy.resend_after),
                    (State::InDoubt, Due::Query(_)) => true,
                    (State::NeedsReview, Due::Never) => !may_send_again,
                    _ => false,
                };
                assert!(fits && !next.pause_queue, "{progress:?}\nunder {policy:?} at {now:?}\nbecame {next:?}");
            }
        }
    }
}
