//! Four eyes: what one operator proposes, another one approves, once, and only as it was seen.

use std::time::Duration;

use bursar_domain::{
    ActionKind, ApprovalAction, ApprovalRefused, ApprovalRule, Approvals, Call, Due, HistoryEvent, Operation,
    OperatorAction, Reason, State,
};
use bursar_store::{
    Approved, Dismissed, Dropped, Executed, MAX_PROPOSALS, NeedsSecond, OpenProposal, Operated, Operator, Resumed,
    Store,
};
use bursar_test_support::{eventually, private_redis};

use crate::scene::{LATER, OPERATOR, SOON, Scene, key, pause, then};

const WANG: Operator<'_> = Operator { who: "wang", why: "seen, too", identity: Some("wang's token") };
const ZHAO: Operator<'_> = Operator { who: "zhao", why: "as well", identity: Some("zhao's token") };

fn two() -> ApprovalRule {
    ApprovalRule { operators: Approvals::Two, ..ApprovalRule::default() }
}

/// A scene with one job in this state, and its store under this rule.
async fn under(rule: ApprovalRule, state: State) -> (Scene, Store) {
    let scene = Scene::new().await;
    match state {
        State::Queued => scene.submit(&["k1"]).await,
        _ => scene.bring("k1", state).await,
    }
    let store = scene.store.clone().with_approvals(rule);
    (scene, store)
}

async fn operate(scene: &Scene, store: &Store, operation: Operation) -> Operated {
    store.operate(&scene.queue, &key("k1"), operation, OPERATOR).await.unwrap()
}

/// Proposes an operation that must be new.
async fn proposed(scene: &Scene, store: &Store, operation: Operation) -> OpenProposal {
    let operated = operate(scene, store, operation).await;
    let Operated::NeedsSecond(NeedsSecond::Proposed(open)) = operated else { panic!("{operated:?}") };
    *open
}

async fn approve(store: &Store, open: &OpenProposal, second: Operator<'_>) -> Approved {
    store.approve(open, second).await.unwrap()
}

fn is_done(approved: &Approved) -> bool {
    matches!(approved, Approved::Done(_))
}

async fn open_ones(scene: &Scene, store: &Store) -> usize {
    store.proposals(std::slice::from_ref(&scene.queue)).await.unwrap().len()
}

async fn actions(scene: &Scene) -> Vec<OperatorAction> {
    let job = scene.job("k1").await;
    let history = scene.store.history(&job).await.unwrap();
    let action = |event| if let HistoryEvent::OperatorAction(action) = event { Some(action) } else { None };
    history.into_iter().filter_map(action).collect()
}

/// The sends that workers get from now on.
async fn sends(scene: &Scene) -> usize {
    let mut sends = 0;
    loop {
        let claimed = scene.claim("v", 5).await.jobs;
        if claimed.is_empty() {
            return sends;
        }
        for job in claimed {
            sends += usize::from(job.call == Call::Send);
            scene.commit(&then(&job, State::Pending, Due::Query(LATER))).await;
        }
    }
}

