//! `bursar demo` shows everything on one machine with nothing set up.

mod jobs;
mod progress;
mod verdict;
mod workers;

use std::path::Path;
use std::time::Duration;

use bursar_private_redis::{Options as RedisOptions, PrivateRedis};
use bursar_producer::{Outcome, Producer, Settings};
use bursar_simulator::{FaultProfile, Options, Ready, Simulator};
use bursar_store::Store;
use clap::Args;
use tokio::time::Instant;

use crate::config::Config;
use crate::exit::{Context, Exit, Failure, Global};
use crate::serve;
use jobs::Mix;
use progress::Progress;
use workers::Workers;

/// Jobs submitted in one round trip.
const BATCH: usize = 500;

/// The demo ends after this time at the latest. The table shows a job that has not ended by then as a failure.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// The interval at which the demo counts finished jobs.
const LOOK: Duration = Duration::from_millis(50);

/// The interval of kills with --kill.
const KILL_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar demo --jobs 1000 --faults hostile --kill\n\nUses the Redis of REDIS_URL if that is set, else a private one that is removed afterwards. Exit 0 only if Bursar's books and the gateway's agree and nothing was paid twice."
)]
pub(crate) struct Arguments {
    /// The number of jobs, a third of each kind.
    #[arg(long, default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    jobs: u32,
    /// The share of requests that the gateway answers wrongly: none, mild (one in ten) or hostile (four in ten).
    #[arg(long, default_value = "mild", value_name = "PROFILE")]
    faults: FaultProfile,
    /// Kill -9 a worker every second while they work, and start another.
    #[arg(long)]
    kill: bool,
    /// Kill at most this many.
    #[arg(long, value_name = "N")]
    kills: Option<u32>,
    /// The seed of the gateway's random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    fn kills(&self) -> u32 {
        self.kills.unwrap_or(if self.kill { u32::MAX } else { 0 })
    }
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let folder = tempfile::Builder::new().prefix("bursar-demo-").tempdir()?;
    let redis = Redis::of_the_user_or_private(folder.path())?;
    let simulator = simulator(arguments).await?;
    let config = folder.path().join("bursar.toml");
    std::fs::write(&config, configuration(&redis, simulator.ready()))?;
    let store = Store::connect(&Settings { url: redis.url.clone(), prefix: redis.prefix.clone() }).await?;

    let progress = Progress::start(arguments.jobs, global);
    progress.say(format_args!("Redis: {}", redis.description));
    progress.say(format_args!("gateway simulator: http://{} (faults: {})", simulator.ready().listen, arguments.faults));
    let mix = Mix::new(arguments.jobs);
    mix.give_lives(&simulator);
    submit(serve::producer(&Config::load(Some(&config))?, store.clone()), &mix).await?;
    progress.say(format_args!("{} jobs submitted; two worker processes start", arguments.jobs));

    let mut workers = Workers::start(&config, folder.path())?;
    let started = Instant::now();
    let ended = watch(arguments, &store, &mix, &mut workers, &progress, started).await?;
    let took = started.elapsed();
    workers.stop().await?;
    progress.finish(ended);

    let verdict = verdict::reach(&store, &mix, &simulator.stop().await, workers.killed(), took).await?;
    verdict.show(global)?;
    if verdict.is_good() {
        return Ok(Exit::Done);
    }
    let kept = folder.keep();
    eprintln!("bursar: the workers' logs are kept in {}", kept.display());
    Ok(Exit::No)
}

