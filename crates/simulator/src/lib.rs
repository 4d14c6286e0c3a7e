//! A payment gateway of both kinds that injects faults on request and counts its executions.
//!
//! One small HTTP server plays YZT (`POST /`) and BeingFi (`POST /api/division/…`). It checks signatures, timestamps
//! and fields as strictly as they do, signs its answers, and records in its [`Ledger`] each execution and each
//! violation that a correct client would never commit. It uses no other crate of Bursar, so that a mistake in one is
//! not repeated in the other.
//!
//! ```no_run
//! # async fn run() -> Result<(), bursar_simulator::StartError> {
//! use bursar_simulator::{Options, Simulator};
//!
//! let simulator = Simulator::start(Options::default()).await?;
//! println!("listening on {}", simulator.ready().listen);
//! // … let a worker send payments to it …
//! assert!(simulator.ledger().keys.values().all(|record| record.executions <= 1));
//! simulator.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Over HTTP, for tests in other processes and other languages (all bodies are JSON; see `README.md` for every field):
//!
//! | route | does |
//! |---|---|
//! | `GET /_ledger`, `?keys=K1,K2` | reads the [`Ledger`] |
//! | `GET /_stats` | reads the [`Stats`] |
//! | `PUT /_faults` | `{"key", "on", "fault", "times" or "next" or "always", "ms"}`, `{"profile"}`, `{"clear": true}`, or several in an array; see [`Fault`] |
//! | `GET /_faults` | the profile and the rules in force |
//! | `PUT /_lives` | `{"key", "life", "trade_no"}`, `{"weights": {life: weight}}`, `{"clear": true}`; see [`Life`] |
//! | `PUT /_latency` | `{"ms"}` |
//!
//! Every key is kept until the process ends; the lists within a key are bounded. It is a test's witness, not a service.

mod answer;
mod beingfi;
mod books;
mod chance;
mod clock;
mod control;
mod fault;
mod faults;
mod gateway;
mod keys;
mod ledger;
mod life;
mod lives;
mod options;
mod page;
mod routes;
mod simulator;
mod wire;
mod yzt;

pub use fault::Fault;
pub use faults::{FaultProfile, TooManyRules, UnknownProfile};
pub use ledger::{KeyRecord, Kind, Ledger, Stats, Violation};
pub use life::{Life, TradeNo, UnknownLife};
pub use options::{DuplicateUpload, Options, UploadNode};
pub use simulator::{Ready, Simulator, StartError};
