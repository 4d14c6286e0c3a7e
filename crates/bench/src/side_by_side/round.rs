//! One run of one peer, on a fresh Redis.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use bursar_private_redis::Fsync;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::Workload;
use super::outcome::{Figure, Outcome};
use super::peers::{Folder, Peer};
use super::process::Process;
use crate::cpu;
use crate::observed::Observed;
use crate::options::When;

/// Jobs a second where latencies are measured.
const RATES: [(Workload, u32); 2] = [(Workload::L1, 100), (Workload::L2, 200)];

/// The measured time of an idle worker: twice as long as any of them waits for a message.
const IDLE: Duration = Duration::from_secs(10);

/// The gateway stub, in the first build folder that has one.
const STUB: &str = "target/release/stub";

/// The parts that every run needs.
pub(super) struct Bench {
    fsync: Fsync,
    /// The folder of the stub, with the keys of both sides.
    build: Option<PathBuf>,
    logs: TempDir,
}

/// The gateway stub's process; killed when it is dropped.
struct Stub {
    child: Child,
    url: String,
}

impl Bench {
    pub(super) fn new(folders: &[Folder], fsync: When) -> anyhow::Result<Self> {
        let logs = tempfile::Builder::new().prefix("bursar-bench-logs-").tempdir()?;
        // The programs run in another folder, so they get the keys' folder as an argument.
        let build = folders.iter().map(|folder| &folder.build).find(|build| build.join(STUB).exists());
        let build = build.map(|build| build.canonicalize().with_context(|| build.display().to_string())).transpose()?;
        Ok(Self { fsync: fsync.into(), build, logs })
    }

    /// True if the workload needs no stub, or the stub is there.
    pub(super) fn can(&self, workload: Workload) -> bool {
        self.build.is_some() || workload.work() == "W1"
    }

    /// One run; a failure is an outcome too.
    pub(super) async fn run(&self, peer: &Peer, workload: Workload, number: u32) -> Outcome {
        let mut outcome = Outcome {
            workload,
            peer: peer.name.clone(),
            number,
            jobs: peer.jobs(workload),
            in_flight: peer.in_flight(workload),
            figures: BTreeMap::new(),
            other_cores: 0.0,
            failed: None,
        };
        let run = match workload {
            Workload::W1 | Workload::W2 | Workload::W3 => self.drain(peer, workload, &mut outcome).await,
            Workload::L1 | Workload::L2 => self.latency(peer, workload, &mut outcome).await,
            Workload::I1 => self.idle(peer, &mut outcome).await,
        };
        if let Err(error) = run {
            outcome.failed = Some(format!("{error:#}"));
        }
        outcome
    }

    async fn drain(&self, peer: &Peer, workload: Workload, outcome: &mut Outcome) -> anyhow::Result<()> {
        let count = peer.jobs(workload);
        if workload == Workload::W1 {
            self.enqueue(peer, "seq", count.min(peer.jobs_one_at_a_time()), Figure::SubmitOne, outcome).await?;
            self.enqueue(peer, "par", count, Figure::SubmitAtOnce, outcome).await?;
        }
        let mut redis = Observed::private(self.fsync).await?;
        let empty = redis.info().await?.data_bytes();
        self.fill(&redis, peer, peer.fills(), count, Figure::SubmitBulk, outcome).await?;
        let queued = redis.info().await?.data_bytes().saturating_sub(empty);
        outcome.add(Figure::QueuedBytes, queued as f64 / f64::from(count));
        let stub = self.stub(workload).await?;
        let in_flight = peer.in_flight(workload);
        let role = ["work", "--w", workload.work(), "--n", &count.to_string(), "--conc", &in_flight.to_string()];
        let mut worker = self.start(&redis, peer, &role, stub.as_ref()).await?;
        let watch = Watch::begin(&mut redis, &worker, stub.as_ref()).await?;
        worker.go().await?;
        let report = worker.done().await?;
        watch.end(&mut redis, count, outcome).await?;
        outcome.add(Figure::PeakMegabytes, cpu::peak_resident_bytes(worker.pid()) as f64 / f64::from(1 << 20));
        let seconds = |name: &str| report[name].as_f64();
        let middle = seconds("mid_secs").map(|seconds| f64::from(count) * 0.8 / seconds);
        let rate = middle.or_else(|| seconds("secs").map(|seconds| f64::from(count) / seconds));
        outcome.add(Figure::JobsPerSecond, rate.context("a report without its seconds")?);
        outcome.add(Figure::Errors, report["errs"].as_f64().unwrap_or_default());
        worker.stop().await
    }

