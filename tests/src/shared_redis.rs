//! One Redis per test process, from the best source there is, and private ones for tests that break it.

use crate::{cleanup::after_this_process, container};
use bursar_private_redis::{Error, Fsync, Options, PrivateRedis, find_binary};
use std::{
    env,
    io::{self, Write},
    ops::Deref,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// A Redis that the environment names must answer within this.
const NAMED_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a server comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one that `REDIS_URL` names.
    Url,
    /// A container of our own.
    Container,
    /// A private server process of our own.
    Local,
}

impl Source {
    /// Its name in `BURSAR_TEST_REDIS`.
    const fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Container => "container",
            Self::Local => "local",
        }
    }
}

/// The Redis that all tests of this process share. Keep apart by [`unique_prefix`]; never flush or reconfigure it.
#[derive(Debug)]
pub struct TestRedis {
    /// Where clients connect.
    pub url: String,
    /// Where it comes from.
    pub source: Source,
    /// Holds a local server until the process ends.
    _local: Option<PrivateRedis>,
}

/// The shared Redis, started by the first test that needs it: `REDIS_URL`, else a container, else a private local server.
/// `BURSAR_TEST_REDIS=url|container|local` pins one. Says once on stderr which it is, and why not the ones before it.
///
/// # Panics
/// When there is none, with the reason for every source that was tried. No test is ever skipped for want of a Redis.
pub async fn redis() -> &'static TestRedis {
    static SHARED: OnceCell<TestRedis> = OnceCell::const_new();
    SHARED.get_or_init(start_shared).await
}

/// A name no other test uses on the shared server, for use as the key prefix.
pub fn unique_prefix() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let process = std::process::id();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // Random too, because a Redis that REDIS_URL names outlives the process numbers.
    format!("bursar-test-{process}-{number}-{:08x}", fastrand::u32(..))
}

/// A local server for one test alone, to be killed, frozen or reconfigured. It and its folder go when it is dropped.
#[derive(Debug)]
pub struct OwnRedis {
    server: PrivateRedis,
    pub(crate) folder: TempDir,
}

impl OwnRedis {
    /// Changes a setting while it runs: `("maxmemory", "1")`.
    ///
    /// # Panics
    /// When the server does not take it.
    pub async fn configure(&self, name: &str, value: &str) {
        let set = async {
            let mut connection = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
            redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec_async(&mut connection).await
        };
        set.await.unwrap_or_else(|error| panic!("{name} could not be set to {value}: {error}"));
    }
}

impl Deref for OwnRedis {
    type Target = PrivateRedis;
    fn deref(&self) -> &PrivateRedis {
        &self.server
    }
}

/// Starts a server for one test alone, whatever `BURSAR_TEST_REDIS` says: `private_redis(|options| options)`, or with changes
/// such as `private_redis(|options| Options { listen: Listen::Loopback, ..options })`.
///
/// # Panics
/// When no server can be started, naming the reason.
pub fn private_redis(adjust: impl FnOnce(Options) -> Options) -> OwnRedis {
    let folder = test_folder();
    let server = start_local(adjust(Options::new(folder.path())));
    let server = server.unwrap_or_else(|error| panic!("no private Redis for this test: {error}"));
    OwnRedis { server, folder }
}

async fn start_shared() -> TestRedis {
    let pinned = env::var("BURSAR_TEST_REDIS").ok().filter(|value| !value.is_empty() && value != "auto");
    let sources: Vec<Source> = [Source::Url, Source::Container, Source::Local]
        .into_iter()
        .filter(|source| pinned.as_deref().is_none_or(|name| name == source.name()))
        .collect();
    assert!(
        !sources.is_empty(),
        "BURSAR_TEST_REDIS is url, container, local or auto, not {}",
        pinned.unwrap_or_default()
    );

    let mut refusals = Vec::new();
    for source in sources {
        match start_from(source).await {
            Ok((url, local)) => {
                say(source, &url, &refusals);
                return TestRedis { url, source, _local: local };
            }
            Err(reason) => refusals.push(format!("{}: {reason}", source.name())),
        }
    }
    panic!("no Redis for the tests; tried\n  {}", refusals.join("\n  "));
}

