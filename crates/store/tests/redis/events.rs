//! The lanes' events: in order, from any place on, and watched.

use bursar_domain::{ActionKind, Due, Operation, Reason, State};
use bursar_store::{Commit, Event, EventId, Operator, Origin};

use crate::scene::{Scene, sent};

const LI: Operator<'_> = Operator { who: "li", why: "why" };

async fn cancel(scene: &Scene, key: &str) {
    scene.submit(&[key]).await;
    scene.store.operate(&scene.lane, &key.parse().unwrap(), Operation::Cancel, LI).await.unwrap();
}

fn of(scene: &Scene) -> Origin {
    scene.lane.clone().into()
}

fn keys(events: &[Event]) -> Vec<String> {
    events.iter().filter_map(|event| Some(event.key()?.to_string())).collect()
}

#[tokio::test]
async fn events_are_read_from_any_place_on() {
    let scene = Scene::new().await;
    let empty: Origin = "main/bill_upload".parse().unwrap();
    for key in ["a", "b", "c"] {
        cancel(&scene, key).await;
    }
    scene.store.pause(&scene.lane, LI).await.unwrap();
    let beginning = [(of(&scene), EventId::default()), (empty.clone(), EventId::default())];
    let all = scene.store.events(&beginning, 100).await.unwrap();
    assert_eq!((all.len(), keys(&all)), (4, vec!["a".to_owned(), "b".into(), "c".into()]));
    assert!(all.is_sorted_by_key(|event| event.id), "{all:?}");
    let reason = Reason::operator_action(ActionKind::Pause, "li", "why").recorded();
    assert!(all[3].fields.contains(&("reason".into(), reason)), "{all:?}");

    let behind_a = [(of(&scene), all[0].id)];
    assert_eq!(keys(&scene.store.events(&behind_a, 1).await.unwrap()), ["b"]);
    let newest = scene.store.newest_events(&[of(&scene), empty.clone()]).await.unwrap();
    assert_eq!(newest, [(of(&scene), all[3].id), (empty, EventId::default())]);
    assert!(scene.store.events(&newest, 100).await.unwrap().is_empty());
    assert!(scene.store.events(&[], 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_one_commit_changed_is_told_one_by_one_from_any_place_on() {
    let scene = Scene::new().await;
    cancel(&scene, "before").await;
    let beginning = scene.store.newest_events(&[of(&scene)]).await.unwrap();
    let mut watch = scene.store.watch_events(&[of(&scene)]).await.unwrap();
    scene.submit_many("k", 40).await;
    let commits: Vec<Commit> =
        scene.claim("w", 40).await.jobs.iter().map(|job| sent(job, State::Succeeded, Due::Never)).collect();
    scene.store.commit(&scene.lane, &commits).await.unwrap();
    let changed: Vec<String> = commits.iter().map(|commit| commit.key.clone()).collect();
    let entries: u64 = scene.command(&["XLEN", &scene.name("events")]).await;
    assert_eq!(entries, 1 + 3, "sixteen to an entry, and the rest");

    let (mut place, mut told) = (beginning.clone(), Vec::new());
    loop {
        let page = scene.store.events(&place, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7 && page.iter().all(|event| event.fields[1] == ("state".into(), "succeeded".into())));
        place = vec![(of(&scene), last.id.to_string().parse().unwrap())];
        assert!(scene.store.forgotten_events(&place).await.unwrap().is_empty());
        told.extend(keys(&page));
    }
    assert_eq!(told, changed, "each once, in the order of the commit");
    assert_eq!(scene.store.newest_events(&[of(&scene)]).await.unwrap(), place);
    let mut newest_first = scene.store.recent_events(&scene.lane, 20).await.unwrap().events;
    newest_first.reverse();
    assert_eq!(keys(&newest_first), changed[20..]);
    let mut seen = Vec::new();
    while seen.len() < 40 {
        seen.extend(watch.next().await.unwrap());
    }
    assert_eq!(keys(&seen), changed);
}

#[tokio::test]
async fn a_place_that_is_kept_no_longer_is_told() {
    let scene = Scene::new().await;
    for key in ["a", "b"] {
        cancel(&scene, key).await;
    }
    let beginning = [(of(&scene), EventId::default())];
    let first = [(of(&scene), scene.store.events(&beginning, 1).await.unwrap()[0].id)];
    assert!(scene.store.forgotten_events(&first).await.unwrap().is_empty());
    let _: u64 = scene.command(&["XTRIM", &scene.name("events"), "MAXLEN", "1"]).await;
    assert_eq!(scene.store.forgotten_events(&first).await.unwrap(), [of(&scene)]);
    assert!(scene.store.forgotten_events(&beginning).await.unwrap().is_empty(), "the beginning is never gone");
}

#[tokio::test]
async fn a_watch_tells_what_happens_and_goes_on_where_it_was() {
    let scene = Scene::new().await;
    cancel(&scene, "before").await;
    let other: bursar_domain::Lane = "main/bill_upload".parse().unwrap();
    let mut watch = scene.store.watch_events(&[other.clone().into(), of(&scene)]).await.unwrap();
    assert!(watch.next().await.unwrap().is_empty(), "a second without news ends the look");
    cancel(&scene, "a").await;
    scene.store.pause(&other, LI).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(watch.next().await.unwrap());
    }
    assert_eq!(keys(&seen), ["a"]);
    assert!(seen.iter().any(|event| event.origin == Origin::Jobs(other.clone())));
}
