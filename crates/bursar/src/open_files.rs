//! The open files of a process: calls to gateways and Redis have theirs before any client's connection.

use bursar_http_server::raise_limit;

use crate::config::Config;

/// Files of any process: log, configuration, runtime, journal, and a reserve.
const BASE: usize = 64;

/// Connections to Redis: the shared one, subscriptions, waits for the disk, imports and scrapes, twice while they are replaced.
const REDIS: usize = 32;

/// Files of one call: its connection, and the look-up of the gateway's name.
const PER_CALL: usize = 2;

/// Connections of a listener for monitoring: a few scrapers and health checks.
const MONITORING: usize = 64;

/// A listener has at least this many connections, however few files the system allows.
const FEWEST: usize = 8;

/// The calls that a process makes, besides its clients' connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// A worker's: to gateways.
    Gateways,
    /// A server's: webhooks.
    Webhooks,
    /// Those of `up`.
    Both,
}

/// The division of a process's open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    /// The system's limit.
    limit: usize,
    /// Those that no client's connection may take.
    reserved: usize,
    /// Connections of each listener for monitoring.
    pub(crate) monitoring: usize,
    /// Connections of each listener for clients.
    pub(crate) clients: usize,
}

impl OpenFiles {
    /// Raises the process's limit as far as it may be, and divides it.
    pub(crate) fn divided(config: &Config, calls: Calls) -> Self {
        let limit = usize::try_from(raise_limit()).unwrap_or(usize::MAX);
        let files = Self::of(config, calls, limit);
        let Self { reserved, clients, .. } = files;
        match calls {
            Calls::Gateways => tracing::debug!(limit, reserved, "open files"),
            Calls::Webhooks | Calls::Both if clients == config.server.connections => {
                tracing::info!(limit, reserved, connections = clients, "open files: enough for every connection");
            }
            Calls::Webhooks | Calls::Both => tracing::warn!(
                limit,
                reserved,
                connections = clients,
                "the system allows {limit} open files, {reserved} of which are for gateways, webhooks and Redis: server.connections is {clients} instead of {}. Raise the limit (`ulimit -n`)",
                config.server.connections
            ),
        }
        if limit <= reserved {
            tracing::warn!(
                limit,
                reserved,
                "the system allows {limit} open files, and calls to gateways, webhooks and Redis may need {reserved}: raise the limit (`ulimit -n`), or lower worker.concurrency"
            );
        }
        files
    }

    fn of(config: &Config, calls: Calls, limit: usize) -> Self {
        let server = &config.server;
        let (gateways, webhooks) = (config.worker.concurrency * PER_CALL, config.webhooks.concurrency * PER_CALL);
        let worker_listeners = usize::from(config.worker.listen.is_some());
        let server_listeners = usize::from(server.admin_listen.is_some());
        let (called, monitors, client_listeners) = match calls {
            Calls::Gateways => (gateways, worker_listeners, 0),
            Calls::Webhooks => (webhooks, server_listeners, 1 + usize::from(server.public_listen.is_some())),
            Calls::Both => (
                gateways + webhooks,
                worker_listeners + server_listeners,
                1 + usize::from(server.public_listen.is_some()),
            ),
        };
        let reserved = BASE + REDIS + called;
        let left = limit.saturating_sub(reserved);
        let monitoring = MONITORING.min(left / (monitors + client_listeners).max(1)).max(FEWEST);
        let left = left.saturating_sub(monitors * monitoring);
        let clients = server.connections.min(left / client_listeners.max(1)).max(FEWEST);
        Self { limit, reserved, monitoring, clients }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("bursar.toml"), std::iter::empty()).unwrap()
    }

    #[test]
    fn calls_have_their_files_before_any_connection() {
        let apart = "worker.listen = \"127.0.0.1:9100\"\nserver.admin_listen = \"127.0.0.1:9101\"\nserver.public_listen = \"127.0.0.1:8081\"";
        for (text, calls, limit, monitoring, clients) in [
            ("", Calls::Webhooks, 1_048_576, 64, 4_096),
            ("", Calls::Webhooks, 1_024, 64, 800),
            ("", Calls::Both, 1_024, 64, 672),
            (apart, Calls::Webhooks, 1_024, 64, 368),
            (apart, Calls::Both, 1_024, 64, 272),
            (apart, Calls::Gateways, 1_024, 64, 736),
            (apart, Calls::Gateways, 256, 32, 8),
            ("worker.concurrency = 4096", Calls::Both, 1_024, 8, 8),
        ] {
            let files = OpenFiles::of(&config(text), calls, limit);
            assert_eq!((files.monitoring, files.clients), (monitoring, clients), "{text} {calls:?} {limit}: {files:?}");
        }
    }
}
