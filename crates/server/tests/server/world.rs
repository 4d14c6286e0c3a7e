//! One test's world: jobs in a part of the shared Redis, and servers for them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{
    AccountRules, ApprovalAction, ApprovalRule, Approvals, AuditFilter, GatewayKind, HistoryEvent, Key, Kind, KindSet,
    PartyTypes, Queue,
};
use bursar_gateways::NotificationReader;
use bursar_producer::{Outcome, Producer};
use bursar_server::{
    NoTokens, NotificationAccount, NotificationMethod, ProxyHeader, SessionLimits, Settings, known_tokens, new_token,
};
use bursar_store::{Cursor, NeedsSecond, Operator, Resumed, Settings as StoreSettings, Store, StoredAs, TokenUse};
use bursar_telemetry::{Page, Places, Scaling, Stored};
use bursar_test_support::api::{Api, Tokens, answer};
use bursar_test_support::notifications::{BILLS, platform_public_key};
use bursar_test_support::{SOON, eventually, redis, unique_prefix};
use nix::sys::signal::{Signal, raise};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// The queues of two accounts, one at each gateway.
const QUEUES: [&str; 3] = ["main/transfer", "main/bill_upload", "shop/split"];

/// The app of the account that is notified.
pub(crate) const APP_ID: &str = "20240101000000000000000001";

const A_DAY: Duration = Duration::from_secs(24 * 3_600);

/// One test's world.
pub(crate) struct World {
    prefix: String,
    store: Store,
    producer: Producer,
    queues: Vec<Queue>,
    settings: Settings,
    folder: TempDir,
    accepted: RefCell<Vec<Value>>,
}

/// A running server. It ends with its test.
pub(crate) struct Server {
    api: Api,
    /// The addresses of `public_listen` and `admin_listen`.
    pub(crate) public: Option<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
    drain: CancellationToken,
}

impl Deref for Server {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.drain.cancel();
    }
}

/// A new token's value and its lines for the tokens file.
pub(crate) fn token(name: &str, role: &str, accounts: &[&str]) -> (String, String) {
    let (token, sha256) = new_token().unwrap();
    let accounts = if accounts.is_empty() { String::new() } else { format!("accounts = {accounts:?}\n") };
    (token, format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{sha256}\"\n{accounts}\n"))
}

