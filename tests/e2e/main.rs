//! The whole of Bursar from outside: the real executable, a real Redis, the gateway simulator as a process of its own.
//! Every test ends by laying Bursar's books beside the gateway's ledger (`World::books_agree`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test and its helpers end by a panic")]

mod api_bad_input;
mod api_follow;
mod api_operate;
mod api_outages;
mod api_roles;
mod api_submit;
mod bad_config;
mod bad_jobs;
mod cancelling;
mod collector;
mod commands;
mod crashes;
mod deadlines;
mod draining;
mod duplicates;
mod examples;
mod export;
mod failover;
mod faults;
mod guarantees;
mod holding;
mod http;
mod intake;
mod jobs;
mod journal;
mod kinds;
mod lanes;
mod ledger;
mod metrics;
mod monitoring;
mod outages;
mod outbox;
mod personal;
mod plan;
mod private_ca;
mod rate;
mod reconcile;
mod secrets;
mod server;
mod surroundings;
mod tools;
mod traces;
mod whole;
mod world;
