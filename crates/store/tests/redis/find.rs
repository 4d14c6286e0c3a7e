//! Jobs of several queues by what is known of them, newest first, a page at a time.

use std::collections::HashSet;

use bursar_domain::{Fen, Job, JobFilter, Millis, Queue, State};
use bursar_store::{Commit, FindCursor, FoundJobs, StoredAs};

use crate::scene::{Scene, bill, bill_json, due_of, known_by, parse, then, transfer, transfer_json};

/// All pages of at most `limit`; the keys in their order, with the number of pages.
async fn all(scene: &Scene, queues: &[Queue], filter: &JobFilter, limit: usize) -> (Vec<String>, usize) {
    let (mut keys, mut pages, mut next): (Vec<String>, usize, Option<FindCursor>) = (Vec::new(), 0, None);
    loop {
        let found = scene.store.find(queues, filter, next.as_ref(), limit).await.unwrap();
        pages += 1;
        assert!(pages < 500 && found.jobs.len() <= limit, "the pages do not end, or are too long");
        keys.extend(found.jobs.iter().map(|(_, job)| job.key().to_string()));
        match found.next {
            Some(place) => next = Some(place.to_string().parse().unwrap()),
            None => return (keys, pages),
        }
    }
}

async fn keys(scene: &Scene, filter: &JobFilter) -> Vec<String> {
    all(scene, &[scene.queue.clone(), scene.on("main/bill_upload").queue], filter, 100).await.0
}

/// Two queues with a job in each state, one after the other; returns the keys as they came to where they are.
async fn lives(scene: &Scene) -> Vec<String> {
    let bills = scene.on("main/bill_upload");
    let mut order = Vec::new();
    for state in State::ALL {
        for (scene, prefix) in [(scene, "t"), (&bills, "b")] {
            let key = format!("{prefix}-{state}");
            let job = if prefix == "t" { transfer(&key) } else { bill(&key, &key) };
            scene.accept(&[job]).await;
            scene.take_to(&key, state).await;
            scene.next_millisecond().await;
            order.push(key);
        }
    }
    order
}

#[tokio::test]
async fn jobs_of_all_queues_come_newest_first_each_once() {
    let scene = Scene::new().await;
    let mut expected = lives(&scene).await;
    expected.reverse();
    let queues = [scene.queue.clone(), scene.on("main/bill_upload").queue];
    for limit in [1, 3, 16, 100] {
        let (keys, pages) = all(&scene, &queues, &JobFilter::default(), limit).await;
        assert_eq!((keys, pages), (expected.clone(), expected.len().div_ceil(limit)), "{limit} a page");
    }
    for state in State::ALL {
        let filter = JobFilter { state: Some(state), ..JobFilter::default() };
        let (keys, _) = all(&scene, &queues, &filter, 1).await;
        assert_eq!(keys, [format!("b-{state}"), format!("t-{state}")], "{state}");
    }
    let one = all(&scene, &queues[..1], &JobFilter::default(), 5).await.0;
    assert!(one.len() == State::ALL.len() && one.iter().all(|key| key.starts_with("t-")), "{one:?}");
}

#[tokio::test]
async fn a_time_bounds_the_list_from_both_ends() {
    let scene = Scene::new().await;
    let order = lives(&scene).await;
    let found = scene.store.find(std::slice::from_ref(&scene.queue), &JobFilter::default(), None, 100).await.unwrap();
    let since = |job: &StoredAs| match job {
        StoredAs::Job(job) if job.state.is_settled() => job.updated.unwrap(),
        StoredAs::Job(job) => job.created.unwrap(),
        StoredAs::Unreadable { .. } => panic!("{job:?}"),
    };
    let at =
        |key: &str| found.jobs.iter().find(|(_, job)| job.key().as_str() == key).map(|(_, job)| since(job)).unwrap();
    let (from, to) = (at("t-pending"), at("t-refunded"));
    let filter = JobFilter { since: Some(from), until: Some(to), ..JobFilter::default() };
    let place = |key: &str| order.iter().position(|known| known == key).unwrap();
    let mut expected = order[place("t-pending")..place("t-refunded")].to_vec();
    expected.reverse();
    let queues = [scene.queue.clone(), scene.on("main/bill_upload").queue];
    for limit in [1, 100] {
        assert_eq!(all(&scene, &queues, &filter, limit).await.0, expected);
    }
    let later = JobFilter { since: Some(Millis(scene.now().await + 1)), ..JobFilter::default() };
    assert!(keys(&scene, &later).await.is_empty());
}

