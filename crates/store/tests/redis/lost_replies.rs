//! The script ran, but its reply was lost: nothing is paid twice, forgotten or called a no.

use std::time::Duration;

use bursar_domain::{Due, Key, Millis, Operation, Outcome, State};
use bursar_store::{Claim, Committed, Operated, StoreError, Submission};
use bursar_test_support::{Fault, FaultProxy, Listen, Options, OwnRedis, eventually, private_redis, unique_prefix};

use crate::scene::{LATER, LEASE, OPERATOR, SOON, Scene, answered, leased_claim, pause, resume, then, transfer};

/// A store behind a network that loses replies on request.
struct Lossy {
    scene: Scene,
    proxy: FaultProxy,
    redis: OwnRedis,
}

impl Lossy {
    async fn new() -> Self {
        let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
        let proxy = FaultProxy::start(redis.url()).await;
        let scene = Scene::between(&proxy.redis_url(), redis.url(), &unique_prefix()).await;
        Self { scene, proxy, redis }
    }

    /// Runs `call` once while its reply is lost: Redis has run it when this returns, and the caller has an error.
    async fn losing<T: std::fmt::Debug>(&self, call: impl Future<Output = Result<T, StoreError>>) {
        let lost = self.proxy.lost_reply_bytes();
        self.proxy.set(Fault::DropReplies);
        let lift = async {
            eventually(SOON, "a lost reply", async || (self.proxy.lost_reply_bytes() > lost).then_some(())).await;
            self.proxy.set(Fault::None);
        };
        let (outcome, ()) = tokio::join!(call, lift);
        assert!(matches!(outcome, Err(StoreError::Unreachable { .. })), "{outcome:?}");
    }

    /// Runs `call`, which reads first: the reading passes, and the reply to the change of the record is lost.
    async fn losing_a_write<T>(&self, key: &str, before: Option<String>, call: impl Future<Output = T>) -> T {
        self.proxy.set(Fault::Latency(Duration::from_millis(60)));
        let lost = async {
            while self.scene.text(key).await == before {}
            self.losing(async {
                let source = redis::RedisError::from(std::io::Error::other(""));
                Err::<(), _>(StoreError::Unreachable { command: "", source })
            })
            .await;
        };
        tokio::join!(call, lost).0
    }

    /// The same call until it is answered, as every caller does.
    async fn repeat<T>(&self, mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
        eventually(SOON, "an answer", async || call().await).await
    }
}

/// Loads the scripts first, so that the lost reply is not that of loading one.
async fn warm(scene: &Scene) {
    let key: Key = "warm".parse().unwrap();
    scene.bring("warm", State::Pending).await;
    scene.let_come_due("warm").await;
    let claimed = scene.claim_one("w0").await;
    scene.store.renew(&scene.queue, &bursar_store::Renewal::new("w0", LEASE), &[leased_claim(&claimed)]).await.unwrap();
    scene.store.release(&scene.queue, &[&claimed]).await.unwrap();
    scene.store.recover_claim(&scene.queue, "nowhere", 1).await.unwrap();
    scene.store.wake(&scene.queue, &key).await.unwrap();
    let claimed = scene.claim_one("w0").await;
    scene.commit(&then(&claimed, State::NeedsReview, Due::Never)).await;
    scene.operate("warm", Operation::Resolve(State::Failed)).await;
    scene.store.purge(&scene.queue, Duration::ZERO, 10).await.unwrap();
    scene.store.pause(&scene.queue, &pause()).await.unwrap();
    scene.store.resume(&scene.queue, &resume()).await.unwrap();
    assert_eq!(scene.events().await.last().map(String::as_str), Some("resumed"));
}

#[tokio::test]
async fn a_submission_repeated_after_a_lost_reply_makes_no_second_job() {
    let lossy = Lossy::new().await;
    let scene = &lossy.scene;
    warm(scene).await;
    let jobs: Vec<_> = (0..50).map(|number| transfer(&format!("k{number}"))).collect();
    lossy.losing(scene.store.submit(&jobs)).await;
    let answers = lossy.repeat(async || scene.store.submit(&jobs).await).await;
    assert_eq!(answers, vec![Submission::Existing(State::Queued); 50]);
    assert_eq!(scene.store.status(&scene.queue).await.unwrap().counts.to_send, 50);
    assert_eq!(scene.claim("w", 100).await.jobs.len(), 50);
}

