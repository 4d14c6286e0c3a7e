//! A job is accepted whole or not at all, once, and its record is plain JSON.

use bursar_domain::{Due, Millis, State};
use bursar_store::{MAX_BATCH, NewRecord, Submission, Wake};
use serde_json::json;

use crate::scene::{LATER, Scene, bill, bill_json, parse, then, transfer, transfer_json};

#[tokio::test]
async fn a_record_is_json_with_full_names_and_the_accepted_content() {
    let scene = Scene::new().await;
    let before = scene.now().await;
    let mut with_more = transfer_json("K1");
    with_more["callback_url"] = json!("https://shop.example/bursar");
    with_more["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let job = parse(&with_more);
    assert_eq!(scene.accept(std::slice::from_ref(&job)).await, [Submission::New]);
    let record = scene.record("K1").await;
    assert_eq!((&record["v"], &record["state"]), (&json!(2), &json!("queued")));
    assert!(record["created_at"].as_u64().unwrap() >= before);
    assert!(scene.text("K1").await.unwrap().contains(job.content.text()), "byte for byte");
    let names: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["callback_url", "content", "created_at", "sha256", "state", "traceparent", "v"]);
    assert!(scene.text("K1").await.unwrap().starts_with(r#"{"v":2,"state":"queued","created_at":"#));
    assert_eq!(scene.sets("K1").await, ["sends"]);
    let seen = scene.job("K1").await;
    assert_eq!((seen.state, seen.hash.as_slice()), (State::Queued, &job.content.hash()[..]));
    assert_eq!(seen.content.as_deref(), Some(job.content.text()));
}

#[tokio::test]
async fn the_same_job_exists_and_other_content_is_refused() {
    let scene = Scene::new().await;
    let mut other = transfer_json("K1");
    other["body"]["total_amount"] = json!(11);
    let jobs = [transfer("K1"), transfer("K1"), parse(&other), transfer("K2")];
    let fields = vec!["total_amount".to_owned()];
    let conflict = Submission::Conflict { first: "K1".into(), fields };
    let expected = [Submission::New, Submission::Existing(State::Queued), conflict.clone(), Submission::New];
    assert_eq!(scene.accept(&jobs).await, expected, "in one batch");
    let again = scene.accept(&jobs).await;
    assert_eq!(again[1..], [Submission::Existing(State::Queued), conflict, Submission::Existing(State::Queued)]);

    let claimed = scene.claim("w", 1).await.jobs.remove(0);
    assert_eq!(scene.accept(&[transfer("K1")]).await, [Submission::Existing(State::InDoubt)], "its send is out");
    scene.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    assert_eq!(scene.accept(&[transfer("K1")]).await, [Submission::Existing(State::Succeeded)]);
}

#[tokio::test]
async fn a_second_job_with_the_same_business_key_is_refused() {
    let scene = Scene::of("main/bill_upload").await;
    assert_eq!(scene.accept(&[bill("B1", "o1"), bill("B2", "o1")]).await, [Submission::New, conflict("B1")]);
    assert_eq!(
        scene.accept(&[bill("B3", "o1"), bill("B1", "o1"), bill("B4", "o2")]).await,
        [conflict("B1"), Submission::Existing(State::Queued), Submission::New]
    );
    assert_eq!(scene.text("B2").await, None);
}

#[tokio::test]
async fn a_job_for_later_waits_for_its_time() {
    let scene = Scene::new().await;
    let mut later = transfer_json("K1");
    later["run_at"] = json!(Millis(scene.now().await + 3_600_000).rfc3339());
    scene.accept(&[parse(&later)]).await;
    assert_eq!(scene.sets("K1").await, ["due_sends"]);
    assert_eq!(scene.claim("w", 5).await.jobs, []);
    scene.set_due("due_sends", "K1", 1).await;
    assert_eq!(scene.claim_one("w").await.key.as_str(), "K1");
    assert!(scene.job("K1").await.due.unwrap() < LATER);
}

#[tokio::test]
async fn a_key_of_a_foreign_type_is_no_job_and_stays() {
    let scene = Scene::new().await;
    let _: u64 = scene.command(&["RPUSH", &scene.job_name("K1"), "mine"]).await;
    let job = transfer("K1");
    let new = [NewRecord { job: &job, group: "", step: 1.0 }];
    let answer = scene.store.submit_to(&scene.queue, &new).await.unwrap();
    assert!(matches!(answer[..], [Submission::Unreadable(_)]), "{answer:?}");
    assert_eq!(scene.claim("w", 5).await.jobs, []);
    let length: u64 = scene.command(&["LLEN", &scene.job_name("K1")]).await;
    assert_eq!(length, 1);
}

fn conflict(first: &str) -> Submission {
    Submission::Conflict { first: first.to_owned(), fields: Vec::new() }
}

#[tokio::test]
async fn a_resubmission_changes_nothing_and_makes_no_send_due() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.claim_one("w").await;
    let before = (scene.text("k1").await, scene.claims().await);
    assert_eq!(scene.accept(&[transfer("k1")]).await, [Submission::Existing(State::InDoubt)]);
    assert_eq!((scene.text("k1").await, scene.claims().await), before);
    assert_eq!(scene.sets("k1").await, ["due_queries"]);
}

#[tokio::test]
async fn a_trace_is_stored_and_is_no_part_of_the_identity() {
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
    assert_eq!(scene.accept(&[traced("k1", &first), transfer("k2")]).await, vec![Submission::New; 2]);
    let again = [traced("k1", &second), transfer("k1"), traced("k2", &second)];
    assert_eq!(scene.accept(&again).await, vec![Submission::Existing(State::Queued); 3]);
    assert_eq!(scene.record("k1").await["traceparent"], json!(first), "the first one stays");
    assert_eq!(scene.record("k2").await.get("traceparent"), None, "a job without a trace has no field for it");
    let claimed = scene.claim("w", 2).await;
    let traces: Vec<Option<String>> =
        claimed.jobs.iter().map(|job| job.trace.as_ref().map(ToString::to_string)).collect();
    assert_eq!(traces, [Some(first), None]);
}

#[tokio::test]
async fn a_key_equal_to_a_business_key_hides_no_second_job() {
    for (first, second) in [("order-1/1", "k2"), ("k2", "order-1/1")] {
        let scene = Scene::of("main/bill_upload").await;
        assert_eq!(scene.accept(&[bill(first, "order-1")]).await, [Submission::New]);
        assert_eq!(scene.accept(&[bill(second, "order-1")]).await, [conflict(first)], "{first} then {second}");
        let scene = Scene::of("main/bill_upload").await;
        let both = [bill(first, "order-1"), bill(second, "order-1")];
        assert_eq!(scene.accept(&both).await, [Submission::New, conflict(first)], "in one batch");
    }
}

#[tokio::test]
async fn a_mixed_batch_over_several_queues_is_answered_in_order() {
    let scene = Scene::new().await;
    scene.submit(&["old", "unreadable"]).await;
    let _: () = scene.command(&["SET", &scene.job_name("unreadable"), "{"]).await;
    let mut changed = transfer_json("old");
    changed["body"]["total_amount"] = json!(99);
    let mut elsewhere = transfer_json("old");
    elsewhere["account"] = json!("pay");
    let jobs = [
        transfer("new-1"),
        bill("b1", "order-1"),
        transfer("old"),
        parse(&changed),
        bill("b2", "order-1"),
        transfer("new-1"),
        parse(&elsewhere),
        transfer("unreadable"),
    ];
    let answers = scene.accept(&jobs).await;
    let expected = [
        Submission::New,
        Submission::New,
        Submission::Existing(State::Queued),
        Submission::Conflict { first: "old".into(), fields: vec!["total_amount".into()] },
        conflict("b1"),
        Submission::Existing(State::Queued),
        Submission::New,
    ];
    assert_eq!(answers[..7], expected);
    assert!(matches!(answers[7], Submission::Unreadable(_)), "never answered for: {answers:?}");
    assert_eq!(scene.accept(&[]).await, []);
    let mut known: Vec<String> =
        scene.store.known_queues().await.unwrap().into_iter().map(|known| known.queue.to_string()).collect();
    known.sort();
    assert_eq!(known, ["main/bill_upload", "main/transfer", "pay/transfer"], "none is out of sight");
    for queue in ["main/bill_upload", "pay/transfer"] {
        assert_eq!(scene.on(queue).claim("w", 5).await.jobs.len(), 1, "{queue}");
    }
}

#[tokio::test]
async fn a_large_batch_takes_several_scripts_and_all_are_answered() {
    let scene = Scene::new().await;
    let jobs: Vec<_> = (0..=MAX_BATCH * 2).map(|number| transfer(&format!("k{number}"))).collect();
    let answers = scene.accept(&jobs).await;
    assert_eq!(answers.len(), jobs.len());
    assert!(answers.iter().all(|answer| *answer == Submission::New));
    assert_eq!(scene.store.status(&scene.queue).await.unwrap().counts.to_send, jobs.len() as u64);
}

#[tokio::test]
async fn a_delayed_job_is_due_on_time_and_a_past_one_now() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let mut later = transfer("later");
    later.run_at = Some(Millis(now + 20_000));
    let mut past = transfer("past");
    past.run_at = Some(Millis(5));
    scene.accept(&[later, past, transfer("now")]).await;
    assert_eq!(scene.due("due_sends", "later").await, Some(now + 20_000));
    let claimed = scene.claim("w", 10).await;
    assert_eq!(crate::scene::keys(&claimed), ["past", "now"]);
    assert_eq!(claimed.next_due.map(|due| due.0), Some(now + 20_000).min(Some(claimed.now.0 + 30_000)));
}

