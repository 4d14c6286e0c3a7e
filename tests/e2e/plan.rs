//! The plan of a test's world: configuration keys that differ, options of the simulator, a private Redis.

use bursar_test_support::{redis, unique_prefix};
use serde_json::Value as Json;
use toml::{Table, Value};

use crate::world::World;

/// Waits that a test can sit out, in the proportions of the defaults: a call ends before its send has settled.
const WAITS: [(&str, &str); 8] = [
    ("resend_after", "2s"),
    ("connect_timeout", "500ms"),
    ("call_timeout", "1s"),
    ("poll_deadline", "30s"),
    ("retry_initial", "50ms"),
    ("retry_max", "500ms"),
    ("retry_deadline", "30s"),
    ("on_ambiguous", "resend"),
];

/// The settings with one key set to a value, or taken out.
pub(crate) fn changed(mut settings: Table, key: &str, value: Option<Value>) -> Table {
    let (sections, name) = key.rsplit_once('.').expect("a key is in a section");
    let section = sections.split('.').fold(&mut settings, |table, section| {
        let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        inner.as_table_mut().expect("a section is a table")
    });
    match value {
        Some(value) => section.insert(name.to_owned(), value),
        None => section.remove(name),
    };
    settings
}

/// A world in the making.
pub(crate) struct Plan {
    pub(crate) settings: Table,
    pub(crate) simulate: Vec<String>,
}

impl Plan {
    /// One account at each gateway, short waits, no rate limit.
    pub(crate) fn new() -> Self {
        let mut plan = Self { settings: Table::new(), simulate: Vec::new() };
        for account in ["main", "shop"] {
            for (key, value) in WAITS {
                plan = plan.set(&format!("accounts.{account}.{key}"), value);
            }
            plan = plan
                .set(&format!("accounts.{account}.poll"), vec!["100ms", "200ms"])
                .set(&format!("accounts.{account}.resend_max"), 3)
                .set(&format!("accounts.{account}.rate_per_second"), 0);
        }
        plan.set("server.listen", "127.0.0.1:0") // any free port: many tests run at once
            .set("worker.concurrency", 8)
            .set("worker.lease", "2s")
            .set("worker.drain", "5s")
            .set("webhooks.secrets_file", "webhooks.secrets")
            .set("redis.preflight", "warn") // the tests' shared Redis may be one that money would be refused on
    }

    /// Sets one key of the configuration: `accounts.main.resend_after`.
    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings = changed(self.settings, key, Some(value.into()));
        self
    }

    /// Leaves one key to its default.
    pub(crate) fn unset(mut self, key: &str) -> Self {
        self.settings = changed(self.settings, key, None);
        self
    }

    /// Sets one key of both accounts.
    pub(crate) fn both(self, key: &str, value: impl Into<Value> + Clone) -> Self {
        self.set(&format!("accounts.main.{key}"), value.clone()).set(&format!("accounts.shop.{key}"), value)
    }

    /// Adds options to `bursar simulate`.
    pub(crate) fn simulate(mut self, options: &[&str]) -> Self {
        self.simulate.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// On a Redis of the test's own instead of the shared one.
    pub(crate) fn on_redis(self, url: &str) -> Self {
        self.set("redis.url", url)
    }

    /// Points the accounts at a simulator that has said that it is ready.
    pub(crate) fn at(self, ready: &Json) -> Self {
        let text = |name: &str| ready[name].as_str().expect("the simulator names it when it is ready").to_owned();
        let base_url = format!("http://{}", text("listen"));
        self.set("accounts.main.gateway", "yzt")
            .set("accounts.main.app_id", text("app_id"))
            .set("accounts.main.private_key_file", text("app_private_key_file"))
            .set("accounts.main.platform_public_key_file", text("platform_public_key_file"))
            .set("accounts.shop.gateway", "beingfi")
            .set("accounts.shop.mch_no", text("mch_no"))
            .set("accounts.shop.app_id", text("beingfi_app_id"))
            .set("accounts.shop.secret_file", text("beingfi_secret_file"))
            .set("accounts.shop.not_ready_wait", "300ms")
            .both("base_url", base_url)
    }

    /// Starts the simulator and writes the configuration. No worker runs yet.
    pub(crate) async fn start(mut self) -> World {
        if self.settings.get("redis").and_then(|redis| redis.get("url")).is_none() {
            self = self.on_redis(&redis().await.url);
        }
        let prefix = unique_prefix();
        World::start(self.set("redis.prefix", prefix)).await
    }
}
