//! The sections of the configuration but for accounts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bursar_domain::{ApprovalAction, ApprovalRule, Approvals};
use bursar_server::{IpNet, ProxyHeader};
use bursar_store::{AUDIT_KEEP, COUNTS_KEEP, Durability};
use bursar_webhooks::{AllowedNetwork, Authorities};

use super::redis_url::{ReceiverUrl, RedisUrl};
use super::rules::{DAY, HOUR, MINUTE, SECOND, duration, flag, whole, word};
use super::section::Section;
use super::table::section;
use super::texts::{
    CA_ONLY, approval_actions, base_url, file, listen, name, networks, networks_with_ports, queues, receiver_url,
    redis_url, texts,
};

section! {
    /// The Redis that keeps the jobs.
    pub(crate) struct Redis {
        /// Redis's address. `REDIS_URL` is used when nothing else sets this key. `rediss://` speaks TLS; `redis+unix:///path` is a socket.
        ///
        /// Percent-encode the password: @ is %40, / is %2F, # is %23, ? is %3F. `bursar redis-acl` prints the rights that its user needs.
        ///
        /// Behind Sentinel write `redis+sentinel://[user:pass@]host1:port1,host2:port2,host3:port3/name[/db]`: the sentinels' hosts (port
        /// 26379 by default), the name under which they watch the primary, and the primary's user. If the sentinels have a password of
        /// their own, add `?sentinel_user=…&sentinel_password=…`. `rediss+sentinel://` speaks TLS with the sentinels and the servers. Their
        /// certificates must then name what the sentinels announce: addresses, unless `sentinel resolve-hostnames` and
        /// `announce-hostnames` are set.
        url: RedisUrl = redis_url(), default(RedisUrl::new("redis://127.0.0.1:6379/0".into()));
        /// Trust this certificate authority (PEM) for Redis, instead of the usual ones. Only for `rediss://` and `rediss+sentinel://`.
        ca_file: Option<PathBuf> = file(), optional("redis-ca.pem");
        /// Every key in Redis begins with this prefix.
        prefix: String = name(), default("bursar".into());
        /// The number of partitions of a new Redis; 32 if left out. The first job fixes it. Each idle worker looks at all partitions every
        /// few seconds, and a partition is the part that moves between servers of a cluster.
        partitions: Option<u16> = whole(1..=1_024), optional(32);
        /// `"refuse"`: send no money on a Redis that can lose its records, or whose user lacks rights. `bursar doctor` says why. Workers check
        /// before the first send over each connection, and every 10 s. `"warn"`: only log it. A Redis Cluster is refused either way.
        preflight: Preflight = word(&[("refuse", Preflight::Refuse), ("warn", Preflight::Warn)]), default(Preflight::Refuse);
        /// `"existing"`: refuse a Redis in which Bursar finds nothing below the prefix, because it has lost every job. Set it once the first
        /// worker has started, if no journal tells the same. `"any"`: take such a Redis for a new one. worker, serve, up, submit and doctor
        /// check it.
        expect: Expect = word(&[("any", Expect::Any), ("existing", Expect::Existing)]), default(Expect::Any);
        /// The moment at which a submission is acknowledged, and at which a send may leave after its intent was written. `"fast"`: once Redis
        /// has it. `"local"`: once it is on Redis's disk (needs `appendfsync always`, or a server with WAITAOF). `"replicated"`: once as many
        /// replicas have it as `replicas` says. If that takes longer than 3 s, the request fails, and it is safe to repeat.
        durability: Durability = word(DURABILITIES), default(Durability::default());
        /// The replicas that `durability = "replicated"` waits for.
        replicas: u32 = whole(1..=16), default(1);
        /// The details of a finished job are kept for this time. Its key, the hash of its content and its final state stay.
        retention: Duration = duration(HOUR..=DAY * 3_650), default(DAY * 30);
        /// The counts of ended jobs, from which reports and charts are made, are kept for this time: how many jobs reached each final state in
        /// each minute, and their sum. A queue that ends jobs in every minute takes about 60 KB of memory a day for them. Set it to at least
        /// `retention`.
        counts_keep: Duration = duration(DAY..=DAY * 3_650), default(COUNTS_KEEP);
    }
}

