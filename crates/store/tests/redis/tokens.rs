//! Claims after lost writes, when fences repeat: only a token says whose a claim is.

use std::time::Duration;

use bursar_domain::{Answer, Call, Due, Millis, OnAmbiguous, Operation, Reason, State};
use bursar_store::{
    Claim, ClaimId, Claimed, Commit, Committed, Evidence, Known, Lapsed, Operated, Operator, Renewal, Standing,
    Submission,
};

use crate::scene::{LEASE, Scene, asked, held, sent, transfer};

const OPERATOR: Operator<'_> = Operator { who: "ann", why: "looked at the gateway" };

/// A restored Redis: everything that the claim of `key` has written is gone.
async fn lose_the_claim(scene: &Scene, key: &str) {
    let _: u64 = scene.command(&["HDEL", &scene.name("held"), key]).await;
    let _: u64 = scene.command(&["ZREM", &scene.name("to_ask"), key]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("to_send"), "1", key]).await;
    let _: u64 = scene.command(&["DEL", &scene.name("claim:w1"), &scene.name("claim:w2")]).await;
    let _: u64 = scene.command(&["HDEL", &scene.name("lane"), "e"]).await;
}

async fn operate(scene: &Scene, key: &str, operation: Operation) -> Operated {
    scene.store.operate(&scene.lane, &key.parse().unwrap(), operation, OPERATOR).await.unwrap()
}

fn said(claimed: &Claimed, answer: Answer, state: State, due: Due) -> Commit {
    Commit { evidence: Evidence::Said(answer), ..sent(claimed, state, due) }
}

/// Two claims of one job with one and the same fence, the first of which Redis has forgotten.
async fn twice_claimed() -> (Scene, Claimed, Claimed) {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let first = scene.claim_one("w1").await;
    lose_the_claim(&scene, "K1").await;
    let second = scene.claim_one("w2").await;
    assert_eq!((first.fence, second.fence), (1, 1), "Redis has forgotten the first");
    (scene, first, second)
}

#[tokio::test]
async fn a_late_commit_does_not_end_another_claim_of_the_same_fence() {
    let (scene, first, second) = twice_claimed().await;
    let busy = Commit { evidence: Evidence::None, ..sent(&first, State::Queued, Due::Send(Millis(1))) };
    assert_eq!(scene.commit(&busy).await, Committed::Stale);
    assert_eq!(
        (scene.state("K1").await, scene.sets("K1").await),
        (State::InDoubt, vec!["to_ask"]),
        "the second is out"
    );
    assert_eq!(scene.commit(&sent(&second, State::Succeeded, Due::Never)).await, Committed::Ok);
    assert_eq!(scene.commit(&sent(&second, State::Succeeded, Due::Never)).await, Committed::Again);
    assert_eq!(scene.commit(&sent(&first, State::Failed, Due::Never)).await, Committed::Stale);
    assert_eq!(scene.state("K1").await, State::Succeeded);
}

#[tokio::test]
async fn neither_release_nor_renewal_touches_another_claim_of_the_same_fence() {
    let (scene, first, second) = twice_claimed().await;
    let due = scene.due("to_ask", "K1").await;
    assert_eq!(scene.renew("w1", &[held(&first)]).await, ["K1"]);
    assert_eq!(scene.store.release(&scene.lane, &[held(&first)]).await.unwrap(), [Committed::Stale]);
    assert_eq!(scene.due("to_ask", "K1").await, due, "its lease is the second's own");
    assert_eq!(scene.store.release(&scene.lane, &[held(&second)]).await.unwrap(), [Committed::Ok]);
    assert_eq!(scene.store.release(&scene.lane, &[held(&first)]).await.unwrap(), [Committed::Stale]);
}

#[tokio::test]
async fn a_worker_without_a_free_place_says_what_it_knows_when_it_renews() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let known = Known { receipt: 7, epoch: 3, era: 0 };
    let renewal = Renewal { known, on_ambiguous: OnAmbiguous::Hold, ..Renewal::new("w1", LEASE) };
    let renewed = scene.store.renew(&scene.lane, &renewal, &[]).await.unwrap();
    assert!(renewed.lost_writes && renewed.epoch > 3 && renewed.era == 1);
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().paused, Some(Reason::QueueLostWrites));
    let again = Renewal { known: Known { receipt: 0, epoch: renewed.epoch, era: 1 }, ..renewal };
    let renewed = scene.store.renew(&scene.lane, &again, &[]).await.unwrap();
    assert!(!renewed.lost_writes, "it is found once");
}

