//! Redis behind Sentinel: all sentinels are queried for the primary at once, and the newest answer counts.
//!
//! A client that only reconnects goes on writing to a demoted primary, and those writes are lost. So no connection is
//! made to a server that no sentinel names or that is no primary itself, and no connection outlives a failover.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo};
use redis::{RedisError, RedisResult, Value};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::connection::{CONNECT_TIMEOUT, open_to};
use crate::subscription::Subscription;
use crate::{StoreError, tls};

/// Our schemes, and the client library's for each of the servers behind them.
const SCHEMES: [(&str, &str); 2] = [("redis+sentinel://", "redis"), ("rediss+sentinel://", "rediss")];

/// Sentinel's own port.
const SENTINEL_PORT: u16 = 26_379;

/// The time for the other sentinels once one has answered: the first is not always the best informed, and one that is
/// down must not keep workers from resuming within a second.
const OTHERS_TIMEOUT: Duration = Duration::from_millis(250);

/// Between attempts to listen to a sentinel that is not there.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// A parsed URL of our own form: `redis+sentinel://[user:pass@]host[:port],…/name[/db]`, with `?sentinel_user=` and
/// `sentinel_password=` if the sentinels have their own password.
pub(crate) struct Place {
    name: String,
    sentinels: Vec<ConnectionInfo>,
    /// The connection settings of the primary; the sentinels provide its address.
    primary: ConnectionInfo,
}

impl Place {
    /// True if a URL has this form.
    pub(crate) fn is_meant(url: &str) -> bool {
        SCHEMES.iter().any(|(ours, _)| url.starts_with(ours))
    }

    pub(crate) fn read(url: &str) -> RedisResult<Self> {
        let wrong = |what| RedisError::from((ErrorKind::InvalidClientConfig, what));
        let (scheme, rest) = SCHEMES
            .iter()
            .find_map(|(ours, theirs)| Some((*theirs, url.strip_prefix(ours)?)))
            .ok_or_else(|| wrong("not a Sentinel URL"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').ok_or_else(|| wrong("the primary's name is missing"))?;
        let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
        let (name, db) = path.split_once('/').unwrap_or((path, ""));
        if name.is_empty() {
            return Err(wrong("the primary's name is missing"));
        }
        let (mut sentinel_user, mut sentinel_password) = ("", "");
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sentinel_user", value)) => sentinel_user = value,
                Some(("sentinel_password", value)) => sentinel_password = value,
                Some(_) | None => return Err(wrong("only sentinel_user and sentinel_password may follow the ?")),
            }
        }
        let at = |user: &str, host: &str, path: &str| match user {
            "" | ":" => format!("{scheme}://{host}/{path}").into_connection_info(),
            user => format!("{scheme}://{user}@{host}/{path}").into_connection_info(),
        };
        let sentinel = format!("{sentinel_user}:{sentinel_password}");
        let sentinels: RedisResult<Vec<ConnectionInfo>> =
            hosts.split(',').map(|host| at(&sentinel, &with_port(host), "")).collect();
        Ok(Self { name: name.to_owned(), sentinels: sentinels?, primary: at(user, "sentinels-tell", db)? })
    }

    /// True if all connections are encrypted or local.
    pub(crate) fn is_private(&self) -> bool {
        self.sentinels.iter().all(|sentinel| tls::is_private(sentinel.addr()))
    }
}

/// A host of the list; the port is optional.
fn with_port(host: &str) -> String {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let in_brackets = host.ends_with(']');
    if has_port && !in_brackets { host.to_owned() } else { format!("{host}:{SENTINEL_PORT}") }
}

/// The sentinels, and the primary by all their answers so far.
pub(crate) struct Sentinels {
    name: String,
    clients: Vec<Client>,
    primary: ConnectionInfo,
    ca_pem: Option<String>,
    current: watch::Sender<Current>,
    /// Serializes the queries.
    asking: Mutex<()>,
}

/// The place of the primary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Current {
    /// Rises each time that another server is the primary.
    pub(crate) number: u64,
    /// The newest failover that a sentinel has reported.
    epoch: u64,
    address: (String, u16),
    /// It did not answer as a primary: query again before the next connection.
    suspected: bool,
}

/// One sentinel's answer.
struct Word {
    epoch: u64,
    address: (String, u16),
}

