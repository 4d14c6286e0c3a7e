//! The dashboard at `/`: what operators see of lanes and jobs, and do about them, in a browser. Pages are made here and read
//! without a script; a little of one renews them when something happens.
//!
//! It does nothing of its own: pages read by the store's functions, and acts are the interface's own (`jobs::operate`, `lanes`).

mod acts;
mod amounts;
mod assets;
mod charts;
mod cookie;
mod fragments;
mod job;
mod jobs;
mod lanes;
mod language;
mod live;
mod notification;
mod notifications;
mod page;
mod pauses;
mod quarantine;
mod rate;
mod review;
mod session;
mod sign_in;
mod svg;
mod timeline;
mod visitor;
mod words;

use axum::routing::{get, post};

use crate::routes::Part;

pub use session::SessionKeyError;
pub(crate) use session::Sessions;

pub(crate) fn part() -> Part {
    // Pages for people: OpenAPI describes none of them.
    Part::new("")
        .route("/", get(lanes::show))
        .route("/lanes/{account}/{kind}/{act}", get(pauses::show).post(pauses::act))
        .route("/jobs", get(jobs::show))
        .route("/jobs/{account}/{kind}/{platform_no}", get(job::show))
        .route("/jobs/{account}/{kind}/{platform_no}/{act}", get(acts::show).post(acts::act))
        .route("/review", get(review::show))
        .route("/quarantine", get(quarantine::show))
        .route("/quarantine/{account}/{kind}/{key}/{act}", get(quarantine::ask).post(quarantine::act))
        .route("/notifications", get(notifications::show))
        .route("/notifications/{account}/{id}", get(notification::show))
        .route("/charts", get(charts::show))
        .route("/live", get(live::events))
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/language/{tag}", get(language::choose))
        .route("/assets/{version}/{name}", get(assets::asset))
}
