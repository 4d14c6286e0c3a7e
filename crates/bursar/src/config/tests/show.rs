//! The shown configuration reads back as the same and holds no secret.

use super::page::{every_key, every_rule};
use super::{BEINGFI, YZT, parse, right};
use crate::config::{RedisUrl, redis_url::ReceiverUrl};

/// Every key without a default that the accounts above do not set.
const FURTHER: &str = r#"
app_auth_token_file = "token"
ca_file = "ca.pem"
ca_only = true
allow_readable_keys = true
max_amount = 5000
split_method = "bkfunds.split.apply"
split_query_method = "bkfunds.split.query"
notify_callback_url = "https://shop.example/credits"
balance_every = "5m"
balance_node_id = "00061783"
balance_merchant_id = 1000000000926
balance_store_no = "amy99a"
balance_sub_types = ["paying", "collecting"]
balance_low = 100000
fair_weights = { amy99a = 3, "shop 7" = 0.5 }
"#;

/// The same of the account at BeingFi.
const FURTHER_BEINGFI: &str = "environment = 'production'\nchannel = 'wxpay'\nsplit_query_path = '/api/division/query'\nfinal_texts = ['订单已关闭']\nfair_by = 'receivers'\n";

/// A worker's listener and a collector of traces.
const OBSERVED: &str = "[worker]\nlisten = '127.0.0.1:9100'\n[telemetry]\notlp_endpoint = 'http://127.0.0.1:4318'\n";

/// The provider by which people sign in.
const OIDC: &str = "\n[server.oidc]\nissuer = 'https://login.example'\nclient_id = 'bursar'\nclient_secret_file = 'oidc.secret'\nredirect_url = 'https://bursar.example/sign-in/return'\nroles_claim = 'groups'\naccounts_claim = 'accounts'\nall_accounts_values = ['all']\npost_logout_redirect_url = 'https://bursar.example/sign-in'\noperator_values = ['ops']\nreader_values = ['auditors']\nca_file = 'ca.pem'\n";

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let changed = "
[worker]
lease = '1500ms'
listen = '127.0.0.1:9100'
[log]
level = 'trace'
format = 'json'
[telemetry]
otlp_endpoint = 'https://collector.example'
[redis]
preflight = 'warn'
expect = 'existing'
ca_file = 'ca.pem'
partitions = 64
[journal]
dir = '/var/lib/bursar/journal'
files = 3
keep = '7d'
[webhooks]
allow = ['10.20.0.0/16', '::1', '127.0.0.1:*', '[fd00::/8]:8443']
allow_unsigned = true
ca_file = 'ca.pem'
ca_only = true
secrets_file = 'secrets'
[server]
session_key_file = 'key'
[server.oidc]
issuer = 'https://login.example'
client_id = 'bursar'
client_secret_file = 'oidc.secret'
redirect_url = 'https://bursar.example/sign-in/return'
roles_claim = 'groups'
operator_values = ['ops']\nreader_values = ['auditors']
ca_file = 'ca.pem'
";
    for text in [
        String::new(),
        changed.to_owned(),
        format!("{YZT}{FURTHER}{BEINGFI}{FURTHER_BEINGFI}rate_per_second = 0.5\n{changed}"),
    ] {
        let config = right(&text, &[]);
        let shown = toml::to_string(&config.shown()).unwrap();
        assert_eq!(right(&shown, &[]), config, "{shown}");
    }
}

const ARCHIVE: &str = "[archive]
dir = 'archive'
signing_key_file = 'archive.key.pem'
sign_command = ['sign']
public_key_file = 'archive.pub.pem'
heads_url = 'https://ledger.example/seals'
";

#[test]
fn every_key_that_has_a_value_is_shown() {
    let sections = "[redis]\nca_file = 'ca.pem'\npartitions = 1\n[journal]\ndir = 'j'\n[webhooks]\nca_file = 'ca.pem'\nsecrets_file = 'secrets'\n[server]\nsession_key_file = 'key'\npublic_listen = '127.0.0.1:1'\nadmin_listen = '127.0.0.1:2'\n";
    let sections = format!("{sections}{OIDC}{ARCHIVE}");
    let shown = right(&format!("{YZT}{FURTHER}{BEINGFI}{FURTHER_BEINGFI}{sections}{OBSERVED}"), &[]).shown();
    let mut keys: Vec<String> = Vec::new();
    for (section, inner) in &shown {
        for (key, value) in inner.as_table().unwrap() {
            match value.as_table() {
                Some(account) if section == "accounts" => {
                    keys.extend(account.keys().map(|key| format!("{section}.*.{key}")));
                }
                Some(within) => keys.extend(within.keys().map(|name| format!("{section}.{key}.{name}"))),
                None => keys.push(format!("{section}.{key}")),
            }
        }
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys, every_key());
}