impl Sentinels {
    pub(crate) fn new(place: Place, ca_pem: Option<&str>) -> Result<Arc<Self>, StoreError> {
        let clients = place.sentinels.into_iter().map(|sentinel| tls::open(sentinel, ca_pem));
        let sentinels = Arc::new(Self {
            name: place.name,
            clients: clients.collect::<Result<_, _>>()?,
            primary: place.primary,
            ca_pem: ca_pem.map(str::to_owned),
            current: watch::Sender::new(Current { suspected: true, ..Current::default() }),
            asking: Mutex::default(),
        });
        for sentinel in &sentinels.clients {
            let (weak, alive) = (Arc::downgrade(&sentinels), sentinels.current.subscribe());
            tokio::spawn(follow(sentinel.clone(), weak, alive));
        }
        Ok(sentinels)
    }

    /// The current primary, with a signal for each change.
    pub(crate) fn current(&self) -> watch::Receiver<Current> {
        self.current.subscribe()
    }

    pub(crate) fn number(&self) -> u64 {
        self.current.borrow().number
    }

    pub(crate) fn db(&self) -> i64 {
        self.primary.redis_settings().db()
    }

    /// The primary that was `number` did not answer as one.
    pub(crate) fn suspect(&self, number: u64) {
        self.current.send_if_modified(|current| {
            let news = current.number == number && !current.suspected;
            current.suspected |= news;
            news
        });
    }

    /// The primary. Queries the sentinels only if there is a reason to.
    pub(crate) async fn primary(&self) -> RedisResult<Current> {
        let known = self.current.borrow().clone();
        if !known.suspected {
            return Ok(known);
        }
        let _alone = self.asking.lock().await;
        let known = self.current.borrow().clone(); // another caller may have queried meanwhile
        if !known.suspected {
            return Ok(known);
        }
        self.query_again().await?;
        Ok(self.current.borrow().clone())
    }

    async fn query_again(&self) -> RedisResult<()> {
        let (word, answers) = self.query().await?;
        let is_most = answers * 2 > self.clients.len();
        let mut believed = true;
        self.current.send_modify(|current| {
            // A sentinel that is cut off with the old primary knows of no failover.
            believed = word.epoch >= current.epoch || is_most;
            if believed {
                current.number += u64::from(current.address != word.address);
                current.address = word.address;
                current.epoch = word.epoch;
                current.suspected = false;
            }
        });
        match believed {
            true => Ok(()),
            false => Err(not_connected("the sentinels that answer do not know the failover that has happened")),
        }
    }

