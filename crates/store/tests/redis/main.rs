//! Every script against a real Redis. For each step one question: if the process dies or the reply is lost right here, can
//! it pay twice, forget, or call a maybe a no?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    reason = "a test ends by a panic, and its helpers do too"
)]

mod adopt;
mod balance;
mod bounds;
mod callbacks;
mod claim;
mod commit;
mod cost;
mod durability;
mod events;
mod fairness;
mod incarnation;
mod link;
mod lost_replies;
mod lost_writes;
mod many;
mod migrating;
mod model;
mod notifications;
mod operate;
mod outage;
mod preflight;
mod purge;
mod put_back;
mod rate;
mod read;
mod release;
mod renew;
mod response_ids;
mod rights;
mod rivals;
mod scene;
mod sentinel;
mod submit;
mod tidy;
mod tokens;
mod wake;
mod walking;
