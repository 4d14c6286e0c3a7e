//! The dashboard at `/`: what operators see of queues and jobs, and do about them, in a browser. Pages are made here and read
//! without a script; a little of one renews them when something happens.
//!
//! It does nothing of its own: pages read by the store's functions, and acts are those that the API has too (`ops`).

mod access;
mod assets;
mod charts;
mod components;
mod cookie;
mod i18n;
mod page;
pub(crate) mod pages;
mod signed_in;
