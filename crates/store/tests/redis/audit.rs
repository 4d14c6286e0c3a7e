//! The audit trail: append-only, one event of an intention and its result, and bounded by age alone.

use bursar_domain::{
    Actor, AuditAction, AuditEvent, AuditFilter, AuditResult, AuditRole, AuditTarget, Millis, Operation, Queue,
};
use bursar_store::AuditCursor;

use crate::scene::{OPERATOR, Scene};

fn li() -> Actor {
    Actor { name: Some("li".to_owned()), role: AuditRole::Operator, address: "192.0.2.7".to_owned() }
}

fn pause(queue: &Queue, reason: &str) -> AuditEvent {
    li().intends(AuditAction::Pause, AuditTarget::queue(queue), Some(reason))
}

async fn all(scene: &Scene) -> Vec<AuditEvent> {
    scene.store.audit_page(&AuditFilter::default(), None, 1_000).await.unwrap().events
}

#[tokio::test]
async fn an_intention_and_its_result_are_one_event() {
    let scene = Scene::new().await;
    let intention = scene.store.audit_intention(pause(&scene.queue, "one")).await.unwrap();
    let intended = all(&scene).await;
    assert_eq!((intended.len(), intended[0].result), (1, AuditResult::Intended));
    let done = scene.store.audit_result(intention, AuditResult::Done, Some("paused".into())).await.unwrap();
    let read = all(&scene).await;
    assert_eq!(read, std::slice::from_ref(&done));
    let expected = AuditEvent { id: intended[0].id.clone(), time: done.time.clone(), ..pause(&scene.queue, "one") };
    assert_eq!(done, expected.ended(AuditResult::Done, Some("paused".into())));
    let entries = scene.store.audit_entries(None, 10).await.unwrap();
    let results: Vec<_> = entries.iter().map(|(_, event)| event.result).collect();
    assert_eq!(results, [AuditResult::Intended, AuditResult::Done], "nothing is written over");
    assert_eq!(scene.store.audit_entries(Some(entries[0].0), 10).await.unwrap(), entries[1..]);
}

