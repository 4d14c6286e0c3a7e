//! Bursar under a user with exactly its permissions, and under users that lack some.

use std::collections::HashMap;

use bursar_domain::{
    AccountName, ApprovalRule, Approvals, Due, JobFilter, Kind, Millis, Operation, Outcome, Reason,
    RestoredFromJournal, State, Transition,
};
use bursar_store::{
    Approved, BalanceParts, Claim, Cursor, DeadLetterAction, DeliveryClaim, DeliveryCommit, DeliveryResult, Dismissed,
    Durability, EventId, Executed, Finality, Finding, JournalView, NeedsSecond, NotificationFilter, Operated, Operator,
    Origin, PreflightInput, Renewal, Resumed, RightsWanted, ScanCursor, SessionStep, Severity, Store, StoreError,
    Submission, TokenNote, Verdict, VerifiedNotification,
};
use bursar_test_support::{Listen, Options, OwnRedis, private_redis};

use crate::scene::{
    LATER, LEASE, OPERATOR, Scene, answered, bill, key, known_by, leased_claim, pause, resume, then, transfer,
    transfer_with_webhook,
};

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
    let wanted = PreflightInput {
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

/// A job's whole life, with all that operators, dispatchers and servers do and read.
pub(crate) async fn live(scene: &Scene) {
    let (store, queue) = (&scene.store, &scene.queue);
    let mut wakeups = store.wakeups().await.unwrap();
    let jobs = [transfer_with_webhook("k1"), transfer("k2"), transfer("k3"), transfer("k4"), bill("b1", "o1")];
    assert_eq!(scene.accept(&jobs).await, vec![Submission::New; 5]);
    assert!(wakeups.next().await.is_some());
    let first = scene.claim_one("w").await;
    let renewal = Renewal::new("w", LEASE);
    assert!(store.renew(queue, &renewal, &[leased_claim(&first)]).await.unwrap().gone.is_empty());
    let mut accepted = answered(&first, Outcome::Accepted, State::Pending, Due::Query(Millis(1)));
    (accepted.trade_nos, accepted.response) = (vec!["T1".into()], known_by("T1"));
    scene.commit(&accepted).await;
    let again = scene.claim("w", 2).await.jobs;
    store.release(queue, &again.iter().collect::<Vec<_>>()).await.unwrap();
    store.renew(queue, &renewal, &again.iter().map(leased_claim).collect::<Vec<_>>()).await.unwrap();
    let wish = scene.wish("w", 1);
    let number = wish.number;
    scene.claim_as(Claim { rate_per_second: 100.0, gateway: "here", ..wish }).await;
    store.recover_claim(queue, "w", number).await.unwrap();
    scene.let_come_due("k1").await;
    let claimed = scene.claim("w", 4).await;
    for job in &claimed.jobs {
        let ended = if job.key == key("k1") { State::Succeeded } else { State::NeedsReview };
        scene.commit(&answered(job, Outcome::Succeeded, ended, Due::Never)).await;
    }
    // Commits that come late, twice, and for a job that is gone.
    scene.commit(&then(&first, State::Failed, Due::Never)).await;
    scene.commit(&answered(&again[0], Outcome::Succeeded, State::Succeeded, Due::Never)).await;
    for name in ["k2", "k3"] {
        for operation in [Operation::Cancel, Operation::Query, Operation::Send] {
            let operated = scene.operate(name, operation).await;
            assert!(matches!(operated, Operated::Done(_) | Operated::Refused(_)), "{operated:?}");
        }
    }
    store.pause(queue, &pause()).await.unwrap();
    store.resume(queue, &resume()).await.unwrap();
    store.pause_for_a_journal(queue).await.unwrap();
    store.settle_queue(queue, 50).await.unwrap();
    store.lost_writes(queue, 0).await.unwrap();
    store.wake(queue, &key("k1")).await.unwrap();
    store.set_clock_back(queue, LEASE).await.unwrap();
    store.circuit(queue, "w", Some(LEASE)).await.unwrap();
    store.circuit(queue, "w", None).await.unwrap();
    store.take_rate_token(queue, 5.0).await.unwrap();
    store.serves(std::slice::from_ref(queue)).await.unwrap();
    store.set_gateway(queue, Some("here"), "there", OPERATOR).await.unwrap();
    store.incarnate("one").await.unwrap();
    store.settle_incarnations(&["before".to_owned()].into()).await.unwrap();
    quarantine(scene).await;
    propose(scene).await;
    deliver(scene).await;
    restore(scene).await;
    notify(scene).await;
    import(scene).await;
    balance(scene).await;
    server(scene).await;
    read(scene).await;
    store.adopt(queue, &"pay/transfer".parse().unwrap(), OPERATOR).await.unwrap();
    store.has_jobs(queue).await.unwrap();
    store.purge(&"pay/transfer".parse().unwrap(), std::time::Duration::ZERO, 100).await.unwrap();
}

async fn quarantine(scene: &Scene) {
    let whole = scene.text("k4").await.unwrap();
    let _: () = scene.command(&["SET", &scene.job_name("k4"), "{"]).await;
    let member: u64 = scene.command(&["ZADD", &scene.name("sends"), "0", "k4"]).await;
    assert!(member <= 1);
    scene.claim("w", 10).await;
    assert_eq!(scene.store.quarantined(&scene.queue, 10).await.unwrap().len(), 1);
    scene.store.drop_quarantined(&scene.queue, "k4", OPERATOR).await.unwrap();
    let _: () = scene.command(&["SET", &scene.job_name("k4"), &whole]).await;
    let _: u64 = scene.command(&["HSET", &scene.name("quarantine"), "k4", "{}"]).await;
    scene.store.retry_quarantined(&scene.queue, "k4", OPERATOR).await.unwrap();
}

/// A resume after lost writes that is proposed, rejected, proposed again and approved.
async fn propose(scene: &Scene) {
    let rule = ApprovalRule { operators: Approvals::Two, ..ApprovalRule::default() };
    let (store, queue) = (scene.store.clone().with_approvals(rule), &scene.queue);
    store.lost_writes(queue, scene.era().await.unwrap_or_default()).await.unwrap();
    let second = Operator { who: "wang", why: "seen, too", identity: Some("wang's token") };
    for is_rejected in [true, false] {
        let proposed = store.resume_by(queue, OPERATOR).await.unwrap();
        let Resumed::NeedsSecond(NeedsSecond::Proposed(open)) = proposed else { panic!("{proposed:?}") };
        assert_eq!(store.proposals(std::slice::from_ref(queue)).await.unwrap().len(), 1);
        if is_rejected {
            assert_eq!(store.dismiss(&open, second).await.unwrap(), Dismissed::Rejected);
        } else {
            let approved = store.approve(&open, second).await.unwrap();
            assert_eq!(approved, Approved::Done(Executed::Queue(queue.clone())));
        }
    }
}

async fn deliver(scene: &Scene) {
    let (store, origin) = (&scene.store, Origin::Jobs(scene.queue.clone()));
    drop(store.delivery_wakeups().await.unwrap());
    for (number, result) in
        (1..).zip([DeliveryResult::PutOff(Millis(1)), DeliveryResult::Failed(Millis(1)), DeliveryResult::Delivered])
    {
        let claim = DeliveryClaim { dispatcher: "d", number, lease: LEASE, most: 10 };
        let due = store.claim_deliveries(&origin, &claim).await.unwrap().due;
        let commits: Vec<DeliveryCommit> =
            due.iter().map(|delivery| DeliveryCommit::new(delivery, Millis(1), result)).collect();
        assert!(!commits.is_empty(), "{number}");
        store.commit_deliveries(&origin, &commits).await.unwrap();
        store.commit_deliveries(&origin, &commits).await.unwrap();
    }
    let _: u64 = scene.command(&["HSET", &scene.name("delivery_quarantine"), "k9", "{}"]).await;
    assert!(store.retry_delivery(&origin, "k9", OPERATOR).await.unwrap());
    store.quarantined_deliveries(&origin, 10).await.unwrap();
    store.delivery_status(&origin).await.unwrap();
    store.ready_deliveries(LATER).await.unwrap();
}

async fn restore(scene: &Scene) {
    let job = bill("b9", "o9");
    let hash = job.content.hash();
    let journal = JournalView {
        hash: &hash,
        content: job.content.text(),
        business_key: job.content.business_key(),
        fence: 3,
        sends: 1,
        resends: 0,
        first_sent: Millis(1),
        last_sent: Millis(1),
        trade_nos: &["T9".to_owned()],
    };
    let event = RestoredFromJournal {
        at: Millis(0),
        operator: "li".into(),
        was: None,
        sends: 1,
        response: None,
        more: serde_json::Map::new(),
    };
    let next = Transition::review(Reason::RestoredFromJournal);
    scene.store.restore(&job.queue, &job.key, None, &journal, &next, event).await.unwrap();
    scene.store.send_rival_to_review(&job.queue, &key("b10"), &journal, "li").await.unwrap();
}

async fn notify(scene: &Scene) {
    let (store, account): (_, AccountName) = (&scene.store, "main".parse().unwrap());
    let notification = |content: &'static str| VerifiedNotification {
        method: "m",
        record_id: Some("r"),
        hash: [content.len() as u8; 32],
        content,
        written: None,
        sign_rule: "a",
        finality: Finality::Open,
        held_reason: None,
        callback_url: Some("https://shop.example"),
        kind: Some(Kind::Transfer),
        retention: LEASE,
        max_age: LEASE,
    };
    for content in ["{}", "{\"a\":1}", "{}"] {
        store.receive_notification(&account, &notification(content)).await.unwrap();
    }
    store.notifications(&account, NotificationFilter::Read, None, 10).await.unwrap();
    store.notification(&account, 1).await.unwrap();
    store.notification_counts(std::slice::from_ref(&account)).await.unwrap();
    for named in ["k1", "k2"] {
        store.link_notification(&scene.queue, named, 1, "m").await.unwrap();
    }
    store.notification_linked(&account, 1).await.unwrap();
    store.notification_history(&account, 1).await.unwrap();
    store.notification_versions(&account, 1).await.unwrap();
    store.notification_delivery(&account, 1).await.unwrap();
    store.job_by_business_key(&scene.queue, "k1").await.unwrap();
}