#[tokio::test]
async fn a_far_future_due_time_is_kept_to_the_millisecond() {
    let scene = Scene::new().await;
    let mut job = transfer("k1");
    job.run_at = Some(Millis(253_402_300_799_999)); // the last millisecond of the year 9999
    scene.accept(&[job]).await;
    assert_eq!(scene.job("k1").await.due, Some(Millis(253_402_300_799_999)));
    assert_eq!(scene.claim("w", 1).await.next_due, Some(Millis(253_402_300_799_999)));
}

#[tokio::test]
async fn only_new_jobs_wake_the_workers_of_their_queue() {
    let scene = Scene::new().await;
    let mut wakeups = scene.store.wakeups().await.unwrap();
    scene.submit(&["k1"]).await;
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())));
    scene.accept(&[transfer("k1")]).await;
    scene.accept(&[bill("b1", "o1")]).await;
    assert_eq!(
        wakeups.next().await,
        Some(Wake::Due("main/bill_upload".parse().unwrap())),
        "the repetition woke no worker"
    );
}

#[tokio::test]
async fn a_callback_url_of_any_length_is_kept() {
    let scene = Scene::new().await;
    for length in [1, 63, 64, 65, 1_900] {
        let url = format!("https://shop.example/{}", "ä".repeat(length));
        let key = format!("k{length}");
        let mut job = transfer_json(&key);
        job["callback_url"] = json!(url);
        scene.accept(&[parse(&job)]).await;
        assert_eq!(scene.job(&key).await.callback_url, Some(url));
    }
    scene.submit(&["none"]).await;
    assert_eq!(scene.job("none").await.callback_url, None);
}

