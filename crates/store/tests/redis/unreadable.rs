//! A job that this build cannot read is left alone, named, and never answered for.

use bursar_domain::{Due, State};
use bursar_store::{Committed, StoredAs, Submission, Unreadable};

use crate::scene::{LATER, Scene, key, keys, then, transfer};

const NEWER: &str = r#"{"v":3,"state":"dreaming","sha256":"AA"}"#;

#[tokio::test]
async fn a_newer_build_s_job_is_left_for_one_and_others_go_on() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let _: String = scene.command(&["SET", &scene.job_name("K1"), NEWER]).await;
    let claimed = scene.claim("w", 5).await;
    assert_eq!(
        (keys(&claimed), claimed.left.clone(), claimed.quarantined.len()),
        (vec!["K2"], vec!["K1".to_owned()], 0)
    );
    assert_eq!((scene.sets("K1").await, scene.text("K1").await.as_deref()), (vec!["due_sends"], Some(NEWER)));
    let newer = Unreadable::Newer { v: 3 };
    assert_eq!(scene.accept(&[transfer("K1")]).await, [Submission::Unreadable(newer.clone())]);
    let stored = scene.store.job(&scene.queue, &key("K1")).await.unwrap();
    assert_eq!(stored, Some(StoredAs::Unreadable { key: key("K1"), why: newer }));
}

#[tokio::test]
async fn a_damaged_job_is_quarantined_and_breaks_no_list() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2", "K3"]).await;
    let _: String = scene.command(&["SET", &scene.job_name("K1"), "{\"v\":2,"]).await;
    let _: u64 = scene.command(&["DEL", &scene.job_name("K3")]).await;
    let claimed = scene.claim("w", 5).await;
    assert_eq!(keys(&claimed), ["K2"]);
    let quarantined: Vec<&str> = claimed.quarantined.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(quarantined, ["K1", "K3"]);
    let listed: Vec<String> = scene.command(&["HKEYS", &scene.name("quarantine")]).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    let jobs = scene.store.jobs(&scene.queue, &[key("K1"), key("K2"), key("K3")]).await.unwrap();
    assert_eq!(jobs.len(), 2, "the one that can be read, and the one that cannot: {jobs:?}");
    assert!(matches!(scene.accept(&[transfer("K1")]).await[..], [Submission::Unreadable(_)]));
    assert_eq!(scene.claims().await, ["K2"]);
}

#[tokio::test]
async fn a_lost_claim_of_a_damaged_job_is_kept() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    scene.lose("a").await;
    let whole = scene.text("K1").await.unwrap();
    let _: String = scene.command(&["SET", &scene.job_name("K1"), "damaged"]).await;
    assert_eq!(scene.claim("b", 1).await.quarantined.len(), 1);
    let _: String = scene.command(&["SET", &scene.job_name("K1"), &whole]).await;
    let seen = scene.job("K1").await;
    assert_eq!((seen.state, seen.sends), (State::InDoubt, 1), "mended, it is what it was");
}

#[tokio::test]
async fn an_older_build_writes_back_what_it_does_not_know() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let text = scene.text("K1").await.unwrap().replace(r#""sha256""#, r#""environment":"production","sha256""#);
    let _: String = scene.command(&["SET", &scene.job_name("K1"), &text]).await;
    let job = scene.claim_one("w").await;
    assert_eq!(scene.commit(&then(&job, State::Pending, Due::Query(LATER))).await, Committed::Done);
    assert_eq!(scene.record("K1").await["environment"], "production");
}
