//! One seed's world: Redis, the gateway, the wires and the workers, and the acts behind each event of a timeline.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bursar_producer::{Queue, Settings};
use bursar_simulator::{Life, Options, Simulator, TradeNo};
use bursar_store::Store;
use bursar_test_support::{Fault, FaultProxy, Fsync, Listen, OwnRedis, Process, private_redis};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::event::{Event, Order, Wire};
use crate::jobs::Thing;
use crate::operators;
use crate::plan::{self, Gateway, Memory, Plan, QueryKey};
use crate::renaming::{Cut, HandingOn, Renaming, Stage, queues_in_hand};
use crate::settings;
use crate::webhooks::Receivers;
use crate::workers::{Role, Workers, bursar};

/// The time until a stopped Redis is back: another program may hold its port for a moment.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// The time until the disk has caught up.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(2);

/// The longest reconciliation of a seed's few files on a busy machine.
const RECONCILED_WITHIN: Duration = Duration::from_secs(20);

/// The result of an action that no operator would take.
pub(crate) const REFUSED_BY_OPERATORS: &str = "no operator would";

/// The result of a loss of writes while not everything is submitted.
pub(crate) const TOO_EARLY: &str = "not everything was submitted by then";

/// One seed's world. Everything of it ends with it.
pub(crate) struct World {
    pub(crate) workers: Workers,
    pub(crate) producers_wire: FaultProxy,
    pub(crate) receivers: Receivers,
    pub(crate) simulator: Simulator,
    /// The test's own way to Redis, without a proxy.
    pub(crate) store: Store,
    pub(crate) things: Arc<Vec<Thing>>,
    /// Operators' commands that have not ended yet.
    pub(crate) orders: Vec<JoinHandle<String>>,
    redis: OwnRedis,
    fsync: Fsync,
    gateway: Gateway,
    renaming: Option<Renaming>,
    stage: watch::Sender<Stage>,
    /// The bytes that Redis had written when everything was submitted.
    written_bytes: Option<u64>,
    /// The workers' configuration.
    pub(crate) config: PathBuf,
    _folder: TempDir,
}

/// The folder of the gateway's keys for all seeds: making them takes longer than most seeds.
async fn keys() -> PathBuf {
    static KEYS: OnceCell<()> = OnceCell::const_new();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("random-keys");
    let make = async || {
        let options = Options { dir: Some(folder.clone()), ..Options::default() };
        Simulator::start(options).await.expect("a gateway, to make its keys").stop().await;
    };
    KEYS.get_or_init(make).await;
    folder
}

async fn gateway(plan: &Plan) -> Simulator {
    let simulator = Simulator::start(Options {
        dir: Some(keys().await),
        profile: plan.profile,
        seed: plan.seed,
        latency: plan.latency,
        life_step: plan::LIFE_STEP,
        hang: plan::HANG,
        honours_keys: plan.gateway == Gateway::HonoursKeys,
        query_by_key: plan.query_key != QueryKey::TradeNo,
        ..Options::default()
    })
    .await
    .expect("a port for the gateway");
    for thing in &plan.things {
        let life: Life = thing.life.parse().expect("a plan's lives are lives");
        let trade_no = if thing.withholds_number { TradeNo::WithheldWhileWaiting } else { TradeNo::Given };
        simulator.give_life(&thing.ledger_key, life.with_trade_no(trade_no));
        if let Some((fault, times)) = thing.spoilt {
            simulator.spoil(&thing.ledger_key, fault, times).expect("a plan has few spoilt things");
        }
    }
    simulator
}

impl World {
    /// Starts everything but the processes under test.
    pub(crate) async fn start(plan: &Plan, receivers: Receivers) -> Self {
        let simulator = gateway(plan).await;
        let fsync = plan.fsync;
        let redis =
            private_redis(|options| bursar_test_support::Options { listen: Listen::Loopback, fsync, ..options });
        let folder = tempfile::Builder::new().prefix("bursar-chaos-").tempdir().expect("a folder for a configuration");
        let config = settings::write(plan, simulator.ready(), folder.path()).expect("writing the configuration");
        let (working, servers) =
            plan.webhooks.as_ref().map_or((Role::Worker, 0), |webhooks| (webhooks.workers, webhooks.servers));
        let workers = plan.skews_ms[..plan.workers].iter().map(|skew_ms| (working, *skew_ms));
        let mut slots = Vec::new();
        for (role, skew_ms) in workers.chain(std::iter::repeat_n((Role::Server, 0), servers)) {
            let (redis, gateway) =
                (FaultProxy::start(redis.url()).await, FaultProxy::start(&simulator.ready().listen).await);
            slots.push((role, redis, gateway, skew_ms));
        }
        let direct = Settings { url: redis.url().to_owned(), prefix: "bursar".to_owned() };
        Self {
            workers: Workers::new(slots, &config),
            producers_wire: FaultProxy::start(redis.url()).await,
            receivers,
            simulator,
            store: Store::connect(&direct).await.expect("Redis has just said that it is ready"),
            things: Arc::new(plan.things.clone()),
            orders: Vec::new(),
            redis,
            fsync,
            gateway: plan.gateway,
            renaming: plan.renaming.clone(),
            stage: watch::Sender::new(Stage::Old),
            written_bytes: None,
            config,
            _folder: folder,
        }
    }

