//! The Redis under measurement: a private one or the user's, with its statistics.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use bursar_private_redis::{Fsync, Listen, Options as RedisOptions, PrivateRedis};
use bursar_store::{Settings, Store};
use redis::Value;
use redis::aio::MultiplexedConnection;
use reqwest::Url;
use tempfile::TempDir;
use tokio::net::lookup_host;
use tokio::time::Instant;

use crate::delay::DelayLine;
use crate::options::Options;
use crate::report::median;

/// Keys deleted in one step.
const SCAN_STEP: usize = 5_000;

/// Longer than any script or rewrite of the file keeps a server from answering.
const REDIS_TIMEOUT: Duration = Duration::from_secs(60);

/// Look-ups between two checks that the key table has settled.
const LOOK_UPS: usize = 10_000;

/// PINGs whose median counts.
const ROUND_TRIPS: usize = 100;

/// A server, watched over a connection that the measured code does not use.
pub(crate) struct Observed {
    url: String,
    connection: MultiplexedConnection,
    stores: u32,
    /// Six characters, as long as the prefix that the configuration has by default.
    prefix: String,
    _private: Option<(PrivateRedis, TempDir)>,
}

/// `INFO`, as it was answered.
pub(crate) struct Info(BTreeMap<String, String>);

impl Observed {
    /// The server that `REDIS_URL` names, else a private one; as far away as the options say.
    pub(crate) async fn start(options: &Options) -> anyhow::Result<Self> {
        let mut redis = match std::env::var("REDIS_URL").ok().filter(|url| !url.is_empty()) {
            Some(url) => Self::connect(url, None).await?,
            None => Self::private(options.fsync.into()).await?,
        };
        if let Some(round_trip) = options.round_trip {
            redis.url = farther(&redis.url, round_trip).await?;
        }
        Ok(redis)
    }

