//! The peers: how each is started, from the `peers.json` beside their programs; Bursar is this very program.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::Workload;

/// One of them.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) command: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    described: Value,
}

impl Peer {
    pub(super) fn bursar() -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.to_string_lossy().into_owned();
        let command = vec![program, "peer".to_owned()];
        Ok(Self { name: "bursar".into(), command, environment: BTreeMap::new(), described: Value::Null })
    }

    pub(super) fn read(folder: Option<&Path>, build: Option<&Path>, name: &str) -> anyhow::Result<Self> {
        let (folder, build) = folder.zip(build).context("peers need --peers, the folder with their programs")?;
        let file = folder.join("peers.json");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let mut all: Value = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        let described = all.get_mut(name).map(Value::take).with_context(|| format!("{name} is no peer"))?;
        let fixed = |value: &Value| {
            let text = value.as_str().unwrap_or_default();
            text.replace("{BUILD}", &build.to_string_lossy()).replace("{ROOT}", &folder.to_string_lossy())
        };
        let command = described["cmd"].as_array().context("a peer without a command")?.iter().map(fixed).collect();
        let environment = described["env"].as_object().into_iter().flatten();
        let environment = environment.map(|(name, value)| (name.clone(), fixed(value))).collect();
        Ok(Self { name: name.to_owned(), command, environment, described })
    }

    /// The jobs in one run.
    pub(super) fn jobs(&self, workload: Workload) -> u32 {
        let usual = match workload {
            Workload::W1 => 20_000,
            Workload::W2 | Workload::W3 => 5_000,
            Workload::L1 => 600,
            Workload::L2 => 1_600,
        };
        let own = self.described["n"][workload.name()].as_u64().and_then(|count| u32::try_from(count).ok());
        own.unwrap_or(usual)
    }

    /// Jobs submitted one at a time.
    pub(super) fn jobs_one_at_a_time(&self) -> u32 {
        let own = self.described["n_seq"].as_u64().and_then(|count| u32::try_from(count).ok());
        own.unwrap_or(5_000)
    }

    /// Jobs in work at once.
    pub(super) fn in_flight(&self, workload: Workload) -> u64 {
        let usual = if workload.work() == "W1" { 100 } else { 256 };
        self.described["conc"][workload.work()].as_u64().unwrap_or(usual)
    }

    /// How it fills its queue fastest.
    pub(super) fn fills(&self) -> &'static str {
        if self.described["bulk"].as_bool().unwrap_or(true) { "bulk" } else { "par" }
    }

    /// How long its worker needs until it works, in seconds.
    pub(super) fn warm_up(&self) -> f64 {
        self.described["warm_s"].as_f64().unwrap_or(1.5)
    }

    /// How long it may take to end, in seconds.
    pub(super) fn may_end_in(&self) -> f64 {
        self.described["stop_s"].as_f64().unwrap_or(3.0)
    }
}