    /// The producers' settings for Redis.
    pub(crate) fn producers_settings(&self) -> Settings {
        Settings { url: self.producers_wire.redis_url(), prefix: "bursar".to_owned() }
    }

    /// Brings an event about; returns the result as a text.
    pub(crate) async fn apply(&mut self, event: &Event) -> String {
        let done = match event {
            Event::Kill(slot) => self.workers.kill(*slot).await,
            Event::Arm(slot, point, pass) => {
                self.workers.kill(*slot).await;
                self.workers.start(*slot, Some(("BURSAR_CRASH_AT", format!("{point}:{pass}"))))
            }
            Event::Halt(slot, point, pass) => {
                self.workers.kill(*slot).await;
                self.workers.start(*slot, Some(("BURSAR_STOP_AT", format!("{point}:{pass}"))))
            }
            Event::Drain(slot) => self.workers.drain(*slot).await,
            Event::Start(slot) => {
                self.workers.disarm(*slot).await;
                self.workers.start(*slot, None)
            }
            Event::Freeze(slot) => self.workers.freeze(*slot).await,
            Event::Thaw(slot) => self.workers.thaw(*slot).await,
            Event::StopRedis => self.order_redis(|redis| redis.stop()),
            Event::KillRedis => self.kill_redis().await,
            Event::LoseWrites(thousandths) => return self.lose_writes(*thousandths),
            Event::Wipe => self.wipe().await,
            Event::Rename(endings) => {
                let renaming = self.renaming.as_ref().expect("an event of a plan with a renaming");
                self.config = settings::after_renaming(&self.config);
                let done = self.workers.rename(renaming.old, self.config.clone(), endings).await;
                self.stage.send_replace(Stage::Renamed);
                done
            }
            Event::Adopt(cuts) => {
                self.orders.push(self.hand_on(cuts.clone()));
                "begun"
            }
            Event::StartRedis => self.start_redis().await,
            Event::FreezeRedis => self.order_redis(|redis| redis.freeze()),
            Event::ThawRedis => self.order_redis(|redis| redis.thaw()),
            Event::PauseClients(pause) => {
                return self.command(&["CLIENT", "PAUSE", &pause.as_millis().to_string(), "ALL"]).await;
            }
            Event::RewriteFile => return self.command(&["BGREWRITEAOF"]).await,
            Event::Fill => return self.command(&["CONFIG", "SET", "maxmemory", "1"]).await,
            Event::Empty => return self.command(&["CONFIG", "SET", "maxmemory", "0"]).await,
            Event::Disturb(wire, fault) => self.set(*wire, *fault),
            Event::Calm(wire) => self.set(*wire, Fault::None),
            Event::Cut(wire) => {
                self.wire(*wire).cut();
                "done"
            }
            Event::PauseQueue(queue) | Event::ResumeQueue(queue) if !self.queues_in_hand().contains(queue) => {
                REFUSED_BY_OPERATORS
            }
            Event::PauseQueue(queue) => self.let_operator(operators::pause(self.store.clone(), queue.clone())),
            Event::ResumeQueue(queue) => self.let_operator(operators::resume(self.store.clone(), queue.clone())),
            Event::Operate(Order::Send, _) if self.gateway == Gateway::ExecutesEverySend => REFUSED_BY_OPERATORS,
            Event::Operate(order, number) => {
                let (things, ledger) = (Arc::clone(&self.things), self.simulator.ledger());
                let queues = self.queues_in_hand();
                self.let_operator(operators::operate(self.store.clone(), things, ledger, queues, (*order, *number)))
            }
        };
        done.to_owned()
    }

    pub(crate) fn queues_in_hand(&self) -> Vec<Queue> {
        queues_in_hand(self.renaming.as_ref(), *self.stage.borrow())
    }