/// The tokens that all tests share.
async fn tokens() -> &'static Tokens {
    static TOKENS: OnceCell<Tokens> = OnceCell::const_new();
    TOKENS
        .get_or_init(async || {
            let (producer, shop) = token("shop", "producer", &[]);
            let (operator, li) = token("li", "operator", &[]);
            let (reader, audit) = token("audit", "reader", &[]);
            Tokens { producer, operator, reader, file: [shop, li, audit].concat() }
        })
        .await
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A world whose server has other settings.
    pub(crate) async fn with(adjust: impl FnOnce(&mut Settings)) -> Self {
        Self::on(redis().await.url.clone(), adjust).await
    }

    /// A world on this Redis.
    pub(crate) async fn on(url: String, adjust: impl FnOnce(&mut Settings)) -> Self {
        let store_settings = StoreSettings { url, prefix: unique_prefix() };
        let store = Store::connect(&store_settings).await.unwrap();
        let rules = |gateway| AccountRules {
            gateway,
            max_amount: None,
            generic_split: false,
            party_types: PartyTypes::default(),
            additional: KindSet::NONE,
        };
        let producer = Producer::on(store.clone())
            .account("main", rules(GatewayKind::Yzt))
            .account("shop", rules(GatewayKind::Beingfi));
        let folder = tempfile::Builder::new().prefix("bursar-server-").tempdir().unwrap();
        let mut settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(), // any free port: many tests run at once
            public_listen: None,
            admin_listen: None,
            connections: 4_096,
            connections_per_address: 4_096,
            admin_connections: 64,
            tokens_file: folder.path().join("tokens.toml"),
            session_key_file: None,
            oidc: None,
            time_zones: std::collections::BTreeMap::new(),
            session_limits: SessionLimits { idle: A_DAY, lifetime: A_DAY },
            rate_per_second: 500,
            client_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            failures_per_minute: 0, // tests of refusals make many
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::XForwardedFor,
            notification_accounts: vec![NotificationAccount {
                name: "main".parse().unwrap(),
                reader: Arc::new(NotificationReader::new(APP_ID, &platform_public_key()).unwrap()),
                sign_rule: None,
                methods: vec![NotificationMethod {
                    name: BILLS.to_owned(),
                    job: Some((Kind::BillUpload, "/order_id".to_owned())),
                }],
                callback_url: None,
                retention: A_DAY,
                max_age: A_DAY,
            }],
        };
        adjust(&mut settings);
        let queues = QUEUES.iter().map(|queue| queue.parse().unwrap()).collect();
        Self { prefix: store_settings.prefix, store, producer, queues, settings, folder, accepted: RefCell::default() }
    }

    /// The same where these actions need two operators.
    pub(crate) fn with_two_operators(mut self, actions: &[ApprovalAction]) -> Self {
        let rule = ApprovalRule { operators: Approvals::Two, actions: actions.to_vec(), ..ApprovalRule::default() };
        self.store = self.store.with_approvals(rule);
        self
    }

    /// Redis has lost writes of this queue.
    pub(crate) async fn lose_writes(&self, queue: &str) {
        assert!(self.store.lost_writes(&queue.parse().unwrap(), 0).await.unwrap());
    }

    /// Proposes to resume this queue after lost writes; returns the proposal's id.
    pub(crate) async fn propose_resume(&self, queue: &str, who: &str) -> String {
        let resumed = self
            .store
            .resume_by(&queue.parse().unwrap(), Operator { who, why: "looked", identity: Some(who) })
            .await
            .unwrap();
        let Resumed::NeedsSecond(NeedsSecond::Proposed(open)) = resumed else { panic!("{resumed:?}") };
        open.proposal.id
    }

    /// Writes the tokens file and starts a server.
    pub(crate) async fn serve(&self) -> Server {
        std::fs::write(self.tokens_file(), &tokens().await.file).unwrap();
        self.serve_as_it_is().await
    }

    /// Starts a server with the tokens file that is there.
    pub(crate) async fn serve_as_it_is(&self) -> Server {
        let tokens = tokens().await;
        let drain = CancellationToken::new();
        let places = Places {
            queues: self.queues.clone(),
            origins: Vec::new(),
            import_queues: Vec::new(),
            balances: Vec::new(),
            scaling: Scaling::default(),
        };
        let stored = Arc::new(Stored::new(self.store.clone(), places));
        let page = Page {
            worker: None,
            webhooks: None,
            listeners: Arc::default(),
            reloads: Arc::default(),
            stored,
            unfit: Arc::default(),
        };
        let (store, producer) = (self.store.clone(), self.producer.clone());
        let server = bursar_server::Server::bind(
            self.settings.clone(),
            NoTokens::Refuse,
            store,
            producer,
            self.queues.clone(),
            page,
            drain.clone(),
        );
        let server = server.await.unwrap();
        let api = Api::new(server.address().to_string(), tokens);
        let (public, admin) = (server.public_address(), server.admin_address());
        tokio::spawn(server.serve());
        Server { api, public, admin, drain }
    }

    /// Where servers look for their tokens.
    pub(crate) fn tokens_file(&self) -> PathBuf {
        self.settings.tokens_file.clone()
    }

    /// Signs sessions with a key of a file from now on, as replicas do.
    pub(crate) fn share_session_key(&mut self) {
        let path = self.folder.path().join("session-key");
        std::fs::write(&path, "k".repeat(40)).unwrap();
        self.settings.session_key_file = Some(path);
    }

    /// Starts servers with other settings from now on.
    pub(crate) fn adjust(&mut self, adjust: impl FnOnce(&mut Settings)) {
        adjust(&mut self.settings);
    }

    /// The uses of the tokens of the tokens file, by their names.
    pub(crate) async fn token_uses(&self) -> BTreeMap<String, TokenUse> {
        let accounts = self.queues.iter().map(|queue| queue.account.clone()).collect();
        let known = known_tokens(&self.tokens_file(), &accounts).unwrap();
        let bearers: Vec<String> = known.iter().map(|token| token.bearer.clone()).collect();
        let uses = self.store.token_uses(&bearers).await.unwrap();
        known.into_iter().map(|token| token.name).zip(uses).collect()
    }

    /// The store, for what no server does.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a job into account that was accepted over HTTP.
    pub(crate) fn accepted(&self, job: Value) {
        self.accepted.borrow_mut().push(job);
    }

    /// Submits jobs that must all be new.
    pub(crate) async fn submit_new(&self, jobs: &[Value]) {
        let texts: Vec<String> = jobs.iter().map(Value::to_string).collect();
        let outcomes = self.producer.submit_json(&texts).await.unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::New), "{outcomes:?}");
        self.accepted.borrow_mut().extend_from_slice(jobs);
    }

    /// A job with its history.
    pub(crate) async fn job(&self, key: &str) -> Value {
        let key: Key = key.parse().unwrap();
        for queue in &self.queues {
            let Some(stored) = self.store.job(queue, &key).await.unwrap() else { continue };
            let StoredAs::Job(record) = stored else { panic!("{key} cannot be read") };
            let history = self.store.history(&record).await.unwrap();
            let mut job = serde_json::to_value(record.view()).unwrap();
            job["history"] = history.iter().map(HistoryEvent::view).collect();
            return job;
        }
        panic!("there is no job {key}")
    }

    /// Every job of the world.
    pub(crate) async fn list(&self) -> Vec<Value> {
        let mut found = Vec::new();
        for queue in &self.queues {
            let mut next = Some(Cursor::default());
            while let Some(cursor) = next {
                let page = self.store.list(queue, None, &cursor, 1_000).await.unwrap();
                found.extend(page.jobs.iter().map(|stored| match stored {
                    StoredAs::Job(record) => serde_json::to_value(record.view()).unwrap(),
                    StoredAs::Unreadable { key, why } => panic!("{key} cannot be read: {why}"),
                }));
                next = page.next;
            }
        }
        found
    }

    /// The audit trail, newest events first.
    pub(crate) async fn audit(&self) -> Vec<Value> {
        let page = self.store.audit_page(&AuditFilter::default(), None, 1_000).await.unwrap();
        page.events.iter().map(|event| serde_json::to_value(event).unwrap()).collect()
    }

    /// Removes every event of every queue, as their cap does in time.
    pub(crate) async fn trim_events(&self) {
        for queue in &self.queues {
            let events = format!("{}:{{{}}}:events", self.prefix, self.store.partition_of(queue));
            self.command(&["XTRIM", &events, "MAXLEN", "0"]).await;
        }
    }

    /// Puts something else where the audit trail is: nothing can be written to it.
    pub(crate) async fn break_audit(&self) {
        let audit = format!("{}:audit", self.prefix);
        self.command(&["DEL", &audit]).await;
        self.command(&["SET", &audit, "no stream"]).await;
    }

    /// Puts a job into quarantine, as a claim does after several workers were lost with it.
    pub(crate) async fn quarantine(&self, queue: &str, key: &str) {
        self.enter("quarantine", queue, key, "workers_lost").await;
    }

    /// Puts a record that no build can read into quarantine.
    pub(crate) async fn damage(&self, queue: &str, key: &str) {
        self.command(&["SET", &format!("{}:{key}", self.key_of("job", queue)), "no record"]).await;
        self.enter("quarantine", queue, key, "unreadable_record").await;
    }

    /// Puts a job's webhooks into quarantine.
    pub(crate) async fn quarantine_webhook(&self, queue: &str, key: &str) {
        self.enter("delivery_quarantine", queue, key, "no_receiver").await;
    }

    async fn enter(&self, set: &str, queue: &str, key: &str, code: &str) {
        let entry = serde_json::json!({"at": 1_795_938_993_688_u64, "code": code, "detail": "by a test"}).to_string();
        self.command(&["HSET", &self.key_of(set, queue), key, &entry]).await;
    }

    fn key_of(&self, set: &str, queue: &str) -> String {
        let partition = self.store.partition_of(&queue);
        format!("{}:{{{partition}}}:{set}:{queue}", self.prefix)
    }

    async fn command(&self, words: &[&str]) {
        let client = ::redis::Client::open(redis().await.url.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = ::redis::cmd(words[0]);
        let _: ::redis::Value = command.arg(&words[1..]).query_async(&mut connection).await.unwrap();
    }

    /// Checks that the jobs that were accepted are stored, and no others, and that none has been sent.
    pub(crate) async fn books_agree(&self) {
        let name = |job: &Value| ["account", "kind", "platform_no"].map(|name| job[name].to_string());
        let listed = self.list().await;
        let mut stored: Vec<_> = listed.iter().map(name).collect();
        let mut accepted: Vec<_> = self.accepted.borrow().iter().map(name).collect();
        stored.sort_unstable();
        accepted.sort_unstable();
        assert_eq!(stored, accepted);
        assert!(listed.iter().all(|job| job["attempts"] == 0), "{listed:?}");
    }
}

impl Server {
    /// Makes a token of this role for these accounts alone, and adds it to the tokens that the server knows.
    pub(crate) async fn admit(&self, world: &World, role: &str, accounts: &[&str]) -> String {
        let (token, lines) = token("restricted", role, accounts);
        std::fs::write(world.tokens_file(), format!("{}{lines}", self.tokens.file)).unwrap();
        hang_up();
        eventually(SOON, "the token to be known", async || {
            let status = answer(self.request("GET", "/v1/queues", &token)).await.status;
            if status == 200 { Ok(()) } else { Err(status) }
        })
        .await;
        token
    }
}

/// Has every server of this process read its tokens again.
pub(crate) fn hang_up() {
    raise(Signal::SIGHUP).unwrap();
}
