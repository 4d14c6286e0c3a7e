//! Every state × call × answer: the legal ones by name, one row each, and all others rejected.

use super::*;

/// Where the gateway can be asked, one second after the send, whatever the account's policy:
/// state, call, answer, the state it becomes, what it is due for next, and whether the queue is paused.
const CAN_BE_QUERIED: &str = "
    queued     send   not_executed   queued        send
    queued     send   not_ready      queued        send
    queued     send   misconfigured  queued        send   pause
    queued     send   rejected       failed        never
    queued     send   accepted       pending       query
    queued     send   succeeded      succeeded     never
    queued     send   failed         failed        never
    queued     send   refunded       refunded      never
    queued     send   no_response    in_doubt      query
    queued     send   mismatch       needs_review  never

    in_doubt   send   not_executed   in_doubt      query
    in_doubt   send   not_ready      in_doubt      query
    in_doubt   send   misconfigured  in_doubt      query    pause
    in_doubt   send   rejected       in_doubt      query
    in_doubt   send   accepted       pending       query
    in_doubt   send   succeeded      succeeded     never
    in_doubt   send   failed         failed        never
    in_doubt   send   refunded       refunded      never
    in_doubt   send   no_response    in_doubt      query
    in_doubt   send   mismatch       needs_review  never

    in_doubt   query  not_executed   in_doubt      query
    in_doubt   query  misconfigured  in_doubt      query    pause
    in_doubt   query  accepted       pending       query
    in_doubt   query  succeeded      succeeded     never
    in_doubt   query  failed         failed        never
    in_doubt   query  refunded       refunded      never
    in_doubt   query  no_response    in_doubt      query
    in_doubt   query  not_found      in_doubt      query
    in_doubt   query  mismatch       needs_review  never

    pending    send   not_executed   pending       query
    pending    send   not_ready      pending       query
    pending    send   misconfigured  pending       query    pause
    pending    send   rejected       pending       query
    pending    send   accepted       pending       query
    pending    send   succeeded      succeeded     never
    pending    send   failed         failed        never
    pending    send   refunded       refunded      never
    pending    send   no_response    pending       query
    pending    send   mismatch       needs_review  never

    pending    query  not_executed   pending       query
    pending    query  misconfigured  pending       query    pause
    pending    query  accepted       pending       query
    pending    query  succeeded      succeeded     never
    pending    query  failed         failed        never
    pending    query  refunded       refunded      never
    pending    query  no_response    pending       query
    pending    query  not_found      pending       query
    pending    query  mismatch       needs_review  never

    succeeded  query  not_executed   succeeded     never
    succeeded  query  misconfigured  succeeded     never  pause
    succeeded  query  accepted       succeeded     never
    succeeded  query  succeeded      succeeded     never
    succeeded  query  failed         succeeded     never
    succeeded  query  refunded       refunded      never
    succeeded  query  no_response    succeeded     never
    succeeded  query  not_found      succeeded     never
    succeeded  query  mismatch       succeeded     never
";

/// Where the gateway cannot be queried but answers a repeated send with the first one's status: only what differs from [`CAN_BE_QUERIED`],
/// under `resend`.
const CANNOT_BE_QUERIED_RESEND: &str = "
    queued     send   accepted       pending       send
    queued     send   no_response    in_doubt      send
    in_doubt   send   not_executed   in_doubt      send
    in_doubt   send   not_ready      in_doubt      send
    in_doubt   send   misconfigured  in_doubt      send   pause
    in_doubt   send   rejected       needs_review  never
    in_doubt   send   accepted       pending       send
    in_doubt   send   no_response    in_doubt      send
    in_doubt   query  accepted       pending       send
    pending    send   not_executed   pending       send
    pending    send   not_ready      pending       send
    pending    send   misconfigured  pending       send   pause
    pending    send   rejected       pending       send
    pending    send   accepted       pending       send
    pending    send   no_response    pending       send
    pending    query  not_executed   pending       send
    pending    query  misconfigured  pending       send   pause
    pending    query  accepted       pending       send
    pending    query  no_response    pending       send
    pending    query  not_found      pending       send
