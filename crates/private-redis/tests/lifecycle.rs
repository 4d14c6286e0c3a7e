//! A private server's life, with a real server: start, crash, contention, and the death of its owner.

#![expect(clippy::unwrap_used, reason = "a test's helpers may panic as the tests do")]

use bursar_private_redis::{Error, Fsync, Listen, Options, PrivateRedis};
use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Names the folder for the helper process of `the_server_leaves_when_its_owner_is_killed`.
const OWNER_OF: &str = "BURSAR_TEST_OWNER_OF";

#[test]
fn a_fresh_server_answers_soon() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let redis = PrivateRedis::start(Options::new(folder.path())).unwrap();
    // Tens of milliseconds; the rest is room for a machine that compiles meanwhile.
    assert!(began.elapsed() < Duration::from_secs(5), "took {:?}", began.elapsed());
    assert!(redis.url().starts_with("redis+unix:///"), "{}", redis.url());
    assert_eq!(query(&redis, "PING"), "+PONG");
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let redis = PrivateRedis::start(Options::new(folder.path())).unwrap();
    assert_eq!(query(&redis, "SET paid once"), "+OK");
    let first = redis.pid().unwrap();

    redis.kill().unwrap();
    assert_eq!(redis.pid(), None);
    redis.start_again().unwrap();

    assert_ne!(redis.pid().unwrap(), first);
    assert_eq!(query(&redis, "GETRANGE paid 0 -1"), "$4 once");
}

#[test]
fn a_server_that_ended_is_noticed_and_can_start_again() {
    let folder = tempfile::tempdir().unwrap();
    let redis = PrivateRedis::start(Options::new(folder.path())).unwrap();
    let mut stream = connect(redis.url());
    stream.write_all(b"SET paid once\r\nSHUTDOWN\r\n").unwrap();
    // The server closes the connection by ending.
    let _ = stream.read_to_end(&mut Vec::new());
    let began = Instant::now();
    while redis.pid().is_some() {
        assert!(began.elapsed() < Duration::from_secs(5), "the end was not noticed");
    }

    redis.start_again().unwrap();
    assert_eq!(query(&redis, "GETRANGE paid 0 -1"), "$4 once");
}

#[test]
fn many_servers_at_once_get_a_port_each() {
    let servers: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(|| {
                let folder = tempfile::tempdir().unwrap();
                let options = Options { listen: Listen::Loopback, ..Options::new(folder.path()) };
                (PrivateRedis::start(options).unwrap(), folder)
            })
        })
        .collect();
    let servers: Vec<_> = servers.into_iter().map(|thread| thread.join().unwrap()).collect();
    for (redis, _folder) in &servers {
        assert!(query(redis, "INFO server").contains(&format!("process_id:{}", redis.pid().unwrap())));
    }
}

#[test]
fn a_restart_keeps_the_address_and_the_writes() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { listen: Listen::Loopback, fsync: Fsync::EverySecond, ..Options::new(folder.path()) };
    let redis = PrivateRedis::start(options).unwrap();
    let url = redis.url().to_owned();
    assert_eq!(query(&redis, "SET paid once"), "+OK");

    redis.restart().unwrap();

    assert_eq!(redis.url(), url);
    assert_eq!(query(&redis, "GETRANGE paid 0 -1"), "$4 once");
}

#[test]
fn the_promised_settings_hold_and_the_callers_settings_win() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path()).setting("maxmemory", "64mb").setting("maxmemory-policy", "allkeys-lru");
    let redis = PrivateRedis::start(options).unwrap();
    assert_eq!(setting(&redis, "appendonly"), "yes");
    assert_eq!(setting(&redis, "appendfsync"), "always");
    assert_eq!(setting(&redis, "port"), "0");
    assert_eq!(setting(&redis, "maxmemory"), "67108864");
    assert_eq!(setting(&redis, "maxmemory-policy"), "allkeys-lru");
}

