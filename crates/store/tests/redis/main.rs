//! The scripts of jobs against a real Redis. For each step one question: if the process dies or the reply is lost right here, can it pay
//! twice, forget, or call a maybe a no?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::wildcard_enum_match_arm,
    reason = "a test ends by a panic, and its helpers do too"
)]

mod actions;
mod activity;
mod adopt;
mod archive;
mod audit;
mod balance;
mod bounds;
mod claim;
mod commit;
mod corpus;
mod cost;
mod deliveries;
mod durability;
mod ended;
mod events;
mod fair_order;
mod find;
mod history;
mod incarnation;
mod late;
mod layout;
mod link;
mod list;
mod lost_replies;
mod lost_writes;
mod many;
mod migrating;
mod model;
mod notifications;
mod operate;
mod outage;
mod preflight;
mod proposals;
mod purge;
mod quarantine;
mod queues;
mod rate;
mod ready;
mod release;
mod renew;
mod resend;
mod restore;
mod rights;
mod rivals;
mod room;
mod scan;
mod scene;
mod sentinel;
mod sessions;
mod status;
mod submit;
mod tidy;
mod tls;
mod tokens;
mod unreadable;
mod wake;
mod workers;