";

/// The same under `hold`: what was sent by an operator's word and not executed goes back to a person.
const CANNOT_BE_QUERIED_HOLD: &str = "
    in_doubt   send   not_executed   needs_review  never
    in_doubt   send   not_ready      needs_review  never
    in_doubt   send   misconfigured  needs_review  never  pause
    in_doubt   send   rejected       needs_review  never
";

type Triple = (State, Call, Outcome);

/// A table's rows: the triple, and the rest of the row as it is written.
fn rows(table: &str) -> Vec<(Triple, String)> {
    let call_of = |word: &str| [Call::Send, Call::Query].into_iter().find(|call| call.as_str() == word).unwrap();
    let answer_of = |word: &str| Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word).unwrap();
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
        .map(|words| ((words[0].parse().unwrap(), call_of(words[1]), answer_of(words[2])), words[3..].join(" ")))
        .collect()
}

/// The result of [`after`], written as a row ends.
fn outcome((state, call, outcome): Triple, reach: Reach, on_ambiguous: OnAmbiguous) -> Option<String> {
    let policy = Policy { on_ambiguous, ..Policy::default() };
    let next = after(&fresh(state, reach), call, outcome, &policy, Millis(1_001_000)).ok()?;
    let due = match next.due {
        Due::Send(_) => "send",
        Due::Query(_) => "query",
        Due::Never => "never",
    };
    Some(format!("{} {due}{}", next.state, if next.pause_queue { " pause" } else { "" }))
}

#[derive(Clone, Copy)]
enum Reach {
    CanQuery,
    CannotQuery,
}

/// A job that was sent once, a second ago.
fn fresh(state: State, reach: Reach) -> JobProgress {
    JobProgress {
        state,
        sends: 1,
        resends: 0,
        queries: 1,
        losses: 0,
        first_sent: Some(Millis(1_000_000)),
        last_sent: Some(Millis(1_000_000)),
        sent_before: None,
        ordered: None,
        late_response: None,
        can_query: matches!(reach, Reach::CanQuery),
        names: Names::Job,
        received: Received::Nothing,
        not_ready: false,
        repeat_is_answered: true,
        next_day: false,
        seed: 7,
    }
}

fn every_triple() -> impl Iterator<Item = Triple> {
    State::ALL.into_iter().flat_map(|state| {
        [Call::Send, Call::Query]
            .into_iter()
            .flat_map(move |call| Outcome::ALL.into_iter().map(move |outcome| (state, call, outcome)))
    })
}

fn proves(legal: &[(Triple, String)], reach: Reach, on_ambiguous: OnAmbiguous) {
    for triple in every_triple() {
        let named: Vec<&String> = legal.iter().filter(|(row, _)| *row == triple).map(|(_, row)| row).collect();
        assert!(named.len() <= 1, "{triple:?} occurs twice in the table");
        let outcome = outcome(triple, reach, on_ambiguous);
        assert_eq!(outcome.as_ref(), named.first().copied(), "{triple:?} under {on_ambiguous:?}");
    }
}

/// `rows` with what `changes` says instead; a change of a row that does not exist is a mistake in the table.
fn changed(mut rows: Vec<(Triple, String)>, changes: &str) -> Vec<(Triple, String)> {
    for (triple, outcome) in self::rows(changes) {
        rows.iter_mut().find(|(row, _)| *row == triple).unwrap().1 = outcome;
    }
    rows
}

#[test]
fn the_table_is_complete_where_the_gateway_can_be_queried() {
    for on_ambiguous in [OnAmbiguous::Resend, OnAmbiguous::Hold] {
        proves(&rows(CAN_BE_QUERIED), Reach::CanQuery, on_ambiguous);
    }
}

