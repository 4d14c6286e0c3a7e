//! The machine, without which no figure means anything.

use std::fs;

use serde_json::{Value, json};

use crate::observed::Observed;

/// The machine of the measurements.
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    redis: String,
    fsync: String,
    load: String,
    round_trip_ms: f64,
}

impl Machine {
    pub(crate) async fn look(redis: &mut Observed) -> anyhow::Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
        let info = redis.info().await?;
        let field = |name: &str| Some(info.text(name)).filter(|text| !text.is_empty()).map(str::to_owned);
        let appends = redis.setting("appendonly").await;
        Ok(Self {
            cpu: model.map_or_else(|| "unknown processor".to_owned(), |(_, model)| model.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            redis: field("valkey_version")
                .map_or_else(|| format!("Redis {}", info.text("redis_version")), |version| format!("Valkey {version}")),
            fsync: match appends.as_deref() {
                Some("yes") => {
                    format!("appendfsync {}", redis.setting("appendfsync").await.unwrap_or_else(|| "unknown".into()))
                }
                Some(_) => "no append-only file".into(),
                None => "append-only file unknown".into(),
            },
            load: fs::read_to_string("/proc/loadavg")
                .unwrap_or_default()
                .split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" "),
            round_trip_ms: redis.round_trip_ms().await?,
        })
    }

    pub(crate) fn json(&self) -> Value {
        json!({"cpu": self.cpu, "cores": self.cores, "kernel": self.kernel, "redis": self.redis, "fsync": self.fsync,
            "load": self.load, "redis_round_trip_ms": self.round_trip_ms, "release": !cfg!(debug_assertions)})
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cpu, cores, kernel, redis, fsync, load, round_trip_ms } = self;
        write!(out, "{cpu}, {cores} cores, Linux {kernel}, {redis} ({fsync}) on the same cores, ")?;
        write!(out, "a round trip to it {round_trip_ms:.2} ms, load before {load}")?;
        if cfg!(debug_assertions) { write!(out, "; NOT A RELEASE BUILD") } else { Ok(()) }
    }
}
