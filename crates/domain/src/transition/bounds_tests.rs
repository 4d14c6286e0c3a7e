//! Rules that hold for all facts: brute force over states, counters, policies and moments around every deadline.

use super::*;

const SENT: Millis = Millis(1_000_000_000);

/// One set of facts, one answer, and what came of it.
struct Case {
    facts: Facts,
    call: Call,
    answer: Answer,
    policy: Policy,
    now: Millis,
    next: Next,
}

impl Case {
    fn open_doubt(&self) -> bool {
        matches!(self.facts.state, State::InDoubt | State::Pending)
    }

    fn settled(&self) -> bool {
        self.now >= SENT.plus(self.policy.resend_after)
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { facts, call, answer, policy, now, next } = self;
        write!(out, "{call:?} {answer:?} at {now:?}\nof {facts:?}\nunder {policy:?}\nbecame {next:?}")
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

fn every_fact() -> Vec<Facts> {
    let mut all = Vec::new();
    for state in State::ALL {
        for flags in 0..64_u8 {
            for resends in [0, 1, 2, 3, u32::MAX] {
                for (sends, queries) in [(1, 0), (4, 7), (MAX_SENDS, 1_000), (u32::MAX, u32::MAX)] {
                    all.push(Facts {
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
                        resend_tells: flags & 2 > 0,
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
    let facts = every_fact();
    for policy in policies() {
        for now in moments(&policy) {
            for facts in &facts {
                for call in [Call::Send, Call::Query] {
                    for answer in Answer::ALL {
                        let Ok(next) = after(facts, call, answer, &policy, now) else { continue };
                        let (facts, policy) = (facts.clone(), policy.clone());
                        check(&Case { facts, call, answer, policy, now, next });
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
            assert_eq!(case.answer, Answer::Failed, "{case:?}");
        }
    });
}

#[test]
fn only_a_final_outcome_ends_what_may_have_been_executed() {
    in_every_case(|case| {
        if case.open_doubt() && case.next.state.is_terminal() {
            assert_eq!(Some(case.next.state), case.answer.last_word(), "{case:?}");
        }
    });
}

#[test]
fn what_may_have_been_executed_is_never_queued_or_cancelled() {
    in_every_case(|case| {
        if case.facts.state != State::Queued {
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
        let Ok(next) = after(&case.facts, case.call, case.answer, &policy, case.now) else { return };
        assert!(next.state == State::Queued || !matches!(next.due, Due::Send(_)), "{case:?}");
        if case.facts.state != State::Queued {
            let ordered = Facts { ordered: Some(Millis(u64::MAX)), ..case.facts.clone() };
            assert_ne!(next_action(&ordered, Call::Send, &policy, case.now), Action::Send, "{case:?}");
        }
    });
}

#[test]
fn nothing_is_resent_before_resend_after_without_a_proof() {
    in_every_case(|case| {
        let Due::Send(at) = case.next.due else { return };
        let certainly_nothing = case.call == Call::Send && case.answer.did_nothing();
        if case.next.state == State::Queued {
            assert!(certainly_nothing && case.facts.state == State::Queued, "{case:?}");
        } else if !(certainly_nothing && case.facts.state == State::InDoubt) {
            assert!(at >= SENT.plus(case.policy.resend_after), "{case:?}");
        }
    });
}

#[test]
fn never_seen_proves_nothing_until_the_settle_time_is_over() {
    in_every_case(|case| {
        if case.answer == Answer::Unseen && case.facts.state == State::InDoubt && !case.settled() {
            assert!(matches!(case.next.due, Due::Query(_)) && case.next.state == State::InDoubt, "{case:?}");
        }
    });
}

#[test]
fn the_identical_bytes_go_out_again_at_most_resend_max_times() {
    in_every_case(|case| {
        if case.next.state != State::Queued && matches!(case.next.due, Due::Send(_)) {
            let given_back = u32::from(case.call == Call::Send && case.answer.did_nothing());
            assert!(case.facts.resends.saturating_sub(given_back) < case.policy.resend_max, "{case:?}");
        }
    });
}

#[test]
fn an_end_is_left_only_from_succeeded_to_refunded() {
    in_every_case(|case| {
        if case.facts.state.is_terminal() {
            assert_eq!(case.facts.state, State::Succeeded, "{case:?}");
            assert!(matches!(case.next.state, State::Succeeded | State::Refunded), "{case:?}");
            assert_eq!(case.next.state == State::Refunded, case.answer == Answer::Refunded, "{case:?}");
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
    in_every_case(|case| assert_eq!(case.next.pause_queue, case.answer == Answer::ConfigFault, "{case:?}"));
}

#[test]
fn a_claim_without_a_call_obeys_the_same_bounds() {
    for policy in policies() {
        for now in moments(&policy) {
            for facts in every_fact() {
                let Action::Commit(next) = next_action(&facts, Call::Query, &policy, now) else { continue };
                let open = matches!(facts.state, State::InDoubt | State::Pending);
                assert!(!open || !next.state.is_terminal(), "{facts:?} {next:?}");
                match next.due {
                    Due::Send(at) if open => {
                        assert_eq!(policy.on_ambiguous, OnAmbiguous::Resend, "{facts:?}");
                        assert!(facts.resends < policy.resend_max, "{facts:?}");
                        assert!(at >= now && at >= SENT.plus(policy.resend_after), "{facts:?}");
                    }
                    Due::Send(at) | Due::Query(at) => assert!(at >= now, "{facts:?} {next:?}"),
                    Due::Never => assert!(next.state.is_terminal() || next.state == State::NeedsReview, "{facts:?}"),
                }
            }
        }
    }
}

#[test]
fn a_job_that_its_workers_do_not_survive_is_put_before_a_person() {
    for state in [State::InDoubt, State::Pending, State::Succeeded] {
        for facts in every_fact().into_iter().filter(|facts| facts.state == state && facts.losses > MAX_LOSSES) {
            let Action::Commit(next) = next_action(&facts, Call::Query, &Policy::default(), SENT) else {
                panic!("{facts:?} is called about again");
            };
            let expected = if state == State::Succeeded { State::Succeeded } else { State::NeedsReview };
            assert_eq!((next.state, next.due), (expected, Due::Never), "{facts:?}");
        }
    }
}

/// Tells the whole story of one job whose gateway answers every call in the same way.
fn story(answers: (Answer, Answer), mut facts: Facts, policy: &Policy) -> (Next, Millis) {
    let mut call = if facts.state == State::Queued { Call::Send } else { Call::Query };
    let mut now = SENT;
    for _ in 0..10_000 {
        let next = match next_action(&facts, call, policy, now) {
            Action::Commit(next) => next,
            Action::Send => {
                facts.sends += 1;
                facts.resends += u32::from(facts.state != State::Queued);
                facts.last_sent = Some(now);
                let next = after(&facts, Call::Send, answers.0, policy, now).unwrap();
                facts.resends -= u32::from(facts.state != State::Queued && answers.0.did_nothing());
                next
            }
            Action::Query => {
                facts.queries += 1;
                after(&facts, Call::Query, answers.1, policy, now).unwrap()
            }
        };
        facts.state = next.state;
        (call, now) = match next.due {
            Due::Send(at) => (Call::Send, at),
            Due::Query(at) => (Call::Query, at),
            Due::Never => return (next, now),
        };
        assert!(facts.resends <= policy.resend_max, "{facts:?}");
    }
    panic!("no end in sight: {facts:?}");
}

#[test]
fn every_job_ends_or_is_in_review_by_its_deadline() {
    let sent = [Answer::NotExecuted, Answer::NotReady, Answer::Accepted, Answer::Silent];
    let asked = [Answer::NotExecuted, Answer::Accepted, Answer::Silent, Answer::Unseen];
    let open = |facts: &Facts| matches!(facts.state, State::Queued | State::InDoubt | State::Pending);
    for facts in every_fact().into_iter().filter(|facts| open(facts) && facts.sends == 1 && facts.resends == 0) {
        for policy in policies() {
            for answers in sent.into_iter().flat_map(|send| asked.map(|query| (send, query))) {
                let (next, at) = story(answers, facts.clone(), &policy);
                let never_executed =
                    facts.state == State::Queued && answers.0 == Answer::NotExecuted && !facts.not_ready;
                let expected = if never_executed { State::Failed } else { State::NeedsReview };
                assert_eq!(next.state, expected, "{answers:?} {facts:?} {policy:?}");
                // A job may be sent for the last time just before its deadline, and then has its time of `resend_after`.
                let patience = policy.poll_deadline_t1 + policy.resend_after + policy.retry_max;
                assert!(at <= SENT.plus(patience), "{answers:?} {facts:?} ended at {at:?}");
            }
        }
    }
}

/// A job of a holding account that was sent at [`SENT`] and is due to be sent again.
fn due_while_holding(state: State, ordered: Option<Millis>) -> (Facts, Policy) {
    let policy = Policy { on_ambiguous: OnAmbiguous::Hold, ..Policy::default() };
    let facts = every_fact().into_iter().find(|facts| facts.state == state && !facts.can_query).unwrap();
    (Facts { sends: 2, resends: 1, sent_before: Some(SENT), ordered, ..facts }, policy)
}

#[test]
fn a_switch_to_holding_stops_the_resends_that_were_due() {
    for (state, ordered) in
        [State::InDoubt, State::Pending].into_iter().flat_map(|state| [(state, None), (state, Some(SENT))])
    {
        let (facts, policy) = due_while_holding(state, ordered);
        let now = SENT.plus(policy.resend_after);
        let Action::Commit(next) = next_action(&facts, Call::Send, &policy, now) else {
            panic!("sent again: {facts:?}")
        };
        assert!(!matches!(next.due, Due::Send(_)), "{next:?}");
    }
}

#[test]
fn an_account_that_holds_resends_once_per_operator_send() {
    let (facts, policy) = due_while_holding(State::InDoubt, Some(SENT.plus(Duration::from_secs(1))));
    let now = SENT.plus(policy.resend_after);
    assert_eq!(next_action(&facts, Call::Send, &policy, now), Action::Send);
    let sent = Facts { last_sent: Some(now), ..facts };
    let next = after(&sent, Call::Send, Answer::Silent, &policy, now).unwrap();
    assert!(!matches!(next.due, Due::Send(_)), "{next:?}");
}

#[test]
fn an_operators_action_restarts_a_jobs_deadlines() {
    let policy = Policy::default();
    let late = SENT.plus(policy.poll_deadline_t1 * 2);
    let facts = every_fact().into_iter().find(|facts| facts.state == State::InDoubt && facts.can_query).unwrap();
    let told = |ordered| {
        after(&Facts { ordered, ..facts.clone() }, Call::Query, Answer::Accepted, &policy, late).unwrap().state
    };
    assert_eq!((told(None), told(Some(late))), (State::NeedsReview, State::Pending));
}

#[test]
fn a_job_not_ready_is_tried_a_few_times_then_reviewed() {
    let policy = Policy::default();
    let once = |facts: &Facts| facts.state == State::Queued && facts.sends == 1 && facts.resends == 0;
    for facts in every_fact().into_iter().filter(once) {
        let first = after(&facts, Call::Send, Answer::NotReady, &policy, SENT).unwrap();
        assert!(matches!(first.due, Due::Send(at) if at >= SENT.plus(policy.not_ready_wait)), "{facts:?} {first:?}");
        let (last, at) = story((Answer::NotReady, Answer::Silent), Facts { sends: 0, ..facts.clone() }, &policy);
        assert_eq!((last.state, last.pause_queue), (State::NeedsReview, false), "{facts:?}");
        let tries = MAX_NOT_READY_SENDS - 1;
        assert!(at >= SENT.plus(policy.not_ready_wait * tries), "{facts:?} ended at {at:?}");
        assert!(at <= SENT.plus(policy.not_ready_wait * (tries + 1)), "{facts:?} ended at {at:?}");
    }
}

/// Some gateways say so of an order that was divided: whatever is said afterwards, that it was never executed is not certain.
#[test]
fn a_job_once_not_ready_never_ends_as_never_executed() {
    let policy = Policy::default();
    let late = SENT.plus(policy.retry_deadline);
    for facts in every_fact().into_iter().filter(|facts| facts.state == State::Queued) {
        let first = after(&facts, Call::Send, Answer::NotReady, &policy, SENT).unwrap();
        let remembered = first.state != State::Queued || matches!(first.reason, Some(Reason::OrderNotReady(_)));
        assert!(remembered, "{facts:?} {first:?}");
        let facts = Facts { not_ready: true, ..facts };
        for now in [SENT, late] {
            for answer in [Answer::NotExecuted, Answer::ConfigFault, Answer::Refused] {
                let next = after(&facts, Call::Send, answer, &policy, now).unwrap();
                if next.state == State::Queued {
                    assert!(matches!(next.reason, Some(Reason::OrderNotReady(_))), "{answer:?} {facts:?} {next:?}");
                } else {
                    assert_eq!(next.state, State::NeedsReview, "{answer:?} {facts:?} {next:?}");
                }
            }
        }
        let waited = overdue(&facts, &policy, late);
        assert!(waited.is_none_or(|next| next.state == State::NeedsReview), "{facts:?}");
    }
}

#[test]
fn a_job_from_the_journal_is_in_doubt_or_in_review() {
    for policy in policies() {
        for now in moments(&policy) {
            for facts in every_fact() {
                let next = recalled(&facts, &policy, now);
                let allowed = may_resend(&facts, &policy) && !facts.can_query;
                let fits = match (next.state, next.due) {
                    (State::InDoubt, Due::Send(at)) => allowed && at >= SENT.plus(policy.resend_after),
                    (State::InDoubt, Due::Query(_)) => true,
                    (State::NeedsReview, Due::Never) => !allowed,
                    _ => false,
                };
                assert!(fits && !next.pause_queue, "{facts:?}\nunder {policy:?} at {now:?}\nbecame {next:?}");
            }
        }
    }
}