#[test]
fn unqueryable_jobs_are_sent_again_under_resend() {
    let table = changed(rows(CAN_BE_QUERIED), CANNOT_BE_QUERIED_RESEND);
    proves(&table, Reach::CannotQuery, OnAmbiguous::Resend);
}

#[test]
fn unqueryable_jobs_wait_for_a_person_under_hold() {
    let table = changed(rows(CAN_BE_QUERIED), CANNOT_BE_QUERIED_HOLD);
    proves(&table, Reach::CannotQuery, OnAmbiguous::Hold);
}

/// A last word to a send whose response names no job, by `confirm`, the word and whether the gateway can be asked: what it
/// becomes and what it is due for.
const NAMES_NO_JOB: &str = "
    failures  succeeded  can     succeeded     never
    failures  succeeded  cannot  succeeded     never
    failures  failed     can     pending       query
    failures  failed     cannot  needs_review  never
    failures  refunded   can     pending       query
    failures  refunded   cannot  needs_review  never
    always    succeeded  can     pending       query
    always    succeeded  cannot  needs_review  never
    always    failed     can     pending       query
    always    failed     cannot  needs_review  never
    always    refunded   can     pending       query
    always    refunded   cannot  needs_review  never
    never     succeeded  can     succeeded     never
    never     succeeded  cannot  succeeded     never
    never     failed     can     failed        never
    never     failed     cannot  failed        never
    never     refunded   can     refunded      never
    never     refunded   cannot  refunded      never
";

#[test]
fn a_last_word_that_names_no_job_is_confirmed_first() {
    let now = Millis(1_001_000);
    let mut rows = 0;
    for line in NAMES_NO_JOB.lines().filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        rows += 1;
        let confirm = Confirm::ALL.into_iter().find(|confirm| confirm.as_str() == words[0]).unwrap();
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == words[1]).unwrap();
        let reach = if words[2] == "can" { Reach::CanQuery } else { Reach::CannotQuery };
        for on_ambiguous in [OnAmbiguous::Resend, OnAmbiguous::Hold] {
            let policy = Policy { on_ambiguous, confirm, ..Policy::default() };
            for state in [State::Queued, State::InDoubt, State::Pending] {
                let progress = JobProgress { names: Names::Nothing, ..fresh(state, reach) };
                let next = after(&progress, Call::Send, outcome, &policy, now).unwrap();
                let due = match next.due {
                    Due::Send(_) => "send",
                    Due::Query(at) if at == now => "query",
                    Due::Query(_) => "ask later",
                    Due::Never => "never",
                };
                assert_eq!(format!("{} {due}", next.state), words[3..].join(" "), "{line} while {state}");
                let named = JobProgress { names: Names::Job, ..progress };
                let next = after(&named, Call::Send, outcome, &policy, now).unwrap();
                assert_eq!(Some(next.state), outcome.final_state(), "{line} while {state}: what names the job ends it");
            }
        }
    }
    assert_eq!(rows, Confirm::ALL.len() * 3 * 2);
}

/// Whatever the query says that confirms it: nothing but its own last word ends the job, and nothing is sent again.
#[test]
fn what_waits_to_be_confirmed_is_ended_by_a_query_alone() {
    for on_ambiguous in [OnAmbiguous::Resend, OnAmbiguous::Hold] {
        let policy = Policy { on_ambiguous, ..Policy::default() };
        for outcome in Outcome::ALL {
            let progress = fresh(State::Pending, Reach::CanQuery);
            let Ok(next) = after(&progress, Call::Query, outcome, &policy, Millis(1_001_000)) else { continue };
            assert_eq!(next.state.is_terminal(), outcome.final_state().is_some(), "{outcome:?}");
            assert!(!matches!(next.due, Due::Send(_)), "{outcome:?}");
        }
    }
}