#[tokio::test]
async fn a_claim_that_is_gone_from_under_its_worker_is_lost_writes_and_no_other_end_of_it_is() {
    let scene = Scene::new().await;
    scene.submit(&["lost", "ended", "released", "taken"]).await;
    let claims = scene.claim("w1", 4).await.jobs;
    let of = |key: &str| claims.iter().find(|job| job.key.as_str() == key).unwrap();
    scene.commit(&sent(of("ended"), State::Succeeded, Due::Never)).await;
    scene.store.release(&scene.lane, &[held(of("released"))]).await.unwrap();
    scene.let_come_due("to_ask", "taken").await;
    let taken = scene.claim("w2", 3).await.jobs;
    assert!(taken.iter().any(|job| job.key.as_str() == "taken"));
    let renewal = Renewal { on_ambiguous: OnAmbiguous::Hold, ..Renewal::new("w1", LEASE) };
    let others: Vec<ClaimId> = ["ended", "released", "taken"].map(|key| held(of(key))).to_vec();
    let renewed = scene.store.renew(&scene.lane, &renewal, &others).await.unwrap();
    assert_eq!((renewed.gone.len(), renewed.lost_writes), (3, false));
    lose_the_claim(&scene, "lost").await;
    let renewed = scene.store.renew(&scene.lane, &renewal, &[held(of("lost"))]).await.unwrap();
    assert!(renewed.lost_writes, "neither committed nor taken over");
    assert!(scene.store.lane_status(&scene.lane).await.unwrap().paused.is_some());
    let next = Renewal { known: Known { era: 0, ..Known::default() }, ..renewal };
    let renewed = scene.store.renew(&scene.lane, &next, &[held(of("lost"))]).await.unwrap();
    assert!(!renewed.lost_writes, "a loss that was noticed since is the same loss");
}

#[tokio::test]
async fn what_was_queued_when_writes_were_lost_reads_lists_and_operates_as_in_doubt() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2", "K3"]).await;
    let renewal = Renewal { known: Known { receipt: 9, ..Known::default() }, ..Renewal::new("w1", LEASE) };
    assert!(scene.store.renew(&scene.lane, &renewal, &[]).await.unwrap().lost_writes);
    scene.submit(&["later"]).await;

    let record = scene.store.job(&scene.lane, &"K1".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(record.state, State::InDoubt);
    assert_eq!(record.reason, Some(Reason::LostWrites));
    let scene = &scene;
    let listed = |state| listed_in(scene, state);
    assert_eq!((listed(State::InDoubt).await, listed(State::Queued).await), (3, 1));
    assert_eq!(scene.store.in_doubt(&scene.lane).await.unwrap(), 3);
    let repeated = scene.store.submit(&[transfer("K1"), transfer("later")]).await.unwrap();
    assert_eq!(repeated, [Submission::Existing(State::InDoubt), Submission::Existing(State::Queued)]);

    assert!(matches!(operate(scene, "K1", Operation::Cancel).await, Operated::Refused(_)), "it may have been executed");
    assert!(matches!(operate(scene, "later", Operation::Cancel).await, Operated::Done(_)));
    let resolved = operate(scene, "K3", Operation::Resolve(State::Succeeded)).await;
    assert!(matches!(resolved, Operated::Done(_)), "a person has seen it on the statement");
    assert_eq!((scene.state("K3").await, scene.sets("K3").await), (State::Succeeded, vec!["done"]));
    assert!(matches!(operate(scene, "K2", Operation::Ask).await, Operated::Done(_)));
    assert_eq!((scene.state("K2").await, scene.sets("K2").await), (State::InDoubt, vec!["to_ask"]));
    let claimed = scene.claim("w", 10).await.jobs.into_iter().find(|job| job.key.as_str() == "K2").unwrap();
    assert!(claimed.last_sent.is_some(), "waits count from the latest moment at which it can have been sent");
}

async fn listed_in(scene: &Scene, state: State) -> usize {
    scene.store.list(&scene.lane, Some(state), &bursar_store::Cursor::default(), 10).await.unwrap().jobs.len()
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_lost_send_certain() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    // Accepted by a clock that was an hour ahead.
    let ahead = (scene.now().await + 3_600_000).to_string();
    let _: u64 = scene.command(&["HSET", &scene.name("job:K1"), "m", &ahead]).await;
    let renewal = Renewal { known: Known { receipt: 9, ..Known::default() }, ..Renewal::new("w1", LEASE) };
    scene.store.renew(&scene.lane, &renewal, &[]).await.unwrap();
    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.call, claimed.state), (Call::Send, State::InDoubt));
}

