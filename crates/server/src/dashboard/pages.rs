//! The pages, each with its handlers.

mod charts;
mod job;
mod job_actions;
mod jobs;
mod language;
mod live;
mod notification;
mod notifications;
mod quarantine;
mod queue_actions;
mod queues;
mod review;
mod sign_in;

use axum::routing::{get, post};

use super::assets;
use crate::http::part::Part;

pub(crate) fn part() -> Part {
    // Pages for people: OpenAPI describes none of them.
    Part::new("")
        .route("/", get(queues::show))
        .route("/queues/{account}/{kind}/{act}", get(queue_actions::show).post(queue_actions::perform))
        .route("/jobs", get(jobs::show))
        .route("/jobs/{account}/{kind}/{platform_no}", get(job::show))
        .route("/jobs/{account}/{kind}/{platform_no}/{act}", get(job_actions::show).post(job_actions::perform))
        .route("/review", get(review::show))
        .route("/quarantine", get(quarantine::show))
        .route("/quarantine/{account}/{kind}/{key}/{act}", get(quarantine::query).post(quarantine::perform))
        .route("/notifications", get(notifications::show))
        .route("/notifications/{account}/{id}", get(notification::show))
        .route("/charts", get(charts::show))
        .route("/live", get(live::events))
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/language/{tag}", get(language::choose))
        .route("/assets/{version}/{name}", get(assets::asset))
}
