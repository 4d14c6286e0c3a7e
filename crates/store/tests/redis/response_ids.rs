//! What a response is known by is no other response's: of two with one number, one is another job's or comes a second time.

use std::time::Duration;

use bursar_domain::{Due, GatewayText, Millis, Next, Reason, Received, State};
use bursar_store::{Claimed, Commit, Committed, Evidence, PutBack, Remembered, Resend, ResponseId};

use crate::scene::{self, Scene, answer_line, asked, held, sent};

fn number(text: &str) -> Option<ResponseId> {
    Some(ResponseId::TradeNo(text.into()))
}

fn request(text: &str) -> Option<ResponseId> {
    Some(ResponseId::RequestId(text.into()))
}

/// Two jobs, the first of which was answered by `first` and has ended.
async fn two_jobs(first: Option<ResponseId>) -> (Scene, Claimed) {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2"]).await;
    let claims = scene.claim("w", 2).await;
    let [one, two] = claims.jobs.try_into().unwrap();
    let commit = Commit { response: first, ..sent(&one, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&commit).await, Committed::Ok);
    (scene, two)
}

#[tokio::test]
async fn another_jobs_number_puts_a_job_before_a_person_whatever_was_decided() {
    for (id, reason) in [
        (number("T1"), r#"{"code":"trade_no_of_another_job","trade_no":"T1","key":"k1"}"#),
        (request("R1"), r#"{"code":"response_repeated","request_id":"R1","key":"k1"}"#),
    ] {
        for (state, due) in [
            (State::Failed, Due::Never),
            (State::Succeeded, Due::Never),
            (State::Pending, Due::Ask(Millis(1))),
            (State::Queued, Due::Send(Millis(1))),
            (State::InDoubt, Due::Send(Millis(1))),
        ] {
            let (scene, two) = two_jobs(id.clone()).await;
            let commit = Commit {
                response: id.clone(),
                trade_nos: Some(vec!["T1".into()]),
                gateway_status: Some("0".into()),
                resend: Resend::GivenBack,
                ..sent(&two, state, due)
            };
            assert_eq!(scene.commit(&commit).await, Committed::Mismatch, "{state}");
            let record = scene.record("k2").await;
            assert_eq!(
                (record["s"].as_str(), record["r"].as_str(), record["n"].as_str()),
                ("needs_review", reason, "1"),
                "{state}"
            );
            assert_eq!((record.get("no"), record.get("g")), (None, None), "another job's words stay out of the record");
            assert_eq!(scene.sets("k2").await, ["review"], "{state}");
            assert_eq!(scene.log("k2").await.len(), 2, "what was read is evidence all the same");
            assert_eq!(scene.state("k1").await, State::Succeeded);
            assert_eq!(scene.commit(&commit).await, Committed::Again, "{state}");
        }
    }
}

#[tokio::test]
async fn of_two_jobs_of_one_call_with_one_number_the_second_goes_before_a_person() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2"]).await;
    let claims = scene.claim("w", 2).await;
    let commits: Vec<Commit> = claims
        .jobs
        .iter()
        .map(|job| Commit { response: number("T1"), ..sent(job, State::Succeeded, Due::Never) })
        .collect();
    let committed = scene.store.commit(&scene.lane, &commits).await.unwrap();
    assert_eq!(committed, [Committed::Ok, Committed::Mismatch]);
    assert_eq!((scene.state("k1").await, scene.state("k2").await), (State::Succeeded, State::NeedsReview));
}

/// A job may hear its own number again; a response comes once.
#[tokio::test]
async fn a_jobs_own_number_is_no_mismatch_and_its_own_response_over_again_is_one() {
    for (id, committed, state) in
        [(number("T1"), Committed::Ok, State::Pending), (request("R1"), Committed::Mismatch, State::NeedsReview)]
    {
        let scene = Scene::new().await;
        scene.submit(&["k1"]).await;
        let first = scene.claim_one("w").await;
        let commit = Commit { response: id.clone(), ..sent(&first, State::InDoubt, Due::Send(Millis(1))) };
        assert_eq!(scene.commit(&commit).await, Committed::Ok);
        let again = scene.claim_one("w").await;
        let commit = Commit { response: id, ..sent(&again, State::Pending, Due::Ask(Millis(1))) };
        assert_eq!(scene.commit(&commit).await, committed);
        assert_eq!(scene.state("k1").await, state);
    }
}

#[tokio::test]
async fn what_a_late_or_repeated_commit_is_known_by_is_neither_taken_nor_judged() {
    let (scene, two) = two_jobs(number("T1")).await;
    let late = Commit { fence: 9, response: number("T2"), ..sent(&two, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&late).await, Committed::Stale);
    let commit = Commit { response: number("T2"), ..sent(&two, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&commit).await, Committed::Ok, "a claim that is gone has named nothing");
    assert_eq!(scene.commit(&commit).await, Committed::Again, "its reply was lost");
}

#[tokio::test]
async fn what_has_ended_stays_ended_whoever_has_its_number() {
    let (scene, two) = two_jobs(number("T1")).await;
    scene.commit(&sent(&two, State::Succeeded, Due::Never)).await;
    let operator = bursar_store::Operator { who: "li", why: "because" };
    scene.store.operate(&scene.lane, &two.key, bursar_domain::Operation::Ask, operator).await.unwrap();
    let claimed = scene.claim_one("w").await;
    let commit = Commit { response: number("T1"), ..asked(&claimed, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&commit).await, Committed::Ok);
    assert_eq!(scene.state("k2").await, State::Succeeded);
}

#[tokio::test]
async fn a_purged_job_takes_what_its_responses_are_known_by_with_it_and_nothing_of_another() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2", "k3"]).await;
    let claims = scene.claim("w", 3).await;
    let [one, two, three] = claims.jobs.try_into().unwrap();
    let line =
        |job: &Claimed, id: &str| answer_line(job, &format!(r#""at":1,"outcome":"not_executed","request_id":"{id}""#));
    // In the record, then in the log, where an answer that is not the first stands.
    let busy = Commit {
        response: request("R1"),
        line: Some(line(&one, "R1")),
        ..sent(&one, State::Queued, Due::Send(Millis(1)))
    };
    scene.commit(&busy).await;
    let again = scene.claim_one("w").await;
    let busy = Commit {
        response: request("R2"),
        line: Some(line(&again, "R2")),
        ..sent(&again, State::Queued, Due::Send(Millis(1)))
    };
    scene.commit(&busy).await;
    let last = scene.claim_one("w").await;
    let done = Commit {
        response: number("T1"),
        trade_nos: Some(vec!["T1".into()]),
        line: Some(line(&last, "R3")),
        ..sent(&last, State::Succeeded, Due::Never)
    };
    scene.commit(&done).await;
    let pending = Commit {
        response: number("T2"),
        trade_nos: Some(vec!["T2".into()]),
        ..sent(&two, State::Pending, Due::Ask(Millis(1)))
    };
    scene.commit(&pending).await;
    let mismatch = Commit { response: number("T2"), ..sent(&three, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&mismatch).await, Committed::Mismatch);

    let ids = async || {
        let mut ids: Vec<String> = scene.command(&["HKEYS", &scene.name("ids")]).await;
        ids.sort();
        ids
    };
    assert_eq!(ids().await, ["nT1", "nT2", "rR1", "rR2"]);
    assert_eq!(scene.store.purge(&scene.lane, Duration::ZERO, 10).await.unwrap(), 1);
    assert_eq!(ids().await, ["nT2"], "the others have not ended");
}

#[tokio::test]
async fn a_foreign_key_in_its_place_keeps_no_answer_from_its_record() {
    let scene = Scene::new().await;
    let _: String = scene.command(&["SET", &scene.name("ids"), "x"]).await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let commit = Commit { response: number("T1"), ..sent(&claimed, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&commit).await, Committed::Ok);
    assert_eq!(scene.store.purge(&scene.lane, Duration::ZERO, 10).await.unwrap(), 1);
}

/// "Sent" counts requests that may have left, and nothing else.
#[tokio::test]
async fn a_send_that_was_skipped_or_given_back_is_none() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_one("w").await;
    scene.commit(&sent(&first, State::InDoubt, Due::Send(Millis(1)))).await;
    for _ in 0..2 {
        let skipped = scene.claim_one("w").await;
        assert_eq!((skipped.sends, skipped.resends), (2, 1), "while it may leave, it counts");
        let commit = Commit { resend: Resend::Skipped, ..sent(&skipped, State::InDoubt, Due::Send(Millis(1))) };
        scene.commit(&commit).await;
        let record = scene.record("k1").await;
        assert_eq!((record["n"].as_str(), record.get("rs")), ("1", None));
        let released = scene.claim_one("w").await;
        scene.store.release(&scene.lane, &[held(&released)]).await.unwrap();
        assert_eq!(scene.field("k1", "n").await.as_deref(), Some("1"));
    }
    let review = scene.claim_one("w").await;
    let commit = Commit { resend: Resend::Skipped, ..sent(&review, State::NeedsReview, Due::Never) };
    scene.commit(&commit).await;
    let view = scene.store.job(&scene.lane, &"k1".parse().unwrap()).await.unwrap().unwrap().view();
    assert_eq!((view.attempts, view.state), (1, State::NeedsReview));
}

/// A worker compares the content with what was accepted, and goes on with the reason that its job had.
#[tokio::test]
async fn a_claim_hands_out_the_accepted_hash_and_the_reason() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    assert_eq!(claimed.hash, scene::transfer("k1").content.hash());
    assert_eq!(claimed.reason, None);
    let why = Reason::UndecidedResponse(GatewayText::new(Some("40004/isv.order-exist"), Some("订单\n已存在")));
    let mut commit = sent(&claimed, State::InDoubt, Due::Ask(Millis(1)));
    commit.next.reason = Some(why.clone());
    scene.commit(&commit).await;
    let claimed = scene.claim_one("w").await;
    assert_eq!(claimed.reason, Some(why));
    assert_eq!(claimed.facts(false, true, false).received, Received::Response);
    let silent = Claimed { reason: Some(scene::said("timed out")), ..claimed };
    assert_eq!(silent.facts(false, true, false).received, Received::Nothing);
}

