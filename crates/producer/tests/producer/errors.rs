//! The errors that a producer gets when Redis does not store its jobs, and the safe reaction.

use bursar_producer::{
    AccountRules, Arrival, Durability, Fen, GatewayKind, NewJob, Outcome, Party, Producer, Settings, State, Transfer,
};
use bursar_test_support::{Listen, Options, private_redis, redis, unique_prefix};

fn job() -> NewJob {
    let (payer, payee) = ((Party::Store("amy99a"), "1"), (Party::Store("amy99b"), "1"));
    Transfer::new("00061967", Fen::new(10).unwrap(), payer, payee, Arrival::T0).job("main", "K1")
}

async fn producer(url: &str, prefix: &str) -> Producer {
    let settings = Settings { url: url.to_owned(), prefix: prefix.to_owned() };
    Producer::connect(&settings).await.unwrap().account("main", AccountRules::new(GatewayKind::Yzt))
}

#[tokio::test]
async fn a_lost_redis_is_worth_a_retry_and_may_have_the_job() {
    let redis = private_redis(|options| options);
    let producer = producer(redis.url(), "bursar").await;
    redis.kill().unwrap();
    let unavailable = producer.submit(&job()).await.unwrap_err();
    assert!(unavailable.is_repeatable() && !unavailable.all_taken(), "{unavailable:?}");
    redis.start_again().unwrap();
    let answered = loop {
        match producer.submit(&job()).await {
            Ok(outcome) => break outcome,
            Err(unavailable) => assert!(unavailable.is_repeatable(), "{unavailable:?}"),
        }
    };
    assert_eq!(answered, Outcome::New);
}

#[tokio::test]
async fn a_missing_right_is_not_mended_by_trying_again() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    redis.command(&["ACL", "SETUSER", "shop", "on", ">open", "~*", "+@connection", "+@read"]).await.unwrap();
    let producer = producer(&redis.url().replace("redis://", "redis://shop:open@"), "bursar").await;
    let unavailable = producer.submit(&job()).await.unwrap_err();
    assert!(!unavailable.is_repeatable() && !unavailable.all_taken(), "{unavailable:?}");
}

#[tokio::test]
async fn weaker_durability_is_reported_and_the_job_is_there() {
    let redis = private_redis(|options| options);
    let asking = producer(redis.url(), "bursar").await.with_durability(Durability::Replicated(1)).await.unwrap();
    assert_eq!(asking.durability(), Durability::Replicated(1));
    let unavailable = asking.submit(&job()).await.unwrap_err();
    assert!(unavailable.is_repeatable() && unavailable.all_taken(), "{unavailable:?}");
    let content = producer(redis.url(), "bursar").await;
    assert_eq!(content.durability(), Durability::Fast);
    assert_eq!(content.submit(&job()).await.unwrap(), Outcome::Existing(State::Queued));
}

#[tokio::test]
async fn a_refusal_is_an_outcome_and_no_error() {
    let producer = producer(&redis().await.url, &unique_prefix()).await;
    assert_eq!(producer.submit(&job()).await.unwrap(), Outcome::New);
    let mut other = job();
    other.body["total_amount"] = 11.into();
    let unknown = NewJob { account: "nowhere".into(), ..job() };
    let outcomes = producer.submit_many(&[other, unknown, job()]).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Conflict { first: "K1".into(), fields: vec!["total_amount".into()] });
    assert!(matches!(&outcomes[1], Outcome::Invalid(invalid) if invalid.errors[0].field == "account"), "{outcomes:?}");
    assert_eq!(outcomes[2], Outcome::Existing(State::Queued));
}
