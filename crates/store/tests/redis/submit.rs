//! Accepting jobs: one key, one payment.

use bursar_domain::{Millis, State};
use bursar_store::{MAX_BATCH, Submission};
use bursar_test_support::eventually;
use serde_json::json;

use crate::scene::{SOON, Scene, bill, parse, transfer, transfer_json};

fn conflict(first: &str) -> Submission {
    Submission::Conflict { first: first.to_owned() }
}

#[tokio::test]
async fn a_new_job_is_recorded_and_due_at_once_with_the_exact_bytes() {
    let scene = Scene::new().await;
    let job = transfer("k1");
    let before = scene.now().await;
    assert_eq!(scene.store.submit(std::slice::from_ref(&job)).await.unwrap(), [Submission::New]);
    let record = scene.store.job(&scene.lane, &job.key).await.unwrap().unwrap();
    assert_eq!((record.state, record.sends, record.worker.clone()), (State::Queued, 0, None));
    assert_eq!(record.hash, job.content.hash());
    assert!(record.created.unwrap().0 >= before);
    assert_eq!(record.due, record.created);
    assert_eq!(scene.store.content(&scene.lane, &job.key).await.unwrap().as_deref(), Some(job.content.text()));
    assert_eq!(scene.sets("k1").await, ["to_send"]);
}

#[tokio::test]
async fn the_same_job_again_is_told_its_state_and_changes_nothing() {
    let scene = Scene::new().await;
    let job = [transfer("k1")];
    scene.store.submit(&job).await.unwrap();
    let before = scene.record("k1").await;
    assert_eq!(scene.store.submit(&job).await.unwrap(), [Submission::Existing(State::Queued)]);
    assert_eq!(scene.record("k1").await, before);
    scene.claim_one("w").await;
    let before = scene.record("k1").await;
    assert_eq!(scene.store.submit(&job).await.unwrap(), [Submission::Existing(State::InDoubt)]);
    assert_eq!(scene.record("k1").await, before);
    assert_eq!(scene.sets("k1").await, ["to_ask"], "a repetition must not make it due for a send");
}

#[tokio::test]
async fn the_same_key_with_other_content_is_refused() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let mut other = transfer_json("k1");
    other["body"]["total_amount"] = json!(11);
    assert_eq!(scene.store.submit(&[parse(&other)]).await.unwrap(), [conflict("k1")]);
    assert_eq!(
        scene.store.content(&scene.lane, &"k1".parse().unwrap()).await.unwrap().unwrap(),
        transfer("k1").content.text()
    );
}

