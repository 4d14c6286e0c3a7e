//! Reading one job, its log, and a lane's jobs a page at a time.

use std::collections::HashSet;
use std::time::Duration;

use bursar_domain::{ActionKind, Due, HistoryEvent, Key, Millis, Reason, State};
use bursar_store::{Cursor, Operator};

use serde_json::json;

use crate::scene::{Scene, answer_line, sent};

async fn all(scene: &Scene, state: Option<State>) -> (Vec<bursar_store::Record>, usize) {
    let (mut jobs, mut pages, mut cursor) = (Vec::new(), 0, Some(Cursor::default()));
    while let Some(from) = cursor {
        let listed = scene.store.list(&scene.lane, state, &from, 500).await.unwrap();
        pages += 1;
        assert!(pages < 50, "the pages do not end");
        jobs.extend(listed.jobs);
        cursor = listed.next;
    }
    (jobs, pages)
}

#[tokio::test]
async fn ends_are_counted_in_stretches_of_time_and_what_waits_is_found() {
    let scene = Scene::new().await;
    for (key, state) in [
        ("done1", State::Succeeded),
        ("done2", State::Failed),
        ("done3", State::Cancelled),
        ("review", State::NeedsReview),
        ("asked", State::Pending),
        ("waits", State::Queued),
    ] {
        scene.bring(key, state).await;
    }
    let second = Duration::from_secs(1);
    let since = Millis(scene.now().await - 60_000);
    let stretches = scene.store.stretches(&scene.lane, since, second * 40, 3, 2).await.unwrap();
    assert_eq!((stretches[0].ended, stretches[0].in_review, stretches[0].some.len()), (0, 0, 0));
    assert_eq!((stretches[1].ended, stretches[1].in_review), (3, 1));
    assert_eq!(
        stretches[1].some.iter().map(Key::as_str).collect::<Vec<_>>(),
        ["done1", "done2"],
        "as many as asked for"
    );
    assert_eq!(stretches[2], bursar_store::Stretch::default());
    assert!(scene.store.stretches(&scene.lane, since, second, 0, 2).await.unwrap().is_empty());
    let waiting = scene.store.waiting(&scene.lane, 5).await.unwrap();
    assert_eq!(waiting.iter().map(Key::as_str).collect::<Vec<_>>(), ["waits", "asked"]);
    assert!(scene.store.waiting(&scene.lane, 0).await.unwrap().is_empty());
    let keys = ["waits", "nobody", "done1"].map(|key| key.parse().unwrap());
    let contents = scene.store.contents(&scene.lane, &keys).await.unwrap();
    assert_eq!(contents.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn thousands_of_jobs_are_listed_by_state_each_once() {
    let scene = Scene::new().await;
    scene.submit_many("k", 2_300).await;
    let mut expected = [
        (State::Queued, 0),
        (State::InDoubt, 0),
        (State::Pending, 0),
        (State::NeedsReview, 0),
        (State::Succeeded, 0),
        (State::Failed, 0),
    ];
    for round in 0..9 {
        let claims = scene.claim("w", 256).await;
        let (state, due) = match round % 4 {
            0 => (State::Succeeded, bursar_domain::Due::Never),
            1 => (State::Pending, bursar_domain::Due::Ask(Millis(99_999_999_999_999))),
            2 => (State::NeedsReview, bursar_domain::Due::Never),
            _ => (State::Failed, bursar_domain::Due::Never),
        };
        if round == 8 {
            continue; // stay in doubt
        }
        let commits: Vec<_> = claims.jobs.iter().map(|job| crate::scene::sent(job, state, due)).collect();
        scene.store.commit(&scene.lane, &commits).await.unwrap();
        expected.iter_mut().find(|(of, _)| *of == state).unwrap().1 += commits.len();
    }
    expected[0].1 = 0;
    expected[1].1 = 2_300 - 8 * 256;
    for (state, count) in expected {
        let (jobs, _) = all(&scene, Some(state)).await;
        assert!(jobs.iter().all(|job| job.state == state));
        let distinct: HashSet<&Key> = jobs.iter().map(|job| &job.key).collect();
        assert_eq!((jobs.len(), distinct.len()), (count, count), "{state}");
    }
    let (jobs, pages) = all(&scene, None).await;
    assert_eq!(jobs.iter().map(|job| &job.key).collect::<HashSet<_>>().len(), 2_300);
    assert!(pages >= 5);
    let (none, _) = all(&scene, Some(State::Refunded)).await;
    assert!(none.is_empty());
    let status = scene.store.lane_status(&scene.lane).await.unwrap();
    assert_eq!((status.to_send, status.to_ask, status.review, status.done), (0, 252 + 512, 512, 1_024));
}

#[tokio::test]
async fn a_page_goes_on_behind_a_job_that_has_left_among_those_of_the_same_moment() {
    let scene = Scene::new().await;
    scene.submit_many("k", 300).await; // one batch, one moment: nothing but their keys tells their order
    for gone in [None, Some(0), Some(57), Some(99)] {
        let first = scene.store.list(&scene.lane, Some(State::Queued), &Cursor::default(), 100).await.unwrap();
        let next: Cursor = first.next.unwrap().to_string().parse().unwrap();
        if let Some(index) = gone {
            let cancel = bursar_domain::Operation::Cancel;
            let operator = Operator { who: "li", why: "why" };
            scene.store.operate(&scene.lane, &first.jobs[index].key, cancel, operator).await.unwrap();
        }
        let rest = scene.store.list(&scene.lane, Some(State::Queued), &next, 1_000).await.unwrap();
        let seen: HashSet<&Key> = first.jobs.iter().chain(&rest.jobs).map(|job| &job.key).collect();
        let left = scene.store.lane_status(&scene.lane).await.unwrap().to_send;
        assert_eq!(u64::try_from(first.jobs.len() + rest.jobs.len()).unwrap(), left + u64::from(gone.is_some()));
        assert_eq!(seen.len(), first.jobs.len() + rest.jobs.len(), "none twice");
        assert_eq!(rest.next, None);
    }
}

#[tokio::test]
async fn a_page_looks_at_so_many_jobs_and_no_more() {
    let scene = Scene::new().await;
    scene.submit_many("k", 120).await;
    for limit in [1, 50, 119, 120] {
        let page = scene.store.list(&scene.lane, None, &Cursor::default(), limit).await.unwrap();
        assert_eq!(page.jobs.len(), limit);
    }
    let page = scene.store.list(&scene.lane, Some(State::InDoubt), &Cursor::default(), 10).await.unwrap();
    assert!(page.jobs.is_empty() && page.next.is_none());
}

#[tokio::test]
async fn several_jobs_are_read_at_once_and_the_missing_are_left_out() {
    let scene = Scene::new().await;
    scene.submit(&["a", "b"]).await;
    let keys: Vec<Key> = ["b", "nobody", "a"].map(|key| key.parse().unwrap()).to_vec();
    let jobs = scene.store.jobs(&scene.lane, &keys).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(scene.store.job(&scene.lane, &keys[1]).await.unwrap(), None);
    assert_eq!(scene.store.content(&scene.lane, &keys[1]).await.unwrap(), None);
    assert!(scene.store.history(&scene.lane, &keys[1]).await.unwrap().is_empty());
    assert!(scene.store.jobs(&scene.lane, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lane_at_a_glance_tells_what_waits_where_and_since_when() {
    let scene = Scene::new().await;
    let status = scene.store.lane_status(&scene.lane).await.unwrap();
    assert_eq!((status.to_send, status.to_ask, status.next_due, status.paused), (0, 0, None, None));
    scene.submit(&["k1"]).await;
    let created = scene.store.job(&scene.lane, &"k1".parse().unwrap()).await.unwrap().unwrap().created;
    scene.store.pause(&scene.lane, Operator { who: "li", why: "why" }).await.unwrap();
    let status = scene.store.lane_status(&scene.lane).await.unwrap();
    assert_eq!(
        (status.to_send, status.next_due, status.paused),
        (1, created, Some(Reason::operator_action(ActionKind::Pause, "li", "why")))
    );
}

#[tokio::test]
async fn one_line_that_cannot_be_read_does_not_hide_the_others() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.claim_one("w").await;
    for line in ["not json", "{}"] {
        let _: u64 = scene.command(&["RPUSH", &scene.name("log:k1"), line]).await;
    }
    let attempts = scene.store.history(&scene.lane, &"k1".parse().unwrap()).await.unwrap();
    let events: Vec<&str> = attempts.iter().map(HistoryEvent::name).collect();
    assert_eq!(events, ["unreadable", "unreadable", "send_intent"]);
    assert_eq!(attempts[0].view()["line"], "not json");
    assert_eq!(attempts[2].claim(), Some((1, "w")));
    assert!(attempts[2].at().is_some());
}

#[tokio::test]
async fn a_record_of_another_build_is_an_error_that_names_it_and_is_left_as_it_is() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let name = scene.name("job:k1");
    let changes: [(&[&str], &str); 3] = [
        (&["HSET", &name, "s", "sparkling"], "field s"),
        (&["HSET", &name, "s", "queued", "m", "5 7"], "field m"),
        (&["HDEL", &name, "m"], "field m"), // and not as one whose detail has expired
    ];
    for (change, field) in changes {
        let _: u64 = scene.command(change).await;
        let before = scene.record("k1").await;
        let error = scene.store.job(&scene.lane, &"k1".parse().unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("k1") && error.to_string().contains(field), "{error}");
        assert_eq!(scene.record("k1").await, before);
    }
}

#[tokio::test]
async fn the_view_of_a_job_has_what_outsiders_are_promised() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let record = scene.store.job(&scene.lane, &"k1".parse().unwrap()).await.unwrap().unwrap();
    let view = serde_json::to_value(record.view()).unwrap();
    for field in [
        "account",
        "kind",
        "platform_no",
        "state",
        "trade_no",
        "gateway_status",
        "attempts",
        "asks",
        "created_at",
        "updated_at",
        "due_at",
        "reason",
    ] {
        assert!(view.get(field).is_some(), "{field}");
    }
    assert_eq!(
        (view["account"].as_str(), view["kind"].as_str(), view["state"].as_str()),
        (Some("main"), Some("transfer"), Some("queued"))
    );
}

#[tokio::test]
async fn a_log_is_told_in_order_wherever_its_lines_stand() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let operator = bursar_store::Operator { who: "li", why: "now" };
    let key: Key = "k1".parse().unwrap();
    scene.store.operate(&scene.lane, &key, bursar_domain::Operation::Send, operator).await.unwrap();
    let first = scene.claim_one("w1").await;
    assert_eq!(scene.story("k1").await, ["operator_action", "send_intent"], "the send that is out");
    scene.commit(&sent(&first, State::InDoubt, Due::Send(Millis(1)))).await;
    let told = ["operator_action", "send_intent", "response"];
    assert_eq!(scene.story("k1").await, told);
    let second = scene.claim_one("w2").await;
    let log = scene.log("k1").await;
    let intents: Vec<_> = log
        .iter()
        .filter(|line| line["event"] == "send_intent")
        .map(|line| (&line["fence"], &line["worker"]))
        .collect();
    assert_eq!(intents, [(&json!(1), &json!("w1")), (&json!(2), &json!("w2"))]);
    assert_eq!(log[2].get("w"), None, "an answer names its worker by its fence");
    scene.commit(&sent(&second, State::InDoubt, Due::Send(Millis(1)))).await;
    assert_eq!(scene.story("k1").await, ["operator_action", "send_intent", "response", "send_intent", "response"]);
    let recent =
        scene.store.recent_history(&scene.lane, &[key.clone(), "nobody".parse().unwrap(), key], 3).await.unwrap();
    let recent: Vec<Vec<&str>> = recent.iter().map(|log| log.iter().map(HistoryEvent::name).collect()).collect();
    assert_eq!(
        recent,
        [vec!["response", "send_intent", "response"], vec![], vec!["response", "send_intent", "response"]]
    );
}

#[tokio::test]
async fn more_logs_than_one_script_reads_come_in_the_order_of_the_keys() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2"]).await;
    scene.claim("w", 2).await;
    let keys = ["k1", "nobody", "k2"].map(|key| key.parse::<Key>().unwrap());
    let many: Vec<Key> = (0..130).map(|at| keys[at % 3].clone()).collect();
    let logs = scene.store.recent_history(&scene.lane, &many, 5).await.unwrap();
    let lines: Vec<usize> = logs.iter().map(Vec::len).collect();
    assert_eq!(lines, (0..130).map(|at| [1, 0, 1][at % 3]).collect::<Vec<_>>());
    assert!(scene.store.recent_history(&scene.lane, &[], 5).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_end_too_long_for_the_record_stands_in_the_log_with_its_intent() {
    for (length, in_record) in [(400, true), (600, false)] {
        let scene = Scene::new().await;
        scene.submit(&["k1"]).await;
        let claimed = scene.claim_one("w").await;
        let message = "余".repeat(length / 3);
        let rest = json!({"at": scene.now().await, "outcome": "failed", "message": message}).to_string();
        let line = answer_line(&claimed, &rest[1..rest.len() - 1]);
        scene.commit(&bursar_store::Commit { line: Some(line), ..sent(&claimed, State::Succeeded, Due::Never) }).await;
        let log = scene.log("k1").await;
        assert_eq!(
            (log[0]["event"].as_str(), log[0]["worker"].as_str(), log.len()),
            (Some("send_intent"), Some("w"), 2)
        );
        assert_eq!(log[1]["message"], message, "cut between two bytes of a letter, and whole again");
        let lines: u64 = scene.command(&["LLEN", &scene.name("log:k1")]).await;
        assert_eq!(lines == 0, in_record, "{length}");
    }
}
