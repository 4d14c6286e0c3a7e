//! Submits one transfer, however often Redis is away meanwhile, and follows it to its end. Exit code 0: it was paid.
//!
//! ```sh
//! cargo run -p bursar-producer --example submit -- redis://127.0.0.1:6379/0 bursar ORDER-1
//! ```
#![allow(clippy::print_stdout, reason = "an example says what it does")]

use std::error::Error;
use std::time::Duration;

use bursar_producer::{
    AccountRules, Arrival, Fen, GatewayKind, JobView, NewJob, Outcome, Party, Producer, Settings, State, Transfer,
};

/// Between tries while Redis is away.
const PAUSE: Duration = Duration::from_millis(200);

/// The time for which the job is followed; its state can be read at any later time.
const WAIT_LIMIT: Duration = Duration::from_secs(120);

/// The payment: its `platform_no` is chosen once, and kept for every further try.
fn payment(platform_no: &str) -> Result<NewJob, Box<dyn Error>> {
    let ten_fen = Fen::new(10).ok_or("an amount is positive")?;
    let (from, to) = ((Party::Store("amy99a"), "1"), (Party::Store("amy99b"), "2"));
    Ok(Transfer::new("00061967", ten_fen, from, to, Arrival::T0).job("main", platform_no))
}

/// Submits until Redis has answered. After an error the outcome is unknown: submit the identical job again, which is
/// safe.
async fn submit(producer: &Producer, job: &NewJob) -> Result<(), Box<dyn Error>> {
    loop {
        match producer.submit(job).await {
            Ok(Outcome::New) => return Ok(()),
            Ok(Outcome::Existing(state)) => {
                println!("it was submitted before, and is {state}");
                return Ok(());
            }
            Ok(Outcome::Conflict { first, .. }) => return Err(format!("refused: {first} was there first").into()),
            Ok(Outcome::Invalid(invalid)) => return Err(format!("refused: {invalid}").into()),
            Ok(Outcome::Unreadable(why)) => {
                return Err(format!("its key belongs to a record that this build cannot read: {why}").into());
            }
            Err(unavailable) if unavailable.is_repeatable() => tokio::time::sleep(PAUSE).await,
            Err(unavailable) => return Err(unavailable.into()),
        }
    }
}

/// Submits a payment and waits for its end.
pub(crate) async fn pay(redis_url: &str, prefix: &str, platform_no: &str) -> Result<JobView, Box<dyn Error>> {
    let settings = Settings { url: redis_url.to_owned(), prefix: prefix.to_owned() };
    let producer = Producer::connect(&settings).await?.account("main", AccountRules::new(GatewayKind::Yzt));
    let job = payment(platform_no)?;
    submit(&producer, &job).await?;
    let job = producer.wait(&"main/transfer".parse()?, &platform_no.parse()?, WAIT_LIMIT).await?;
    Ok(job.ok_or("the job is gone: this Redis has lost it")?)
}

#[tokio::main]
#[allow(dead_code, reason = "the tests run the functions above")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [redis_url, prefix, platform_no] = arguments.as_slice() else {
        return Err("usage: submit REDIS_URL PREFIX PLATFORM_NO".into());
    };
    let job = pay(redis_url, prefix, platform_no).await?;
    println!("{platform_no} {} {}", job.state, job.reason.map(|reason| reason.to_string()).unwrap_or_default());
    if job.state == State::Succeeded { Ok(()) } else { Err("it was not paid".into()) }
}
