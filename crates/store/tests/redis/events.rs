//! The partitions' events: in order, from any place on, and watched.

use bursar_domain::{ActionKind, Due, Queue, Reason, State};
use bursar_store::{Commit, Event, EventId};

use crate::scene::{Scene, then};

fn why() -> Reason {
    Reason::operator_action(ActionKind::Pause, "li", "a look")
}

/// The partition of the scene's queue, and a queue of another one.
fn partitions(scene: &Scene) -> (u16, Queue) {
    let partition = scene.store.partition_of(&scene.queue);
    let mut queues = (0..).map(|number| format!("n{number}/transfer").parse::<Queue>().unwrap());
    (partition, queues.find(|queue| scene.store.partition_of(queue) != partition).unwrap())
}

fn keys(events: &[Event]) -> Vec<String> {
    events.iter().filter_map(|event| Some(event.key()?.to_string())).collect()
}

#[tokio::test]
async fn events_are_read_from_any_place_on() {
    let scene = Scene::new().await;
    let (partition, other) = partitions(&scene);
    let empty = scene.store.partition_of(&other);
    for key in ["a", "b", "c"] {
        scene.bring(key, State::Failed).await;
    }
    scene.store.pause(&scene.queue, &why()).await.unwrap();
    let beginning = [(partition, EventId::default()), (empty, EventId::default())];
    let all = scene.store.events(&beginning, 100).await.unwrap();
    assert_eq!((all.len(), keys(&all)), (4, vec!["a".to_owned(), "b".into(), "c".into()]));
    assert!(all.is_sorted_by_key(|event| event.id), "{all:?}");
    assert!(all.iter().all(|event| event.queue().as_ref() == Some(&scene.queue)), "{all:?}");
    assert_eq!(
        (all[0].state(), all[3].field("event"), all[3].reason()),
        (Some(State::Failed), Some("paused"), Some(why()))
    );

    let behind_a = [(partition, all[0].id)];
    assert_eq!(keys(&scene.store.events(&behind_a, 1).await.unwrap()), ["b"]);
    let newest = scene.store.newest_events(&[partition, empty]).await.unwrap();
    assert_eq!(newest, [(partition, all[3].id), (empty, EventId::default())]);
    assert!(scene.store.events(&newest, 100).await.unwrap().is_empty());
    assert!(scene.store.events(&[], 100).await.unwrap().is_empty());
    assert!(scene.store.newest_events(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_commits_changes_are_read_one_by_one_from_any_place() {
    let scene = Scene::new().await;
    let (partition, _) = partitions(&scene);
    scene.bring("before", State::Failed).await;
    let beginning = scene.store.newest_events(&[partition]).await.unwrap();
    let mut watch = scene.store.watch_events().await.unwrap();
    scene.submit_many("k", 100).await;
    let claimed = scene.claim("w", 100).await;
    let commits: Vec<Commit> = claimed.jobs.iter().map(|job| then(job, State::Succeeded, Due::Never)).collect();
    scene.store.commit(&scene.queue, &commits).await.unwrap();
    let changed: Vec<String> = claimed.jobs.iter().map(|job| job.key.to_string()).collect();
    let entries: u64 = scene.command(&["XLEN", &format!("{}events", scene.base())]).await;
    assert_eq!(entries, 1 + 2, "sixty-four to an entry, and the rest");

    let (mut place, mut reported) = (beginning, Vec::new());
    loop {
        let page = scene.store.events(&place, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7 && page.iter().all(|event| event.state() == Some(State::Succeeded)));
        place = vec![(partition, last.id.to_string().parse().unwrap())];
        assert!(scene.store.forgotten_events(&place).await.unwrap().is_empty());
        reported.extend(keys(&page));
    }
    assert_eq!(reported, changed, "each once, in the order of the commit");
    assert_eq!(scene.store.newest_events(&[partition]).await.unwrap(), place);
    let mut seen = Vec::new();
    while seen.len() < 100 {
        seen.extend(watch.next().await.unwrap());
    }
    assert_eq!(keys(&seen), changed);
}

#[tokio::test]
async fn a_place_that_is_gone_is_reported() {
    let scene = Scene::new().await;
    let (partition, _) = partitions(&scene);
    for key in ["a", "b"] {
        scene.bring(key, State::Failed).await;
    }
    let beginning = [(partition, EventId::default())];
    let first = [(partition, scene.store.events(&beginning, 1).await.unwrap()[0].id)];
    assert!(scene.store.forgotten_events(&first).await.unwrap().is_empty());
    let _: u64 = scene.command(&["XTRIM", &format!("{}events", scene.base()), "MAXLEN", "1"]).await;
    assert_eq!(scene.store.forgotten_events(&first).await.unwrap(), [partition]);
    assert!(scene.store.forgotten_events(&beginning).await.unwrap().is_empty(), "the beginning is never gone");
}

#[tokio::test]
async fn a_watch_reads_all_partitions_and_resumes() {
    let scene = Scene::new().await;
    let (_, other) = partitions(&scene);
    scene.bring("before", State::Failed).await;
    let mut watch = scene.store.watch_events().await.unwrap();
    assert!(watch.next().await.unwrap().is_empty(), "a second without news ends the look");
    scene.bring("a", State::Failed).await;
    scene.store.pause(&other, &why()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(watch.next().await.unwrap());
    }
    assert_eq!(keys(&seen), ["a"]);
    assert!(seen.iter().any(|event| event.queue().as_ref() == Some(&other)), "{seen:?}");
}

#[tokio::test]
async fn a_senseless_entry_blocks_no_other() {
    let scene = Scene::new().await;
    let (partition, _) = partitions(&scene);
    let stream = format!("{}events", scene.base());
    for _ in 0..5 {
        let _: String = scene.command(&["XADD", &stream, "*", "what", "ever"]).await;
    }
    scene.bring("a", State::Failed).await;
    let (mut place, mut reported) = (vec![(partition, EventId::default())], Vec::new());
    loop {
        let page = scene.store.events(&place, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        place = vec![(partition, last.id)];
        reported.extend(keys(&page));
    }
    assert_eq!(reported, ["a"]);
}
