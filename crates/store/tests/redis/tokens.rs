//! Claims after lost writes, when fences repeat: only a token says whose a claim is.

use std::time::Duration;

use bursar_domain::{Call, Due, Millis, OnAmbiguous, Operation, Outcome, Reason, State};
use bursar_store::{Claim, ClaimedJob, Commit, Committed, Cursor, JournalDiff, Known, Operated, Renewal, Submission};

use crate::scene::{LATER, LEASE, Scene, answered, due_of, leased_claim, parse, then, transfer, transfer_json};

const HOUR: u64 = 3_600_000;

/// A restored Redis: everything that the claim of `key` has written is gone.
async fn lose_the_claim(scene: &Scene, key: &str) {
    let _: u64 = scene.command(&["HDEL", &scene.name("claims"), key]).await;
    let _: u64 = scene.command(&["ZREM", &scene.name("due_queries"), key]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("sends"), "1", key]).await;
    let receipts = ["w1", "w2"].map(|worker| format!("{}:{worker}", scene.name("receipt")));
    let _: u64 = scene.command(&["DEL", &receipts[0], &receipts[1]]).await;
    let _: u64 = scene.command(&["HDEL", &scene.name("queue"), "fence"]).await;
}

fn sent(job: &ClaimedJob, state: State, due: Due) -> Commit {
    answered(job, Outcome::NoResponse, state, due)
}

/// Two claims of one job with one and the same fence, the first of which Redis has forgotten.
async fn twice_claimed() -> (Scene, ClaimedJob, ClaimedJob) {
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
    let busy = answered(&first, Outcome::NotExecuted, State::Queued, Due::Send(Millis(1)));
    assert_eq!(scene.commit(&busy).await, Committed::Late);
    assert_eq!(
        (scene.state("K1").await, scene.sets("K1").await),
        (State::InDoubt, vec!["due_queries"]),
        "the second is out"
    );
    let ended = answered(&second, Outcome::Succeeded, State::Succeeded, Due::Never);
    assert_eq!(scene.commit(&ended).await, Committed::Done);
    assert_eq!(scene.commit(&ended).await, Committed::Again);
    assert_eq!(scene.commit(&sent(&first, State::Failed, Due::Never)).await, Committed::Late);
    assert_eq!(scene.state("K1").await, State::Succeeded);
    assert_eq!(scene.job("K1").await.sends, 1, "the second one's: the first is on record as late");
}