#[tokio::test]
async fn a_send_waits_for_another_operator_and_has_both_names() {
    let (scene, store) = under(two(), State::NeedsReview).await;
    let before = (scene.text("k1").await, scene.sets("k1").await);
    let open = proposed(&scene, &store, Operation::Send).await;
    assert_eq!((scene.text("k1").await, scene.sets("k1").await), before, "nothing is done yet");
    assert_eq!(sends(&scene).await, 0);
    let view = open.proposal.view();
    assert_eq!((view.action, view.platform_no.as_deref()), (ApprovalAction::Send, Some("k1")));
    assert_eq!((view.amount_fen.unwrap().get(), view.proposed_by.as_str()), (10, "li"));

    let refused = |refused| Approved::Refused(refused);
    assert_eq!(approve(&store, &open, OPERATOR).await, refused(ApprovalRefused::SameOperator("li".into())));
    let system = approve(&store, &open, Operator { identity: None, ..WANG }).await;
    assert_eq!(system, refused(ApprovalRefused::NoToken("wang".into())));
    let renamed = approve(&store, &open, Operator { identity: OPERATOR.identity, ..WANG }).await;
    assert_eq!(renamed, refused(ApprovalRefused::SameOperator("wang".into())), "one token under two names");
    let namesake = approve(&store, &open, Operator { identity: WANG.identity, ..OPERATOR }).await;
    assert_eq!(namesake, refused(ApprovalRefused::SameOperator("li".into())), "two tokens of one name");
    assert_eq!((open_ones(&scene, &store).await, scene.text("k1").await), (1, before.0));

    let Approved::Done(Executed::Job(job)) = approve(&store, &open, WANG).await else { panic!("not done") };
    assert_eq!(job.state, State::InDoubt);
    let reason = Reason::operator_action(ActionKind::Send, "li", "because").approved_by("wang");
    assert_eq!(job.reason, Some(reason));
    let action = actions(&scene).await.pop().unwrap();
    assert_eq!((action.operator.as_str(), action.comment.as_str()), ("li", "because"));
    assert_eq!(
        (action.proposed_by.as_deref(), action.approved_by.as_deref(), action.approval_comment.as_deref()),
        (Some("li"), Some("wang"), Some("seen, too"))
    );
    assert_eq!((open_ones(&scene, &store).await, sends(&scene).await), (0, 1));
    assert_eq!(approve(&store, &open, ZHAO).await, Approved::Gone);
    assert_eq!((actions(&scene).await.len(), sends(&scene).await), (1, 0));
}

#[tokio::test]
async fn approved_twice_at_the_same_time_it_is_sent_once() {
    for round in 0..30 {
        let (scene, store) = under(two(), State::NeedsReview).await;
        let open = proposed(&scene, &store, Operation::Send).await;
        let (one, other) = tokio::join!(approve(&store, &open, WANG), approve(&store, &open, ZHAO));
        assert_eq!([&one, &other].into_iter().filter(|one| is_done(one)).count(), 1, "{round}: {one:?} {other:?}");
        assert!([one, other].contains(&Approved::Gone), "{round}");
        assert_eq!((actions(&scene).await.len(), sends(&scene).await), (1, 1), "{round}");
    }
}

#[tokio::test]
async fn approved_while_a_worker_claims_it_is_sent_once() {
    let mut approvals = 0;
    for round in 0..30 {
        let (scene, store) = under(two(), State::Queued).await;
        let open = proposed(&scene, &store, Operation::Send).await;
        let (claimed, approved) = tokio::join!(scene.claim("w", 5), approve(&store, &open, WANG));
        approvals += usize::from(is_done(&approved));
        for job in &claimed.jobs {
            scene.commit(&then(job, State::Pending, Due::Query(LATER))).await;
        }
        assert_eq!(claimed.jobs.len() + sends(&scene).await, 1, "{round}: {approved:?}");
        assert!(is_done(&approved) || matches!(approved, Approved::Void(_)), "{round}: {approved:?}");
        assert_eq!((open_ones(&scene, &store).await, scene.job("k1").await.sends), (0, 1), "{round}");
    }
    assert!(approvals < 30, "a claim never won, so nothing was tried");
}

#[tokio::test]
async fn a_job_that_changed_since_makes_the_proposal_void() {
    for operation in [Operation::Send, Operation::Resolve(State::Failed)] {
        let (scene, store) = under(two(), State::NeedsReview).await;
        let open = proposed(&scene, &store, operation).await;
        assert!(matches!(operate(&scene, &store, Operation::Query).await, Operated::Done(_)), "a query needs one");
        let Approved::Void(change) = approve(&store, &open, WANG).await else { panic!("not void") };
        assert_eq!(change, "its state was needs_review and is in_doubt", "{operation:?}");
        assert_eq!((scene.state("k1").await, open_ones(&scene, &store).await), (State::InDoubt, 0));
        assert_eq!(approve(&store, &open, WANG).await, Approved::Gone);
    }
}

