//! Redis behind Sentinel: a primary, a replica that can be kept behind, and three sentinels that promote it.

use crate::{Fault, FaultProxy, OwnRedis, Process, eventually, private_redis, shared_redis::server_binary};
use bursar_private_redis::{Listen, Options, free_port};
use std::{collections::HashMap, path::Path, process::Command, process::Stdio, time::Duration};
use tempfile::TempDir;

/// The sentinels' name for the primary.
const NAME: &str = "payments";

/// The number of sentinels; two of them must agree.
const COUNT: usize = 3;

/// The silence of the primary after which a sentinel calls it down.
const DOWN_AFTER: Duration = Duration::from_millis(700);

/// The wait before a failed failover is tried again (twice this), and before a replica that copies from elsewhere is corrected: longer
/// than a test, for its replica copies through a proxy.
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(30);

/// The time in which servers and sentinels find each other, and agree on a failover.
const WITHIN: Duration = Duration::from_secs(60);

/// The whole of it. Ended when dropped.
#[derive(Debug)]
pub struct Sentinels {
    /// The server that is the primary at first.
    pub primary: OwnRedis,
    /// The server that is promoted when the first one dies.
    pub replica: OwnRedis,
    /// Between the two: what it holds back the replica does not have.
    between: FaultProxy,
    ports: Vec<u16>,
    _sentinels: Vec<Process>,
    _folder: TempDir,
}

impl Sentinels {
    /// Starts everything, and waits until the replica is in step and all sentinels know each other and both servers.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn start() -> Self {
        let loopback = |options: Options| Options { listen: Listen::Loopback, ..options };
        let primary = private_redis(loopback);
        let between = FaultProxy::start(primary.url()).await;
        let (host, port) = (between.address().ip().to_string(), between.address().port());
        let replica = private_redis(|options| {
            // It begins a copy within a second, and without waiting for others.
            loopback(options).setting("replicaof", format!("{host} {port}")).setting("repl-diskless-sync-delay", "0")
        });
        let folder = tempfile::Builder::new().prefix("bursar-test-").tempdir().expect("a folder for the sentinels");
        let ports: Vec<u16> = (0..COUNT).map(|_| free_port().expect("a free port")).collect();
        let sentinels = ports.iter().map(|port| sentinel(folder.path(), *port, port_of(&primary))).collect();
        let all = Self { primary, replica, between, ports, _sentinels: sentinels, _folder: folder };
        all.until_complete().await;
        all
    }

    /// `redis+sentinel://` with all sentinels.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+sentinel://{}/{NAME}/0", hosts.join(","))
    }

    /// From now on the replica receives no write of the primary.
    pub fn hold_replica_back(&self) {
        self.between.set(Fault::Blackhole);
    }

    /// The delayed writes are lost for good: as if they had been in the wires when the primary died.
    pub fn lose_delayed_writes(&self) {
        self.between.set(Fault::Reset);
    }

    /// Waits until the sentinels have made the replica the primary.
    ///
    /// # Panics
    /// When they do not.
    pub async fn until_promoted(&self) {
        eventually(WITHIN, "the replica to be promoted", async || {
            let role = self.replica.info("role").await;
            if role.as_deref() != Some("master") {
                return Err(format!("it is {role:?}"));
            }
            // A sentinel names it before it has written that down, and says until then that the primary is down.
            let reported = self.reported_by(0).await.ok_or("no answer")?;
            let seen = (reported.get("port").cloned(), reported.get("flags").cloned());
            let wanted = (Some(port_of(&self.replica).to_string()), Some("master".to_owned()));
            if seen == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
        })
        .await;
    }

    async fn until_complete(&self) {
        eventually(WITHIN, "the replica to be in step", async || {
            let state = self.replica.info("master_link_status").await;
            if state.as_deref() == Some("up") { Ok(()) } else { Err(state) }
        })
        .await;
        for sentinel in 0..COUNT {
            eventually(WITHIN, "the sentinels to know each other and both servers", async || {
                let reported = self.reported_by(sentinel).await.ok_or("no answer")?;
                let count = |field: &str| reported.get(field).cloned().unwrap_or_default();
                let seen = (count("num-other-sentinels"), count("num-slaves"), count("flags"));
                let wanted = ((COUNT - 1).to_string(), "1".to_owned(), "master".to_owned());
                if seen == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
            })
            .await;
        }
    }

    /// One sentinel's view of the primary.
    async fn reported_by(&self, sentinel: usize) -> Option<HashMap<String, String>> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.ports[sentinel])).ok()?;
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        redis::cmd("SENTINEL").arg("MASTER").arg(NAME).query_async(&mut connection).await.ok()
    }
}

/// The port that a server listens on.
fn port_of(redis: &OwnRedis) -> u16 {
    let port = redis.url().rsplit_once(':').and_then(|(_, rest)| rest.split('/').next());
    port.and_then(|port| port.parse().ok()).expect("it listens on a port")
}

fn sentinel(folder: &Path, port: u16, primary: u16) -> Process {
    let home = folder.join(port.to_string());
    std::fs::create_dir(&home).expect("a sentinel's folder");
    let file = home.join("sentinel.conf");
    let (down, failover) = (DOWN_AFTER.as_millis(), FAILOVER_TIMEOUT.as_millis());
    let settings = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\n\
         sentinel monitor {NAME} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {NAME} {down}\n\
         sentinel failover-timeout {NAME} {failover}\n",
        home.display()
    );
    std::fs::write(&file, settings).expect("a sentinel's settings"); // it writes what it learns to the same file
    let mut command = Command::new(server_binary());
    command.arg(&file).arg("--sentinel").stdin(Stdio::null());
    Process::start(&format!("the sentinel on port {port}"), command)
}