/// [`Redis::durability`] has the number of replicas from its own key.
const DURABILITIES: &[(&str, Durability)] =
    &[("fast", Durability::Fast), ("local", Durability::Local), ("replicated", Durability::Replicated(1))];

impl Redis {
    /// The durability with its number of replicas.
    pub(crate) fn durability(&self) -> Durability {
        match self.durability {
            Durability::Replicated(_) => Durability::Replicated(self.replicas),
            Durability::Fast | Durability::Local => self.durability,
        }
    }
}

/// The consequence when the preflight finds that this Redis can lose a payment's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preflight {
    /// No money is sent.
    Refuse,
    /// The finding is logged, and money is sent.
    Warn,
}

/// The content that a Redis must have when a process begins on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Anything: it may be new.
    Any,
    /// Something that Bursar wrote before.
    Existing,
}

section! {
    /// Workers: the processes that call the gateways.
    pub(crate) struct Worker {
        /// Calls in flight per process.
        concurrency: usize = whole(1..=4_096), default(64);
        /// A claimed job belongs to its worker for this time, unless the worker renews its claim. When a worker dies, its jobs are taken over
        /// after this time. Set it to at least the `call_timeout` of every account.
        lease: Duration = duration(SECOND..=HOUR), default(SECOND * 30);
        /// A worker that is asked to end waits this long for its calls in flight.
        drain: Duration = duration(Duration::ZERO..=HOUR), default(SECOND * 40);
        /// Serve `/metrics` (Prometheus), `/healthz` and `/readyz` at this address. They need no token and show names and balances: choose
        /// an address that only your monitoring reaches. Left out, they are not served, and `bursar healthcheck --role worker` has nothing to
        /// ask.
        ///
        /// `/healthz` answers 503 when the worker has neither claimed nor tried to for 30 s: restart it. `/readyz` answers 503 while Redis is
        /// away, while no money may be sent on it, while a queue belongs to another gateway, and while the worker drains.
        listen: Option<SocketAddr> = listen(), optional("127.0.0.1:9100");
    }
}

section! {
    /// Reading the configuration again while a process runs. SIGHUP does it as well.
    pub(crate) struct Reload {
        /// Look this often if the configuration's files have changed, and read them again if so: the file itself, `accounts_dir` and the files
        /// that accounts name. `"0s"`: only at SIGHUP. Accounts are added, changed and removed without a restart; other keys need one.
        every: Duration = duration(Duration::ZERO..=HOUR), default(Duration::ZERO);
    }
}

section! {
    /// Jobs that other programs push into queues of apalis-redis.
    pub(crate) struct Import {
        /// Queues of apalis-redis 1.0, on the same Redis, that workers drain. A task that a Rust service pushes there with a stock
        /// `RedisStorage` becomes a job. A task that is no job becomes a dead letter: see `bursar import list`. Only Bursar may take tasks
        /// out of these queues.
        queues: Vec<String> = queues(), default(Vec::new());
    }
}

section! {
    /// The journal: files outside Redis in which each worker writes what it sends.
    pub(crate) struct Journal {
        /// Write the journal into this folder: the intent before the first byte leaves, and the response after it. Each send waits for this
        /// disk, and nothing is sent while it is full or fails. Use a folder that outlives container and host, on another disk than Redis.
        /// Workers may share it; two installations may not. The files hold the jobs' contents and are readable to this user only. Left out,
        /// there is no journal.
        ///
        /// The journal is for the day on which Redis loses recent writes. A worker whose journal knows sends that Redis has lost sends
        /// nothing; queries go on, and `bursar doctor` says `journal.ahead`. Run `bursar reconcile --journal` to restore them.
        dir: Option<PathBuf> = file(), optional("journal");
        /// A file is closed at this size, in MB (2^20 bytes), and the next one begins.
        file_mb: u32 = whole(1..=4_096), default(64);
        /// The folder keeps this many full files besides those being written, by all workers together. Older ones are removed, but never a
        /// file with a job that is not finished. Files count by their bytes. A send takes about half a kilobyte more than its content, so
        /// the defaults keep about a million sends.
        files: u32 = whole(1..=10_000), default(16);
        /// A file whose last write is older than this is removed, too, unless it has a job that is not finished.
        keep: Duration = duration(DAY..=DAY * 3_650), default(DAY * 90);
    }
}

