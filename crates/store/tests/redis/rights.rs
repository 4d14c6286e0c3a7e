//! What Bursar does under a user that may do nothing else, and under users that lack something.

use bursar_domain::{AccountName, Due, Key, Millis, Operation, State};
use bursar_store::{
    Cursor, Durability, EventId, Finding, Notified, Operated, Operator, Origin, Renewal, RightsWanted, Severity,
    Stands, Store, StoreError, Submission, Telling, ToldOrNot, Wanted,
};
use bursar_test_support::{Listen, Options, OwnRedis, private_redis};
use std::collections::HashMap;
use std::time::Duration;

use crate::scene::{LEASE, Scene, asked, held, sent, told_transfer, transfer};

const OPERATOR: Operator<'_> = Operator { who: "li", why: "because" };
const PREFIX: &str = "bursar";

fn loopback() -> OwnRedis {
    private_redis(|options| Options { listen: Listen::Loopback, ..options })
}

/// The server's address for the user `bursar`, in another database than the first.
fn as_user(redis: &OwnRedis) -> String {
    let place = redis.url().trim_start_matches("redis://").split('/').next().unwrap().to_owned();
    format!("redis://bursar:pw@{place}/3")
}

fn printed(durability: Durability) -> String {
    RightsWanted { user: "bursar", prefix: PREFIX, queues: &[], durability, sentinels: false }.acl_line()
}

/// Makes the user of this line, with a password.
async fn make_user(redis: &OwnRedis, line: &str) {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("bursar").arg("reset").arg(">pw");
    for word in line.split(' ').skip(2) {
        command.arg(word);
    }
    command.query_async::<()>(&mut admin).await.unwrap();
    redis::cmd("ACL").arg("LOG").arg("RESET").query_async::<()>(&mut admin).await.unwrap();
}

async fn scene(redis: &OwnRedis) -> Scene {
    let url = as_user(redis);
    let admin = format!("{}/3", redis.url().trim_end_matches('/').trim_end_matches("/0"));
    Scene::between(&url, &admin, PREFIX).await
}

async fn findings(store: &Store, url: &str) -> Vec<Finding> {
    let wanted = Wanted {
        url: url.to_owned(),
        lease: LEASE,
        call_timeout: None,
        local_now_ms: store.now().await.unwrap_or_default().0,
    };
    store.preflight(&wanted).await.unwrap()
}

fn of<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings
        .iter()
        .find(|finding| finding.check == check)
        .unwrap_or_else(|| panic!("nothing about {check}: {findings:?}"))
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// A job's whole life, with everything that is told of it, and all that operators and servers read.
async fn live(scene: &Scene) {
    let (store, lane) = (&scene.store, &scene.lane);
    let origin = Origin::Jobs(lane.clone());
    let mut wakes = store.wakes().await.unwrap();
    let mut tells = store.callback_wakes().await.unwrap();
    assert_eq!(
        store.submit(&[told_transfer("k1"), transfer("k2"), transfer("k3")]).await.unwrap(),
        vec![Submission::New; 3]
    );
    assert_eq!(wakes.next().await.as_ref(), Some(lane));
    let first = scene.claim_one("w").await;
    assert!(store.renew(lane, &Renewal::new("w", LEASE), &[held(&first)]).await.unwrap().gone.is_empty());
    scene.commit(&sent(&first, State::Pending, Due::Ask(Millis(1)))).await;
    let again = scene.claim_one("w").await;
    store.release(lane, &[held(&again)]).await.unwrap();
    let number = scene.number();
    store.unclaim(lane, "w", number).await.unwrap();
    scene.let_come_due("to_ask", "k1").await;
    let claims = scene.claim("w", 2).await;
    for claimed in &claims.jobs {
        let commit = if claimed.key == key("k1") {
            asked(claimed, State::Succeeded, Due::Never)
        } else {
            sent(claimed, State::NeedsReview, Due::Never)
        };
        scene.commit(&commit).await;
    }
    assert_eq!(tells.next().await, Some(origin.clone()));
    let due = store.claim_callbacks(&origin, LEASE, 10).await.unwrap().due;
    let told = due.iter().map(|callback| ToldOrNot {
        key: callback.key.clone(),
        fence: callback.fence,
        telling: Telling::Told,
        delivery: None,
    });
    store.commit_callbacks(&origin, &told.collect::<Vec<_>>()).await.unwrap();
    for (name, operation) in [("k2", Operation::Cancel), ("k3", Operation::Cancel)] {
        let operated = store.operate(lane, &key(name), operation, OPERATOR).await.unwrap();
        assert!(matches!(operated, Operated::Done(_) | Operated::Refused(_)), "{operated:?}");
    }
    store.pause(lane, OPERATOR).await.unwrap();
    store.resume(lane, OPERATOR).await.unwrap();
    store.wake(lane, &key("k1")).await.unwrap();
    store.serves(std::slice::from_ref(lane)).await.unwrap();
    store.known_lanes().await.unwrap();
    store.set_gateway(lane, None, "here", OPERATOR).await.unwrap();
    store.purge(lane, Duration::ZERO, 100).await.unwrap();
    read(scene, &origin).await;
}

