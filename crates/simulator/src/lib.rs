//! A payment gateway of both kinds that misbehaves on request and counts what it executed.

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
pub use faults::{FaultProfile, UnknownProfile};
pub use ledger::{KeyRecord, Kind, Ledger, Stats, Violation};
pub use life::{Life, TradeNo, UnknownLife};
pub use options::{DuplicateUpload, Options, UploadNode};
pub use simulator::{Ready, Simulator, StartError};
