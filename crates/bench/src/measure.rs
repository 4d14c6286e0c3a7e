//! The measurements, one file each.

mod accounts;
mod drain;
mod durable;
mod find;
mod flood;
mod growth;
mod http;
mod idle;
mod journal;
mod memory;
mod pickup;
mod scrape;
mod scripts;
mod servers;
mod several;
mod signed;
mod start;
mod strangers;
mod submit;

use crate::machine::Machine;
use crate::observed::Observed;
use crate::options::{Name, Options};
use crate::report::Report;

/// Everything that `options` want.
pub(crate) async fn all(options: &Options) -> anyhow::Result<()> {
    let mut redis = Observed::start(options).await?;
    let mut report = Report::begin(options, &Machine::look(&mut redis).await?)?;
    if options.wants(Name::Submit) {
        submit::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Durable) {
        durable::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Http) {
        http::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Drain) {
        drain::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Signed) {
        signed::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Memory) {
        memory::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Pickup) {
        pickup::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Idle) {
        idle::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Journal) {
        journal::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Scripts) {
        scripts::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Workers) {
        several::measure(options, &mut redis, &mut report).await?;
    }
    if options.wants(Name::Growth) {
        growth::measure(options, &mut report).await?;
    }
    if options.wants(Name::Find) {
        find::measure(options, &mut report).await?;
    }
    many(options, &mut redis, &mut report).await?;
    redis.clear().await?;
    Ok(report.finish()?)
}

/// Measurements that depend on the number of accounts and payers.
async fn many(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    if options.wants(Name::Accounts) {
        accounts::measure(options, redis, report).await?;
    }
    if options.wants(Name::Flood) {
        flood::measure(options, redis, report).await?;
    }
    if options.wants(Name::Start) {
        start::measure(options, redis, report).await?;
    }
    if options.wants(Name::Strangers) {
        strangers::measure(options, redis, report).await?;
    }
    if options.wants(Name::Scrape) {
        scrape::measure(options, redis, report).await?;
    }
    if options.wants(Name::Servers) {
        servers::measure(options, redis, report).await?;
    }
    Ok(())
}