#[tokio::test]
async fn a_redis_that_lost_writes_since_makes_the_proposal_void() {
    let (scene, store) = under(two(), State::NeedsReview).await;
    let open = proposed(&scene, &store, Operation::Send).await;
    assert!(store.lost_writes(&scene.queue, 0).await.unwrap());
    assert_eq!(approve(&store, &open, WANG).await, Approved::Void("Redis has lost writes since".into()));
    assert_eq!(sends(&scene).await, 0);
}

#[tokio::test]
async fn a_proposal_that_expired_does_nothing() {
    let rule = ApprovalRule { within: Duration::from_millis(50), ..two() };
    let (scene, store) = under(rule, State::NeedsReview).await;
    let open = proposed(&scene, &store, Operation::Send).await;
    let is_gone = async || {
        let about = store.proposal_about(&scene.queue, Some("k1")).await.unwrap();
        about.is_none().then_some(())
    };
    eventually(SOON, "the proposal to expire", is_gone).await;
    assert_eq!(approve(&store, &open, WANG).await, Approved::Gone);
    assert_eq!((open_ones(&scene, &store).await, sends(&scene).await), (0, 0));
    let again = proposed(&scene, &store, Operation::Send).await;
    assert_ne!(again.proposal.id, open.proposal.id);
    let members: Vec<String> = scene.command(&["ZRANGE", &format!("{}proposals", scene.base()), "0", "-1"]).await;
    assert_eq!(members, ["main/transfer k1"], "the old one is not listed next to it");
}

#[tokio::test]
async fn a_proposal_survives_a_restart_of_redis_and_of_its_process() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    scene.bring("k1", State::NeedsReview).await;
    let open = proposed(&scene, &scene.store.clone().with_approvals(two()), Operation::Send).await;
    redis.kill().unwrap();
    redis.start_again().unwrap();
    let after = Scene::between(redis.url(), redis.url(), &scene.prefix).await;
    let store = after.store.clone(); // an approval needs no rule
    let about = store.proposal_about(&after.queue, Some("k1")).await.unwrap();
    assert_eq!(about.as_ref(), Some(&open));
    assert!(is_done(&approve(&store, &open, WANG).await));
    assert_eq!(sends(&after).await, 1);
}

#[tokio::test]
async fn small_amounts_need_one_operator_and_unreadable_ones_two() {
    for (above_fen, needs) in [(9, true), (10, false)] {
        let (scene, store) = under(ApprovalRule { above_fen, ..two() }, State::NeedsReview).await;
        let operated = operate(&scene, &store, Operation::Send).await;
        assert_eq!(matches!(operated, Operated::NeedsSecond(_)), needs, "{above_fen}: {operated:?}");
    }
    let (scene, store) = under(ApprovalRule { above_fen: 10, ..two() }, State::NeedsReview).await;
    let text = scene.text("k1").await.unwrap();
    for (content, changed) in [("\"total_amount\":10", "\"total_amount\":9"), ("\"total_amount\"", "\"totalAmount\"")] {
        let _: () = scene.command(&["SET", &scene.job_name("k1"), &text.replace(content, changed)]).await;
        let open = proposed(&scene, &store, Operation::Resolve(State::Failed)).await;
        assert_eq!(open.proposal.amount_fen, None, "it is not the amount that was accepted");
    }
}

#[tokio::test]
async fn only_the_listed_actions_need_two() {
    let rule = ApprovalRule { actions: vec![ApprovalAction::Resolve], ..two() };
    let (scene, store) = under(rule.clone(), State::NeedsReview).await;
    assert!(matches!(operate(&scene, &store, Operation::Resolve(State::Failed)).await, Operated::NeedsSecond(_)));
    assert!(matches!(operate(&scene, &store, Operation::Send).await, Operated::Done(_)));
    let seen = scene.job("k1").await;
    let (scene, store) = under(two(), State::NeedsReview).await;
    assert!(seen.sends == 1 && matches!(operate(&scene, &store, Operation::Query).await, Operated::Done(_)));
    let (scene, store) = under(two(), State::NeedsReview).await;
    let saw = scene.job("k1").await;
    let operated = store.operate_as_seen(&saw, Operation::Send, OPERATOR).await.unwrap();
    assert!(matches!(operated, Operated::NeedsSecond(_)), "however the store is asked: {operated:?}");
}

