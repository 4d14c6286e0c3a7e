//! The pages, each with its handlers.

mod actions;
mod audit;
mod charts;
mod job;
mod job_actions;
mod job_search;
mod jobs;
mod language;
mod live;
mod missing;
mod notification;
mod notifications;
mod problems;
mod proposals;
mod provider;
mod quarantine;
mod queue_actions;
mod queues;
mod report;
mod reveal;
mod review;
mod sign_in;
mod webhooks;
mod workers;
mod zone;

use axum::routing::{get, post};

use super::assets;
use crate::http::part::Part;
use crate::http::problem::DOCUMENTATION;

pub(crate) use missing::show as missing;

pub(crate) fn part() -> Part {
    // Pages for people: OpenAPI describes none of them.
    Part::default()
        .page("/", get(queues::show))
        .page("/queues/{account}/{kind}/{act}", get(queue_actions::show).post(queue_actions::perform))
        .page("/jobs", get(jobs::show))
        .page("/jobs/{account}/{kind}/{platform_no}", get(job::show))
        .page("/jobs/{account}/{kind}/{platform_no}/reveal", get(reveal::show).post(reveal::perform))
        .page("/jobs/{account}/{kind}/{platform_no}/{act}", get(job_actions::show).post(job_actions::perform))
        .page("/review", get(review::show))
        .page("/actions", get(actions::elsewhere).post(actions::perform))
        .page("/actions/preview", get(actions::elsewhere).post(actions::preview))
        .page("/proposals", get(proposals::show))
        .page("/proposals/{id}/{act}", get(proposals::query).post(proposals::perform))
        .page("/quarantine", get(quarantine::show))
        .page("/quarantine/{account}/{kind}/{key}/{act}", get(quarantine::query).post(quarantine::perform))
        .page("/notifications", get(notifications::show))
        .page("/notifications/{account}/{id}", get(notification::show))
        .page("/webhooks", get(webhooks::show))
        .page("/webhooks/resend", get(webhooks::query).post(webhooks::perform))
        .page("/audit", get(audit::show))
        .page("/charts", get(charts::show))
        .page("/charts.csv", get(charts::csv))
        .page("/report", get(report::show))
        .page("/report.csv", get(report::csv))
        .page("/workers", get(workers::show))
        .page(DOCUMENTATION, get(problems::show))
        .page("/live", get(live::events))
        .page("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .page("/sign-in/provider", get(provider::leave))
        .page("/sign-in/return", get(provider::come_back))
        .page("/sign-out", post(sign_in::sign_out))
        .page("/language/{tag}", get(language::choose))
        .page("/zone", get(zone::choose))
        .page("/assets/{version}/{name}", get(assets::asset))
}