#[tokio::test]
async fn a_claim_whose_reply_is_lost_is_given_back_whole_and_unsent() {
    let lossy = Lossy::new().await;
    let scene = &lossy.scene;
    warm(scene).await;
    scene.bring("asked", State::Pending).await;
    scene.submit(&["k1", "k2"]).await;
    scene.let_come_due("asked").await;
    let wish = Claim { number: 50, ..scene.wish("w", 10) };
    lossy.losing(scene.store.claim(&scene.queue, &wish)).await;
    assert_eq!(scene.state("k1").await, State::InDoubt, "the claim was made");
    assert_eq!(lossy.repeat(async || scene.store.recover_claim(&scene.queue, "w", 50).await).await, 3);
    for key in ["k1", "k2"] {
        let job = scene.job(key).await;
        assert_eq!((job.state, job.sends, job.claims_lost, job.worker), (State::Queued, 0, 0, None));
        assert_eq!(scene.sets(key).await, ["due_sends"]);
    }
    let job = scene.job("asked").await;
    assert_eq!((job.state, job.queries, job.claims_lost, job.worker), (State::Pending, 0, 0, None));
    assert_eq!(scene.store.recover_claim(&scene.queue, "w", 50).await.unwrap(), 0, "a repetition finds nothing held");
    let again = scene.store.claim(&scene.queue, &Claim { number: 51, ..wish }).await.unwrap();
    assert_eq!(again.jobs.len(), 3);
    assert!(again.jobs.iter().all(|job| job.claims_lost == 0));
}

#[tokio::test]
async fn a_claim_that_arrives_after_its_timeout_takes_nothing() {
    let lossy = Lossy::new().await;
    let scene = &lossy.scene;
    warm(scene).await;
    scene.submit(&["k1"]).await;
    // The worker reached Redis on another connection while this one's bytes lay in the network.
    let healthy = Scene::between(lossy.redis.url(), lossy.redis.url(), &scene.prefix).await;
    let wish = Claim { number: 50, ..scene.wish("w", 10) };
    lossy.proxy.set(Fault::Blackhole);
    let late = scene.store.claim(&scene.queue, &wish);
    let meanwhile = async {
        assert_eq!(healthy.store.recover_claim(&scene.queue, "w", 50).await.unwrap(), 0);
        lossy.proxy.set(Fault::None);
    };
    let (late, ()) = tokio::join!(late, meanwhile);
    assert!(late.is_err() || late.unwrap().jobs.is_empty());
    assert_eq!((scene.state("k1").await, scene.sets("k1").await), (State::Queued, vec!["sends"]));
}

#[tokio::test]
async fn a_lost_recovery_is_repeated_and_releases_everything() {
    let lossy = Lossy::new().await;
    let scene = &lossy.scene;
    warm(scene).await;
    scene.submit(&["k1", "k2"]).await;
    let wish = Claim { number: 50, ..scene.wish("w", 10) };
    lossy.losing(scene.store.claim(&scene.queue, &wish)).await;
    eventually(SOON, "the connection to be back", async || scene.store.ping().await).await;
    lossy.losing(scene.store.recover_claim(&scene.queue, "w", 50)).await;
    lossy.repeat(async || scene.store.recover_claim(&scene.queue, "w", 50).await).await;
    assert_eq!(scene.store.status(&scene.queue).await.unwrap().counts.to_send, 2);
    assert_eq!(scene.claims().await, Vec::<String>::new());
}