#[tokio::test]
async fn pages_have_each_event_once_and_newest_first() {
    let scene = Scene::new().await;
    for number in 0..25 {
        let intention = scene.store.audit_intention(pause(&scene.queue, &number.to_string())).await.unwrap();
        // One process ended in between.
        if number != 7 {
            scene.store.audit_result(intention, AuditResult::Done, None).await.unwrap();
        }
    }
    for limit in [1, 2, 3, 7, 100] {
        let (mut reasons, mut before) = (Vec::new(), None);
        loop {
            let page = scene.store.audit_page(&AuditFilter::default(), before, limit).await.unwrap();
            assert!(page.events.len() <= limit, "{page:?}");
            reasons.extend(page.events.into_iter().map(|event| (event.reason.unwrap(), event.result)));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let result = |number| if number == 7 { AuditResult::Intended } else { AuditResult::Done };
        let expected: Vec<_> = (0..25).rev().map(|number| (number.to_string(), result(number))).collect();
        assert_eq!(reasons, expected, "{limit} a page");
    }
}

#[tokio::test]
async fn a_filter_by_time_cuts_no_event_in_two() {
    let scene = Scene::new().await;
    let first_event = scene.store.audit(pause(&scene.queue, "before").ended(AuditResult::Done, None)).await.unwrap();
    scene.next_millisecond().await;
    let intention = scene.store.audit_intention(pause(&scene.queue, "over the end")).await.unwrap();
    let entries = scene.store.audit_entries(None, 10).await.unwrap();
    scene.next_millisecond().await;
    scene.store.audit_result(intention, AuditResult::Done, None).await.unwrap();
    let at = |cursor: AuditCursor| Millis(cursor.to_string().split('-').next().unwrap().parse().unwrap());
    let (first, second) = (at(entries[0].0), at(entries[1].0));
    let between = |since, until| AuditFilter { since, until, ..AuditFilter::default() };
    let read = async |filter: AuditFilter| scene.store.audit_page(&filter, None, 10).await.unwrap().events;
    assert_eq!(read(between(Some(first), Some(second))).await, std::slice::from_ref(&first_event));
    assert_eq!(
        read(between(None, Some(Millis(second.0 + 1)))).await,
        std::slice::from_ref(&first_event),
        "its result is later"
    );
    let reasons: Vec<_> = read(between(Some(Millis(first.0 + 1)), None)).await.into_iter().map(|e| e.reason).collect();
    assert_eq!(reasons, [Some("over the end".to_owned())]);
    let other = AuditFilter { queue: Some("main/split".into()), ..AuditFilter::default() };
    assert_eq!(read(other).await, []);
    let own =
        AuditFilter { queue: Some(scene.queue.to_string()), operator: Some("li".into()), ..AuditFilter::default() };
    assert_eq!(read(own).await.len(), 2);
}

#[tokio::test]
async fn events_leave_by_their_age_alone() {
    let scene = Scene::new().await;
    let audit = format!("{}:audit", scene.prefix);
    let now = scene.store.now().await.unwrap().0;
    let day = 24 * 60 * 60 * 1_000;
    for (days, count) in [(401, 2_000), (399, 2_000)] {
        let mut pipeline = redis::pipe();
        for number in 0..count {
            let id = format!("{}-{}", now - days * day, number + 1);
            pipeline.cmd("XADD").arg(&audit).arg(id).arg("event").arg("{}").ignore();
        }
        let () = pipeline.query_async(&mut scene.raw()).await.unwrap();
    }
    for number in 0..200 {
        scene.store.audit(pause(&scene.queue, &number.to_string())).await.unwrap();
    }
    let kept: Vec<(String, Vec<String>)> =
        redis::cmd("XRANGE").arg(&audit).arg("-").arg("+").query_async(&mut scene.raw()).await.unwrap();
    let (old, young): (Vec<_>, Vec<_>) =
        kept.iter().partition(|(id, _)| id.starts_with(&format!("{}-", now - 401 * day)));
    assert!(old.len() < 200, "{} old entries: whole nodes are removed", old.len());
    assert_eq!(young.len(), 2_200);
    let page = scene.store.audit_page(&AuditFilter::default(), None, 1_000).await.unwrap();
    assert_eq!((page.events.len(), page.next, page.unreadable), (200, None, 2_000 + old.len() as u64));
}

/// The attack of the audit: thousands of acts push an earlier one out of the queue's events.
#[tokio::test]
async fn an_act_is_listed_after_the_events_were_trimmed() {
    let scene = Scene::new().await;
    scene.submit(&["T"]).await;
    let event = li().intends(
        AuditAction::Cancel,
        AuditTarget::job(&scene.queue, &"T".parse().unwrap()),
        Some("EVIL-RESUME-while-writes-were-lost"),
    );
    let intention = scene.store.audit_intention(event).await.unwrap();
    scene.store.operate(&scene.queue, &"T".parse().unwrap(), Operation::Cancel, OPERATOR).await.unwrap();
    scene.store.audit_result(intention, AuditResult::Done, Some("cancelled".into())).await.unwrap();
    let events = format!("{}:{{{}}}:events", scene.prefix, scene.store.partition_of(&scene.queue));
    let () = redis::cmd("XTRIM").arg(&events).arg("MAXLEN").arg(0).query_async(&mut scene.raw()).await.unwrap();
    let day = AuditFilter { operator: Some("li".into()), ..AuditFilter::default() };
    let found = scene.store.audit_page(&day, None, 10).await.unwrap().events;
    let shown = |event: &AuditEvent| {
        (event.operator.clone(), event.address.clone(), event.reason.clone(), event.target.key.clone(), event.result)
    };
    let some = |text: &str| Some(text.to_owned());
    let expected =
        (some("li"), "192.0.2.7".to_owned(), some("EVIL-RESUME-while-writes-were-lost"), some("T"), AuditResult::Done);
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), [expected]);
}

#[tokio::test]
async fn a_configuration_is_compared_with_the_role_s_last_one() {
    let scene = Scene::new().await;
    for (role, before, digest) in [("worker", None, "a"), ("serve", None, "b"), ("worker", Some("a"), "c")] {
        assert_eq!(scene.store.last_configuration(role).await.unwrap().as_deref(), before, "{role}");
        scene.store.remember_configuration(role, digest).await.unwrap();
    }
}