async fn start_from(source: Source) -> Result<(String, Option<PrivateRedis>), String> {
    match source {
        Source::Url => named().await.map(|url| (url, None)),
        Source::Container => container::start().await.map(|url| (url, None)),
        Source::Local => {
            let folder = test_folder().keep();
            after_this_process("rm -rf -- \"$1\"", &folder.display().to_string());
            // The shared server is never crashed, so it need not force each write to the disk.
            let options = Options { fsync: Fsync::EverySecond, ..Options::new(folder) };
            let server = start_local(options).map_err(|error| error.to_string())?;
            Ok((server.url().to_owned(), Some(server)))
        }
    }
}

/// The Redis of `REDIS_URL`.
///
/// # Panics
/// It is set and does not answer: the operator wants that one, not another.
async fn named() -> Result<String, String> {
    let url = env::var("REDIS_URL").ok().filter(|url| !url.is_empty()).ok_or("REDIS_URL is not set")?;
    let answered = async {
        let mut connection = redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<()>(&mut connection).await
    };
    match tokio::time::timeout(NAMED_TIMEOUT, answered).await {
        Ok(Ok(())) => Ok(url),
        Ok(Err(error)) => panic!("REDIS_URL names a Redis that cannot be used: {error}"),
        Err(_) => panic!("the Redis that REDIS_URL names did not answer within {NAMED_TIMEOUT:?}"),
    }
}

fn start_local(options: Options) -> Result<PrivateRedis, Error> {
    let binary = match &options.binary {
        Some(named) => named.clone(),
        None => found_binary()?,
    };
    PrivateRedis::start(Options { binary: Some(binary), ..options })
}

/// The program that all servers of the tests run, sentinels too.
pub(crate) fn server_binary() -> PathBuf {
    found_binary().unwrap_or_else(|error| panic!("no server program for this test: {error}"))
}

fn found_binary() -> Result<PathBuf, Error> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.bursar/redis/redis-server");
    match find_binary() {
        Ok(found) => Ok(found.path),
        // Tests run in their crate's folder, so the search above missed what `./x` fetched for the workspace.
        Err(Error::NoBinary { .. }) if fetched.is_file() => Ok(fetched),
        Err(error) => Err(error),
    }
}

fn test_folder() -> TempDir {
    tempfile::Builder::new().prefix("bursar-test-").tempdir().expect("making a folder for a private Redis")
}

/// Writes past the test runner's capture, which would show it for failing tests only.
fn say(source: Source, url: &str, refusals: &[String]) {
    let place = match source {
        Source::Url => "the Redis that REDIS_URL names".to_owned(),
        Source::Container => format!("Redis in a container at {url}"),
        Source::Local => format!("a private local Redis at {url}"),
    };
    let because = if refusals.is_empty() { String::new() } else { format!(" (not {})", refusals.join("; not ")) };
    let _ = writeln!(io::stderr(), "tests use {place}{because}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use bursar_private_redis::Listen;

    async fn ping(url: &str) -> String {
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("PING").query_async(&mut connection).await.unwrap()
    }

    #[tokio::test]
    async fn the_shared_redis_answers() {
        assert_eq!(ping(&redis().await.url).await, "PONG");
    }

    #[tokio::test]
    async fn the_shared_redis_outlives_the_test_that_started_it() {
        // Whichever of the two tests comes second runs in another runtime and thread than the start.
        assert_eq!(ping(&redis().await.url).await, "PONG");
        assert!(std::ptr::eq(redis().await, redis().await));
    }

    #[tokio::test]
    async fn a_private_redis_is_another_server_and_can_be_killed() {
        let own = private_redis(|options| Options { listen: Listen::Loopback, ..options });
        assert_ne!(own.url(), redis().await.url);
        assert_eq!(ping(own.url()).await, "PONG");
        own.kill().unwrap();
        own.start_again().unwrap();
        assert_eq!(ping(own.url()).await, "PONG");
    }

    #[test]
    fn prefixes_differ() {
        assert_ne!(unique_prefix(), unique_prefix());
    }
}