#[tokio::test]
async fn a_late_response_moves_a_job_that_was_believed_unsent_into_doubt_with_its_numbers() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let claims = scene.claim("w1", 2).await.jobs;
    lose_the_claim(&scene, "K1").await;
    lose_the_claim(&scene, "K2").await;
    let told =
        Commit { known_trade_nos: vec!["T7".into()], ..said(&claims[0], Answer::Accepted, State::Pending, Due::Never) };
    assert_eq!(scene.commit(&told).await, Committed::Stale);
    assert_eq!(scene.commit(&sent(&claims[1], State::InDoubt, Due::Never)).await, Committed::Stale);
    for key in ["K1", "K2"] {
        let record = scene.store.job(&scene.lane, &key.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((record.state, record.sends), (State::InDoubt, 1), "{key}");
        assert_eq!(scene.sets(key).await, ["to_ask"], "{key}");
    }
    assert_eq!(scene.field("K1", "no").await.as_deref(), Some("T7"));
    let claims = scene.claim("w2", 2).await.jobs;
    let late = |key: &str| claims.iter().find(|job| job.key.as_str() == key).unwrap().late_response;
    assert_eq!((late("K1"), late("K2")), (Some(Answer::Accepted), None));
}

#[tokio::test]
async fn a_late_response_reopens_a_review_and_changes_no_end() {
    let scene = Scene::new().await;
    scene.submit(&["review", "ended"]).await;
    let slow = scene.claim("slow", 2).await.jobs;
    for key in ["review", "ended"] {
        scene.let_come_due("to_ask", key).await;
    }
    for job in scene.claim("w", 2).await.jobs {
        let state = if job.key.as_str() == "review" { State::NeedsReview } else { State::Failed };
        scene.commit(&asked(&job, state, Due::Never)).await;
    }
    for job in &slow {
        let late =
            Commit { known_trade_nos: vec!["T1".into()], ..said(job, Answer::Succeeded, State::Succeeded, Due::Never) };
        assert_eq!(scene.commit(&late).await, Committed::Stale);
        assert_eq!(scene.commit(&late).await, Committed::Stale, "repeated, it does nothing more");
    }
    assert_eq!((scene.state("review").await, scene.sets("review").await), (State::InDoubt, vec!["to_ask"]));
    assert_eq!((scene.state("ended").await, scene.sets("ended").await), (State::Failed, vec!["done"]));
    let claimed = scene.claim_one("w").await;
    assert_eq!(claimed.late_response, Some(Answer::Succeeded));
    assert_eq!(claimed.trade_nos, ["T1"]);
}

#[tokio::test]
async fn a_late_response_reaches_the_claim_that_is_out_in_its_place() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let slow = scene.claim_one("slow").await;
    scene.let_come_due("to_ask", "K1").await;
    let other = scene.claim_one("other").await;
    let late = said(&slow, Answer::Succeeded, State::Succeeded, Due::Never);
    assert_eq!(scene.commit(&late).await, Committed::Stale);
    let review = Commit { evidence: Evidence::None, ..sent(&other, State::NeedsReview, Due::Never) };
    assert_eq!(scene.commit(&review).await, Committed::Ok);
    assert_eq!(
        (scene.state("K1").await, scene.sets("K1").await),
        (State::InDoubt, vec!["to_ask"]),
        "looked at once more"
    );
    assert_eq!(scene.claim_one("w").await.late_response, Some(Answer::Succeeded));
}

#[tokio::test]
async fn a_claim_that_is_given_back_keeps_what_a_late_response_said() {
    let (scene, first, second) = twice_claimed().await;
    let late = said(&first, Answer::Succeeded, State::Succeeded, Due::Never);
    assert_eq!(scene.commit(&late).await, Committed::Stale);
    assert_eq!(scene.store.release(&scene.lane, &[held(&second)]).await.unwrap(), [Committed::Ok]);
    assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::InDoubt, vec!["to_ask"]), "it is not sent");
    let next = scene.claim_one("w").await;
    assert_eq!((next.call, next.late_response), (Call::Ask, Some(Answer::Succeeded)));
}

#[tokio::test]
async fn after_an_outage_a_lapsed_claim_is_left_to_its_worker_for_a_moment() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let slow = scene.claim("slow", 1).await.jobs.remove(0);
    scene.let_come_due("to_ask", slow.key.as_str()).await;
    let wish = Claim { lapsed: Lapsed::Left, ..scene.wish("w", 10) };
    let claims = scene.store.claim(&scene.lane, &wish).await.unwrap();
    assert_eq!(claims.jobs.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["K2"]);
    assert!(claims.next_due.unwrap() > claims.now, "it is not looked at again at once");
    assert_eq!(
        scene.commit(&sent(&slow, State::Succeeded, Due::Never)).await,
        Committed::Ok,
        "its own commit comes first"
    );
}