    /// A private one, empty and of this run only.
    pub(crate) async fn private(fsync: Fsync) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bursar-bench-").tempdir()?;
        // Over TCP, as in production, and without a rewrite of the file in the middle of a run.
        let mut wanted = RedisOptions::new(folder.path().join("redis")).setting("auto-aof-rewrite-percentage", "0");
        wanted.listen = Listen::Loopback;
        wanted.fsync = fsync;
        let server = PrivateRedis::start(wanted).context("a private Redis for the benchmark")?;
        Self::connect(server.url().to_owned(), Some((server, folder))).await
    }

    async fn connect(url: String, private: Option<(PrivateRedis, TempDir)>) -> anyhow::Result<Self> {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(REDIS_TIMEOUT));
        let connection = redis::Client::open(url.as_str())?
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .context("could not reach Redis")?;
        Ok(Self { url, connection, stores: 0, prefix: String::new(), _private: private })
    }

    /// An empty store with a separate prefix; the keys of an earlier one are deleted.
    pub(crate) async fn fresh_store(&mut self) -> anyhow::Result<Store> {
        self.clear().await?;
        self.stores += 1;
        self.prefix = format!("b{:02x}{:03}", fastrand::u8(..), self.stores % 1_000);
        Ok(Store::connect(&Settings { url: self.url.clone(), prefix: self.prefix.clone() }).await?)
    }

    /// The URL for the measured code.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The measured code's round trip to Redis, in milliseconds: the median of many PINGs.
    pub(crate) async fn round_trip_ms(&self) -> anyhow::Result<f64> {
        let mut connection = redis::Client::open(self.url.as_str())?.get_multiplexed_async_connection().await?;
        let mut round_trips = Vec::new();
        for _ in 0..ROUND_TRIPS {
            let requested_at = Instant::now();
            let _: () = redis::cmd("PING").query_async(&mut connection).await?;
            round_trips.push(requested_at.elapsed().as_secs_f64() * 1e3);
        }
        Ok(median(round_trips))
    }

    /// Deletes the keys of the last store.
    pub(crate) async fn clear(&mut self) -> anyhow::Result<()> {
        if self.prefix.is_empty() {
            return Ok(());
        }
        for keys in self.keys().await?.chunks(SCAN_STEP) {
            let _: u64 = redis::cmd("DEL").arg(keys).query_async(&mut self.connection).await?;
        }
        Ok(())
    }

    /// All keys of the current store.
    async fn keys(&mut self) -> anyhow::Result<Vec<String>> {
        let (mut cursor, mut all) = (0_u64, Vec::new());
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}:*", self.prefix)).arg("COUNT").arg(SCAN_STEP);
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut self.connection).await?;
            all.extend(keys);
            if next == 0 {
                return Ok(all);
            }
            cursor = next;
        }
    }

    pub(crate) async fn info(&mut self) -> anyhow::Result<Info> {
        let text: String = redis::cmd("INFO").arg("all").query_async(&mut self.connection).await?;
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Ok(Info(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// Brings the table of all keys to be one again: a table that has grown is moved into a larger one part by part, a minute
    /// long if nothing happens, and every command meanwhile pays for a part. Here look-ups of nothing pay for all of them.
    /// Returns true if it is one; a server with other statistics is not waited for.
    pub(crate) async fn settles(&mut self) -> anyhow::Result<bool> {
        let mut look_ups = redis::pipe();
        for _ in 0..LOOK_UPS {
            look_ups.exists("nothing").ignore();
        }
        let until = Instant::now() + REDIS_TIMEOUT;
        while !self.is_settled().await? {
            if Instant::now() > until {
                return Ok(false);
            }
            look_ups.query_async::<()>(&mut self.connection).await?;
        }
        Ok(true)
    }

    /// Redis 7 counts 40 bytes for a key and 8 for a slot of the table. While keys move there are two tables, and the sum of
    /// their sizes is no power of two.
    async fn is_settled(&mut self) -> anyhow::Result<bool> {
        let stats: Vec<Value> = redis::cmd("MEMORY").arg("STATS").query_async(&mut self.connection).await?;
        let keys: u64 = redis::cmd("DBSIZE").query_async(&mut self.connection).await?;
        let database = named(&stats, "db.0").and_then(Value::as_sequence).context("no db.0 in MEMORY STATS")?;
        let table: u64 = match named(database, "overhead.hashtable.main") {
            Some(Value::Int(bytes)) => u64::try_from(*bytes)?,
            other => anyhow::bail!("{other:?} is no size of a table"),
        };
        Ok((table.saturating_sub(40 * keys) / 8).is_power_of_two())
    }

    /// A setting of the server, as it has it.
    pub(crate) async fn setting(&mut self, name: &str) -> Option<String> {
        let pair: Vec<String> =
            redis::cmd("CONFIG").arg("GET").arg(name).query_async(&mut self.connection).await.ok()?;
        pair.into_iter().nth(1)
    }

    /// `MEMORY USAGE`, summed by the keys' purpose: `job`, `log`, `to_send`, ….
    pub(crate) async fn memory_by_use(&mut self) -> anyhow::Result<BTreeMap<String, u64>> {
        let mut sums = BTreeMap::new();
        for keys in self.keys().await?.chunks(SCAN_STEP) {
            let mut pipeline = redis::pipe();
            for key in keys {
                pipeline.cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0);
            }
            let bytes: Vec<Option<u64>> = pipeline.query_async(&mut self.connection).await?;
            for (key, bytes) in keys.iter().zip(bytes) {
                let after_queue = key.split_once("}:").map_or(key.as_str(), |(_, rest)| rest);
                let used_for = after_queue.split(':').next().unwrap_or_default();
                *sums.entry(used_for.to_owned()).or_default() += bytes.unwrap_or_default();
            }
        }
        Ok(sums)
    }
}

impl Info {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// Processor time of the server so far.
    pub(crate) fn cpu(&self) -> Duration {
        let seconds = |name| self.text(name).parse::<f64>().unwrap_or_default();
        Duration::from_secs_f64(seconds("used_cpu_user") + seconds("used_cpu_sys"))
    }

    /// Time that Redis has spent in scripts so far.
    pub(crate) fn script_micros(&self) -> u64 {
        let stats = self.text("cmdstat_evalsha").split(',').find_map(|part| part.strip_prefix("usec="));
        stats.and_then(|micros| micros.parse().ok()).unwrap_or_default()
    }

    /// Bytes that clients have sent and were sent so far.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.number("total_net_input_bytes") + self.number("total_net_output_bytes")
    }

    /// Memory without the momentary buffers of connections and the file.
    pub(crate) fn data_bytes(&self) -> u64 {
        let passing = self.number("mem_aof_buffer") + self.number("mem_clients_normal");
        self.number("used_memory").saturating_sub(passing)
    }

    /// The number of calls of each command so far, scripts' own commands included, without the benchmark's own.
    pub(crate) fn commands(&self) -> BTreeMap<String, u64> {
        const OURS: [&str; 5] = ["info", "config|get", "scan", "memory|usage", "ping"];
        let counted = self.0.iter().filter_map(|(name, value)| {
            let command = name.strip_prefix("cmdstat_").filter(|command| !OURS.contains(command))?;
            let calls = value.strip_prefix("calls=")?.split(',').next()?.parse().ok()?;
            Some((command.to_owned(), calls))
        });
        counted.collect()
    }
}

/// The URL of a proxy before this server.
async fn farther(url: &str, round_trip: Duration) -> anyhow::Result<String> {
    let mut url = Url::parse(url)?;
    anyhow::ensure!(url.scheme() == "redis", "--round-trip needs a Redis over plain TCP, redis://HOST:PORT");
    let (host, port) = (url.host_str().unwrap_or("127.0.0.1").to_owned(), url.port().unwrap_or(6379));
    let server = lookup_host((host, port)).await?.next().context("Redis has no address")?;
    let line = DelayLine::start(server, round_trip)?.address();
    let moved = url.set_host(Some("127.0.0.1")).is_ok() && url.set_port(Some(line.port())).is_ok();
    anyhow::ensure!(moved, "{url} cannot be reached through a proxy");
    Ok(url.into())
}

/// The value after a name in a list of names and values.
fn named<'a>(list: &'a [Value], name: &str) -> Option<&'a Value> {
    let is_name = |value: &Value| redis::from_redis_value_ref::<String>(value).is_ok_and(|text| text == name);
    list.chunks_exact(2).find(|pair| is_name(&pair[0])).map(|pair| &pair[1])
}
