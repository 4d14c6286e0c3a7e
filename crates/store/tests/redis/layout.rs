//! The layout of a Redis is written once, before the first job; a build that finds another one changes nothing.

use bursar_domain::State;
use bursar_store::{LAYOUT, PARTITIONS, Settings, Store, StoreError, Submission};
use bursar_test_support::{redis, unique_prefix};

use crate::scene::{Scene, transfer};

async fn connect(prefix: &str) -> Result<Store, StoreError> {
    Store::connect(&Settings { url: redis().await.url.clone(), prefix: prefix.to_owned() }).await
}

async fn text(scene: &Scene) -> Option<String> {
    scene.command(&["GET", &format!("{}:layout", scene.prefix)]).await
}

async fn write(scene: &Scene, text: &str) {
    let _: () = scene.command(&["SET", &format!("{}:layout", scene.prefix), text]).await;
}

/// Every key below the prefix.
async fn names(scene: &Scene) -> Vec<String> {
    scene.command(&["KEYS", &format!("{}:*", scene.prefix)]).await
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    let error = outcome.unwrap_err();
    assert!(matches!(error, StoreError::Layout(_)) && !error.is_repeatable(), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn only_the_first_job_or_worker_writes_the_layout() {
    let scene = Scene::new().await;
    scene.store.known_queues().await.unwrap();
    scene.store.status(&scene.queue).await.unwrap();
    scene.claim("w", 1).await;
    assert_eq!(text(&scene).await, None);
    scene.submit(&["K1"]).await;
    let expected = format!(r#"{{"layout":{LAYOUT},"partitions":{PARTITIONS}}}"#);
    assert_eq!(text(&scene).await.as_ref(), Some(&expected));
    connect(&scene.prefix).await.unwrap();

    let served = Scene::new().await;
    served.store.serves(std::slice::from_ref(&served.queue)).await.unwrap();
    assert_eq!(text(&served).await, Some(expected));
}

#[tokio::test]
async fn another_layout_is_refused_before_anything_is_touched() {
    for (found, says) in [
        (r#"{"layout":3,"partitions":32}"#, "newer than this one"),
        (r#"{"layout":1,"partitions":32}"#, "drain it with that build"),
        ("not JSON", "none that this build knows"),
        (r#"{"layout":2,"partitions":0}"#, "none that this build knows"),
    ] {
        let scene = Scene::new().await; // it connected before
        write(&scene, found).await;
        let before = names(&scene).await;
        let refused = refusal(connect(&scene.prefix).await);
        assert!(refused.contains(says), "{refused}");
        refusal(scene.store.submit(&[transfer("K1")]).await);
        refusal(scene.store.serves(std::slice::from_ref(&scene.queue)).await);
        let to = "pay/transfer".parse().unwrap();
        refusal(scene.store.adopt(&scene.queue, &to, crate::scene::OPERATOR).await);
        assert_eq!((names(&scene).await, text(&scene).await.as_deref()), (before, Some(found)), "{found}");
    }
}

#[tokio::test]
async fn queues_without_a_layout_are_an_older_build_s() {
    let scene = Scene::new().await;
    let _: u64 = scene.command(&["ZADD", &format!("{}:queues", scene.prefix), "0", "main/transfer"]).await;
    let refused = refusal(connect(&scene.prefix).await);
    assert!(refused.contains("before layout 2") && refused.contains("redis.prefix"), "{refused}");
    assert_eq!(names(&scene).await.len(), 1);
}

#[tokio::test]
async fn a_redis_keeps_the_partition_count_of_its_first_job() {
    let prefix = unique_prefix();
    let scene = Scene::between(&redis().await.url, &redis().await.url, &prefix).await;
    let four = connect(&prefix).await.unwrap().with_partitions(4).await.unwrap();
    assert_eq!(four.submit(&[transfer("K1")]).await.unwrap(), [Submission::New]);
    assert_eq!(text(&scene).await.as_deref(), Some(r#"{"layout":2,"partitions":4}"#));

    // A store that connects later learns it.
    let learnt = connect(&prefix).await.unwrap();
    assert_eq!((learnt.partitions().len(), learnt.base_of(&scene.queue)), (4, four.base_of(&scene.queue)));
    assert_eq!(learnt.submit(&[transfer("K1")]).await.unwrap(), [Submission::Existing(State::Queued)]);
    let refused = refusal(connect(&prefix).await.unwrap().with_partitions(8).await);
    assert!(refused.contains("4 partitions") && refused.contains("redis.partitions = 4"), "{refused}");
    connect(&prefix).await.unwrap().with_partitions(4).await.unwrap();

    // A store that connected earlier with another number accepts nothing: its jobs would be invisible.
    refusal(scene.store.submit(&[transfer("K1")]).await);
}

#[tokio::test]
async fn two_that_are_first_at_once_agree_or_one_is_refused() {
    for _ in 0..20 {
        let prefix = unique_prefix();
        let with = async |partitions| connect(&prefix).await.unwrap().with_partitions(partitions).await.unwrap();
        let (four, eight) = (with(4).await, with(8).await);
        let (jobs, others) = ([transfer("K1")], [transfer("K1")]);
        let (one, other) = tokio::join!(four.submit(&jobs), eight.submit(&others));
        assert_eq!(one.is_ok(), other.is_err(), "{one:?} {other:?}");
        refusal(if one.is_ok() { other } else { one });
    }
}