/// Redis came back empty: what a journal knows of a job's number is no other job's either.
#[tokio::test]
async fn a_number_that_a_journal_brought_back_is_its_jobs() {
    let scene = Scene::new().await;
    let job = scene::transfer("k1");
    let hash = job.content.hash();
    let known = Remembered {
        hash: &hash,
        content: job.content.text(),
        about: "k1",
        fence: 1,
        sends: 1,
        resends: 0,
        first_sent: Millis(1),
        last_sent: Millis(1),
        trade_nos: &["T1".to_owned()],
    };
    let next = Next { state: State::InDoubt, due: Due::Ask(Millis(1)), reason: None, pause_lane: false };
    let put_back = scene.store.put_back(&scene.lane, &job.key, None, &known, &next, scene::restored()).await.unwrap();
    assert_eq!(put_back, PutBack::Done);
    scene.submit(&["k2"]).await;
    let claims = scene.claim("w", 2).await;
    for (job, committed) in claims.jobs.iter().map(|job| {
        let committed = if job.key.as_str() == "k1" { Committed::Ok } else { Committed::Mismatch };
        (job, committed)
    }) {
        let commit = Commit { response: number("T1"), ..sent(job, State::Failed, Due::Never) };
        assert_eq!(scene.commit(&commit).await, committed, "{}", job.key);
    }
    assert_eq!(claims.jobs.len(), 2);
}

/// Redis has forgotten the claim, and the response that came for it is another job's: it does not say that nothing was executed.
#[tokio::test]
async fn a_late_response_that_is_anothers_leaves_its_job_in_doubt() {
    for (id, state) in [("R1", State::InDoubt), ("R2", State::Queued)] {
        let (scene, two) = two_jobs(request("R1")).await;
        let _: u64 = scene.command(&["HDEL", &scene.name("held"), "k2"]).await;
        let _: u64 = scene.command(&["ZREM", &scene.name("to_ask"), "k2"]).await;
        let _: u64 = scene.command(&["ZADD", &scene.name("to_send"), "1", "k2"]).await;
        let busy = Commit {
            response: request(id),
            evidence: Evidence::None,
            ..sent(&two, State::Queued, Due::Send(Millis(1)))
        };
        assert_eq!(scene.commit(&busy).await, Committed::Stale);
        assert_eq!(scene.record("k2").await["s"].parse::<State>().unwrap(), state, "{id}");
    }
}