#[tokio::test]
async fn release_and_renewal_leave_another_claim_of_the_same_fence() {
    let (scene, first, second) = twice_claimed().await;
    let due = scene.due("due_queries", "K1").await;
    let renewed = scene.store.renew(&scene.queue, &Renewal::new("w1", LEASE), &[leased_claim(&first)]).await.unwrap();
    assert_eq!((renewed.gone, renewed.lost_writes), (vec!["K1".to_owned()], true));
    assert_eq!(scene.store.release(&scene.queue, &[&first]).await.unwrap(), 0);
    assert_eq!(scene.due("due_queries", "K1").await, due, "its lease is the second's own");
    assert_eq!(scene.store.release(&scene.queue, &[&second]).await.unwrap(), 1);
    assert_eq!(scene.store.release(&scene.queue, &[&first]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_worker_without_a_free_slot_reports_on_renewal() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let known = Known { receipt: 7, fence: 3, era: 0 };
    let renewal = Renewal { known, on_ambiguous: OnAmbiguous::Hold, ..Renewal::new("w1", LEASE) };
    let renewed = scene.store.renew(&scene.queue, &renewal, &[]).await.unwrap();
    assert!(renewed.lost_writes && renewed.fence > 3 && renewed.era == 1);
    assert_eq!(scene.store.status(&scene.queue).await.unwrap().paused, Some(Reason::QueueLostWrites));
    let again = Renewal { known: Known { receipt: 0, fence: renewed.fence, era: 1 }, ..renewal };
    let renewed = scene.store.renew(&scene.queue, &again, &[]).await.unwrap();
    assert!(!renewed.lost_writes, "it is found once");
}

#[tokio::test]
async fn a_loss_that_was_noticed_since_is_the_same_loss() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let job = scene.claim_one("w1").await;
    lose_the_claim(&scene, "K1").await;
    let renewal = Renewal::new("w1", LEASE);
    assert!(scene.store.renew(&scene.queue, &renewal, &[leased_claim(&job)]).await.unwrap().lost_writes);
    let renewed = scene.store.renew(&scene.queue, &renewal, &[leased_claim(&job)]).await.unwrap();
    assert_eq!((renewed.lost_writes, scene.era().await), (false, Some(1)));
}

#[tokio::test]
async fn after_lost_writes_queued_jobs_read_and_operate_as_in_doubt() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2", "K3"]).await;
    let renewal = Renewal { known: Known { receipt: 9, ..Known::default() }, ..Renewal::new("w1", LEASE) };
    assert!(scene.store.renew(&scene.queue, &renewal, &[]).await.unwrap().lost_writes);
    scene.submit(&["later"]).await;

    let job = scene.job("K1").await;
    assert_eq!((job.state, job.reason), (State::InDoubt, Some(Reason::LostWrites)));
    let listed =
        async |state| scene.store.list(&scene.queue, Some(state), &Cursor::default(), 10).await.unwrap().jobs.len();
    assert_eq!((listed(State::InDoubt).await, listed(State::Queued).await), (3, 1));
    assert_eq!(scene.store.in_doubt(&scene.queue).await.unwrap(), 3);
    let repeated = scene.accept(&[transfer("K1"), transfer("later")]).await;
    assert_eq!(repeated, [Submission::Existing(State::InDoubt), Submission::Existing(State::Queued)]);

    let cancelled = scene.operate("K1", Operation::Cancel).await;
    assert!(matches!(cancelled, Operated::Refused(_)), "it may have been executed");
    assert!(matches!(scene.operate("later", Operation::Cancel).await, Operated::Done(_)));
    let resolved = scene.operate("K3", Operation::Resolve(State::Succeeded)).await;
    assert!(matches!(resolved, Operated::Done(_)), "a person has seen it on the statement");
    assert_eq!((scene.state("K3").await, scene.sets("K3").await), (State::Succeeded, vec!["done"]));
    assert!(matches!(scene.operate("K2", Operation::Query).await, Operated::Done(_)));
    assert_eq!((scene.state("K2").await, scene.sets("K2").await), (State::InDoubt, vec!["due_queries"]));
    let claimed = scene.claim("w", 10).await.jobs.into_iter().find(|job| job.key.as_str() == "K2").unwrap();
    assert!(claimed.last_sent.is_some(), "waits count from the latest moment at which it can have been sent");
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_lost_send_certain() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    // Accepted by a clock that was an hour ahead.
    let mut record = scene.record("K1").await;
    record["created_at"] = (scene.now().await + HOUR).into();
    let _: () = scene.command(&["SET", &scene.job_name("K1"), &record.to_string()]).await;
    let renewal = Renewal { known: Known { receipt: 9, ..Known::default() }, ..Renewal::new("w1", LEASE) };
    scene.store.renew(&scene.queue, &renewal, &[]).await.unwrap();
    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.call, claimed.state), (Call::Send, State::InDoubt));
}

#[tokio::test]
async fn a_late_response_puts_an_unsent_job_in_doubt() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let jobs = scene.claim("w1", 2).await.jobs;
    lose_the_claim(&scene, "K1").await;
    lose_the_claim(&scene, "K2").await;
    let mut reported = answered(&jobs[0], Outcome::Accepted, State::Pending, Due::Never);
    reported.trade_nos = vec!["T7".into()];
    assert_eq!(scene.commit(&reported).await, Committed::Late);
    assert_eq!(scene.commit(&sent(&jobs[1], State::InDoubt, Due::Never)).await, Committed::Late);
    for name in ["K1", "K2"] {
        let job = scene.job(name).await;
        assert_eq!((job.state, job.sends, scene.sets(name).await), (State::InDoubt, 1, vec!["due_queries"]), "{name}");
    }
    assert_eq!(scene.job("K1").await.trade_nos, ["T7"]);
    let jobs = scene.claim("w2", 2).await.jobs;
    let late = |name: &str| jobs.iter().find(|job| job.key.as_str() == name).unwrap().late_response;
    assert_eq!((late("K1"), late("K2")), (Some(Outcome::Accepted), None));
}