/// A response with a code that no list has leaves its own words as the reason, not that there was no answer.
#[test]
fn a_send_with_a_response_never_needs_review_for_having_none() {
    let late = Millis(1_000_000).plus(Policy::default().resend_after);
    for (on_ambiguous, silence) in [
        (OnAmbiguous::Hold, Reason::NoResponseAndHeld(NO_TEXT)),
        (OnAmbiguous::Resend, Reason::ResendsExhausted(NO_TEXT)),
    ] {
        let policy = Policy { on_ambiguous, resend_max: 0, ..Policy::default() };
        let undecided = Reason::UndecidedResponse(NO_TEXT);
        for (received, reason) in [(Received::Response, undecided.clone()), (Received::Nothing, silence)] {
            let progress = JobProgress { received, ..fresh(State::InDoubt, Reach::CannotQuery) };
            let soon = after(&progress, Call::Send, Outcome::NoResponse, &policy, Millis(1_001_000)).unwrap();
            assert_eq!(soon.reason, (received == Received::Response).then_some(undecided.clone()), "{policy:?}");
            let Action::Commit(next) = next_action(&progress, Call::Query, &policy, late) else {
                panic!("{progress:?}")
            };
            assert_eq!((next.state, next.reason), (State::NeedsReview, Some(reason)), "{policy:?}");
        }
    }
}

/// A suspicion stops the queue, and leaves the job where a call that taught nothing leaves it: never queued, never failed.
#[test]
fn a_suspected_misconfiguration_pauses_and_decides_nothing() {
    for on_ambiguous in [OnAmbiguous::Resend, OnAmbiguous::Hold] {
        let policy = Policy { on_ambiguous, ..Policy::default() };
        for reach in [Reach::CanQuery, Reach::CannotQuery] {
            for (state, call, _) in every_triple().filter(|(_, _, outcome)| *outcome == Outcome::NoResponse) {
                let Ok(next) = after(&fresh(state, reach), call, Outcome::NoResponse, &policy, Millis(1_001_000))
                else {
                    continue;
                };
                assert_eq!(next.clone().with_suspicion(Suspicion::Nothing), next);
                let heeded = next.clone().with_suspicion(Suspicion::Misconfigured);
                assert_eq!(
                    (heeded.state, heeded.due, heeded.pause_queue),
                    (next.state, next.due, true),
                    "{state} {call:?}"
                );
                assert!(!matches!(heeded.state, State::Queued | State::Failed), "{state} {call:?}");
                assert!(heeded.reason.is_some(), "{heeded:?}");
            }
        }
    }
}

#[test]
fn an_illegal_answer_says_what_cannot_follow_what() {
    let illegal =
        after(&fresh(State::Failed, Reach::CanQuery), Call::Query, Outcome::Succeeded, &Policy::default(), Millis(1));
    assert_eq!(illegal.unwrap_err().to_string(), "query cannot be answered succeeded while failed");
}

/// The result of [`next_action`] for every state and call: a call, or a commit of the state and due that are written here.
#[test]
fn a_claimed_job_is_sent_queried_or_moved_to_its_state() {
    let now = Millis(1_001_000);
    let policy = Policy { on_ambiguous: OnAmbiguous::Resend, ..Policy::default() };
    for state in State::ALL {
        for call in [Call::Send, Call::Query] {
            let action = next_action(&fresh(state, Reach::CanQuery), call, &policy, now);
            let expected = match (call, state) {
                (Call::Send, State::Queued | State::InDoubt | State::Pending) => Action::Send,
                (Call::Query, State::InDoubt | State::Pending | State::Succeeded) => Action::Query,
                (Call::Query, State::Queued) => Action::Commit(Transition::to(State::Queued, Due::Send(now))),
                (
                    Call::Send | Call::Query,
                    State::NeedsReview | State::Succeeded | State::Failed | State::Refunded | State::Cancelled,
                ) => Action::Commit(Transition::to(state, Due::Never)),
            };
            assert_eq!(action, expected, "{state} claimed for {call:?}");
        }
    }
}