#[tokio::test]
async fn content_of_any_length_and_script_comes_back_byte_for_byte() {
    let scene = Scene::of("main/bill_upload").await;
    let goods =
        |name: String| json!([{"goods_id": "1", "goods_name": name, "quantity": 1, "price": 1, "real_price": 1}]);
    let mut jobs = Vec::new();
    for length in [0_usize, 1, 7, 50, 100, 150, 200, 255] {
        let mut job = bill_json(&format!("k{length}"), &format!("order-{length}"));
        job["body"]["goods_detail"] = goods(format!("茶\"\\\u{1f375}{}", "号".repeat(length / 2)));
        job["body"]["extra"] = json!({"note": "ß".repeat(length * 8 + 1)});
        jobs.push(parse(&job));
    }
    scene.accept(&jobs).await;
    for job in &jobs {
        assert_eq!(scene.job(job.key.as_str()).await.content.as_deref(), Some(job.content.text()));
    }
    let claimed = scene.claim("w", 100).await;
    assert_eq!(claimed.jobs.len(), jobs.len());
    for claimed in &claimed.jobs {
        let job = jobs.iter().find(|job| job.key == claimed.key).unwrap();
        assert_eq!((claimed.content.as_str(), &claimed.hash[..]), (job.content.text(), &job.content.hash()[..]));
    }
}

