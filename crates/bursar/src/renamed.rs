//! Finds accounts that were renamed and still have jobs under their old name.

use std::collections::{BTreeMap, BTreeSet};

use bursar_domain::{AccountName, ActionKind, Kind, Queue};
use bursar_store::{Operator, Store, StoreError};

use crate::config::Config;

/// The operator in the reasons of pauses that Bursar makes.
const OURSELVES: &str = "bursar";

/// Pauses queues that were never served if a name that the configuration does not have has jobs at the same gateway. The account was
/// renamed, and jobs that its producers repeat under the new name would be paid a second time, even finished ones.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn pause_with_another_name(config: &Config, store: &Store) -> Result<(), StoreError> {
    let ours = config.queues();
    let gateways = store.gateways(&ours).await?;
    let unserved: Vec<&Queue> =
        ours.iter().zip(gateways).filter(|(_, gateway)| gateway.is_none()).map(|(queue, _)| queue).collect();
    if unserved.is_empty() {
        return Ok(());
    }
    let others = others(&ours, store).await?;
    for queue in unserved {
        let Some(account) = config.accounts.get(&queue.account) else { continue };
        for other in others.get(&(queue.kind, account.identity())).into_iter().flatten() {
            if store.has_jobs(other).await? {
                let open = store.status(other).await?.open_jobs();
                let why = why(&other.account, &queue.account, open);
                tracing::error!(%queue, "paused: {why}");
                store
                    .pause(queue, &Operator { who: OURSELVES, why: &why, identity: None }.reason(ActionKind::Pause))
                    .await?;
            }
        }
    }
    Ok(())
}

/// Pauses every other queue with the kind and gateway of a queue whose jobs were restored from journals. One of the two names is an old
/// one, and jobs that the producer repeated under the new name would be paid a second time. Returns the queues that are paused.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn pause_rivals_of_restored(
    config: &Config,
    store: &Store,
    restored: &[&Queue],
) -> Result<BTreeSet<Queue>, StoreError> {
    let configured = config.queues().into_iter();
    let known = store.known_queues().await?.into_iter().map(|known| known.queue);
    let all: BTreeSet<Queue> = configured.chain(known).collect();
    let all: Vec<Queue> = all.into_iter().collect();
    let stored = store.gateways(&all).await?;
    // A queue that no configuration names and no worker has claimed from may be any gateway's.
    let identities: Vec<Option<String>> = all
        .iter()
        .zip(stored)
        .map(|(queue, stored)| config.accounts.get(&queue.account).map(|account| account.identity()).or(stored))
        .collect();
    let mut paused = BTreeSet::new();
    for queue in restored {
        let Some(account) = config.accounts.get(&queue.account) else { continue };
        if !store.has_jobs(queue).await? {
            continue; // `bursar adopt` moved them
        }
        let ours = account.identity();
        for (other, theirs) in all.iter().zip(&identities) {
            let is_other_name = other != *queue && other.kind == queue.kind;
            if !is_other_name || theirs.as_ref().is_some_and(|theirs| *theirs != ours) {
                continue;
            }
            let open = store.status(queue).await?.open_jobs();
            let why = why(&queue.account, &other.account, open);
            if store
                .pause(other, &Operator { who: OURSELVES, why: &why, identity: None }.reason(ActionKind::Pause))
                .await?
            {
                tracing::error!(queue = %other, "paused: {why}");
            }
            paused.insert(other.clone());
        }
    }
    Ok(paused)
}

/// The queues that are known and not ours, by their kind and gateway.
async fn others(ours: &[Queue], store: &Store) -> Result<BTreeMap<(Kind, String), Vec<Queue>>, StoreError> {
    let ours: BTreeSet<&Queue> = ours.iter().collect();
    let known = store.known_queues().await?.into_iter().map(|known| known.queue);
    let queues: Vec<Queue> = known.filter(|queue| !ours.contains(queue)).collect();
    let gateways = store.gateways(&queues).await?;
    let mut others: BTreeMap<(Kind, String), Vec<Queue>> = BTreeMap::new();
    for (queue, gateway) in queues.into_iter().zip(gateways) {
        if let Some(gateway) = gateway {
            others.entry((queue.kind, gateway)).or_default().push(queue);
        }
    }
    Ok(others)
}

fn why(old: &AccountName, new: &AccountName, open: u64) -> String {
    let jobs = if open > 0 { format!("{open} open jobs") } else { "finished jobs".to_owned() };
    format!("account {old} has {jobs} at the same gateway: run `bursar adopt {old} {new}`, then resume")
}