#[test]
fn a_second_supervisor_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = PrivateRedis::start(Options::new(folder.path())).unwrap();
    let second = PrivateRedis::start(Options::new(folder.path())).unwrap_err();
    assert!(matches!(second, Error::InUse { .. }), "{second}");
    assert_eq!(query(&first, "PING"), "+PONG");

    drop(first);
    PrivateRedis::start(Options::new(folder.path())).unwrap();
}

#[test]
fn a_frozen_server_is_silent_until_thawed_and_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let redis = PrivateRedis::start(Options::new(folder.path())).unwrap();
    redis.freeze().unwrap();
    let mut stream = connect(redis.url());
    stream.write_all(b"PING\r\n").unwrap();
    assert!(stream.read(&mut [0; 8]).is_err(), "a frozen server answered");

    redis.thaw().unwrap();
    assert_eq!(query(&redis, "PING"), "+PONG");
    redis.freeze().unwrap();
    redis.stop().unwrap();
    assert!(matches!(redis.freeze(), Err(Error::NotRunning)));
}

#[test]
fn a_folder_with_a_long_name_gets_a_socket_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let redis = PrivateRedis::start(Options::new(folder.path().join("d".repeat(120)))).unwrap();
    assert_eq!(query(&redis, "PING"), "+PONG");
    let socket = redis.url().trim_start_matches("redis+unix://").to_owned();
    drop(redis);
    assert!(!Path::new(&socket).parent().unwrap().exists(), "{socket} was left behind");
}

#[test]
fn a_server_that_cannot_start_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let error = PrivateRedis::start(Options::new(folder.path()).setting("maxmemory-policy", "sometimes")).unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    // The folder is free again.
    PrivateRedis::start(Options::new(folder.path())).unwrap();
}

#[test]
fn the_server_outlives_the_thread_that_called_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let redis = std::thread::spawn(move || PrivateRedis::start(Options::new(path)).unwrap()).join().unwrap();
    assert_eq!(query(&redis, "PING"), "+PONG", "the server went away with the thread that called start");
}

#[test]
fn the_server_leaves_when_its_owner_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut owner, url) = spawn_owner(folder.path());
    assert_eq!(query_at(&url, "SET paid once"), "+OK");

    owner.kill().unwrap();
    owner.wait().unwrap();

    // The server holds the folder's lock as long as it lives, so this succeeds only once it is gone.
    let next = PrivateRedis::start(Options::new(folder.path())).unwrap();
    assert_eq!(query(&next, "GETRANGE paid 0 -1"), "$4 once");
}

/// Not a test: the program that the test above runs as the owner.
#[test]
fn as_an_owner() {
    let Some(folder) = env::var_os(OWNER_OF) else {
        return;
    };
    let redis = PrivateRedis::start(Options::new(folder)).unwrap();
    eprintln!("ready {}", redis.url());
    // Until killed.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn spawn_owner(folder: &Path) -> (Child, String) {
    let mut owner = Command::new(env::current_exe().unwrap())
        .args(["--exact", "as_an_owner", "--nocapture"])
        .env(OWNER_OF, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stderr.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.find_map(|line| line.strip_prefix("ready ").map(str::to_owned)).unwrap();
    (owner, url)
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn connect(url: &str) -> Box<dyn Stream> {
    let timeout = Some(Duration::from_millis(300));
    if let Some(path) = url.strip_prefix("redis+unix://") {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(timeout).unwrap();
        Box::new(stream)
    } else {
        let stream = TcpStream::connect(url.trim_start_matches("redis://").trim_end_matches('/')).unwrap();
        stream.set_read_timeout(timeout).unwrap();
        Box::new(stream)
    }
}

fn query(redis: &PrivateRedis, command: &str) -> String {
    query_at(redis.url(), command)
}

/// One command, its answer's lines joined by spaces.
fn query_at(url: &str, command: &str) -> String {
    let mut stream = connect(url);
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let before_goodbye = answer.trim_end().strip_suffix("+OK").unwrap();
    before_goodbye.lines().collect::<Vec<_>>().join(" ")
}

fn setting(redis: &PrivateRedis, name: &str) -> String {
    let answer = query(redis, &format!("CONFIG GET {name}"));
    answer.split(' ').next_back().unwrap().to_owned()
}