async fn read(scene: &Scene, origin: &Origin) {
    let (store, lane) = (&scene.store, &scene.lane);
    store.ping().await.unwrap();
    store.probe_write().await.unwrap();
    store.lane_status(lane).await.unwrap();
    store.in_doubt(lane).await.unwrap();
    store.list(lane, None, &Cursor::default(), 100).await.unwrap();
    store.history(lane, &key("k2")).await.unwrap();
    store.contents(lane, &[key("k2")]).await.unwrap();
    store.newest_events(std::slice::from_ref(origin)).await.unwrap();
    store.forgotten_events(&[(origin.clone(), EventId::default())]).await.unwrap();
    store.watch_events(std::slice::from_ref(origin)).await.unwrap().next().await.unwrap();
    store.callback_statuses(std::slice::from_ref(origin)).await.unwrap();
    let account: AccountName = "main".parse().unwrap();
    let notified = Notified {
        method: "m",
        record_id: Some("r"),
        hash: [1; 32],
        content: "{}",
        written: None,
        sign_rule: "a",
        standing: Stands::Open,
        why_held: None,
        callback_url: Some("https://shop.example"),
        kind: None,
        retention: LEASE,
        max_age: LEASE,
    };
    store.notify(&account, &notified).await.unwrap();
    store.adopt(lane, &"pay/transfer".parse().unwrap(), OPERATOR).await.unwrap();
}

#[tokio::test]
async fn everything_works_under_the_rights_that_are_printed_and_asks_for_no_other() {
    let redis = loopback();
    make_user(&redis, &printed(Durability::Fast)).await;
    let scene = scene(&redis).await;
    let findings = findings(&scene.store, &as_user(&redis)).await;
    for check in ["redis.rights", "redis.channels", "redis.appendfsync", "clock"] {
        assert_eq!(of(&findings, check).severity, Severity::Fine, "{findings:?}");
    }
    live(&scene).await;
    let refused: Vec<HashMap<String, String>> = scene.command(&["ACL", "LOG"]).await;
    let refused: Vec<&str> = refused.iter().map(|entry| entry["object"].as_str()).collect();
    // The client library would name itself to the server, and does without it.
    assert!(refused.iter().all(|command| command.starts_with("client")), "{refused:?}");
}

#[tokio::test]
async fn a_right_that_is_missing_is_refused_by_its_name() {
    let redis = loopback();
    let all = "user bursar on ~* &* +@all";
    for (line, check, named) in [
        (format!("{all} -script"), "redis.rights", "script|load"),
        (format!("{all} -@scripting"), "redis.rights", "script|load"),
        (format!("{all} -hset -xadd"), "redis.rights", "hset xadd"),
        (format!("{all} -time"), "redis.rights", "time"),
        ("user bursar on ~app:* &* +@all".into(), "redis.rights", "~bursar:*"),
        (format!("{all} -info"), "redis.info", "+info"),
        (format!("{all} -@admin -@dangerous"), "redis.info", "+info"),
    ] {
        make_user(&redis, &line).await;
        let store = scene(&redis).await.store;
        let findings = findings(&store, &as_user(&redis)).await;
        let found = of(&findings, check);
        assert_eq!(found.severity, Severity::Refuse, "{line}: {findings:?}");
        assert!(found.text.contains(named), "{line}: {found:?}");
    }
}

#[tokio::test]
async fn a_server_that_forbids_wait_is_refused_where_durability_needs_it() {
    let redis = loopback();
    make_user(&redis, "user bursar on ~* &* +@all -wait").await;
    let store = scene(&redis).await.store;
    assert_eq!(of(&findings(&store, &as_user(&redis)).await, "redis.rights").severity, Severity::Fine);
    let store = store.with_durability(Durability::Replicated(1)).await.unwrap();
    let findings = findings(&store, &as_user(&redis)).await;
    assert!(of(&findings, "redis.rights").text.contains("lacks wait"), "{findings:?}");
}

#[tokio::test]
async fn a_message_that_may_not_be_published_fails_nothing_that_was_stored() {
    let redis = loopback();
    make_user(&redis, "user bursar on resetchannels ~bursar:* +@all").await;
    let scene = scene(&redis).await;
    let findings = findings(&scene.store, &as_user(&redis)).await;
    let hints = of(&findings, "redis.channels");
    assert_eq!(hints.severity, Severity::Warn, "{findings:?}");
    assert!(hints.text.contains("lacks publish subscribe &bursar:*"), "{hints:?}");
    assert_eq!(of(&findings, "redis.rights").severity, Severity::Fine, "{findings:?}");

    let (store, lane) = (&scene.store, &scene.lane);
    assert_eq!(store.submit(&[told_transfer("k1")]).await.unwrap(), [Submission::New]);
    store.pause(lane, OPERATOR).await.unwrap();
    store.resume(lane, OPERATOR).await.unwrap();
    let claimed = scene.claim_one("w").await;
    store.release(lane, &[held(&claimed)]).await.unwrap();
    let claimed = scene.claim_one("w").await;
    scene.commit(&sent(&claimed, State::NeedsReview, Due::Never)).await;
    let done = store.operate(lane, &key("k1"), Operation::Ask, OPERATOR).await.unwrap();
    assert!(matches!(done, Operated::Done(_)), "{done:?}");
}

#[tokio::test]
async fn a_cluster_is_refused_and_takes_no_job() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let redis = private_redis(|options| {
        let options = Options { listen: Listen::Loopback, ..options };
        options.setting("cluster-enabled", "yes").setting("cluster-port", port.to_string())
    });
    let scene = Scene::at(redis.url()).await;
    let _: () = scene.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    bursar_test_support::eventually(crate::scene::SOON, "the cluster to be well", async || {
        scene.store.probe_write().await.map_err(|error| error.chain())
    })
    .await;
    let findings = findings(&scene.store, redis.url()).await;
    assert_eq!(of(&findings, "redis.cluster").severity, Severity::Refuse, "{findings:?}");
    let refused = scene.store.submit(&[transfer("k1")]).await;
    assert!(matches!(refused, Err(StoreError::Cluster)), "{refused:?}");
    assert!(!refused.unwrap_err().is_repeatable());
    assert_eq!(scene.store.job(&scene.lane, &key("k1")).await.unwrap(), None);
}
