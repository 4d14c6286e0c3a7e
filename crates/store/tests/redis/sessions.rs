//! Sessions of the dashboard and last uses of tokens.

use std::time::Duration;

use bursar_store::{MAX_SESSIONS, SessionStep, TokenNote, TokenUse};
use bursar_test_support::eventually;

use crate::scene::{SOON, Scene};

const HOUR: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(300);

async fn step(scene: &Scene, bearer: &str, name: &str, step: SessionStep, idle: Duration) -> bool {
    scene.store.session(bearer, name, step, idle).await.unwrap()
}

#[tokio::test]
async fn a_session_is_there_from_its_beginning_to_its_end() {
    let scene = Scene::new().await;
    let take = async |bearer, name, next| step(&scene, bearer, name, next, HOUR).await;
    for next in [SessionStep::Use, SessionStep::Find, SessionStep::End] {
        assert!(!take("li", "one", next).await, "{next:?} before it begins");
    }
    assert!(!take("li", "one", SessionStep::Find).await, "to use or end a session does not begin it");
    assert!(take("li", "one", SessionStep::Begin).await);
    assert!(take("li", "two", SessionStep::Begin).await);
    assert!(!take("wang", "one", SessionStep::Find).await, "it belongs to its bearer");
    assert!(take("li", "one", SessionStep::End).await);
    assert!(!take("li", "one", SessionStep::Use).await);
    assert!(take("li", "two", SessionStep::Use).await, "the other one goes on");
}

#[tokio::test]
async fn a_session_is_over_when_it_is_not_used_and_a_look_is_no_use() {
    let scene = Scene::new().await;
    assert!(step(&scene, "li", "found", SessionStep::Begin, SHORT).await);
    assert!(step(&scene, "li", "used", SessionStep::Begin, SHORT).await);
    eventually(SOON, "the session that is only found to be over", async || {
        assert!(step(&scene, "li", "used", SessionStep::Use, HOUR).await);
        (!step(&scene, "li", "found", SessionStep::Find, HOUR).await).then_some(())
    })
    .await;
    assert!(!step(&scene, "li", "found", SessionStep::Use, HOUR).await, "what is over stays over");
    assert!(step(&scene, "li", "used", SessionStep::Find, HOUR).await);
}

#[tokio::test]
async fn of_too_many_sessions_the_longest_idle_one_ends() {
    let scene = Scene::new().await;
    for number in 0..=MAX_SESSIONS {
        let idle = HOUR + Duration::from_secs(number.try_into().unwrap());
        assert!(step(&scene, "li", &number.to_string(), SessionStep::Begin, idle).await);
    }
    assert!(!step(&scene, "li", "0", SessionStep::Find, HOUR).await);
    assert!(step(&scene, "li", "1", SessionStep::Find, HOUR).await);
    assert!(step(&scene, "li", &MAX_SESSIONS.to_string(), SessionStep::Find, HOUR).await);
}

#[tokio::test]
async fn first_knowledge_and_last_use_of_a_token_are_in_redis_time() {
    let scene = Scene::new().await;
    let bearers = ["li", "wang"].map(str::to_owned);
    let uses = async || scene.store.token_uses(&bearers).await.unwrap();
    assert_eq!(uses().await, [TokenUse::default(); 2]);
    let before = scene.store.now().await.unwrap();
    scene.store.note_token("wang", TokenNote::Known).await.unwrap();
    let known = uses().await[1];
    assert!(known.known_since.is_some_and(|at| at >= before) && known.used_at.is_none(), "{known:?}");
    for note in [TokenNote::Used, TokenNote::Known] {
        scene.store.note_token("wang", note).await.unwrap();
    }
    let used = uses().await[1];
    assert!(used.known_since == known.known_since && used.used_at >= known.known_since, "{used:?}");
    assert_eq!(uses().await[0], TokenUse::default(), "another token's");
    assert!(scene.store.token_uses(&[]).await.unwrap().is_empty());
}