async fn import(scene: &Scene) {
    let queue = format!("{PREFIX}:imported");
    let _: u64 = scene.command(&["HSET", &format!("{queue}:data"), "1", "payload"]).await;
    let _: u64 = scene.command(&["RPUSH", &format!("{queue}:active"), "1"]).await;
    let tasks = scene.store.waiting_tasks(&queue, "w").await.unwrap();
    assert_eq!(tasks.len(), 1);
    let refused: Vec<_> = tasks.into_iter().map(|task| (task, Verdict::Refused("no job".into()))).collect();
    scene.store.take_tasks(&queue, &refused).await.unwrap();
    let dead_letters = scene.store.dead_letters(&queue, 0, 5).await.unwrap();
    scene.store.dead_letter_payload(&queue, dead_letters[0].number).await.unwrap();
    scene.store.settle_dead_letter(&queue, dead_letters[0].number, DeadLetterAction::Dropped, OPERATOR).await.unwrap();
    scene.store.settled_dead_letters(&queue, 5).await.unwrap();
    scene.store.import_status(&queue).await.unwrap();
}

async fn server(scene: &Scene) {
    for step in [SessionStep::Begin, SessionStep::Use, SessionStep::Find, SessionStep::End] {
        assert!(scene.store.session("li", "s", step, LEASE).await.unwrap());
    }
    for note in [TokenNote::Known, TokenNote::Used] {
        scene.store.note_token("li", note).await.unwrap();
    }
    assert!(scene.store.token_uses(&["li".to_owned()]).await.unwrap()[0].used_at.is_some());
}