    /// An operator's `bursar adopt` for the jobs of a renamed account.
    pub(crate) fn hand_on(&self, cuts: Vec<Cut>) -> JoinHandle<String> {
        let handing_on = HandingOn {
            renaming: self.renaming.clone().expect("a plan with a renaming"),
            config: self.config.clone(),
            redis_url: self.redis.url().to_owned(),
            store: self.store.clone(),
            stage: self.stage.clone(),
        };
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || runtime.block_on(handing_on.run(cuts)))
    }

    /// An operator's command may hang where Redis does; the timeline goes on.
    fn let_operator(&mut self, act: impl Future<Output = String> + Send + 'static) -> &'static str {
        self.orders.push(tokio::spawn(act));
        "begun"
    }

    fn order_redis<E: std::fmt::Debug>(&self, order: impl FnOnce(&OwnRedis) -> Result<(), E>) -> &'static str {
        order(&self.redis).expect("a Redis of our own obeys");
        "done"
    }

    /// With a sync on each write, acknowledged writes are in the system's hands before each reply. With a sync a second,
    /// Redis delays replies while the disk is slow, so it is killed when the disk is not slow.
    async fn kill_redis(&self) -> &'static str {
        let began = Instant::now();
        while self.fsync == Fsync::EverySecond && self.redis.info("aof_pending_bio_fsync").await.as_deref() != Some("0")
        {
            assert!(began.elapsed() < CAUGHT_UP_WITHIN, "the disk did not catch up");
        }
        self.order_redis(|redis| redis.kill())
    }

    /// Notes the bytes that Redis has written once everything is submitted: a loss takes no submission.
    pub(crate) fn all_submitted(&mut self) {
        if self.written_bytes.is_none() {
            self.written_bytes = Some(length(&self.redis.append_only_file()));
        }
    }

    fn lose_writes(&self, thousandths: u64) -> String {
        let Some(kept) = self.written_bytes else { return TOO_EARLY.into() };
        self.order_redis(|redis| redis.kill());
        let file = self.redis.append_only_file();
        let length = length(&file);
        let lost = length.saturating_sub(kept) * thousandths / 1_000;
        let opened = std::fs::File::options().write(true).open(&file);
        opened.and_then(|file| file.set_len(length - lost)).expect("cutting the append-only file");
        format!("{lost} bytes of {length}, of {kept} submitted")
    }

    async fn start_redis(&self) -> &'static str {
        let began = Instant::now();
        while let Err(error) = self.redis.start_again() {
            assert!(began.elapsed() < BACK_WITHIN, "Redis does not come back: {error}");
            sleep(Duration::from_millis(50)).await;
        }
        "done"
    }

    /// A Redis that has just come back may still read its file.
    async fn wipe(&self) -> &'static str {
        let began = Instant::now();
        while let answer = self.command(&["FLUSHALL"]).await
            && answer != "OK"
        {
            assert!(began.elapsed() < BACK_WITHIN, "Redis is not wiped: {answer}");
            sleep(Duration::from_millis(50)).await;
        }
        "done"
    }

    async fn command(&self, words: &[&str]) -> String {
        self.redis.command(words).await.unwrap_or_else(|error| error)
    }

    fn wire(&self, wire: Wire) -> &FaultProxy {
        match wire {
            Wire::Redis(slot) => &self.workers.slots[slot].redis,
            Wire::Gateway(slot) => &self.workers.slots[slot].gateway,
            Wire::Producers => &self.producers_wire,
            Wire::Receiver(receiver) => self.receivers.wire(receiver),
        }
    }

    fn set(&self, wire: Wire, fault: Fault) -> &'static str {
        self.wire(wire).set(fault);
        "done"
    }

    /// After the timeline: workers run, and no queue is paused.
    pub(crate) async fn heal(&mut self, plan: &Plan) {
        self.workers.heal().await;
        if plan.memory == Memory::Older {
            if plan.journal {
                self.reconcile().await;
            }
            return; // its queues may be paused for a reason
        }
        if plan.memory == Memory::Wiped {
            return; // nothing goes on before the journals are reconciled
        }
        for queue in self.queues_in_hand() {
            operators::resume(self.store.clone(), queue).await;
        }
    }

    /// An operator's first act when workers report that their journals know more than Redis.
    pub(crate) async fn reconcile(&self) {
        let mut command = bursar(&["reconcile", "--journal"]);
        command.arg(self.config.with_file_name("journal")).arg("--config").arg(&self.config);
        command.env("BURSAR_REDIS__URL", self.redis.url());
        let finished = Process::run("bursar reconcile", command, RECONCILED_WITHIN).await;
        assert!(matches!(finished.code, Some(0 | 1)), "{finished:?}");
    }

    /// Reply bytes that wires have dropped.
    pub(crate) fn lost_reply_bytes(&self) -> u64 {
        let of_workers = self.workers.slots.iter().flat_map(|slot| [&slot.redis, &slot.gateway]);
        of_workers.chain([&self.producers_wire]).chain(self.receivers.wires()).map(FaultProxy::lost_reply_bytes).sum()
    }
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}
