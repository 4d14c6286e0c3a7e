//! The context of a command: the configuration and the connection to Redis.

use std::path::Path;

use bursar_domain::{Key, Kind, Queue};
use bursar_producer::Producer;
use bursar_store::{Settings, Store, StoredAs};

use crate::accounts::read_file;
use crate::config::Config;
use crate::exit::{Context, Failure, UsageError};
use crate::serve;

/// An open configuration and store.
pub(crate) struct CommandContext {
    pub(crate) config: Config,
    pub(crate) store: Store,
}

impl CommandContext {
    /// Reads the configuration and connects.
    pub(crate) async fn open(config: Option<&Path>) -> Result<Self, Failure> {
        let config = Config::load(config)?;
        let store = connect(&config).await?;
        Ok(Self { config, store })
    }

    /// The producer of this process: the same as in any other Rust service.
    pub(crate) fn producer(&self) -> Producer {
        serve::producer(&self.config, self.store.clone())
    }

    /// The configured queues that the arguments select.
    ///
    /// # Errors
    /// [`UsageError`] when no account has that name: an empty result would look as if there were no such job.
    pub(crate) fn queues(&self, account: Option<&str>, kind: Option<Kind>) -> Result<Vec<Queue>, UsageError> {
        let mut queues = self.config.queues();
        if let Some(name) = account.filter(|name| !queues.iter().any(|queue| queue.account.as_str() == *name)) {
            return Err(UsageError(format!("the configuration has no account {name}")));
        }
        queues.retain(|queue| account.is_none_or(|name| queue.account.as_str() == name));
        queues.retain(|queue| kind.is_none_or(|kind| queue.kind == kind));
        Ok(queues)
    }

    /// All jobs with this key, each with its queue: a key is unique within one queue only.
    pub(crate) async fn find<'a>(&self, key: &Key, queues: &'a [Queue]) -> Result<Vec<(&'a Queue, StoredAs)>, Failure> {
        let mut found = Vec::new();
        for queue in queues {
            found.extend(self.store.job(queue, key).await?.map(|job| (queue, job)));
        }
        Ok(found)
    }
}

/// Connects to the configured Redis.
pub(crate) async fn connect(config: &Config) -> Result<Store, Failure> {
    let ca_pem = config.redis.ca_file.as_deref().map(|file| read_file("redis.ca_file".into(), file)).transpose()?;
    let settings = Settings { url: config.redis.url.expose().to_owned(), prefix: config.redis.prefix.clone() };
    let store = Store::connect_trusting(&settings, ca_pem.as_deref())
        .await
        .context(format_args!("redis.url {}", config.redis.url))?;
    let store = match config.redis.partitions {
        Some(partitions) => store.with_partitions(partitions).await?,
        None => store,
    };
    let store = store.with_approvals(config.server.approval_rule());
    let store = store.with_fair_orders(config.fair_orders()).with_audit_keep(config.audit.keep);
    let store = store.with_counts_keep(config.redis.counts_keep);
    Ok(store.with_durability(config.redis.durability()).await?)
}
