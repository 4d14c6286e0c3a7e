//! A job is accepted whole or not at all, once, and its record is JSON that anybody can read.

use bursar_domain::{Due, Millis, State};
use bursar_store::{NewRecord, Submission};
use serde_json::json;

use crate::scene::{LATER, Scene, parse, then, transfer, transfer_json};

#[tokio::test]
async fn a_record_is_one_json_text_with_full_names_and_the_content_as_it_was_accepted() {
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
async fn the_same_job_is_there_and_other_content_under_its_key_is_refused() {
    let scene = Scene::new().await;
    let mut other = transfer_json("K1");
    other["body"]["total_amount"] = json!(11);
    let jobs = [transfer("K1"), transfer("K1"), parse(&other), transfer("K2")];
    let conflict = Submission::Conflict { first: "K1".into() };
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
async fn a_second_job_with_the_same_business_key_is_refused_in_one_batch_and_in_two() {
    let scene = Scene::of("main/bill_upload").await;
    let bill = |key: &str, order: &str| {
        parse(&json!({"account": "main", "kind": "bill_upload", "platform_no": key, "body": {
            "node_id": "100001", "store_id": "20008221", "trade_type": "1", "order_id": order,
            "order_amount": 100, "order_time": "20240301131800"}}))
    };
    let conflict = |first: &str| Submission::Conflict { first: first.into() };
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
    let answer = scene.store.submit_to(&scene.lane, &new).await.unwrap();
    assert!(matches!(answer[..], [Submission::Unreadable(_)]), "{answer:?}");
    assert_eq!(scene.claim("w", 5).await.jobs, []);
    let length: u64 = scene.command(&["LLEN", &scene.job_name("K1")]).await;
    assert_eq!(length, 1);
}