#[tokio::test]
async fn jobs_of_a_lost_claim_are_queried_and_not_sent() {
    let lossy = Lossy::new().await;
    let scene = &lossy.scene;
    warm(scene).await;
    scene.submit(&["k1"]).await;
    lossy.losing(scene.store.claim(&scene.queue, &scene.wish("w", 10))).await;
    scene.let_come_due("k1").await;
    let claims = lossy.repeat(async || scene.store.claim(&scene.queue, &scene.wish("other", 10)).await).await;
    assert_eq!(claims.jobs[0].call, bursar_domain::Call::Query);
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_recorded_once() {
    let lossy = Lossy::new().await;
    let scene = &lossy.scene;
    warm(scene).await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let commits = [answered(&claimed, Outcome::Accepted, State::Pending, Due::Query(Millis(1)))];
    let events = scene.events().await.len();
    lossy.losing(scene.store.commit(&scene.queue, &commits)).await;
    let answer = lossy.repeat(async || scene.store.commit(&scene.queue, &commits).await).await;
    assert_eq!(answer, [Committed::Again]);
    assert_eq!(scene.story("k1").await, ["response"]);
    assert_eq!((scene.job("k1").await.sends, scene.events().await.len()), (1, events + 1));
}

#[tokio::test]
async fn a_commit_overtaken_by_another_claim_is_not_repeated() {
    let lossy = Lossy::new().await;
    let scene = &lossy.scene;
    warm(scene).await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let commits = [then(&claimed, State::Pending, Due::Query(Millis(1)))];
    lossy.losing(scene.store.commit(&scene.queue, &commits)).await;
    let next = lossy.repeat(async || scene.store.claim(&scene.queue, &scene.wish("other", 1)).await).await;
    assert_eq!(next.jobs[0].claims_lost, 0);
    assert_eq!(scene.store.commit(&scene.queue, &commits).await.unwrap(), [Committed::Again]);
    assert_eq!(scene.commit(&then(&next.jobs[0], State::Succeeded, Due::Never)).await, Committed::Done);
    assert_eq!(scene.state("k1").await, State::Succeeded);
}

#[tokio::test]
async fn lost_replies_of_renew_release_withdraw_and_wake_do_no_harm() {
    let lossy = Lossy::new().await;
    let scene = &lossy.scene;
    warm(scene).await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let name = [leased_claim(&claimed)];
    lossy.losing(scene.store.renew(&scene.queue, &bursar_store::Renewal::new("w", LEASE), &name)).await;
    assert!(
        lossy
            .repeat(async || scene.store.renew(&scene.queue, &bursar_store::Renewal::new("w", LEASE), &name).await)
            .await
            .gone
            .is_empty()
    );
    lossy.losing(scene.store.release(&scene.queue, &[&claimed])).await;
    assert_eq!(lossy.repeat(async || scene.store.release(&scene.queue, &[&claimed]).await).await, 0);
    assert_eq!((scene.state("k1").await, scene.sets("k1").await), (State::Queued, vec!["due_sends"]));
    let (claimed, before) = (scene.claim_one("w").await, scene.text("k1").await);
    let outcome = lossy.losing_a_write("k1", before, scene.store.withdraw(&scene.queue, &claimed)).await;
    assert!(matches!(outcome, Err(StoreError::Unreachable { .. })), "{outcome:?}");
    assert!(!lossy.repeat(async || scene.store.withdraw(&scene.queue, &claimed).await).await);
    assert_eq!((scene.state("k1").await, scene.sets("k1").await), (State::Queued, vec!["due_sends"]));
    scene.commit(&then(&scene.claim_one("w").await, State::Pending, Due::Query(LATER))).await;
    let key: Key = "k1".parse().unwrap();
    lossy.losing(scene.store.wake(&scene.queue, &key)).await;
    assert!(!lossy.repeat(async || scene.store.wake(&scene.queue, &key).await).await, "it is due already");
    assert_eq!(scene.claim("w", 5).await.jobs.len(), 1);
}

#[tokio::test]
async fn an_operation_with_a_lost_reply_is_safe_to_repeat() {
    let lossy = Lossy::new().await;
    let scene = &lossy.scene;
    warm(scene).await;
    scene.bring("k1", State::NeedsReview).await;
    let key: Key = "k1".parse().unwrap();
    let operate = async |operation| scene.store.operate(&scene.queue, &key, operation, OPERATOR).await;
    let before = scene.text("k1").await;
    let outcome = lossy.losing_a_write("k1", before, operate(Operation::Send)).await;
    assert!(matches!(outcome, Err(StoreError::Unreachable { .. })), "{outcome:?}");
    assert_eq!(scene.state("k1").await, State::InDoubt, "it was done");
    let again = lossy.repeat(async || operate(Operation::Send).await).await;
    assert!(matches!(again, Operated::Refused(_)), "{again:?}");
    assert_eq!(scene.claim("w", 5).await.jobs.len(), 1, "sent once");
    assert_eq!(scene.claim("w", 5).await.jobs.len(), 0);
}

#[tokio::test]
async fn a_pause_and_a_purge_whose_replies_are_lost_are_done_once() {
    let lossy = Lossy::new().await;
    let scene = &lossy.scene;
    warm(scene).await;
    lossy.losing(scene.store.pause(&scene.queue, &pause())).await;
    assert!(!lossy.repeat(async || scene.store.pause(&scene.queue, &pause()).await).await);
    lossy.losing(scene.store.resume(&scene.queue, &resume())).await;
    assert!(!lossy.repeat(async || scene.store.resume(&scene.queue, &resume()).await).await);
    scene.bring("k1", State::Succeeded).await;
    lossy.losing(scene.store.purge(&scene.queue, Duration::ZERO, 10)).await;
    // Whichever reply it was: the job is reduced once, and stays so.
    lossy.repeat(async || scene.store.purge(&scene.queue, Duration::ZERO, 10).await).await;
    assert_eq!(scene.store.purge(&scene.queue, Duration::ZERO, 10).await.unwrap(), 0);
    assert_eq!(scene.store.submit(&[transfer("k1")]).await.unwrap(), [Submission::Existing(State::Succeeded)]);
}
