//! Accounts that were given another name, and whose jobs are still under the old one.

use std::collections::{BTreeMap, BTreeSet};

use bursar_domain::{AccountName, ActionKind, Kind, Lane};
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
    let gateways = store.gateways(&ours).await?;
    let unclaimed: Vec<&Lane> =
        ours.iter().zip(gateways).filter(|(_, gateway)| gateway.is_none()).map(|(lane, _)| lane).collect();
    if unclaimed.is_empty() {
        return Ok(());
    }
    let others = others(&ours, store).await?;
    for lane in unclaimed {
        let Some(account) = config.accounts.get(&lane.account) else { continue };
        for other in others.get(&(lane.kind, account.identity())).into_iter().flatten() {
            if store.has_jobs(other).await? {
                let open = store.status(other).await?.open_jobs();
                let why = why(&other.account, &lane.account, open);
                tracing::error!(%lane, "paused: {why}");
                store.pause(lane, &Operator { who: OURSELVES, why: &why }.reason(ActionKind::Pause)).await?;
            }
        }
    }
    Ok(())
}

/// The lanes that are known and not ours, by their kind and gateway.
async fn others(ours: &[Lane], store: &Store) -> Result<BTreeMap<(Kind, String), Vec<Lane>>, StoreError> {
    let ours: BTreeSet<&Lane> = ours.iter().collect();
    let known = store.known_lanes().await?.into_iter().map(|known| known.lane);
    let lanes: Vec<Lane> = known.filter(|lane| !ours.contains(lane)).collect();
    let gateways = store.gateways(&lanes).await?;
    let mut others: BTreeMap<(Kind, String), Vec<Lane>> = BTreeMap::new();
    for (lane, gateway) in lanes.into_iter().zip(gateways) {
        if let Some(gateway) = gateway {
            others.entry((lane.kind, gateway)).or_default().push(lane);
        }
    }
    Ok(others)
}

fn why(old: &AccountName, new: &AccountName, open: u64) -> String {
    let jobs = if open > 0 { format!("{open} open jobs") } else { "jobs that have ended".to_owned() };
    format!("account {old} has {jobs} at the same gateway: `bursar adopt {old} {new}`, then resume")
}
