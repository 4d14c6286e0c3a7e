//! Child processes, started from this program: the simulator, and an idle worker.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bursar_gateways::{
    ContentType, Gateway, QueryKey, ResponseSign, Secret, SubCodes, Transport, UnsignedErrors, UploadMethod, Yzt,
    YztSettings,
};
use bursar_server::{NoTokens, ProxyHeader, Server, SessionLimits};
use bursar_simulator::{Options, Ready, Simulator};
use bursar_store::{Settings as StoreSettings, Store};
use bursar_telemetry::{Page, Places, Stored};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::jobs;
use crate::options::{ServerArguments, WorkerArguments};
use crate::workers::{Worker, accounts_at};

/// The longest session. No run lasts longer.
const A_DAY: Duration = Duration::from_secs(24 * 3_600);

/// The response time of the gateway.
const LATENCY: Duration = Duration::from_millis(20);

/// A child of this program; killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pid: u32,
}

impl Process {
    /// Starts this program in another role, and waits for the line that it prints when it is ready.
    pub(crate) async fn start(arguments: &[&str]) -> anyhow::Result<(Self, String)> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("could not start a process of our own")?;
        let out = child.stdout.take().context("a child without an output")?;
        let ready = BufReader::new(out).lines().next_line().await?.context("a child ended before it was ready")?;
        let pid = child.id().context("a child without a number")?;
        Ok((Self { child, pid }, ready))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// The simulator's process: every payment succeeds at once, after the latency.
pub(crate) async fn simulator() -> anyhow::Result<()> {
    let lives = vec![("1".parse()?, 1)];
    let simulator = Simulator::start(Options { latency: LATENCY, lives: Some(lives), ..Options::default() }).await?;
    say(&serde_json::to_string(simulator.ready())?)?;
    std::future::pending().await
}

/// The process of the HTTP server; its ready line has its address and a producer's token.
pub(crate) async fn server(arguments: &ServerArguments) -> anyhow::Result<()> {
    let store = Store::connect(&StoreSettings { url: arguments.url.clone(), prefix: arguments.prefix.clone() }).await?;
    let folder = tempfile::tempdir()?;
    let tokens_file = folder.path().join("tokens.toml");
    let (token, sha256) = bursar_server::new_token()?;
    std::fs::write(&tokens_file, format!("[[token]]\nname = \"bench\"\nrole = \"producer\"\nsha256 = \"{sha256}\"\n"))?;
    let settings = bursar_server::Settings {
        listen: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        public_listen: None,
        admin_listen: None,
        connections: 4_096,
        connections_per_address: 1_024, // the default
        admin_connections: 64,
        tokens_file,
        session_key_file: None,
        oidc: None,
        session_limits: SessionLimits { idle: A_DAY, lifetime: A_DAY },
        rate_per_second: 0,
        client_timeout: Duration::from_secs(30),
        drain: Duration::from_secs(1),
        failures_per_minute: 0,
        trusted_proxies: Vec::new(),
        proxy_header: ProxyHeader::XForwardedFor,
        notification_accounts: Vec::new(),
        time_zones: BTreeMap::default(),
    };
    let accounts = jobs::accounts(arguments.accounts);
    let (producer, queues) = (jobs::producer_for(&store, &accounts), jobs::queues(&accounts)?);
    let places = Places { queues: queues.clone(), ..Places::default() };
    let page = Page {
        worker: None,
        webhooks: None,
        listeners: Arc::default(),
        reloads: Arc::default(),
        stored: Arc::new(Stored::new(store.clone(), places)),
        unfit: Arc::default(),
    };
    let drain = CancellationToken::new();
    let server = Server::bind(settings, NoTokens::Refuse, store, producer, queues, page, drain).await?;
    say(&json!({"listen": server.address().to_string(), "token": token}).to_string())?;
    server.serve().await;
    Ok(())
}

/// The process of a worker with nothing to do.
pub(crate) async fn worker(arguments: &WorkerArguments) -> anyhow::Result<()> {
    let store = Store::connect(&StoreSettings { url: arguments.url.clone(), prefix: arguments.prefix.clone() }).await?;
    // One gateway for all of its accounts: it is the queue's cost that is measured.
    let gateway = yzt(&serde_json::from_str(&arguments.simulator)?, Duration::ZERO)?;
    let accounts = accounts_at(gateway, &jobs::accounts(arguments.accounts), 0.0)?;
    let worker = Worker::start_for(&store, accounts, 64, None);
    say("ready")?;
    std::future::pending::<()>().await;
    worker.stop().await
}

/// The real way to the simulator: signed, verified, on connections that are kept for so long.
pub(crate) fn yzt(ready: &Ready, keep_alive: Duration) -> anyhow::Result<Arc<dyn Gateway>> {
    let key = |file: &std::path::Path| std::fs::read_to_string(file).with_context(|| file.display().to_string());
    Ok(Arc::new(Yzt::new(YztSettings {
        transport: Transport { keep_alive, ..Transport::new(format!("http://{}", ready.listen), ContentType::Form) },
        app_id: ready.app_id.clone(),
        app_auth_token: None,
        private_key: Secret::new(key(&ready.app_private_key_file)?),
        response_sign: ResponseSign::Required(key(&ready.platform_public_key_file)?),
        unsigned_errors: UnsignedErrors::default(),
        query_key: QueryKey::default(),
        upload_method: UploadMethod::default(),
        split: None,
        sub_codes: SubCodes::default(),
    })?))
}

fn say(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