#[tokio::test]
async fn a_receipt_that_a_step_of_the_clock_has_expired_says_nothing() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let hour_ago = Millis(scene.now().await - 3_600_000);
    let known = Known { receipt: 9, ..Known::default() };
    let wish = Claim { known, clock: Some(hour_ago), ..scene.wish("w", 10) };
    let claims = scene.store.claim(&scene.lane, &wish).await.unwrap();
    assert!(!claims.lost_writes && claims.jobs.len() == 1);
    let now = Some(Millis(scene.now().await));
    let wish = Claim { known: Known { receipt: u64::MAX >> 12, ..known }, clock: now, ..scene.wish("w", 10) };
    assert!(scene.store.claim(&scene.lane, &wish).await.unwrap().lost_writes, "without a step it is lost writes");
}

#[tokio::test]
async fn what_became_due_by_a_clock_that_was_set_back_comes_due_by_the_right_one() {
    const HOUR: u64 = 3_600_000;
    let scene = Scene::new().await;
    let mut planned = transfer("planned");
    planned.run_at = Some(Millis(scene.now().await + HOUR));
    scene.store.submit(&[planned]).await.unwrap();
    scene.bring("polled", State::Pending).await;
    scene.submit(&["out"]).await;
    scene.claim("dead", 1).await;
    let now = scene.now().await;
    // As a clock that was an hour ahead has left them.
    let of_then = |text: &str| (now + HOUR + text.parse::<u64>().unwrap()).to_string();
    let marks = format!("{now} {0} {0} 1 1", of_then("0"));
    let _: u64 = scene.command(&["HSET", &scene.name("job:polled"), "m", &marks]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("to_ask"), "XX", &of_then("5000"), "polled"]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("to_ask"), "XX", &of_then("30000"), "out"]).await;

    assert_eq!(scene.store.set_clock_back(&scene.lane, LEASE).await.unwrap(), 2);
    assert_eq!(scene.store.set_clock_back(&scene.lane, LEASE).await.unwrap(), 0, "done twice, it changes nothing more");
    let from_now = scene.now().await;
    let polled = scene.due("to_ask", "polled").await.unwrap();
    assert!((now + 5_000..=from_now + 5_000).contains(&polled), "five seconds after it was committed");
    assert!(scene.due("to_ask", "out").await.unwrap() <= from_now + 30_000, "no lease lasts longer");
    assert!(scene.due("to_send", "planned").await.unwrap() > from_now + HOUR - 60_000, "planned is planned");
    let record = scene.store.job(&scene.lane, &"polled".parse().unwrap()).await.unwrap().unwrap();
    assert!(record.updated.unwrap().0 <= from_now);
}

#[tokio::test]
async fn a_due_time_set_by_a_clock_that_was_set_back_since_counts_from_now() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let claimed = scene.claim_one("w").await;
    let then = Millis(scene.now().await + 3_600_000);
    let later = then.plus(Duration::from_secs(7));
    let commit = Commit { decided: then, ..sent(&claimed, State::Pending, Due::Ask(later)) };
    let before = scene.now().await;
    scene.commit(&commit).await;
    let due = scene.due("to_ask", "K1").await.unwrap();
    assert!((before + 7_000..=scene.now().await + 7_000).contains(&due), "{due}");
}

/// A job that Redis has forgotten while it was being sent, and another content that was accepted by its key since.
async fn accepted_anew() -> (Scene, Claimed) {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let first = scene.claim_one("w1").await;
    let _: u64 = scene.command(&["DEL", &scene.name("job:K1"), &scene.name("held"), &scene.name("to_ask")]).await;
    let mut other = crate::scene::transfer_json("K1");
    other["body"]["total_amount"] = 11.into();
    assert_eq!(scene.store.submit(&[crate::scene::parse(&other)]).await.unwrap(), [Submission::New]);
    (scene, first)
}

#[tokio::test]
async fn a_late_response_to_other_content_by_the_same_key_puts_the_job_before_a_person() {
    let (scene, first) = accepted_anew().await;
    for _ in 0..2 {
        assert_eq!(scene.commit(&sent(&first, State::InDoubt, Due::Send(Millis(1)))).await, Committed::Stale);
        assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::NeedsReview, vec!["review"]));
    }
    assert_eq!(scene.field("K1", "r").await, Some(Reason::OtherContentSent.recorded()));
    assert_eq!(scene.claim("w2", 1).await.jobs, [], "nothing more is sent by its key");
}

