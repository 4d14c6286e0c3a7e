//! A service that already uses apalis-redis submits payments by its own storage. Nothing of Bursar's runs in its process: it
//! needs the type [`NewJob`] alone, and Bursar's workers drain the queue (`[import] queues = ["payments"]` in bursar.toml).
//!
//! ```sh
//! cargo run -p bursar-producer --example apalis_redis -- redis://127.0.0.1:6379/0 payments ORDER 10
//! ```
#![allow(clippy::print_stdout, reason = "an example says what it does")]

use std::error::Error;
use std::time::Duration;

use apalis::prelude::{TaskBuilder, TaskSink};
use apalis_redis::{Config, RedisStorage};
use bursar_producer::NewJob;
use redis::aio::ConnectionManagerConfig;
use serde_json::json;

/// The longest time that Redis may take to answer.
const REDIS_TIMEOUT: Duration = Duration::from_secs(10);

/// Payments pushed in one call: all of them are one script.
const BATCH: usize = 200;

/// The number of attempts at a push whose reply did not come.
const TRIES: u32 = 5;

/// The delay of the last of these payments.
const LATER: Duration = Duration::from_secs(3);

/// The storage of a service that knows nothing of Bursar but the type. Always name the queue: apalis' own name for it is a
/// Rust path.
pub(crate) async fn storage(redis_url: &str, queue: &str) -> Result<RedisStorage<NewJob>, Box<dyn Error>> {
    // `apalis_redis::connect` gives up after half a second: little for a batch on a busy machine.
    let config = ConnectionManagerConfig::new().set_response_timeout(Some(REDIS_TIMEOUT));
    let connection = apalis_redis::Client::open(redis_url)?.get_connection_manager_with_config(config).await?;
    Ok(RedisStorage::new(connection).with_config(Config::default().queue(queue)))
}

/// One payment. Its `platform_no` identifies it: pushed twice, it is paid once.
pub(crate) fn payment(platform_no: &str) -> NewJob {
    let body = json!({
        "node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1",
        "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0",
    });
    NewJob::new("main", "transfer", platform_no, body)
}

/// Pushes `PREFIX-00001` and on. A push whose answer did not come may have been taken: pushed again, it is the same payments.
pub(crate) async fn push(redis_url: &str, queue: &str, prefix: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let payments: Vec<NewJob> = (1..=count).map(|number| payment(&format!("{prefix}-{number:05}"))).collect();
    for batch in payments.chunks(BATCH) {
        let mut tries = 1;
        while let Err(error) = storage(redis_url, queue).await?.push_bulk(batch.to_vec()).await {
            if tries == TRIES {
                return Err(error.into());
            }
            tries += 1;
        }
    }
    Ok(())
}

#[tokio::main]
#[allow(dead_code, reason = "the tests run the functions above")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [redis_url, queue, prefix, count] = arguments.as_slice() else {
        return Err("usage: apalis_redis REDIS_URL QUEUE PREFIX COUNT".into());
    };
    push(redis_url, queue, prefix, count.parse()?).await?;
    println!("pushed {count} payments to {queue}");
    let later = TaskBuilder::new(payment(&format!("{prefix}-later"))).run_after(LATER).build();
    storage(redis_url, queue).await?.push_task(later).await?;
    println!("and {prefix}-later, to be paid in {} s", LATER.as_secs());
    Ok(())
}
