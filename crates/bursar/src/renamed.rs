//! Accounts that were given another name, and whose jobs are still under the old one.

use bursar_domain::AccountName;
use bursar_store::{Operator, Store, StoreError};

use crate::config::Config;

/// Who pauses a lane here.
const OURSELVES: &str = "bursar";

/// Pauses lanes that were never served where another name, which the configuration does not have, has jobs at the same gateway: an
/// account was renamed, and what its producers repeat under the new name would be paid a second time, the ended jobs too.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn pause_beside_another_name(config: &Config, store: &Store) -> Result<(), StoreError> {
    let ours = config.lanes();
    let known = store.known_lanes().await?;
    for lane in &ours {
        let Some(account) = config.accounts.get(&lane.account) else { continue };
        if store.gateway(lane).await?.is_some() {
            continue;
        }
        for other in known.iter().map(|known| &known.lane).filter(|other| other.kind == lane.kind) {
            if ours.contains(other) || store.gateway(other).await? != Some(account.identity()) {
                continue;
            }
            if store.has_jobs(other).await? {
                let open = store.lane_status(other).await?.open_jobs();
                let why = why(&other.account, &lane.account, open);
                tracing::error!(%lane, "paused: {why}");
                store.pause(lane, Operator { who: OURSELVES, why: &why }).await?;
            }
        }
    }
    Ok(())
}

fn why(old: &AccountName, new: &AccountName, open: u64) -> String {
    let jobs = if open > 0 { format!("{open} open jobs") } else { "jobs that have ended".to_owned() };
    format!("account {old} has {jobs} at the same gateway: `bursar adopt {old} {new}`, then resume")
}