    /// The newest answer, and the number of sentinels with one.
    async fn query(&self) -> RedisResult<(Word, usize)> {
        let mut asking: FuturesUnordered<_> =
            self.clients.iter().map(|sentinel| query_one(sentinel, &self.name)).collect();
        let mut until = Instant::now() + CONNECT_TIMEOUT;
        let (mut newest, mut answers, mut failure): (Option<Word>, _, _) = (None, 0, None);
        while let Ok(Some(reply)) = tokio::time::timeout_at(until, asking.next()).await {
            match reply {
                Ok(word) => {
                    until = until.min(Instant::now() + OTHERS_TIMEOUT);
                    answers += 1;
                    if newest.as_ref().is_none_or(|newest| newest.epoch < word.epoch) {
                        newest = Some(word);
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        match newest {
            Some(word) => Ok((word, answers)),
            None => Err(failure.unwrap_or_else(|| not_connected("no sentinel answers"))),
        }
    }

    /// A client for the primary.
    pub(crate) fn client(&self, primary: &Current) -> RedisResult<Client> {
        let (host, port) = primary.address.clone();
        let address = if let ConnectionAddr::TcpTls { insecure, .. } = self.primary.addr() {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let server = self.primary.clone().set_addr(address);
        tls::open(server, self.ca_pem.as_deref())
            .map_err(|error| RedisError::from((ErrorKind::InvalidClientConfig, "TLS", error.chain())))
    }

    /// A connection to the primary, once it has confirmed its role itself.
    pub(crate) async fn connect(&self, primary: &Current) -> RedisResult<MultiplexedConnection> {
        let mut switched = self.current();
        let connect = async {
            let mut connection = open_to(&self.client(primary)?).await?;
            let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut connection).await?;
            let role = role.first().and_then(|role| redis::from_redis_value_ref::<String>(role).ok());
            match role.as_deref() {
                Some("master") => Ok(connection),
                Some(_) | None => Err(not_connected("the server that the sentinels name is not a primary (yet)")),
            }
        };
        tokio::select! {
            connection = connect => connection,
            // Once another primary is known, a server that does not even refuse is not waited for.
            _ = switched.wait_for(|current| current.number != primary.number) => Err(switched_over()),
        }
    }
}

async fn query_one(sentinel: &Client, name: &str) -> RedisResult<Word> {
    let mut connection = open_to(sentinel).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("MASTER").arg(name);
    let mut reply: HashMap<String, String> = command.query_async(&mut connection).await?;
    if reply.get("flags").is_some_and(|flags| flags.contains("o_down")) {
        return Err(not_connected("the sentinels agree that the primary is down"));
    }
    let number = |field: &str| reply.get(field).and_then(|text| text.parse::<u64>().ok());
    let port = number("port").and_then(|port| u16::try_from(port).ok());
    let (Some(port), Some(epoch)) = (port, number("config-epoch")) else {
        return Err(not_connected("a sentinel's answer cannot be read"));
    };
    let Some(host) = reply.remove("ip") else { return Err(not_connected("a sentinel's answer cannot be read")) };
    Ok(Word { epoch, address: (host, port) })
}

/// Listens for failovers at one sentinel while the store is in use. The old primary may still answer.
async fn follow(sentinel: Client, sentinels: Weak<Sentinels>, mut alive: watch::Receiver<Current>) {
    let unused = async { while alive.changed().await.is_ok() {} };
    let listening = async {
        loop {
            // If one sentinel fails, the others or the next error report the failover.
            listen(&sentinel, &sentinels).await.ok();
            tokio::time::sleep(LISTEN_AGAIN).await;
            look_again(&sentinels).await; // a failover may have been missed meanwhile
        }
    };
    tokio::select! {
        () = unused => {}
        () = listening => {}
    }
}

async fn listen(sentinel: &Client, sentinels: &Weak<Sentinels>) -> RedisResult<()> {
    let mut messages = Subscription::open(sentinel, "+switch-master").await?;
    while let Some(message) = messages.next().await {
        let text: String = message.get_payload()?;
        let about = text.split(' ').next();
        if sentinels.upgrade().is_some_and(|sentinels| about == Some(sentinels.name.as_str())) {
            look_again(sentinels).await;
        }
    }
    Ok(())
}

async fn look_again(sentinels: &Weak<Sentinels>) {
    if let Some(sentinels) = sentinels.upgrade() {
        sentinels.query_again().await.ok(); // the next user of the primary gets the error
    }
}

pub(crate) fn not_connected(why: &'static str) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::NotConnected, why).into()
}

/// The error of a command for a server that is no longer the primary.
pub(crate) fn switched_over() -> RedisError {
    not_connected("another server has become the primary")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        Place::read(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn sentinels_name_database_and_both_passwords_are_read() {
        let place = place("redis+sentinel://bursar:p%40ss@s1:26380,s2,[::1]:7/payments/3?sentinel_password=s3cret");
        let ports: Vec<String> = place.sentinels.iter().map(|sentinel| sentinel.addr().to_string()).collect();
        assert_eq!(ports, ["s1:26380", "s2:26379", "::1:7"]);
        assert_eq!(place.name, "payments");
        let (primary, sentinel) = (place.primary.redis_settings(), place.sentinels[0].redis_settings());
        assert_eq!((primary.db(), primary.username(), primary.password()), (3, Some("bursar"), Some("p@ss")));
        assert_eq!((sentinel.db(), sentinel.username(), sentinel.password()), (0, None, Some("s3cret")));
        assert!(!place.is_private());
    }

    #[test]
    fn tls_is_for_the_sentinels_and_the_primary() {
        let place = place("rediss+sentinel://s1,s2/payments");
        for server in place.sentinels.iter().chain([&place.primary]) {
            assert!(matches!(server.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        }
        assert!(place.is_private());
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let wrong = [
            "redis+sentinel://s1:26379",
            "redis+sentinel://s1:26379/",
            "redis+sentinel://,/payments",
            "redis+sentinel://s1/payments/x",
            "redis+sentinel://s1/payments?timeout=3",
            "redis://s1/0",
        ];
        for url in wrong {
            assert!(Place::read(url).is_err(), "{url}");
        }
    }
}