/// The effect of a late response on an open job, for every answer that can come late: where the gateway can be asked it decides.
#[test]
fn a_late_final_outcome_ends_the_job_and_every_further_send() {
    let now = Millis(1_001_000);
    let by = |confirm| Policy { confirm, ..Policy::default() };
    for (policy, late, ends) in [
        (by(Confirm::Failures), Outcome::Accepted, None),
        (by(Confirm::Failures), Outcome::Succeeded, Some(State::Succeeded)),
        (by(Confirm::Failures), Outcome::Refunded, Some(State::NeedsReview)),
        (by(Confirm::Failures), Outcome::Failed, Some(State::NeedsReview)),
        (by(Confirm::Always), Outcome::Accepted, None),
        (by(Confirm::Always), Outcome::Succeeded, Some(State::NeedsReview)),
        (by(Confirm::Always), Outcome::Refunded, Some(State::NeedsReview)),
        (by(Confirm::Never), Outcome::Succeeded, Some(State::Succeeded)),
        (by(Confirm::Never), Outcome::Refunded, Some(State::Refunded)),
        (by(Confirm::Never), Outcome::Failed, Some(State::NeedsReview)),
    ] {
        for state in [State::InDoubt, State::Pending] {
            let progress = |reach| JobProgress { late_response: Some(late), ..fresh(state, reach) };
            assert_eq!(next_action(&progress(Reach::CanQuery), Call::Query, &policy, now), Action::Query, "{late:?}");
            let queried = next_action(&progress(Reach::CannotQuery), Call::Query, &policy, now);
            let Action::Commit(next) = queried else { panic!("{late:?} while {state} calls: {queried:?}") };
            assert_eq!(next.state, ends.unwrap_or(State::Pending), "{late:?} while {state}");
            let sending = next_action(&progress(Reach::CannotQuery), Call::Send, &policy, now);
            let is_review = matches!(&sending, Action::Commit(next) if next.state == State::NeedsReview);
            assert_eq!(is_review, late.final_state().is_some(), "{late:?} while {state}: {sending:?}");
            let ordered = JobProgress {
                ordered: Some(now),
                sent_before: Some(Millis(1_000_000)),
                ..progress(Reach::CannotQuery)
            };
            assert_eq!(next_action(&ordered, Call::Send, &policy, now), Action::Send, "a person has ordered it");
        }
    }
}

#[test]
fn an_unsent_job_past_its_deadline_ends_or_needs_review() {
    let policy = Policy::default();
    let sent = Millis(1_000_000);
    let deadlines = [
        (State::Queued, policy.retry_deadline, State::Failed),
        (State::InDoubt, policy.poll_deadline, State::NeedsReview),
        (State::Pending, policy.poll_deadline, State::NeedsReview),
    ];
    for on_ambiguous in [OnAmbiguous::Resend, OnAmbiguous::Hold] {
        let policy = Policy { on_ambiguous, ..policy.clone() };
        for (state, deadline, becomes) in deadlines {
            let progress = fresh(state, Reach::CannotQuery);
            let at = sent.plus(deadline);
            assert_eq!(overdue(&progress, &policy, Millis(at.0 - 1)), None, "{state}");
            assert_eq!(overdue(&progress, &policy, at).map(|next| next.state), Some(becomes), "{state}");
            let ordered = JobProgress { ordered: Some(Millis(at.0 - 5)), ..progress };
            assert_eq!(overdue(&ordered, &policy, at), None, "an operator's action starts it again");
        }
        for state in [State::NeedsReview, State::Succeeded, State::Failed, State::Refunded, State::Cancelled] {
            assert_eq!(overdue(&fresh(state, Reach::CannotQuery), &policy, Millis(u64::MAX / 2)), None, "{state}");
        }
        let never_sent = JobProgress { first_sent: None, ..fresh(State::Queued, Reach::CannotQuery) };
        assert_eq!(overdue(&never_sent, &policy, Millis(u64::MAX / 2)), None, "it has no deadline yet");
    }
}