#[test]
fn a_password_is_never_shown() {
    for (url, shown) in [
        ("redis://:hunter2@h:6379/0", "redis://:***@h:6379/0"),
        ("rediss://me:hunter2@h/0", "rediss://me:***@h/0"),
        ("redis+unix:///run/r.sock?db=1&pass=hunter2", "redis+unix:///run/r.sock?db=1&pass=***"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis+sentinel://s1:26379,s2/payments/0", "redis+sentinel://s1:26379,s2/payments/0"),
        (
            "rediss+sentinel://me:hunter2@s1,s2/payments?sentinel_user=s&sentinel_password=hunter2",
            "rediss+sentinel://me:***@s1,s2/payments?sentinel_user=s&sentinel_password=***",
        ),
        ("redis://me:ab@cd/hunter2@h:1/0", "redis://me:***@h:1/0"),
        ("redis://hunter2@h:1/0", "redis://***@h:1/0"),
        ("redis://:ab#hunter2@h:1/0", "redis://***"),
        ("redis://:ab?hunter2@h:1/0", "redis://***"),
        ("redis://:ab/hunter2#c@h:1/0", "redis://***"),
        ("redis+unix:///run/r.sock?pass=ab@hunter2", "redis+unix://***"),
        ("redis+sentinel://me:ab@cd/hunter2@s1,s2/payments", "redis+sentinel://me:***@s1,s2/payments"),
        ("https://me:hunter2@shop.example/credits?key=hunter2", "https://me:***@shop.example/credits?key=***"),
        ("not a URL hunter2", "***"),
    ] {
        let receiver = ReceiverUrl::new(url.to_owned());
        let url = RedisUrl::new(url.to_owned());
        assert_eq!([url.to_string(), receiver.to_string()], [shown, shown]);
        assert_eq!([format!("{url:?}"), format!("{receiver:?}")], [shown, shown]);
    }
    let config = right("[redis]\nurl = 'redis://:hunter2@h/0'\n", &[]);
    let everywhere = format!("{config:?} {:?} {}", config.shown(), toml::to_string(&config.shown()).unwrap());
    assert!(!everywhere.contains("hunter2"), "{everywhere}");
}

/// URLs with a password, a token as the user, and tokens in the query and behind it.
const SECRET_URLS: [&str; 6] = [
    "SCHEME://me:hunter2@h/0",
    "SCHEME://hunter2@h/0",
    "SCHEME://h/0?token=hunter2",
    "SCHEME://h/0?hunter2",
    "SCHEME://h/0#hunter2",
    "SCHEME://me:x@h/0?a=1&hunter2=1&b=hunter2#hunter2",
];

/// The configuration with a key set: of the section, or of the account whose gateway has it.
fn with_key(section: &str, key: &str, value: &str) -> String {
    let account = if section == "accounts.shop" { BEINGFI } else { YZT };
    let base: String =
        account.lines().filter(|line| !line.starts_with(&format!("{key} ="))).map(|line| format!("{line}\n")).collect();
    let header = if section.starts_with("accounts.") { String::new() } else { format!("[{section}]\n") };
    format!("{base}{header}{key} = '{value}'\n")
}

/// A new key that takes a URL is covered without a word here: its rule says that it takes one.
#[test]
fn no_key_with_a_url_shows_its_secret() {
    let mut urls = Vec::new();
    for (section, key, rule) in every_rule().into_iter().filter(|(_, _, rule)| rule.contains("URL")) {
        for (scheme, url) in ["https", "redis", "rediss"].iter().flat_map(|scheme| SECRET_URLS.map(|url| (scheme, url)))
        {
            let text = with_key(section, key, &url.replace("SCHEME", scheme));
            let said = match parse(&text, &[]) {
                Ok(config) => format!("{config:?} {:?} {}", config.shown(), toml::to_string(&config.shown()).unwrap()),
                Err(error) => error.to_string(),
            };
            // A part of a query without a value may be a name as well as a secret: its value is hidden, and it if it has none.
            assert!(!said.replace("hunter2=***", "").contains("hunter2"), "{section}.{key} {rule}: {said}");
        }
        urls.push(key);
    }
    for known in ["url", "otlp_endpoint", "base_url", "notify_callback_url"] {
        assert!(urls.contains(&known), "{known} is not among {urls:?}");
    }
}

/// Keys that name files show the path and never what is in it.
#[test]
fn no_key_takes_a_secret_itself() {
    for (section, key, rule) in every_rule() {
        let is_secret = ["secret", "password", "private"].iter().any(|word| key.contains(word));
        assert!(!is_secret || rule == "a path", "{section}.{key} must be {rule}: secrets stand in files");
    }
}