#[tokio::test]
async fn a_late_response_reopens_a_review_and_changes_no_end() {
    let scene = Scene::new().await;
    scene.submit(&["review", "ended"]).await;
    let slow = scene.claim("slow", 2).await.jobs;
    for name in ["review", "ended"] {
        scene.set_due("due_queries", name, 1).await;
    }
    for job in scene.claim("w", 2).await.jobs {
        let state = if job.key.as_str() == "review" { State::NeedsReview } else { State::Failed };
        scene.commit(&answered(&job, Outcome::NotFound, state, Due::Never)).await;
    }
    for job in &slow {
        let mut late = answered(job, Outcome::Succeeded, State::Succeeded, Due::Never);
        late.trade_nos = vec!["T1".into()];
        assert_eq!(scene.commit(&late).await, Committed::Late);
        let after = scene.text(job.key.as_str()).await;
        assert_eq!(scene.commit(&late).await, Committed::Late, "repeated");
        assert_eq!(scene.text(job.key.as_str()).await, after, "it does nothing more");
    }
    assert_eq!((scene.state("review").await, scene.sets("review").await), (State::InDoubt, vec!["due_queries"]));
    assert_eq!((scene.state("ended").await, scene.sets("ended").await), (State::Failed, vec!["done"]));
    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.late_response, claimed.trade_nos.len()), (Some(Outcome::Succeeded), 1));
}

#[tokio::test]
async fn a_late_response_that_says_nothing_new_leaves_a_review_alone() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let sending = scene.claim_one("w1").await;
    let numbered = |mut commit: Commit| {
        commit.trade_nos = vec!["T1".into()];
        commit
    };
    scene.commit(&numbered(answered(&sending, Outcome::Accepted, State::Pending, Due::Query(Millis(1))))).await;
    let slow = scene.lose("slow").await;
    let next = scene.claim_one("w1").await;
    scene.commit(&answered(&next, Outcome::Accepted, State::NeedsReview, Due::Never)).await;
    let known = numbered(answered(&slow, Outcome::Accepted, State::Pending, Due::Never));
    assert_eq!(scene.commit(&known).await, Committed::Late);
    assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::NeedsReview, vec!["review"]));
}

#[tokio::test]
async fn a_late_query_response_counts_the_forgotten_send() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let accepted = scene.text("K1").await.unwrap();
    let sending = scene.claim_one("w1").await;
    let mut commit = answered(&sending, Outcome::Accepted, State::Pending, Due::Query(Millis(1)));
    commit.trade_nos = vec!["T1".into()];
    scene.commit(&commit).await;
    let asking = scene.claim_one("w1").await;
    // Redis comes back with the state at which the job was accepted.
    let _: () = scene.command(&["SET", &scene.job_name("K1"), &accepted]).await;
    lose_the_claim(&scene, "K1").await;
    let late = answered(&asking, Outcome::Accepted, State::Pending, Due::Never);
    assert_eq!(scene.commit(&late).await, Committed::Late);
    let claimed = scene.claim_one("w2").await;
    assert_eq!(
        (claimed.state, claimed.call, claimed.late_response),
        (State::InDoubt, Call::Query, Some(Outcome::Accepted))
    );
    assert_eq!(claimed.trade_nos, ["T1"], "what the worker knew makes it a job that can be queried");
    assert_eq!(claimed.sends, 1);
    assert!(claimed.first_sent.is_some() && claimed.last_sent.is_some(), "deadlines and waits have a beginning");
}

#[tokio::test]
async fn a_receipt_that_a_step_of_the_clock_has_expired_says_nothing() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let hour_ago = Millis(scene.now().await - HOUR);
    let known = Known { receipt: 9, ..Known::default() };
    let claimed = scene.claim_as(Claim { known, clock: Some(hour_ago), ..scene.wish("w", 10) }).await;
    assert!(!claimed.lost_writes && claimed.jobs.len() == 1);
    let now = Some(Millis(scene.now().await));
    let known = Known { receipt: u64::MAX >> 12, ..known };
    let claimed = scene.claim_as(Claim { known, clock: now, ..scene.wish("w", 10) }).await;
    assert!(claimed.lost_writes, "without a step it is lost writes");
}

#[tokio::test]
async fn a_due_time_of_a_reset_clock_follows_the_right_clock() {
    let scene = Scene::new().await;
    let mut planned = transfer_json("planned");
    planned["run_at"] = Millis(scene.now().await + HOUR).rfc3339().into();
    scene.accept(&[parse(&planned)]).await;
    scene.bring("polled", State::Pending).await;
    scene.submit(&["out"]).await;
    scene.claim("dead", 1).await;
    let now = scene.now().await;
    // As a clock that was an hour ahead has left them.
    let mut record = scene.record("polled").await;
    for name in ["updated_at", "first_sent_at", "last_sent_at"] {
        record[name] = (now + HOUR).into();
    }
    let _: () = scene.command(&["SET", &scene.job_name("polled"), &record.to_string()]).await;
    scene.set_due("due_queries", "polled", now + HOUR + 5_000).await;
    scene.set_due("due_queries", "out", now + HOUR + 30_000).await;

    assert_eq!(scene.store.set_clock_back(&scene.queue, LEASE).await.unwrap(), 2);
    assert_eq!(
        scene.store.set_clock_back(&scene.queue, LEASE).await.unwrap(),
        0,
        "done twice, it changes nothing more"
    );
    let from_now = scene.now().await;
    let polled = scene.due("due_queries", "polled").await.unwrap();
    assert!((now + 5_000..=from_now + 5_000).contains(&polled), "five seconds after it was committed");
    assert!(scene.due("due_queries", "out").await.unwrap() <= from_now + 30_000, "no lease lasts longer");
    assert!(scene.due("due_sends", "planned").await.unwrap() > from_now + HOUR - 60_000, "planned is planned");
    let job = scene.job("polled").await;
    assert!(job.updated.unwrap().0 <= from_now && job.last_sent.unwrap().0 <= from_now, "{job:?}");
}