    /// Submits to a fresh Redis, and measures the rate.
    async fn enqueue(
        &self,
        peer: &Peer,
        mode: &str,
        count: u32,
        figure: Figure,
        outcome: &mut Outcome,
    ) -> anyhow::Result<()> {
        let redis = Observed::private(self.fsync).await?;
        self.fill(&redis, peer, mode, count, figure, outcome).await
    }

    async fn fill(
        &self,
        redis: &Observed,
        peer: &Peer,
        mode: &str,
        count: u32,
        figure: Figure,
        outcome: &mut Outcome,
    ) -> anyhow::Result<()> {
        let mut producer =
            self.start(redis, peer, &["enqueue", "--mode", mode, "--n", &count.to_string()], None).await?;
        producer.go().await?;
        let report = producer.done().await?;
        let seconds = report["secs"].as_f64().context("a report without its seconds")?;
        if mode != "par" || figure == Figure::SubmitAtOnce {
            outcome.add(figure, f64::from(count) / seconds);
        }
        producer.stop().await
    }

    async fn latency(&self, peer: &Peer, workload: Workload, outcome: &mut Outcome) -> anyhow::Result<()> {
        let count = peer.jobs(workload);
        let rate = RATES.iter().find(|(of, _)| *of == workload).map_or(100, |(_, rate)| *rate);
        let mut redis = Observed::private(self.fsync).await?;
        let stub = self.stub(workload).await?;
        let (jobs, in_flight) = (count.to_string(), peer.in_flight(workload).to_string());
        let role = ["work", "--w", workload.work(), "--n", &jobs, "--conc", &in_flight, "--lat", "1"];
        let mut worker = self.start(&redis, peer, &role, stub.as_ref()).await?;
        worker.go().await?;
        sleep(Duration::from_secs_f64(peer.warm_up())).await;
        let role = ["produce", "--n", &jobs, "--rate", &rate.to_string()];
        let mut producer = self.start(&redis, peer, &role, stub.as_ref()).await?;
        let watch = Watch::begin(&mut redis, &worker, stub.as_ref()).await?;
        let submitting = cpu::of_family(producer.pid());
        producer.go().await?;
        let report = worker.done().await?;
        watch.end(&mut redis, count, outcome).await?;
        // The producer is part of the run and not of its disturbance.
        let submitting = cpu::of_family(producer.pid()).saturating_sub(submitting);
        outcome.other_cores -= submitting.as_secs_f64() * f64::from(rate) / f64::from(count);
        for (name, figure) in
            [("p50_ms", Figure::MedianMillis), ("p99_ms", Figure::NinetyNineMillis), ("max_ms", Figure::LongestMillis)]
        {
            outcome.add(figure, report[name].as_f64().with_context(|| format!("a report without {name}"))?);
        }
        outcome.add(Figure::Errors, report["errs"].as_f64().unwrap_or_default());
        producer.stop().await?;
        worker.stop().await
    }

    async fn idle(&self, peer: &Peer, outcome: &mut Outcome) -> anyhow::Result<()> {
        let mut redis = Observed::private(self.fsync).await?;
        let (jobs, in_flight) = (peer.jobs(Workload::I1).to_string(), peer.in_flight(Workload::I1).to_string());
        let role = ["work", "--w", Workload::I1.work(), "--n", &jobs, "--conc", &in_flight];
        let mut worker = self.start(&redis, peer, &role, None).await?;
        worker.go().await?;
        sleep(Duration::from_secs_f64(peer.warm_up())).await;
        let watch = Watch::begin(&mut redis, &worker, None).await?;
        sleep(IDLE).await;
        watch.end_idle(&mut redis, outcome).await?;
        outcome.add(Figure::PeakMegabytes, cpu::peak_resident_bytes(worker.pid()) as f64 / f64::from(1 << 20));
        worker.stop().await
    }