#[tokio::test]
async fn the_same_ends_a_claim_that_is_out_meanwhile_before_a_person() {
    let (scene, first) = accepted_anew().await;
    let second = scene.claim_one("w2").await;
    assert_eq!(scene.commit(&said(&first, Answer::Accepted, State::Pending, Due::Never)).await, Committed::Stale);
    let busy = Commit { evidence: Evidence::None, ..sent(&second, State::Queued, Due::Send(Millis(1))) };
    assert_eq!(scene.commit(&busy).await, Committed::Ok);
    assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::NeedsReview, vec!["review"]));
}

#[tokio::test]
async fn the_same_holds_for_a_claim_that_is_given_back_or_lost() {
    let (scene, first) = accepted_anew().await;
    let second = scene.claim_one("w2").await;
    scene.commit(&said(&first, Answer::Accepted, State::Pending, Due::Never)).await;
    assert_eq!(scene.store.release(&scene.lane, &[held(&second)]).await.unwrap(), [Committed::Ok]);
    assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::NeedsReview, vec!["review"]), "given back");
    assert_eq!(scene.field("K1", "r").await, Some(Reason::OtherContentSent.recorded()));
    assert_eq!(scene.store.release(&scene.lane, &[held(&second)]).await.unwrap(), [Committed::Again]);

    let (scene, first) = accepted_anew().await;
    scene.claim_one("w2").await;
    scene.commit(&said(&first, Answer::Accepted, State::Pending, Due::Never)).await;
    scene.let_come_due("to_ask", "K1").await;
    let next = scene.claim_one("w3").await;
    assert_eq!(next.call, Call::Ask);
    scene.commit(&asked(&next, State::InDoubt, Due::Send(Millis(1)))).await;
    assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::NeedsReview, vec!["review"]), "lost");
}

#[tokio::test]
async fn a_send_of_other_content_is_known_to_be_other_whatever_the_fences_say() {
    let (scene, first) = accepted_anew().await;
    scene.commit(&sent(&scene.claim_one("w2").await, State::InDoubt, Due::Ask(Millis(1)))).await;
    let record = scene.store.job(&scene.lane, &first.key).await.unwrap().unwrap();
    assert_eq!((record.fence, first.fence), (1, 1));
    assert_eq!(Standing::of(Some(&record), &first.hash, first.fence, 1), Standing::OtherContent);
    assert_eq!(Standing::of(Some(&record), &record.hash, first.fence, 1), Standing::Agrees);
}

#[tokio::test]
async fn a_late_answer_to_a_query_counts_the_send_that_redis_has_forgotten_and_its_deadline_runs() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let sending = scene.claim_one("w1").await;
    scene.commit(&sent(&sending, State::Pending, Due::Ask(Millis(1)))).await;
    let asking = scene.claim_one("w1").await;
    // Redis comes back with what it knew when the job was accepted.
    let marks = sending.created.unwrap().0.to_string();
    let _: u64 = scene.command(&["HSET", &scene.name("job:K1"), "s", "queued", "m", &marks]).await;
    let _: u64 = scene.command(&["HDEL", &scene.name("job:K1"), "k"]).await;
    lose_the_claim(&scene, "K1").await;
    let known_trade_nos = vec!["T1".into()];
    let late = Commit {
        evidence: Evidence::Said(Answer::Accepted),
        known_trade_nos,
        ..asked(&asking, State::Pending, Due::Never)
    };
    assert_eq!(scene.commit(&late).await, Committed::Stale);
    let claimed = scene.claim_one("w2").await;
    assert_eq!((claimed.state, claimed.sends), (State::InDoubt, 1));
    assert_eq!(claimed.trade_nos, ["T1"], "what the worker knew makes it a job that can be queried");
    assert!(claimed.first_sent.is_some() && claimed.last_sent.is_some(), "deadlines and waits have a beginning");
}

#[tokio::test]
async fn a_late_response_that_says_nothing_new_leaves_a_review_alone() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let sending = scene.claim_one("w1").await;
    let accepted = Commit { trade_nos: Some(vec!["T1".into()]), ..sent(&sending, State::Pending, Due::Ask(Millis(1))) };
    scene.commit(&accepted).await;
    let slow = scene.claim_one("slow").await;
    scene.let_come_due("to_ask", "K1").await;
    scene.commit(&asked(&scene.claim_one("w1").await, State::NeedsReview, Due::Never)).await;
    let known =
        Commit { known_trade_nos: vec!["T1".into()], ..said(&slow, Answer::Accepted, State::Pending, Due::Never) };
    assert_eq!(scene.commit(&known).await, Committed::Stale);
    assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::NeedsReview, vec!["review"]));
}
