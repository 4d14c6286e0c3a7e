//! The API and the dashboard in the test's own process: a server on a free port and the tests' shared Redis, and no other process.
//! Tests that need a worker, a gateway or the executable are in `tests/e2e`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test and its helpers end by a panic")]

mod actions;
mod api_accounts;
mod api_bad_input;
mod api_every_route;
mod api_follow;
mod api_operate;
mod api_schemas;
mod api_submit;
mod api_waits;
mod audit;
mod dashboard;
mod dashboard_hostile_texts;
mod dashboard_notifications;
mod find;
mod forms;
mod json_bombs;
mod listeners;
mod notifications;
mod oidc;
mod proposals;
mod provider;
mod raw_probes;
mod redirects;
mod report;
mod rights;
mod sessions;
mod tokens;
mod world;

use bursar_test_support::{described, jobs, pages};