    async fn start(
        &self,
        redis: &Observed,
        peer: &Peer,
        role: &[&str],
        stub: Option<&Stub>,
    ) -> anyhow::Result<Process> {
        // Some peers' clients want the database named.
        let url = format!("{}/0", redis.url().trim_end_matches('/'));
        let mut environment = vec![("REDIS_URL", url)];
        environment.extend(stub.map(|stub| ("STUB_URL", stub.url.clone())));
        environment
            .extend(self.build.as_ref().map(|build| ("KEYS", build.join("keys").to_string_lossy().into_owned())));
        let role: Vec<String> = role.iter().map(|word| (*word).to_owned()).collect();
        let log = self.logs.path().join(format!("{}.{}.txt", peer.name, role.first().map_or("", String::as_str)));
        let started = Process::start(peer, &role, &environment, &log).await;
        started.with_context(|| {
            let output = std::fs::read_to_string(&log).unwrap_or_default();
            format!("{} ({})", peer.name, output.lines().last().unwrap_or("no output"))
        })
    }

    async fn stub(&self, workload: Workload) -> anyhow::Result<Option<Stub>> {
        let Some(build) = self.build.as_ref().filter(|_| workload.work() != "W1") else { return Ok(None) };
        let port = bursar_private_redis::free_port()?;
        let mut child = Command::new(build.join(STUB))
            .args(["--port", &port.to_string()])
            .arg("--sig")
            .arg(build.join("keys/body.sig.b64"))
            .arg("--body")
            .arg(build.join("keys/body.json"))
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("could not start the gateway stub")?;
        let out = child.stdout.take().context("a stub without an output")?;
        BufReader::new(out).lines().next_line().await?.context("the stub ended before it was ready")?;
        Ok(Some(Stub { child, url: format!("http://127.0.0.1:{port}") }))
    }
}

/// The usage of worker, Redis, stub and all other processes between two moments.
struct Watch {
    worker: u32,
    stub: Option<u32>,
    from: Counters,
}

struct Counters {
    at: tokio::time::Instant,
    own: Duration,
    worker: Duration,
    redis: Duration,
    stub: Duration,
    machine: Duration,
    commands: u64,
    bytes: u64,
}

impl Watch {
    async fn begin(redis: &mut Observed, worker: &Process, stub: Option<&Stub>) -> anyhow::Result<Self> {
        let (worker, stub) = (worker.pid(), stub.and_then(|stub| stub.child.id()));
        Ok(Self { worker, stub, from: Counters::read(redis, worker, stub).await? })
    }

    async fn end(self, redis: &mut Observed, count: u32, outcome: &mut Outcome) -> anyhow::Result<()> {
        let (from, to) = (self.from, Counters::read(redis, self.worker, self.stub).await?);
        let micros = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 1e6 / f64::from(count);
        outcome.add(Figure::WorkerMicros, micros(from.worker, to.worker));
        outcome.add(Figure::RedisMicros, micros(from.redis, to.redis));
        outcome.add(Figure::StubMicros, micros(from.stub, to.stub));
        outcome.add(Figure::Commands, (to.commands - from.commands) as f64 / f64::from(count));
        outcome.add(Figure::WireBytes, (to.bytes - from.bytes) as f64 / f64::from(count));
        outcome.other_cores = others(&from, &to);
        Ok(())
    }

    async fn end_idle(self, redis: &mut Observed, outcome: &mut Outcome) -> anyhow::Result<()> {
        let (from, to) = (self.from, Counters::read(redis, self.worker, self.stub).await?);
        let seconds = (to.at - from.at).as_secs_f64();
        let percent = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 100.0 / seconds;
        outcome.add(Figure::WorkerPercent, percent(from.worker, to.worker));
        outcome.add(Figure::RedisPercent, percent(from.redis, to.redis));
        outcome.add(Figure::CommandsPerSecond, (to.commands - from.commands) as f64 / seconds);
        outcome.other_cores = others(&from, &to);
        Ok(())
    }
}

/// The cores that were busy with other processes than the run's.
fn others(from: &Counters, to: &Counters) -> f64 {
    let all = |counters: &Counters| counters.own + counters.worker + counters.redis + counters.stub;
    let other = to.machine.saturating_sub(from.machine).saturating_sub(all(to).saturating_sub(all(from)));
    other.as_secs_f64() / (to.at - from.at).as_secs_f64()
}

impl Counters {
    async fn read(redis: &mut Observed, worker: u32, stub: Option<u32>) -> anyhow::Result<Self> {
        let info = redis.info().await?;
        Ok(Self {
            at: tokio::time::Instant::now(),
            own: cpu::own(),
            worker: cpu::of_family(worker),
            redis: info.cpu(),
            stub: stub.map(cpu::of_family).unwrap_or_default(),
            machine: cpu::of_machine(),
            commands: info.commands().values().sum(),
            bytes: info.wire_bytes(),
        })
    }
}