section! {
    /// The archive: finished jobs in signed, chained files outside Redis. `docs/archive.md` explains it.
    pub(crate) struct Archive {
        /// Archive into this folder every job that has ended, with its content, its history and its deliveries. Its details leave Redis only
        /// once they are here. All workers must reach the same folder: a shared volume, unless they run on one host. The files hold the
        /// jobs' contents and are readable to this user only. Left out, there is no archive. A Redis that was archived once keeps the details of
        /// jobs that are not, whatever a worker's configuration says.
        dir: Option<PathBuf> = file(), optional("archive");
        /// Sign by this private key: Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
        signing_key_file: Option<PathBuf> = file(), optional("archive.key.pem");
        /// Sign by this command instead, which holds the key elsewhere: a program and its arguments. It reads the bytes from its standard
        /// input and prints the 64 bytes of the signature. It needs `public_key_file`.
        sign_command: Option<Vec<String>> = texts(), optional(vec!["sign-seal", "--token", "0"]);
        /// The public key by which `sign_command` signs: PEM, as `openssl pkey -pubout` writes it.
        public_key_file: Option<PathBuf> = file(), optional("archive.pub.pem");
        /// A job is archived so long after its end, once its webhooks are delivered. A job that changes afterwards, by a refund for
        /// example, is archived again before its details leave Redis.
        after: Duration = duration(Duration::ZERO..=DAY * 30), default(MINUTE * 10);
        /// The time between rounds. Each round in which jobs have ended adds a segment to each partition's chain, or several.
        every: Duration = duration(SECOND..=DAY), default(HOUR);
        /// Post each new seal to this URL, for a service that notes or timestamps it: a JSON object, by the worker that published it. A post
        /// that fails is tried three times, and then logged. Redis has the newest seals in any case.
        heads_url: Option<ReceiverUrl> = receiver_url(), optional("https://ledger.example/bursar");
    }
}

impl Archive {
    /// Notes settings that do not fit together.
    pub(super) fn check(&self, section: &mut Section<'_>) {
        if self.dir.is_some() && self.signing_key_file.is_none() && self.sign_command.is_none() {
            section.wrong("dir", "needs signing_key_file or sign_command: an archive is signed");
        }
        if self.sign_command.as_ref().is_some_and(Vec::is_empty) {
            section.wrong("sign_command", "must name a program");
        }
        if self.sign_command.is_some() && self.public_key_file.is_none() {
            section.wrong("sign_command", "needs public_key_file");
        }
    }
}