/// Waits until every job has ended or needs review, and kills workers meanwhile as the arguments say.
async fn watch(
    arguments: &Arguments,
    store: &Store,
    mix: &Mix,
    workers: &mut Workers,
    progress: &Progress,
    started: Instant,
) -> Result<u32, Failure> {
    let mut next_kill = started + KILL_EVERY;
    loop {
        let ended = mix.ended(store).await?;
        progress.at(ended);
        if ended >= arguments.jobs || started.elapsed() > TIME_LIMIT {
            return Ok(ended);
        }
        workers.none_is_dead()?;
        // The first kill comes as soon as there is something to lose.
        let early = workers.killed() == 0 && ended * 10 >= arguments.jobs;
        if workers.killed() < arguments.kills() && (early || Instant::now() >= next_kill) {
            let killed = workers.kill_one()?;
            progress.say(format_args!("worker {killed} killed -9 at work; another one starts"));
            next_kill = Instant::now() + KILL_EVERY;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn submit(producer: Producer, mix: &Mix) -> Result<(), Failure> {
    for batch in mix.jobs().chunks(BATCH) {
        for (job, outcome) in batch.iter().zip(producer.submit_many(batch).await?) {
            if outcome != Outcome::New {
                return Err(Failure::no(format_args!(
                    "the demo's own job {} was not accepted: {outcome:?}",
                    job.platform_no
                )));
            }
        }
    }
    Ok(())
}

async fn simulator(arguments: &Arguments) -> Result<Simulator, Failure> {
    let options = Options {
        profile: arguments.faults,
        seed: arguments.seed,
        latency: Duration::from_millis(30),
        life_step: Duration::from_millis(300),
        hang: Duration::from_millis(1200), // longer than a call may take, shorter than a send needs to settle
        lives: Some(jobs::lives()?),
        ..Options::default()
    };
    Ok(Simulator::start(options).await?)
}

/// The Redis of the demo.
struct Redis {
    url: String,
    prefix: String,
    description: String,
    _private: Option<PrivateRedis>,
}

impl Redis {
    fn of_the_user_or_private(folder: &Path) -> Result<Self, Failure> {
        if let Ok(url) = std::env::var("REDIS_URL") {
            let prefix = format!("bursar-demo-{:08x}", fastrand::u32(..));
            let description = format!("yours (REDIS_URL); the demo's keys begin with {prefix}: and are not removed");
            return Ok(Self { url, prefix, description, _private: None });
        }
        let private =
            PrivateRedis::start(RedisOptions::new(folder.join("redis"))).context("a private Redis for the demo")?;
        let description = format!("a private one ({}), removed when the demo ends", private.binary().version);
        Ok(Self { url: private.url().to_owned(), prefix: "bursar".into(), description, _private: Some(private) })
    }
}

/// The workers' configuration: as in production, with shorter waits.
fn configuration(redis: &Redis, ready: &Ready) -> String {
    let (url, prefix) = (toml::Value::from(redis.url.as_str()), &redis.prefix);
    let base_url = format!("http://{}", ready.listen);
    let path = |file: &Path| toml::Value::from(file.to_string_lossy().as_ref());
    let (private_key, platform_key) = (path(&ready.app_private_key_file), path(&ready.platform_public_key_file));
    let secret = path(&ready.beingfi_secret_file);
    // The simulator recognises repeated keys, which no gateway's page promises.
    let limits = "on_ambiguous = \"resend\"\nresend_after = \"2s\"\nresend_max = 10\nconnect_timeout = \"500ms\"\ncall_timeout = \"1s\"\nretry_initial = \"100ms\"\nretry_max = \"1s\"\nrate_per_second = 0\npoll = [\"200ms\", \"300ms\", \"500ms\"]";
    let (main, shop, app_id) = (jobs::MAIN, jobs::SHOP, &ready.app_id);
    let (mch_no, beingfi_app_id) = (&ready.mch_no, &ready.beingfi_app_id);
    format!(
        "[redis]\nurl = {url}\nprefix = \"{prefix}\"\npreflight = \"warn\"\n\n\
         [worker]\nconcurrency = 16\nlease = \"2s\"\ndrain = \"5s\"\n\n\
         [accounts.{main}]\ngateway = \"yzt\"\nbase_url = \"{base_url}\"\napp_id = \"{app_id}\"\n\
         private_key_file = {private_key}\nplatform_public_key_file = {platform_key}\npoll_deadline = \"120s\"\n{limits}\n\n\
         [accounts.{shop}]\ngateway = \"beingfi\"\nbase_url = \"{base_url}\"\nmch_no = \"{mch_no}\"\n\
         app_id = \"{beingfi_app_id}\"\nsecret_file = {secret}\nnot_ready_wait = \"500ms\"\npoll_deadline = \"6s\"\n{limits}\n"
    )
}
