//! Queries the balances of accounts that are configured for it, for metrics and alerts. No decision depends on them.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{AccountName, Kind, ParsedResponse, Queue};
use bursar_gateways::{AccountSubType, Balance, BalanceQuery, Gateway, SharedParts};
use bursar_store::{BalanceParts, Store, StoreError};
use bursar_telemetry::{BalanceMetrics, Metrics, WatchedBalance};
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::{self, Config};
use crate::exit::Failure;
use crate::query_rate::QueryRate;

/// The wait before the next try after a failure of Redis.
const PAUSE: Duration = Duration::from_secs(1);

/// One account's balance. Each query is made by one of all workers.
struct Watched {
    account: AccountName,
    gateway: Arc<dyn Gateway>,
    every: Duration,
    query: BalanceQuery,
    sub_types: Vec<(AccountSubType, BalanceMetrics)>,
    /// Queries take tokens from the rate of this queue: transfers are paid from the balance.
    queue: Queue,
    query_rate: QueryRate,
    store: Store,
}

/// The balances that are queried.
struct Balances(Vec<Watched>);

/// The balances that metrics show.
pub(crate) fn watched(config: &Config) -> Vec<WatchedBalance> {
    let balances = with_query(config).flat_map(|(account, balance)| {
        balance.sub_types.iter().map(move |sub_type| WatchedBalance {
            account: account.clone(),
            sub_type: sub_type.as_str(),
            every: balance.every,
            low: balance.low,
        })
    });
    balances.collect()
}

fn with_query(config: &Config) -> impl Iterator<Item = (&AccountName, &config::Balance)> {
    config.accounts.iter().filter_map(|(name, account)| Some((name, account.balance.as_ref()?)))
}

/// Queries the balances of the configuration in force, and never ends. Balances begin again when an account changes.
pub(crate) async fn follow(
    mut config: watch::Receiver<Arc<Config>>,
    store: &Store,
    metrics: &Arc<Metrics>,
    parts: &SharedParts,
) {
    loop {
        let current = Arc::clone(&config.borrow_and_update());
        let balances = Balances::of(&current, store, metrics, parts).unwrap_or_else(|failure| {
            tracing::error!("no balance is queried: {failure}"); // the accounts' files were read a moment ago
            Balances(Vec::new())
        });
        tokio::select! {
            () = balances.run() => {}
            changed = config.changed() => if changed.is_err() { std::future::pending().await },
        }
    }
}

impl Balances {
    /// Builds the gateways of the configured balances. Nothing is called yet.
    fn of(config: &Config, store: &Store, metrics: &Arc<Metrics>, parts: &SharedParts) -> Result<Self, Failure> {
        let mut watched = Vec::new();
        for (name, balance) in with_query(config) {
            let account = &config.accounts[name];
            let gateway = account.gateway_settings(name.as_str())?.gateway(parts, None)?;
            let counted = |sub_type: AccountSubType| (sub_type, metrics.balance(name, sub_type.as_str()));
            watched.push(Watched {
                account: name.clone(),
                gateway,
                every: balance.every,
                query: balance.query.clone(),
                sub_types: balance.sub_types.iter().copied().map(counted).collect(),
                queue: Queue { account: name.clone(), kind: Kind::Transfer },
                query_rate: QueryRate::of(account.keys.rate_per_second),
                store: store.clone(),
            });
        }
        Ok(Self(watched))
    }

    /// Queries and never ends.
    async fn run(&self) {
        join_all(self.0.iter().map(Watched::run)).await;
        std::future::pending::<()>().await;
    }
}

impl Watched {
    async fn run(&self) {
        let mut trouble = false;
        loop {
            let wait = match self.store.balance_lock(&self.account, self.every).await {
                Ok(None) => self.query_all().await,
                Ok(Some(wait)) => Ok(wait),
                Err(error) => Err(error),
            };
            if let Err(error) = &wait
                && !trouble
            {
                tracing::warn!(account = %self.account, "the balance waits for Redis: {}", error.chain());
            }
            trouble = wait.is_err();
            sleep(wait.unwrap_or(PAUSE)).await;
        }
    }

    /// Queries and stores the balances. Returns no wait: the next turn tells how long to wait.
    async fn query_all(&self) -> Result<Duration, StoreError> {
        for (sub_type, metrics) in &self.sub_types {
            // Without a limit, a second turn would begin while the first still waits for a busy queue.
            let parts = match timeout(self.every, self.query_rate.acquire(&self.store, &self.queue)).await {
                Ok(turn) => {
                    turn?;
                    self.query(*sub_type).await
                }
                Err(_) => {
                    tracing::warn!(account = %self.account, "the queue's rate left no room for the balance query");
                    None
                }
            };
            if parts.is_none() {
                metrics.failed();
            }
            self.store.store_balance(&self.account, sub_type.as_str(), parts).await?;
        }
        Ok(Duration::ZERO)
    }

    async fn query(&self, sub_type: AccountSubType) -> Option<BalanceParts> {
        let query = BalanceQuery { account_sub_type: Some(sub_type.code().to_owned()), ..self.query.clone() };
        match self.gateway.balance()?.balance_of(&query).await {
            Ok(balance) => Some(parts(&balance)),
            Err(parsed) => {
                let ParsedResponse { outcome, code, request_id, .. } = *parsed;
                tracing::warn!(
                    account = %self.account,
                    sub_type = sub_type.as_str(),
                    outcome = outcome.as_str(),
                    code,
                    request_id,
                    "the gateway did not tell the balance"
                );
                None
            }
        }
    }
}

fn parts(balance: &Balance) -> BalanceParts {
    BalanceParts {
        available: balance.available_balance,
        frozen: balance.frozen_balance,
        retained: balance.amount_retained,
        total: balance.total_balance,
    }
}
