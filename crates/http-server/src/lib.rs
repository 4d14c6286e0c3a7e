//! The one way in which Bursar serves HTTP, for the server's listeners and for a worker's.
//!
//! A stranger's connection costs little and never takes a place from others for long: each listener has a number of places in all and of
//! each address, a first head must be whole within seconds, a head has a bounded length, and where the places are taken the connection that
//! has been idle longest is closed for the new one. `Places` decides, [`Listener`] acts. This crate alone names hyper's server.

mod connection;
mod exchange;
mod listener;
mod open_files;
mod peer;
mod places;
mod refusal;

pub use listener::{Limits, Listener, MAX_HEAD_BYTES};
pub use open_files::raise_limit;
