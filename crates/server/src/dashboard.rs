//! The dashboard at `/`: queues and jobs in a browser, with the actions of operators. Pages are made here and work without a script; a short
//! script renews them when anything changes.
//!
//! Pages read by the store's functions, and actions are the API's (`ops`).

mod access;
mod assets;
mod charts;
mod components;
mod cookie;
mod frame;
mod i18n;
mod page;
pub(crate) mod pages;
mod signed_in;
mod zone;
