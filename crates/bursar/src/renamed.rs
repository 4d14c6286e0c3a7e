//! Accounts that were given another name while jobs of theirs are open.

use bursar_domain::AccountName;
use bursar_store::{Operator, Store, StoreError};

use crate::config::Config;

/// Who pauses a lane here.
const OURSELVES: &str = "bursar";

/// A lane that has never been served begins paused where another name has open jobs at the same gateway: an account was renamed, and
/// what its producers repeat under the new name would be paid a second time.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn pause_beside_open_jobs(config: &Config, store: &Store) -> Result<(), StoreError> {
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
            let open = store.lane_status(other).await?.open_jobs();
            if open > 0 {
                let why = why(&other.account, &lane.account, open);
                tracing::error!(%lane, "paused: {why}");
                store.pause(lane, Operator { who: OURSELVES, why: &why }).await?;
            }
        }
    }
    Ok(())
}

fn why(old: &AccountName, new: &AccountName, open: u64) -> String {
    format!("account {old} has {open} open jobs at the same gateway: `bursar adopt {old} {new}`, then resume")
}