#[tokio::test]
async fn a_due_time_set_before_a_clock_reset_counts_from_now() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let claimed = scene.claim_one("w").await;
    let ahead = Millis(scene.now().await + HOUR);
    let later = ahead.plus(Duration::from_secs(7));
    let commit = Commit { decided: ahead, ..then(&claimed, State::Pending, Due::Query(later)) };
    let before = scene.now().await;
    scene.commit(&commit).await;
    let due = scene.due("due_queries", "K1").await.unwrap();
    assert!((before + 7_000..=scene.now().await + 7_000).contains(&due), "{due}");
}

/// A job that Redis has forgotten while it was being sent, and another content that was accepted by its key since.
async fn accepted_again() -> (Scene, ClaimedJob) {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let first = scene.claim_one("w1").await;
    let _: u64 =
        scene.command(&["DEL", &scene.job_name("K1"), &scene.name("claims"), &scene.name("due_queries")]).await;
    let _: u64 = scene.command(&["HDEL", &scene.name("queue"), "fence"]).await;
    let mut other = transfer_json("K1");
    other["body"]["total_amount"] = 11.into();
    assert_eq!(scene.accept(&[parse(&other)]).await, [Submission::New]);
    (scene, first)
}

#[tokio::test]
async fn a_send_of_other_content_needs_review_after_release_or_loss() {
    for is_lost in [false, true] {
        let (scene, first) = accepted_again().await;
        let second = scene.claim_one("w2").await;
        let late = answered(&first, Outcome::Accepted, State::Pending, due_of(State::Pending));
        assert_eq!(scene.commit(&late).await, Committed::Late);
        if is_lost {
            scene.set_due("due_queries", "K1", 1).await;
            let next = scene.claim_one("w3").await;
            assert_eq!(next.call, Call::Query);
            scene.commit(&answered(&next, Outcome::NotFound, State::InDoubt, Due::Send(Millis(1)))).await;
        } else {
            assert_eq!(scene.store.release(&scene.queue, &[&second]).await.unwrap(), 1);
            assert_eq!(scene.store.release(&scene.queue, &[&second]).await.unwrap(), 0);
        }
        let job = scene.job("K1").await;
        assert_eq!((job.state, &job.reason), (State::NeedsReview, &Some(Reason::OtherContentSent)), "lost: {is_lost}");
        assert_eq!(scene.sets("K1").await, ["review"], "lost: {is_lost}");
        assert_eq!(scene.claim("w", 5).await.jobs, [], "nothing more is sent by its key");
    }
}

#[tokio::test]
async fn other_content_is_recognised_whatever_the_fences() {
    let (scene, first) = accepted_again().await;
    let second = scene.claim_one("w2").await;
    scene.commit(&sent(&second, State::InDoubt, Due::Query(LATER))).await;
    let job = scene.job("K1").await;
    assert_eq!((job.fence, first.fence), (1, 1));
    assert_eq!(JournalDiff::of(Some(&job), &first.hash, first.fence, 1), JournalDiff::OtherContent);
    assert_eq!(JournalDiff::of(Some(&job), &job.hash, first.fence, 1), JournalDiff::Agrees);
}

#[tokio::test]
async fn workers_of_one_name_differ_by_their_claim_numbers() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let first = scene.claim_one("w").await;
    lose_the_claim(&scene, "K1").await;
    let _: u64 = scene.command(&["DEL", &format!("{}:w", scene.name("receipt"))]).await;
    let second = scene.claim_one("w").await;
    assert_ne!(first.token, second.token);
    assert_eq!(scene.commit(&sent(&first, State::Failed, Due::Never)).await, Committed::Late);
    assert_eq!(
        scene.commit(&answered(&second, Outcome::Succeeded, State::Succeeded, Due::Never)).await,
        Committed::Done
    );
}
