//! Accounts' balances, where the configuration asks for them: for metrics and alerts. Nothing is decided by them.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{AccountName, Kind, ParsedResponse, Queue};
use bursar_gateways::{AccountSubType, Balance, BalanceQuery, SharedParts, Yzt};
use bursar_store::{BalanceParts, Store, StoreError};
use bursar_telemetry::{BalanceMetrics, Metrics, WatchedBalance};
use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::accounts::GatewaySettings;
use crate::config::{self, Config};
use crate::query_rate::QueryRate;

/// How long after a failure of Redis it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// One account's balance, asked for by whichever worker's turn it is.
struct Watched {
    account: AccountName,
    gateway: Yzt,
    every: Duration,
    query: BalanceQuery,
    sub_types: Vec<(AccountSubType, BalanceMetrics)>,
    /// Whose rate the questions are taken from: balances are what transfers are paid from.
    queue: Queue,
    query_rate: QueryRate,
    store: Store,
}

/// Those that are asked for.
pub(crate) struct Balances(Vec<Watched>);

/// The balances that metrics tell of.
pub(crate) fn watched(config: &Config) -> Vec<WatchedBalance> {
    let balances = asked_for(config).flat_map(|(account, balance)| {
        balance.sub_types.iter().map(move |sub_type| WatchedBalance {
            account: account.clone(),
            sub_type: sub_type.as_str(),
            every: balance.every,
            low: balance.low,
        })
    });
    balances.collect()
}

fn asked_for(config: &Config) -> impl Iterator<Item = (&AccountName, &config::Balance)> {
    config.accounts.iter().filter_map(|(name, account)| Some((name, account.balance.as_ref()?)))
}

impl Balances {
    /// Those that the configuration asks for; nothing is called yet.
    pub(crate) fn of(
        config: &Config,
        store: &Store,
        metrics: &Arc<Metrics>,
        parts: &SharedParts,
    ) -> anyhow::Result<Self> {
        let mut watched = Vec::new();
        for (name, balance) in asked_for(config) {
            let account = &config.accounts[name];
            let GatewaySettings::Yzt(settings) = account.gateway_settings(name.as_str())? else { continue };
            let counted = |sub_type: AccountSubType| (sub_type, metrics.balance(name, sub_type.as_str()));
            watched.push(Watched {
                account: name.clone(),
                gateway: Yzt::sharing(settings, parts)?,
                every: balance.every,
                query: balance.query.clone(),
                sub_types: balance.sub_types.iter().copied().map(counted).collect(),
                queue: Queue { account: name.clone(), kind: Kind::Transfer },
                query_rate: QueryRate::of(account.rate_per_second),
                store: store.clone(),
            });
        }
        Ok(Self(watched))
    }

    /// Asks until `drain`.
    pub(crate) async fn run(&self, drain: &CancellationToken) {
        drain.run_until_cancelled(join_all(self.0.iter().map(Watched::run))).await;
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

    /// Asks, and keeps what was told; nothing is waited for then: the next turn says how long.
    async fn query_all(&self) -> Result<Duration, StoreError> {
        for (sub_type, metrics) in &self.sub_types {
            // A queue that is always busy must not have two turns wait for it.
            let parts = match timeout(self.every, self.query_rate.acquire(&self.store, &self.queue)).await {
                Ok(turn) => {
                    turn?;
                    self.query(*sub_type).await
                }
                Err(_) => {
                    tracing::warn!(account = %self.account, "the queue's rate left no room to ask for the balance");
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
        match self.gateway.balance(&query).await {
            Ok(balance) => Some(parts(&balance)),
            Err(parsed) => {
                let ParsedResponse { outcome, code, request_id, .. } = *parsed;
                tracing::warn!(
                    account = %self.account,
                    sub_type = sub_type.as_str(),
                    outcome = outcome.as_str(),
                    code,
                    request_id,
                    "the balance is not told"
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
