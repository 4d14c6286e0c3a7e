//! A private Redis (or Valkey) server for `bursar demo`, `bursar up --embedded` and the tests: the real server, started
//! in well under a second, durable, reachable by its owner alone, and stopped when its owner ends.
//!
//! ```no_run
//! use bursar_private_redis::{Options, PrivateRedis};
//!
//! # fn main() -> Result<(), bursar_private_redis::Error> {
//! let redis = PrivateRedis::start(Options::new("data/redis"))?;
//! println!("connect to {}", redis.url());
//! redis.stop()?; // or drop it
//! # Ok(())
//! # }
//! ```

mod address;
mod binary;
mod error;
mod options;
mod parent;
mod port;
mod server;
mod supervisor;

pub use binary::{Binary, find_binary};
pub use error::Error;
pub use options::{Fsync, Listen, Options};
pub use parent::{Ending, end_with_this_thread};
pub use port::free_port;
pub use supervisor::PrivateRedis;
