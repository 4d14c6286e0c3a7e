//! The server's role: the HTTP API until `drain`. `bursar serve` and `bursar up` run it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bursar_domain::{AccountName, Zone};
use bursar_gateways::SharedParts;
use bursar_producer::{CallbackRule, Producer};
use bursar_server::{NoTokens, NotificationAccount, NotificationMethod, Server, SessionLimits, Settings};
use bursar_store::Store;
use bursar_telemetry::{Metrics, Page, Places, Scaling, Stored, Traces};
use bursar_webhooks::{Allowed, Telemetry};
use tokio_util::sync::CancellationToken;

use crate::accounts::AccountError;
use crate::config::{Config, OidcKeys};
use crate::exit::Failure;
use crate::open_files::OpenFiles;
use crate::reload::Reload;
use crate::{balances, role_webhooks, traces};

/// The process that the server is part of.
pub(crate) struct Process {
    /// The worker in it.
    pub(crate) worker: Option<Arc<Metrics>>,
    /// True if the preflight of a process without a worker refuses this Redis.
    pub(crate) unfit: Arc<AtomicBool>,
    pub(crate) files: OpenFiles,
}

/// Binds the addresses. Nothing is answered until the server is served. The caller has connected and started logging.
pub(crate) async fn listen(
    config: &Config,
    reload: &Reload,
    no_tokens: NoTokens,
    store: Store,
    telemetry: &Telemetry,
    process: Process,
    drain: CancellationToken,
) -> Result<Server, Failure> {
    let Process { worker, unfit, files } = process;
    let settings = Settings {
        listen: config.server.listen,
        public_listen: config.server.public_listen,
        admin_listen: config.server.admin_listen,
        connections: files.clients,
        connections_per_address: config.server.connections_per_address,
        admin_connections: files.monitoring,
        tokens_file: config.server.tokens_file.clone(),
        session_key_file: config.server.session_key_file.clone(),
        oidc: config.oidc.as_ref().map(OidcKeys::settings),
        session_limits: SessionLimits { idle: config.server.session_idle, lifetime: config.server.session_lifetime },
        rate_per_second: config.server.rate_per_second,
        client_timeout: config.server.client_timeout,
        drain: config.server.drain,
        failures_per_minute: config.server.failures_per_minute,
        trusted_proxies: config.server.trusted_proxies.clone(),
        proxy_header: config.server.proxy_header,
        time_zones: time_zones(config),
        notification_accounts: notification_accounts(config)?,
    };
    let producer = witnessed_producer(config, store.clone(), &telemetry.traces);
    let stored = stored(config, &store);
    reload.stored(&stored).await;
    let page = Page {
        worker,
        webhooks: Some(Arc::clone(&telemetry.metrics)),
        listeners: Arc::default(),
        reloads: reload.metrics(),
        stored,
        unfit,
    };
    let mut server = Server::bind(settings, no_tokens, store, producer, config.queues(), page, drain).await?;
    reload.server(server.accounts(), &telemetry.traces).await;
    Ok(server)
}

/// The metrics that are read from Redis.
pub(crate) fn stored(config: &Config, store: &Store) -> Arc<Stored> {
    Arc::new(Stored::new(store.clone(), places(config)))
}

/// The parts of Redis that metrics show.
pub(crate) fn places(config: &Config) -> Places {
    Places {
        queues: config.queues(),
        origins: role_webhooks::origins(config),
        import_queues: config.import.queues.clone(),
        balances: balances::watched(config),
        scaling: Scaling {
            concurrency: config.worker.concurrency,
            rates: config.accounts.iter().map(|(name, account)| (name.clone(), account.keys.rate_per_second)).collect(),
        },
    }
}

/// The zones of the accounts' days.
pub(crate) fn time_zones(config: &Config) -> BTreeMap<AccountName, Zone> {
    config.accounts.iter().map(|(name, account)| (name.clone(), account.keys.time_zone.clone())).collect()
}

/// The producer of the server, whose submissions are traced.
pub(crate) fn witnessed_producer(config: &Config, store: Store, traces: &Traces) -> Producer {
    traces::witnessed(producer(config, store), traces)
}

/// The accounts whose gateway may notify them: those whose platform's key is known.
pub(crate) fn notification_accounts(config: &Config) -> Result<Vec<NotificationAccount>, AccountError> {
    let parts = SharedParts::default();
    let mut accounts = Vec::new();
    for (name, account) in &config.accounts {
        let Some(reader) = account.notification_reader(name.as_str(), &parts)? else { continue };
        let methods = account.notify.methods.iter();
        accounts.push(NotificationAccount {
            name: name.clone(),
            reader: Arc::new(reader),
            sign_rule: account.notify.sign_rule,
            methods: methods
                .map(|method| NotificationMethod { name: method.name.clone(), job: method.job.clone() })
                .collect(),
            callback_url: account.notify.callback_url.as_ref().map(|url| url.expose().to_owned()),
            retention: config.redis.retention,
            max_age: account.notify.max_age,
        });
    }
    Ok(accounts)
}

/// The producer of this process: the same as in any other Rust service.
pub(crate) fn producer(config: &Config, store: Store) -> Producer {
    let allowed = Allowed::new(config.webhooks.allow.clone());
    let begun = Producer::on(store).with_callback_rule(CallbackRule::new(move |url| allowed.broken_by(url)));
    config.accounts.iter().fold(begun, |producer, (name, account)| {
        let producer = producer.account(name.as_str(), account.rules());
        match &account.keys.environment {
            Some(environment) => producer.environment(name.as_str(), environment),
            None => producer,
        }
    })
}