section! {
    /// The server: HTTP API and dashboard.
    pub(crate) struct Server {
        /// The address of the API and the dashboard. `/healthz` and `/readyz` are here, too, for load balancers.
        listen: SocketAddr = listen(), default(SocketAddr::from((Ipv4Addr::LOCALHOST, 8_080)));
        /// Serve `/notify/ACCOUNT` at this address and nowhere else. It is the only route that gateways need: let the internet reach this
        /// address alone. Left out, it is at `listen`.
        public_listen: Option<SocketAddr> = listen(), optional("127.0.0.1:8081");
        /// Serve `/metrics`, `/healthz` and `/readyz` at this address, and `/metrics` nowhere else. They need no token, and `/metrics` shows
        /// the balances of your accounts. Left out, they are at `listen` if that is an address of this machine alone (127.0.0.1, ::1), and else
        /// `/metrics` is nowhere. The same address as `listen` serves all of it there, for everyone who reaches it.
        admin_listen: Option<SocketAddr> = listen(), optional("127.0.0.1:9101");
        /// Connections at once of `listen`, and as many of `public_listen`. At the limit, the connection that is idle longest is closed for a
        /// new one. Where the system allows fewer open files, there are fewer: calls to gateways and Redis have theirs first.
        connections: usize = whole(16..=65_536), default(4_096);
        /// The most of them from one IPv4 address, or from one /64 network of IPv6. Behind a proxy all clients have its address: set it to
        /// `connections` there, and limit addresses at the proxy.
        connections_per_address: usize = whole(1..=65_536), default(1_024);
        /// The tokens of the API. `bursar token NAME --role ROLE` makes one and prints the lines for this file: name, role (producer, operator
        /// or reader) and sha256. With `--account main` the token sees and uses that account only; with `--expires 90d` it is refused after that
        /// time. A sha256 of a token that can be guessed is refused. SIGHUP reads the file again.
        tokens_file: PathBuf = file(), in_folder("tokens.toml");
        /// The operators whom the actions of `approvals_for` need. 2: one proposes (`bursar send`, API, dashboard), and another one approves
        /// (`--approve`, `bursar approvals`). Both names are recorded. The commands of operators obey it, too: give every machine on which they
        /// run the same configuration.
        approvals: u8 = whole(1..=2), default(1);
        /// Jobs of more than this amount need two operators, in fen. 0: jobs of every amount. A job whose amount cannot be read needs two, and so
        /// does an action that is about no job.
        approvals_above: i64 = whole(0..=MAX_APPROVALS_ABOVE), default(0);
        /// The actions that need two operators: `"send"`, `"resolve"`, `"resume_lost_writes"` (resuming a queue whose Redis has lost writes),
        /// `"quarantine_drop"`.
        approvals_for: Vec<ApprovalAction> = approval_actions(), default(ApprovalAction::ALL.to_vec());
        /// A proposal that is not approved within this time expires.
        approvals_within: Duration = duration(MINUTE..=DAY * 7), default(HOUR);
        /// The dashboard's sessions are signed with this secret: any file of 32 bytes or more. Give all replicas the same one, so that a
        /// person who signs in at one is known to the others. Left out, each process makes its own key.
        session_key_file: Option<PathBuf> = file(), optional("session.key");
        /// A session of the dashboard ends when its person does nothing for this time, at every replica. A page that renews itself is not a
        /// person.
        session_idle: Duration = duration(MINUTE..=DAY), default(MINUTE * 30);
        /// A session ends after this time, used or not.
        session_lifetime: Duration = duration(MINUTE..=DAY * 7), default(HOUR * 12);
        /// Requests a second of each token to each process, after a burst of one second's. 0 for no limit.
        rate_per_second: u32 = whole(0..=MAX_REQUESTS), default(500);
        /// The longest time for a request's head, for its body, and for a client to take its response. A new connection's first head has 5 s
        /// at most. An idle connection is closed after this time: behind a balancer, set it longer than the balancer keeps its own
        /// connections.
        client_timeout: Duration = duration(SECOND..=SECOND * 600), default(SECOND * 30);
        /// Failed tokens and sign-ins from one address within a minute, after which further ones get 429 until the minute ends; 0 for no limit.
        /// A token that is known is never refused for this, because others may share its address.
        failures_per_minute: u32 = whole(0..=MAX_REQUESTS), default(30);
        /// The reverse proxies before the server. The audit trail has the client's address: that of the connection, or the last one in the
        /// proxies' header that is none of these networks.
        trusted_proxies: Vec<IpNet> = networks(), default(Vec::new());
        /// The header in which those proxies name the client. Name the one that they write: a client can write the other one itself.
        proxy_header: ProxyHeader = word(PROXY_HEADERS), default(ProxyHeader::XForwardedFor);
        /// A server that is asked to end waits this long for requests in flight.
        drain: Duration = duration(Duration::ZERO..=HOUR), default(SECOND * 30);
    }
}

/// Ten billion yuan, in fen: above every job.
const MAX_APPROVALS_ABOVE: i64 = 1_000_000_000_000;

impl Server {
    /// The rule of four eyes.
    pub(crate) fn approval_rule(&self) -> ApprovalRule {
        ApprovalRule {
            operators: if self.approvals > 1 { Approvals::Two } else { Approvals::One },
            above_fen: self.approvals_above,
            actions: self.approvals_for.clone(),
            within: self.approvals_within,
        }
    }
}

const PROXY_HEADERS: &[(&str, ProxyHeader)] =
    &[("x-forwarded-for", ProxyHeader::XForwardedFor), ("forwarded", ProxyHeader::Forwarded)];