#[tokio::test]
async fn one_proposal_is_open_about_a_job_until_the_job_changes() {
    let (scene, store) = under(two(), State::NeedsReview).await;
    let first = proposed(&scene, &store, Operation::Send).await;
    let end = Operation::Resolve(State::Failed);
    let second = store.operate(&scene.queue, &key("k1"), end, WANG).await.unwrap();
    assert_eq!(second, Operated::NeedsSecond(NeedsSecond::OpenBefore(Box::new(first.clone()))));
    operate(&scene, &store, Operation::Query).await;
    let claimed = scene.claim_one("w").await;
    scene.commit(&then(&claimed, State::NeedsReview, Due::Never)).await;
    let replaced = proposed(&scene, &store, Operation::Send).await;
    assert_eq!((open_ones(&scene, &store).await, approve(&store, &first, WANG).await), (1, Approved::Gone));
    assert!(is_done(&approve(&store, &replaced, WANG).await));
}

#[tokio::test]
async fn its_operator_withdraws_a_proposal_and_another_rejects_it() {
    for (operator, expected, event) in
        [(OPERATOR, Dismissed::Withdrawn, "proposal_withdrawn"), (WANG, Dismissed::Rejected, "proposal_rejected")]
    {
        let (scene, store) = under(two(), State::NeedsReview).await;
        let open = proposed(&scene, &store, Operation::Send).await;
        assert_eq!(store.dismiss(&open, operator).await.unwrap(), expected);
        assert_eq!(store.dismiss(&open, operator).await.unwrap(), Dismissed::Gone);
        assert_eq!(approve(&store, &open, ZHAO).await, Approved::Gone);
        assert_eq!((sends(&scene).await, actions(&scene).await.len()), (0, 0));
        let events = scene.events_of_queue().await;
        let published: Vec<&str> =
            events.iter().map(String::as_str).filter(|event| event.starts_with("propos")).collect();
        assert_eq!(published, ["proposed", event]);
    }
}

#[tokio::test]
async fn only_a_resume_after_lost_writes_needs_two() {
    let (scene, store) = under(two(), State::NeedsReview).await;
    store.pause(&scene.queue, &pause()).await.unwrap();
    assert_eq!(store.resume_by(&scene.queue, OPERATOR).await.unwrap(), Resumed::Done);
    assert_eq!(store.resume_by(&scene.queue, OPERATOR).await.unwrap(), Resumed::NotPaused);

    store.lost_writes(&scene.queue, 0).await.unwrap();
    store.pause(&scene.queue, &Reason::QueueLostWrites).await.unwrap();
    let resumed = store.resume_by(&scene.queue, OPERATOR).await.unwrap();
    let Resumed::NeedsSecond(NeedsSecond::Proposed(open)) = resumed else { panic!("{resumed:?}") };
    assert_eq!(store.status(&scene.queue).await.unwrap().paused, Some(Reason::QueueLostWrites));
    assert_eq!(open.proposal.view().action, ApprovalAction::ResumeLostWrites);
    let (one, other) = tokio::join!(approve(&store, &open, WANG), approve(&store, &open, ZHAO));
    assert!([&one, &other].contains(&&Approved::Done(Executed::Queue(scene.queue.clone()))), "{one:?} {other:?}");
    assert!([&one, &other].contains(&&Approved::Gone), "{one:?} {other:?}");
    assert_eq!(store.status(&scene.queue).await.unwrap().paused, None);
    let recent = store.recent_events(std::slice::from_ref(&scene.queue), 50).await.unwrap().events.remove(0);
    let resumes: Vec<Option<Reason>> =
        recent.iter().filter(|event| event.field("event") == Some("resumed")).map(|event| event.reason()).collect();
    let both = |second| Some(Reason::operator_action(ActionKind::Resume, "li", "because").approved_by(second));
    assert!(resumes.len() == 2 && (resumes.contains(&both("wang")) || resumes.contains(&both("zhao"))), "{resumes:?}");
    store.pause(&scene.queue, &pause()).await.unwrap();
    assert_eq!(store.resume_by(&scene.queue, OPERATOR).await.unwrap(), Resumed::Done, "the losses are answered for");
}

