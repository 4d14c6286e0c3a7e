//! The peers and their commands, from the `peers.json` in the programs' folder; Bursar is this program. A folder's own
//! peers may refer to the folder as `{ROOT}` and to the build folder as `{BUILD}`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::Workload;

/// The folders of the peers.
#[derive(Debug, Args)]
pub(crate) struct Folders {
    /// A folder with peers' programs and their `peers.json`; may be repeated. Without it Bursar runs alone, in the
    /// workloads that need no stub.
    #[arg(long, value_name = "DIR")]
    pub(crate) peers: Vec<PathBuf>,
    /// The folder with a peer folder's built programs; as often and in the same order as --peers. The default is
    /// `build` in the peers' folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) build: Vec<PathBuf>,
}

impl Folders {
    pub(crate) fn read(&self) -> anyhow::Result<Vec<Folder>> {
        anyhow::ensure!(self.build.len() <= self.peers.len(), "--build without its --peers");
        let builds = self.build.iter().map(Some).chain(std::iter::repeat(None));
        self.peers.iter().zip(builds).map(|(root, build)| Folder::read(root, build.map(PathBuf::as_path))).collect()
    }
}

/// A folder of peers.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    pub(super) build: PathBuf,
    described: Value,
}

impl Folder {
    fn read(root: &Path, build: Option<&Path>) -> anyhow::Result<Self> {
        let file = root.join("peers.json");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let described = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        let build = build.map_or_else(|| root.join("build"), Path::to_owned);
        Ok(Self { root: root.to_owned(), build, described })
    }

    fn has(&self, name: &str) -> bool {
        self.described.get(name).is_some()
    }

    /// True if it has the peer with all files that start it.
    pub(crate) fn has_built(&self, name: &str) -> bool {
        let command = self.described[name]["cmd"].as_array();
        let own = |word: &&Value| word.as_str().is_some_and(|word| word.starts_with('{'));
        command.is_some_and(|words| words.iter().filter(own).all(|word| Path::new(&self.fixed(word)).exists()))
    }

    fn fixed(&self, value: &Value) -> String {
        let text = value.as_str().unwrap_or_default();
        text.replace("{BUILD}", &self.build.to_string_lossy()).replace("{ROOT}", &self.root.to_string_lossy())
    }
}

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
        // The same counts as the floors that it is compared with: a run takes seconds, so one-time work of a process
        // does not matter.
        let described = json!({"n": {"W2": 20_000, "W3": 10_000}});
        Ok(Self { name: "bursar".into(), command, environment: BTreeMap::new(), described })
    }

    /// The one of this name, from the first folder that has it built, else from the first that has it.
    pub(super) fn find(folders: &[Folder], name: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(!folders.is_empty(), "peers need --peers, the folder with their programs");
        let built = folders.iter().find(|folder| folder.has_built(name));
        let folder = built.or_else(|| folders.iter().find(|folder| folder.has(name)));
        let folder = folder.with_context(|| format!("{name} is no peer"))?;
        let described = folder.described[name].clone();
        let command = described["cmd"].as_array().context("a peer without a command")?;
        let command = command.iter().map(|word| folder.fixed(word)).collect();
        let environment = described["env"].as_object().into_iter().flatten();
        let environment = environment.map(|(name, value)| (name.clone(), folder.fixed(value))).collect();
        Ok(Self { name: name.to_owned(), command, environment, described })
    }

    /// True if it has this workload.
    pub(super) fn runs(&self, workload: Workload) -> bool {
        let only = self.described["only"].as_array();
        only.is_none_or(|only| only.iter().any(|name| name == workload.name()))
    }

    /// The jobs in one run.
    pub(super) fn jobs(&self, workload: Workload) -> u32 {
        let usual = match workload {
            Workload::W1 => 20_000,
            Workload::W2 | Workload::W3 => 5_000,
            Workload::L1 => 600,
            Workload::L2 => 1_600,
            // None is submitted; a worker that waits for some does not end.
            Workload::I1 => 1_000,
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

    /// The mode in which it fills its queue fastest.
    pub(super) fn fills(&self) -> &'static str {
        if self.described["bulk"].as_bool().unwrap_or(true) { "bulk" } else { "par" }
    }

    /// The start-up time of its worker, in seconds.
    pub(super) fn warm_up(&self) -> f64 {
        self.described["warm_s"].as_f64().unwrap_or(1.5)
    }

    /// The time limit of its shutdown, in seconds.
    pub(super) fn may_end_in(&self) -> f64 {
        self.described["stop_s"].as_f64().unwrap_or(3.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(root: &str, peers: &str) -> Folder {
        Folder { root: root.into(), build: "/built".into(), described: serde_json::from_str(peers).unwrap() }
    }

    #[test]
    fn a_peer_comes_from_the_first_folder_that_has_it() {
        let folders = [
            folder("/one", r#"{"a": {"cmd": ["{ROOT}/a", "{BUILD}/a"]}}"#),
            folder("/two", r#"{"a": {"cmd": ["{ROOT}/a"]}, "b": {"cmd": ["{ROOT}/b"], "env": {"PLACE": "{BUILD}"}}}"#),
        ];
        assert_eq!(Peer::find(&folders, "a").unwrap().command, ["/one/a", "/built/a"]);
        let peer = Peer::find(&folders, "b").unwrap();
        assert_eq!((peer.command[0].as_str(), peer.environment["PLACE"].as_str()), ("/two/b", "/built"));
        assert!(Peer::find(&folders, "c").unwrap_err().to_string().contains("c is no peer"));
    }

    #[test]
    fn a_peer_is_built_when_the_files_that_start_it_are_there() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a.js"), "").unwrap();
        let root = place.path().to_str().unwrap();
        let peers = r#"{"a": {"cmd": ["node", "{ROOT}/a.js"]}, "b": {"cmd": ["{BUILD}/b"]}}"#;
        let folder = folder(root, peers);
        assert_eq!(["a", "b", "c"].map(|name| folder.has_built(name)), [true, false, false]);
    }

    #[test]
    fn a_peer_runs_every_workload_unless_it_says_which() {
        let folders = [folder("/one", r#"{"all": {"cmd": []}, "some": {"cmd": [], "only": ["W1", "L1"]}}"#)];
        let runs = |name: &str| {
            let peer = Peer::find(&folders, name).unwrap();
            Workload::ALL.into_iter().filter(|workload| peer.runs(*workload)).count()
        };
        assert_eq!((runs("all"), runs("some")), (Workload::ALL.len(), 2));
    }
}
