//! The product as users run it: the program `bursar`, in the same folder, with a configuration of many accounts.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use bursar_simulator::Ready;
use reqwest::{Client, StatusCode};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::jobs;
use crate::observed::Observed;

/// A worker must be ready by then.
const AT_MOST: Duration = Duration::from_secs(300);

/// The pause between two checks.
const LOOK: Duration = Duration::from_millis(5);

/// The program and its configuration.
pub(crate) struct Product {
    program: PathBuf,
    config: PathBuf,
    listen: SocketAddr,
    client: Client,
    _folder: TempDir,
}

/// A worker that is ready; killed when it is dropped.
pub(crate) struct ProductWorker {
    pub(crate) pid: u32,
    /// From its start until it said so.
    pub(crate) started_in: Duration,
    child: Child,
}

impl Product {
    /// With this number of accounts at this simulator, each with its own `app_id`.
    pub(crate) fn with_accounts(count: u32, redis: &Observed, simulator: &Ready) -> anyhow::Result<Self> {
        let program = program()?;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, bursar_private_redis::free_port()?));
        let folder = tempfile::Builder::new().prefix("bursar-bench-").tempdir()?;
        let config = folder.path().join("bursar.toml");
        std::fs::write(&config, configuration(count, redis, listen, simulator)?)?;
        let client = Client::builder().no_proxy().build()?;
        Ok(Self { program, config, listen, client, _folder: folder })
    }

    /// The time of a command that reads the configuration and pings Redis.
    pub(crate) async fn healthcheck(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let status = self.command("healthcheck").status().await?;
        ensure!(status.success(), "bursar healthcheck: {status}");
        Ok(began.elapsed())
    }

    /// Starts a worker, and waits until it is ready.
    pub(crate) async fn worker(&self) -> anyhow::Result<ProductWorker> {
        let began = Instant::now();
        let mut child = self.command("worker").spawn().context("could not start bursar worker")?;
        let pid = child.id().context("a worker without a number")?;
        while self.page("readyz").await.is_err() {
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("bursar worker ended: {status}");
            }
            ensure!(began.elapsed() < AT_MOST, "bursar worker is not ready after {AT_MOST:?}");
            sleep(LOOK).await;
        }
        Ok(ProductWorker { pid, started_in: began.elapsed(), child })
    }

    /// The page of the worker's listener with this name.
    pub(crate) async fn page(&self, name: &str) -> anyhow::Result<String> {
        let response = self.client.get(format!("http://{}/{name}", self.listen)).send().await?;
        ensure!(response.status() == StatusCode::OK, "{name}: {}", response.status());
        Ok(response.text().await?)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(name).arg("--config").arg(&self.config).kill_on_drop(true);
        // Its log goes where the benchmark's messages go, and has errors only.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

impl ProductWorker {
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// The program, in the folder of this one.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("bursar");
    ensure!(program.exists(), "{} is missing: cargo build --release --package bursar", program.display());
    Ok(program)
}

fn configuration(count: u32, redis: &Observed, listen: SocketAddr, simulator: &Ready) -> anyhow::Result<String> {
    let Ready { listen: gateway, app_private_key_file, platform_public_key_file, .. } = simulator;
    let (own, theirs) = (app_private_key_file.display(), platform_public_key_file.display());
    // The benchmark's Redis need not be one that money would be trusted to.
    let mut text = format!(
        "redis.url = \"{}\"\nredis.prefix = \"{}\"\nredis.preflight = \"warn\"\nworker.listen = \"{listen}\"\nlog.level = \"error\"\n",
        redis.url(),
        redis.prefix(),
    );
    for (number, account) in jobs::accounts(count).iter().enumerate() {
        write!(
            text,
            "\n[accounts.{account}]\ngateway = \"yzt\"\nbase_url = \"http://{gateway}\"\napp_id = \"2024042212320285{number:011}\"\n\
             private_key_file = \"{own}\"\nplatform_public_key_file = \"{theirs}\"\n"
        )?;
    }
    Ok(text)
}