section! {
    /// The audit trail: who did what, from where and why. It is in Redis, in the log, and on a page of the dashboard.
    pub(crate) struct Audit {
        /// Events are kept for this time, and nothing else removes them. PCI DSS 10.5.1 asks for twelve months.
        keep: Duration = duration(DAY..=DAY * 3_650), default(AUDIT_KEEP);
    }
}

/// Requests a second of one token at most: more than one process answers.
const MAX_REQUESTS: u32 = 1_000_000;

section! {
    /// Webhooks: deliveries to the `callback_url` of a job.
    pub(crate) struct Webhooks {
        /// Messages are signed with the secrets in this file: one `whsec_…` a line (24 to 64 bytes in base64), two while you change the secret.
        /// SIGHUP reads the file again. `openssl rand -base64 32` makes what follows `whsec_`. serve and up refuse to start without it, unless
        /// `allow_unsigned` is set or there is no account.
        secrets_file: Option<PathBuf> = file(), optional("webhooks.secrets");
        /// Deliver without signatures where there is no `secrets_file`. Anyone who reaches a receiver can then tell it that a job was paid.
        allow_unsigned: UnsignedWebhooks = flag(UnsignedWebhooks::Delivered, UnsignedWebhooks::Refused), default(UnsignedWebhooks::Refused);
        /// Deliver to these networks although they are not public. A producer chooses its `callback_url`, and it must not reach what only
        /// this machine or its network can reach. Name your producers' networks and no more.
        ///
        /// `"10.20.0.0/16"` is a network with the ports 80 and 443; `"10.20.0.0/16:8443"`, `"10.20.1.7:8443"` and `"[fd00::/8]:8443"` have
        /// one other port; `"10.20.1.7:*"` has all. `http://` goes to these networks only, and `https://` to any public address, too.
        allow: Vec<AllowedNetwork> = networks_with_ports(), default(Vec::new());
        /// Trust this certificate authority (PEM) besides the system's.
        ca_file: Option<PathBuf> = file(), optional("ca.pem");
        /// Trust the authority of `ca_file` alone: a receiver with a certificate by a public authority is refused.
        ca_only: Authorities = flag(Authorities::Only, Authorities::Also), default(Authorities::Also);
        /// The longest time for one attempt: name, connection and response together.
        timeout: Duration = duration(SECOND / 10..=MINUTE), default(SECOND * 10);
        /// A delivery is tried for this time: after 5 s, 10 s, … up to an hour. A receiver that answers 429 or 503 with Retry-After gets the
        /// time that it asks for, but no less than these waits and no more than is left of this time.
        retry_for: Duration = duration(Duration::ZERO..=DAY * 7), default(DAY);
        /// Attempts at a time per process. One receiver takes at most a quarter of them.
        concurrency: usize = whole(1..=1_024), default(64);
    }
}

/// The treatment of messages where there is no secret to sign them with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnsignedWebhooks {
    /// The server does not start.
    Refused,
    /// They are delivered.
    Delivered,
}

impl Webhooks {
    /// Notes settings that do not fit together.
    pub(super) fn check(&self, section: &mut Section<'_>) {
        if self.ca_only == Authorities::Only && !section.has("ca_file") {
            section.wrong("ca_only", CA_ONLY);
        }
    }
}

section! {
    /// The log, on standard error, one line an event.
    pub(crate) struct Log {
        /// `"text"` for people, `"json"` for machines.
        format: LogFormat = word(&[("text", LogFormat::Text), ("json", LogFormat::Json)]), default(LogFormat::Text);
        /// The least important level that is written.
        level: &'static str = word(LEVELS), default("info");
    }
}

const LEVELS: &[(&str, &str)] =
    &[("error", "error"), ("warn", "warn"), ("info", "info"), ("debug", "debug"), ("trace", "trace")];

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

section! {
    /// Traces.
    pub(crate) struct Telemetry {
        /// Export traces to this OpenTelemetry collector (OTLP over HTTP, protobuf). It is a base URL: `/v1/traces` is added. Only jobs that
        /// came with a sampled `traceparent` are traced. Set the variable `OTEL_EXPORTER_OTLP_HEADERS` if the collector asks for a token.
        otlp_endpoint: Option<String> = base_url(), optional("http://127.0.0.1:4318");
    }
}