#[tokio::test]
async fn a_queue_that_changed_since_makes_the_proposal_void() {
    let (scene, store) = under(two(), State::NeedsReview).await;
    store.lost_writes(&scene.queue, 0).await.unwrap();
    let resumed = store.resume_by(&scene.queue, OPERATOR).await.unwrap();
    let Resumed::NeedsSecond(NeedsSecond::Proposed(open)) = resumed else { panic!("{resumed:?}") };
    store.pause_for_a_journal(&scene.queue).await.unwrap();
    let Approved::Void(change) = approve(&store, &open, WANG).await else { panic!("not void") };
    assert!(change.starts_with("its reason was \"none\" and is \"a journal knows sends"), "{change}");
    assert_eq!(store.status(&scene.queue).await.unwrap().paused, Some(Reason::JournalAhead));
}

#[tokio::test]
async fn a_drop_from_quarantine_needs_two() {
    let (scene, store) = under(two(), State::NeedsReview).await;
    let _: u64 = scene.command(&["HSET", &scene.name("quarantine"), "ghost", "{\"at\":5,\"code\":\"x\"}"]).await;
    let drop = async || store.drop_quarantined(&scene.queue, "ghost", OPERATOR).await.unwrap();
    let dropped = drop().await;
    let Dropped::NeedsSecond(NeedsSecond::Proposed(open)) = dropped else { panic!("{dropped:?}") };
    assert_eq!(store.quarantined(&scene.queue, 10).await.unwrap().len(), 1);
    let _: u64 = scene.command(&["HSET", &scene.name("quarantine"), "ghost", "{\"at\":5,\"code\":\"y\"}"]).await;
    assert_eq!(approve(&store, &open, WANG).await, Approved::Void("its reason was \"x\" and is \"y\"".into()));
    let dropped = drop().await;
    let Dropped::NeedsSecond(NeedsSecond::Proposed(open)) = dropped else { panic!("{dropped:?}") };
    let (one, other) = tokio::join!(approve(&store, &open, WANG), approve(&store, &open, ZHAO));
    assert_eq!([&one, &other].into_iter().filter(|one| is_done(one)).count(), 1, "{one:?} {other:?}");
    assert_eq!(store.quarantined(&scene.queue, 10).await.unwrap().len(), 0);
    let lines: Vec<String> = scene.command(&["LRANGE", &format!("{}:ghost", scene.name("history")), "0", "-1"]).await;
    let names = lines.iter().map(|line| HistoryEvent::read(line.as_bytes()).name().to_owned());
    let names: Vec<String> = names.collect();
    assert_eq!(names, ["proposal", "proposal", "proposal", "quarantine"], "proposed, void, proposed: {lines:?}");
    assert!(lines[3].contains("\"proposed_by\":\"li\",\"approved_by\":\""), "{lines:?}");
}

#[tokio::test]
async fn proposals_are_listed_by_queue_and_bounded() {
    let (scene, store) = under(two(), State::NeedsReview).await;
    scene.submit_many("m", MAX_PROPOSALS + 1).await;
    for number in 0..=MAX_PROPOSALS {
        let name = key(&format!("m{number:06}"));
        let operated = store.operate(&scene.queue, &name, Operation::Send, OPERATOR).await.unwrap();
        let Operated::NeedsSecond(needed) = operated else { panic!("{operated:?}") };
        assert_eq!(needed == NeedsSecond::TooMany, number == MAX_PROPOSALS, "{number}: {needed:?}");
    }
    let listed = store.proposals(&[scene.queue.clone(), "pay/transfer".parse().unwrap()]).await.unwrap();
    assert_eq!(listed.len(), MAX_PROPOSALS);
    assert!(store.proposals(&["pay/transfer".parse().unwrap()]).await.unwrap().is_empty());
    assert!(store.proposals(&[]).await.unwrap().is_empty());
}