async fn balance(scene: &Scene) {
    let account = &scene.queue.account;
    for _ in 0..2 {
        scene.store.balance_lock(account, LEASE).await.unwrap();
    }
    let reported = BalanceParts { available: Some(1), ..BalanceParts::default() };
    scene.store.store_balance(account, "paying", Some(reported)).await.unwrap();
    scene.store.balance(account, "paying").await.unwrap();
}

async fn read(scene: &Scene) {
    let (store, queue) = (&scene.store, &scene.queue);
    store.ping().await.unwrap();
    store.probe_write().await.unwrap();
    store.status(queue).await.unwrap();
    store.in_doubt(queue).await.unwrap();
    store.ready(LATER).await.unwrap();
    store.list(queue, None, &Cursor::default(), 100).await.unwrap();
    for filter in [
        JobFilter::default(),
        JobFilter { trade_no: Some("T1".into()), ..JobFilter::default() },
        JobFilter { order_id: Some("O1".into()), ..JobFilter::default() },
    ] {
        store.find(std::slice::from_ref(queue), &filter, None, 100).await.unwrap();
    }
    store.scan(queue, None, &ScanCursor::default(), 100).await.unwrap();
    store.due_sends(queue, &ScanCursor::default(), LATER, 100).await.unwrap();
    store.waiting(queue, 5).await.unwrap();
    store.stretches(queue, Millis(1), LEASE, 2, 2).await.unwrap();
    let job = scene.job("k2").await;
    store.history(&job).await.unwrap();
    let partition = store.partition_of(queue);
    store.newest_events(&[partition]).await.unwrap();
    store.events(&[(partition, EventId::default())], 10).await.unwrap();
    store.forgotten_events(&[(partition, EventId { at: Millis(5), ..EventId::default() })]).await.unwrap();
    store.recent_events(std::slice::from_ref(queue), 10).await.unwrap();
    store.watch_events().await.unwrap().next().await.unwrap();
    store.known_queues().await.unwrap();
    store.unserved_queues(&[]).await.unwrap();
    store.incarnations().await.unwrap();
    store.fences(std::slice::from_ref(queue)).await.unwrap();
    store.gateways(std::slice::from_ref(queue)).await.unwrap();
    store.oldest_ended(std::slice::from_ref(queue)).await.unwrap();
}