/// A transfer with these changes to its body.
fn changed(key: &str, changes: &[(&str, serde_json::Value)]) -> Job {
    let mut job = transfer_json(key);
    for (name, value) in changes {
        job["body"][*name] = value.clone();
    }
    parse(&job)
}

#[tokio::test]
async fn a_job_is_found_by_its_amount_parties_numbers_and_key() {
    let scene = Scene::new().await;
    scene.accept(&[changed("RV-1", &[("total_amount", 1_234_567.into())])]).await;
    let claimed = scene.claim_one("w").await;
    let commit = Commit {
        response: known_by("2026112900000000065"),
        trade_nos: vec!["2026112900000000065".into()],
        ..then(&claimed, State::Succeeded, due_of(State::Succeeded))
    };
    scene.commit(&commit).await;
    scene.bring("taken-back", State::Cancelled).await;
    scene.accept(&[changed("RV-2", &[("payer_store_no", "amy99c".into())]), transfer("other")]).await;
    let bills = scene.on("main/bill_upload");
    bills.accept(&[bill("B-1", "ORD5")]).await;
    let mut refund = bill_json("B-2", "ORD5");
    refund["body"]["trade_type"] = "2".into();
    refund["body"]["org_order_id"] = "ORD4".into();
    bills.accept(&[parse(&refund)]).await;
    let (any, text) = (JobFilter::default(), |text: &str| Some(text.to_owned()));
    let sorted = |mut keys: Vec<String>| {
        keys.sort_unstable();
        keys
    };
    for (filter, expected) in [
        (JobFilter { amount: Fen::new(1_234_567), ..any.clone() }, &["RV-1"][..]),
        (JobFilter { min_amount: Fen::new(101), ..any.clone() }, &["RV-1"]),
        (JobFilter { min_amount: Fen::new(100), max_amount: Fen::new(100), ..any.clone() }, &["B-1", "B-2"]),
        (JobFilter { payer: text("amy99c"), ..any.clone() }, &["RV-2"]),
        (JobFilter { payee: text("amy99b"), prefix: text("RV-"), ..any.clone() }, &["RV-1", "RV-2"]),
        (JobFilter { payer: text("****9c"), ..any.clone() }, &[]),
        (JobFilter { prefix: text("RV"), ..any.clone() }, &["RV-1", "RV-2"]),
        (JobFilter { prefix: text("rv"), ..any.clone() }, &[]),
        (JobFilter { trade_no: text("2026112900000000065"), ..any.clone() }, &["RV-1"]),
        (JobFilter { trade_no: text("2026112900000000065"), state: Some(State::Failed), ..any.clone() }, &[]),
        (JobFilter { trade_no: text("2026112900000000066"), ..any.clone() }, &[]),
        (JobFilter { order_id: text("ORD5"), ..any.clone() }, &["B-1", "B-2"]),
        (JobFilter { order_id: text("ORD4"), ..any.clone() }, &[]),
        (JobFilter { reason_code: text("operator_action"), ..any.clone() }, &["taken-back"]),
        (JobFilter { reason_code: text("operator_action"), state: Some(State::Failed), ..any.clone() }, &[]),
    ] {
        assert_eq!(sorted(keys(&scene, &filter).await), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_number_in_an_index_never_invents_a_job() {
    let scene = Scene::new().await;
    scene.bring("known", State::Succeeded).await;
    let _: u64 =
        scene.command(&["HSET", &scene.name("responses"), "trade_no:X1", "known", "trade_no:X2", "gone"]).await;
    for number in ["X1", "X2"] {
        let filter = JobFilter { trade_no: Some(number.to_owned()), ..JobFilter::default() };
        assert!(keys(&scene, &filter).await.is_empty(), "{number}: the record names no such number");
    }
}

#[tokio::test]
async fn many_open_jobs_are_listed_before_all_others_each_once() {
    let scene = Scene::new().await;
    scene.bring("ended", State::Succeeded).await;
    scene.submit_many("k", 1_500).await;
    scene.claim("w", 200).await;
    let queues = [scene.queue.clone(), scene.on("pay/transfer").queue];
    let (keys, _) = all(&scene, &queues, &JobFilter::default(), 97).await;
    assert_eq!((keys.len(), keys.iter().collect::<HashSet<_>>().len()), (1_501, 1_501));
    assert_eq!(keys.last().map(String::as_str), Some("ended"));
    let filter = JobFilter { prefix: Some("k0000".to_owned()), ..JobFilter::default() };
    let (some, _) = all(&scene, &queues, &filter, 1_000).await;
    assert_eq!(some.len(), keys.iter().filter(|key| key.starts_with("k0000")).count());
}

#[tokio::test]
async fn many_jobs_that_ended_at_the_same_time_are_each_found_once() {
    let scene = Scene::new().await;
    scene.submit_many("k", 700).await;
    for _ in 0..3 {
        let claimed = scene.claim("w", 256).await;
        let commits: Vec<Commit> =
            claimed.jobs.iter().map(|job| then(job, State::Succeeded, due_of(State::Succeeded))).collect();
        scene.store.commit(&scene.queue, &commits).await.unwrap();
    }
    for limit in [7, 100, 1_000] {
        let (keys, _) = all(&scene, std::slice::from_ref(&scene.queue), &JobFilter::default(), limit).await;
        assert_eq!((keys.len(), keys.iter().collect::<HashSet<_>>().len()), (700, 700), "{limit} a page");
    }
}

#[tokio::test]
async fn a_search_without_results_ends_its_pages_at_a_bound() {
    let scene = Scene::new().await;
    scene.submit_many("k", 1_500).await;
    loop {
        let claimed = scene.claim("w", 256).await;
        let commits: Vec<Commit> =
            claimed.jobs.iter().map(|job| then(job, State::Succeeded, due_of(State::Succeeded))).collect();
        if commits.is_empty() {
            break;
        }
        scene.store.commit(&scene.queue, &commits).await.unwrap();
    }
    let filter = JobFilter { amount: Fen::new(77), ..JobFilter::default() };
    let (mut next, mut pages): (Option<FindCursor>, usize) = (None, 0);
    loop {
        let page: FoundJobs =
            scene.store.find(std::slice::from_ref(&scene.queue), &filter, next.as_ref(), 10).await.unwrap();
        pages += 1;
        assert!(page.jobs.is_empty() && pages < 10);
        assert_eq!(page.is_partial, page.next.is_some(), "a page that is not full says that it goes on");
        next = page.next;
        if next.is_none() {
            break;
        }
    }
}

#[tokio::test]
async fn an_unreadable_job_keeps_no_other_from_being_found() {
    let scene = Scene::new().await;
    scene.accept(&[transfer("fine"), transfer("newer"), transfer("damaged")]).await;
    let set = async |key: &str, text: &str| {
        let _: () = scene.command(&["SET", &scene.job_name(key), text]).await;
    };
    set("newer", r#"{"v":9,"state":"dreaming"}"#).await;
    set("damaged", r#"{"v":2,"#).await;
    let filter = JobFilter { payer: Some("amy99a".to_owned()), ..JobFilter::default() };
    let mut found = keys(&scene, &filter).await;
    found.sort_unstable();
    assert_eq!(found, ["damaged", "fine", "newer"]);
}