#[tokio::test]
async fn a_trace_is_kept_where_there_is_one_and_is_no_part_of_what_makes_a_job_the_same() {
    let scene = Scene::new().await;
    let traced = |key: &str, trace: &str| {
        let mut job = transfer_json(key);
        job["traceparent"] = json!(trace);
        parse(&job)
    };
    let (first, second) = (
        format!("00-{}-{}-01", "a".repeat(32), "b".repeat(16)),
        format!("00-{}-{}-00", "c".repeat(32), "d".repeat(16)),
    );
    assert_eq!(
        scene.store.submit(&[traced("k1", &first), transfer("k2")]).await.unwrap(),
        [Submission::New, Submission::New]
    );
    let again = [traced("k1", &second), transfer("k1"), traced("k2", &second)];
    assert_eq!(scene.store.submit(&again).await.unwrap(), vec![Submission::Existing(State::Queued); 3]);
    assert_eq!(scene.field("k1", "tp").await, Some(first.clone()), "the first one stays");
    assert_eq!(scene.field("k2", "tp").await, None, "a job without a trace has no field for it");
    let claims = scene.claim("w", 2).await;
    let traces: Vec<Option<String>> =
        claims.jobs.iter().map(|job| job.trace.as_ref().map(ToString::to_string)).collect();
    assert_eq!(traces, [Some(first.clone()), None]);
    let record = scene.store.job(&scene.lane, &"k1".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(record.trace.map(|trace| trace.to_string()), Some(first));
}

#[tokio::test]
async fn a_second_job_about_the_same_thing_is_refused_whatever_its_key() {
    let mut scene = Scene::new().await;
    scene.lane = "main/bill_upload".parse().unwrap();
    let jobs = [parse(&bill("k1", "order-1")), parse(&bill("k2", "order-1")), parse(&bill("k3", "order-2"))];
    let expected = [Submission::New, conflict("k1"), Submission::New];
    assert_eq!(scene.store.submit(&jobs).await.unwrap(), expected);
    assert!(scene.record("k2").await.is_empty(), "a refused job leaves nothing");
    let again = [Submission::Existing(State::Queued), conflict("k1"), Submission::Existing(State::Queued)];
    assert_eq!(scene.store.submit(&jobs).await.unwrap(), again);
}

#[tokio::test]
async fn a_key_that_is_also_the_name_of_the_thing_does_not_hide_a_second_job_about_it() {
    let named = |key: &str| parse(&bill(key, "order-1"));
    for (first, second) in [("order-1/1", "k2"), ("k2", "order-1/1")] {
        let scene = Scene::new().await;
        assert_eq!(scene.store.submit(&[named(first)]).await.unwrap(), [Submission::New]);
        assert_eq!(scene.store.submit(&[named(second)]).await.unwrap(), [conflict(first)], "{first} then {second}");
    }
}

#[tokio::test]
async fn a_batch_of_all_kinds_of_answers_over_several_lanes_is_answered_in_order() {
    let scene = Scene::new().await;
    scene.submit(&["old"]).await;
    let mut changed = transfer_json("old");
    changed["body"]["total_amount"] = json!(99);
    let jobs = [
        transfer("new-1"),
        parse(&bill("b1", "order-1")),
        transfer("old"),
        parse(&changed),
        parse(&bill("b2", "order-1")),
        transfer("new-1"),
    ];
    let expected = [
        Submission::New,
        Submission::New,
        Submission::Existing(State::Queued),
        conflict("old"),
        conflict("b1"),
        Submission::Existing(State::Queued),
    ];
    assert_eq!(scene.store.submit(&jobs).await.unwrap(), expected);
    assert_eq!(scene.store.submit(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn more_jobs_than_one_script_takes_go_in_several_and_are_all_answered() {
    let scene = Scene::new().await;
    let jobs: Vec<_> = (0..MAX_BATCH * 2 + 1).map(|number| transfer(&format!("k{number}"))).collect();
    let answers = scene.store.submit(&jobs).await.unwrap();
    assert_eq!(answers.len(), jobs.len());
    assert!(answers.iter().all(|answer| *answer == Submission::New));
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().to_send, jobs.len() as u64);
}

#[tokio::test]
async fn a_job_for_later_is_not_due_before_and_one_for_the_past_is_due_now() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let mut later = transfer("later");
    later.run_at = Some(Millis(now + 20_000));
    let mut past = transfer("past");
    past.run_at = Some(Millis(5));
    scene.store.submit(&[later, past]).await.unwrap();
    assert_eq!(scene.due("to_send", "later").await, Some(now + 20_000));
    assert!(scene.due("to_send", "past").await.unwrap() >= now, "an old due time would let it overtake all that wait");
    let claims = scene.claim("w", 10).await;
    assert_eq!(crate::scene::keys(&claims), ["past"]);
    assert_eq!(claims.next_due, Some(Millis(now + 20_000)));
}

#[tokio::test]
async fn a_far_future_due_time_is_kept_to_the_millisecond() {
    let scene = Scene::new().await;
    let mut job = transfer("k1");
    job.run_at = Some(Millis(253_402_300_799_999)); // the last millisecond of the year 9999
    scene.store.submit(&[job]).await.unwrap();
    let due = scene.store.job(&scene.lane, &"k1".parse().unwrap()).await.unwrap().unwrap().due;
    assert_eq!(due, Some(Millis(253_402_300_799_999)));
    assert_eq!(scene.claim("w", 1).await.next_due, due);
}

#[tokio::test]
async fn new_jobs_wake_the_workers_of_their_lane_and_repetitions_do_not() {
    let scene = Scene::new().await;
    let mut wakes = scene.store.wakes().await.unwrap();
    scene.submit(&["k1"]).await;
    assert_eq!(wakes.next().await, Some(scene.lane.clone()));
    scene.store.submit(&[transfer("k1")]).await.unwrap();
    scene.store.submit(&[parse(&bill("b1", "o1"))]).await.unwrap();
    assert_eq!(wakes.next().await.unwrap().to_string(), "main/bill_upload", "the repetition woke nobody");
}

#[tokio::test]
async fn a_callback_url_of_any_length_is_kept() {
    let scene = Scene::new().await;
    for length in [1, 63, 64, 65, 1_900] {
        let url = format!("https://shop.example/{}", "ä".repeat(length));
        let key = format!("k{length}");
        let mut job = transfer_json(&key);
        job["callback_url"] = json!(url);
        scene.store.submit(&[parse(&job)]).await.unwrap();
        let record = scene.store.job(&scene.lane, &key.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(record.callback_url, Some(url));
    }
    scene.submit(&["none"]).await;
    assert_eq!(scene.store.job(&scene.lane, &"none".parse().unwrap()).await.unwrap().unwrap().callback_url, None);
}

#[tokio::test]
async fn content_of_any_length_and_script_comes_back_byte_for_byte() {
    let scene = Scene::new().await;
    let goods =
        |name: String| json!([{"goods_id": "1", "goods_name": name, "quantity": 1, "price": 1, "real_price": 1}]);
    let mut jobs = Vec::new();
    for length in [0_usize, 1, 7, 50, 100, 150, 200, 255] {
        let mut job = bill(&format!("k{length}"), &format!("order-{length}"));
        job["body"]["goods_detail"] = goods(format!("茶\"\\\u{1f375}{}", "号".repeat(length / 2)));
        job["body"]["extra"] = json!({"note": "ß".repeat(length * 8 + 1)});
        jobs.push(parse(&job));
    }
    scene.store.submit(&jobs).await.unwrap();
    let lane = "main/bill_upload".parse().unwrap();
    for job in &jobs {
        assert_eq!(scene.store.content(&lane, &job.key).await.unwrap().as_deref(), Some(job.content.text()));
    }
    let claims = scene.store.claim(&lane, &scene.wish("w", 100)).await.unwrap();
    assert_eq!(claims.jobs.len(), jobs.len());
    for claimed in &claims.jobs {
        let job = jobs.iter().find(|job| job.key == claimed.key).unwrap();
        assert_eq!(claimed.content, job.content.text());
    }
}

#[tokio::test]
async fn what_was_accepted_before_an_error_is_due_and_nothing_is_where_it_cannot_be() {
    let scene = Scene::new().await;
    let _: () = scene.command(&["SET", &scene.name("job:bad"), "foreign"]).await;
    let jobs = ["a", "bad", "c"].map(transfer);
    let error = scene.store.submit(&jobs).await.unwrap_err();
    assert!(error.chain().contains("WRONGTYPE"), "{}", error.chain());
    assert_eq!((scene.sets("a").await, scene.sets("bad").await), (vec!["to_send"], vec![]));
    assert!(scene.record("c").await.is_empty());

    let _: u64 = scene.command(&["DEL", &scene.name("job:bad"), &scene.name("to_send")]).await;
    let _: () = scene.command(&["SET", &scene.name("to_send"), "foreign"]).await;
    scene.store.submit(&jobs[1..]).await.unwrap_err();
    assert!(scene.record("bad").await.is_empty() && scene.record("c").await.is_empty());
}

#[tokio::test]
async fn a_job_submitted_again_while_its_send_is_out_is_in_doubt_even_where_its_record_is_gone() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.claim_briefly("w").await;
    assert_eq!(scene.store.submit(&[transfer("k1")]).await.unwrap(), [Submission::Existing(State::InDoubt)]);
    let _: u64 = scene.command(&["DEL", &scene.name("job:k1")]).await;
    assert_eq!(scene.store.submit(&[transfer("k1")]).await.unwrap(), [Submission::New]);
    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.state, claimed.sends, claimed.resends), (State::InDoubt, 2, 1), "it may have been sent");
}

#[tokio::test]
async fn many_producers_of_one_key_make_one_job() {
    let scene = Scene::new().await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = scene.store.clone();
            tokio::spawn(async move { store.submit(&[transfer("k1")]).await.unwrap()[0].clone() })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        new += usize::from(task.await.unwrap() == Submission::New);
    }
    assert_eq!(new, 1);
    eventually(SOON, "the one job", async || (scene.claim("w", 30).await.jobs.len() == 1).then_some(())).await;
}