#[tokio::test]
async fn an_interrupted_submission_leaves_nothing_forgotten() {
    let scene = Scene::new().await;
    let sends = scene.name("sends");
    let _: () = scene.command(&["SET", &sends, "foreign"]).await;
    let jobs = ["a", "b"].map(transfer);
    let error = scene.store.submit(&jobs).await.unwrap_err();
    assert!(error.chain().contains("WRONGTYPE"), "{}", error.chain());
    assert_eq!((scene.text("a").await, scene.text("b").await), (None, None));
    let _: u64 = scene.command(&["DEL", &sends]).await;
    // A due job without a record is quarantined, and no loss: its producer got no acknowledgement.
    let _: u64 = scene.command(&["ZADD", &sends, "1", "a"]).await;
    let claimed = scene.claim("w", 5).await;
    assert_eq!((claimed.jobs.len(), claimed.quarantined.len()), (0, 1));
    assert_eq!(scene.accept(&jobs).await, vec![Submission::New; 2]);
    assert_eq!(scene.claim("w", 5).await.jobs.len(), 2);
}

#[tokio::test]
async fn a_resubmission_during_a_send_is_in_doubt_without_a_record() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.claim_one("w").await;
    let _: u64 = scene.command(&["DEL", &scene.job_name("k1")]).await;
    assert_eq!(scene.accept(&[transfer("k1")]).await, [Submission::New]);
    assert_eq!(scene.state("k1").await, State::InDoubt);
    scene.set_due("due_queries", "k1", 1).await;
    let jobs = scene.claim("v", 5).await.jobs;
    assert!(
        jobs.iter().all(|job| job.state == State::InDoubt && job.claims_lost > 0),
        "it may have been sent: {jobs:?}"
    );
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
    assert_eq!((new, scene.claim("w", 30).await.jobs.len()), (1, 1));
}

#[tokio::test]
async fn jobs_of_many_queues_at_once_are_each_in_their_own_fair_order() {
    let scene = Scene::new().await;
    // By payer, which is the default of every queue.
    let jobs: Vec<_> = (0..60)
        .map(|number| {
            let mut job = transfer_json(&format!("k{number:02}"));
            job["account"] = json!(format!("a{}", number % 3));
            job["body"]["payer_store_no"] = json!(if number < 57 { "flood" } else { "last" });
            parse(&job)
        })
        .collect();
    assert!(scene.accept(&jobs).await.iter().all(|answer| *answer == Submission::New));
    for account in 0..3 {
        let claimed = scene.on(&format!("a{account}/transfer")).claim("w", 2).await;
        let groups: Vec<&str> = claimed.jobs.iter().map(bursar_store::ClaimedJob::group).collect();
        assert!(groups.contains(&"last"), "{account}: the flood delays no other group's first: {groups:?}");
    }
}
