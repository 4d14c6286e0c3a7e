//! `bursar healthcheck` asks a process on this machine for its health, or Redis without a role. For containers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bursar_http_client::{StatusCode, causes, hardened};
use clap::{Args, ValueEnum};

use crate::config::Config;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};

/// The time limit of the answer: shorter than the 5 s that the image's check has. A frozen process accepts and never answers.
const TIMEOUT: Duration = Duration::from_secs(4);

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar healthcheck --role worker\n\nExit 0 if the process is healthy, 1 if it says that it is not, or does not answer within 4 s. An unhealthy process should be restarted."
)]
pub(crate) struct Arguments {
    /// Ask this process on this machine, whatever Redis does: a worker at `worker.listen`, serve or up at `server.admin_listen` or
    /// `server.listen`. Without it, only Redis is asked.
    #[arg(long, value_enum)]
    role: Option<Role>,
}

/// The role of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// `bursar worker`.
    Worker,
    /// `bursar serve` or `bursar up`.
    Serve,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let Some(role) = arguments.role else {
        CommandContext::open(global.config.as_deref()).await?.store.ping().await?;
        return Ok(Exit::Done);
    };
    let config = Config::load(global.config.as_deref())?;
    ask(address(&config, role)?).await
}

/// The address at which the process of this role answers for its health.
fn address(config: &Config, role: Role) -> Result<SocketAddr, UsageError> {
    let listen = match role {
        Role::Worker => config.worker.listen.ok_or_else(|| {
            UsageError("worker.listen is not set: the worker answers for its health at that address".to_owned())
        })?,
        Role::Serve => config.server.admin_listen.unwrap_or(config.server.listen),
    };
    Ok(reachable(listen))
}

/// The address by which this machine reaches its own listener: one for all addresses is reached at the loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        named @ (IpAddr::V4(_) | IpAddr::V6(_)) => named,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr) -> Result<Exit, Failure> {
    let no = |error: bursar_http_client::Error| {
        Failure::no(format_args!("the process at {address} does not answer: {}", causes(&error)))
    };
    let client = hardened().timeout(TIMEOUT).build().map_err(no)?;
    let response = client.get(format!("http://{address}/healthz")).send().await.map_err(no)?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(Exit::Done);
    }
    let text = response.text().await.map_err(no)?;
    Err(Failure::no(format_args!("the process at {address} is not healthy: {status} {}", text.trim())))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_role_answers_at_its_own_address() {
        let admin = "server.admin_listen = \"0.0.0.0:9101\"";
        for (text, role, expected) in [
            ("", Role::Serve, Some("127.0.0.1:8080")),
            (admin, Role::Serve, Some("127.0.0.1:9101")),
            ("server.listen = \"[::]:80\"", Role::Serve, Some("[::1]:80")),
            ("worker.listen = \"10.0.0.7:9100\"", Role::Worker, Some("10.0.0.7:9100")),
            (admin, Role::Worker, None),
        ] {
            let config = Config::parse(text, Path::new("bursar.toml"), std::iter::empty()).unwrap();
            let found = address(&config, role).ok().map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text} {role:?}");
        }
    }
}