#[tokio::test]
async fn the_printed_rights_suffice_and_all_are_needed() {
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
async fn a_server_that_forbids_wait_is_refused_for_durability() {
    let redis = loopback();
    make_user(&redis, "user bursar on ~* &* +@all -wait").await;
    let store = scene(&redis).await.store;
    assert_eq!(of(&findings(&store, &as_user(&redis)).await, "redis.rights").severity, Severity::Fine);
    let store = store.with_durability(Durability::Replicated(1)).await.unwrap();
    let findings = findings(&store, &as_user(&redis)).await;
    assert!(of(&findings, "redis.rights").text.contains("lacks permissions that Bursar needs: wait"), "{findings:?}");
}

#[tokio::test]
async fn a_message_that_may_not_be_published_fails_no_write() {
    let redis = loopback();
    make_user(&redis, "user bursar on resetchannels ~bursar:* +@all").await;
    let scene = scene(&redis).await;
    let findings = findings(&scene.store, &as_user(&redis)).await;
    let hints = of(&findings, "redis.channels");
    assert_eq!(hints.severity, Severity::Warn, "{findings:?}");
    assert!(hints.text.contains("lacks permissions for wake-up messages: publish subscribe &bursar:*"), "{hints:?}");
    assert_eq!(of(&findings, "redis.rights").severity, Severity::Fine, "{findings:?}");

    let (store, queue) = (&scene.store, &scene.queue);
    assert_eq!(store.submit(&[transfer_with_webhook("k1")]).await.unwrap(), [Submission::New]);
    store.pause(queue, &pause()).await.unwrap();
    store.resume(queue, &resume()).await.unwrap();
    let claimed = scene.claim_one("w").await;
    store.release(queue, &[&claimed]).await.unwrap();
    let claimed = scene.claim_one("w").await;
    scene.commit(&then(&claimed, State::NeedsReview, Due::Never)).await;
    let done = scene.operate("k1", Operation::Query).await;
    assert!(matches!(done, Operated::Done(_)), "{done:?}");
}

#[tokio::test]
async fn a_cluster_is_refused_and_takes_no_job() {
    let port = bursar_test_support::free_port().unwrap();
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
    assert_eq!(scene.find("k1").await, None);
}
