//! Makes of configured accounts the rules for the validator, the queues for the worker and the settings for the gateways. Secrets are
//! read here, when they are needed, and nowhere else.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bursar_domain::{AccountRules, FairOrder, Queue};
use bursar_gateways::{GatewaySettings, NotificationReader, SettingsError, SharedParts, Transport, Trust};
use url::Url;

use crate::config::{Account, Config, ReadableKeys};
use crate::private_files::{OpenFile, Openness};

/// No key, token or certificate is longer. A longer file is the wrong one.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// An account or a Redis that cannot be used as it is configured. The operator acts next; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// A file cannot be read.
    #[error("{key}: cannot read {}", path.display())]
    Unreadable {
        /// `accounts.main.private_key_file`.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is empty, or far too long.
    #[error("{key}: {} {rule}", path.display())]
    Unusable {
        /// `accounts.main.private_key_file`.
        key: String,
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A key that signs payments can be read by every user, and `allow_readable_keys` is not set.
    #[error("{key}: {file} (or set allow_readable_keys = true): anyone who has this key can pay")]
    Readable {
        /// `accounts.main.private_key_file`.
        key: String,
        /// The file, its mode, and the command that mends it.
        file: OpenFile,
    },
    /// The gateway cannot use the content of the file or the key.
    #[error("{key} {problem}")]
    Unfit {
        /// `accounts.main.private_key_file`.
        key: String,
        /// To be read after the key; never its content.
        problem: String,
    },
}

impl AccountError {
    fn of_setting(name: &str, error: SettingsError) -> Self {
        Self::Unfit { key: format!("accounts.{name}.{}", error.setting), problem: error.problem }
    }

    /// The key that must be corrected.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Unreadable { key, .. }
            | Self::Unusable { key, .. }
            | Self::Readable { key, .. }
            | Self::Unfit { key, .. } => key,
        }
    }
}

impl Config {
    /// Every queue of every account, in a fixed order.
    pub(crate) fn queues(&self) -> Vec<Queue> {
        let of_account = |(name, account): (&bursar_domain::AccountName, &Account)| {
            let name = name.clone();
            account.rules().kinds().into_iter().map(move |kind| Queue { account: name.clone(), kind })
        };
        self.accounts.iter().flat_map(of_account).collect()
    }

    /// The fair order of each queue.
    pub(crate) fn fair_orders(&self) -> HashMap<Queue, FairOrder> {
        let order = |queue: Queue| Some((self.accounts.get(&queue.account)?.fair_order.clone(), queue));
        self.queues().into_iter().filter_map(order).map(|(order, queue)| (queue, order)).collect()
    }
}

impl Account {
    /// The account's rules for the validator.
    pub(crate) fn rules(&self) -> AccountRules {
        self.gateway.rules(self.policy.max_amount)
    }

    /// The gateway, and the merchant there: a queue's jobs are bound to both. All spellings of an address are the same identity, and so
    /// are all addresses of one `environment`.
    pub(crate) fn identity(&self) -> String {
        let base_url = Url::parse(&self.keys.base_url).map_or(self.keys.base_url.clone(), String::from);
        let place = self.keys.environment.as_deref().unwrap_or(base_url.trim_end_matches('/'));
        format!("{} {place} {}", self.gateway.kind().as_str(), self.gateway.owner())
    }

    /// Every fault that makes the account unusable. Reads its files and checks its keys.
    pub(crate) fn faults(&self, name: &str, parts: &SharedParts) -> Vec<AccountError> {
        let unusable = self.unusable_files(name);
        if !unusable.is_empty() {
            return unusable;
        }
        let built = self
            .gateway_settings(name)
            .and_then(|settings| settings.gateway(parts, None).map_err(|error| AccountError::of_setting(name, error)));
        built.and_then(|_| self.check_key(name)).err().into_iter().collect()
    }

    /// Checks that not every user can read the key that signs this account's payments.
    ///
    /// # Errors
    /// [`AccountError::Readable`], unless `allow_readable_keys` is set.
    pub(crate) fn check_key(&self, name: &str) -> Result<(), AccountError> {
        let (key, path) = self.gateway.signing_key();
        match (self.keys.allow_readable_keys, OpenFile::at(path)) {
            (ReadableKeys::Refused, Some(file)) if file.openness == Openness::EveryUser => {
                Err(AccountError::Readable { key: format!("accounts.{name}.{key}"), file })
            }
            (ReadableKeys::Refused | ReadableKeys::Used, Some(_) | None) => Ok(()),
        }
    }

    fn unusable_files(&self, name: &str) -> Vec<AccountError> {
        let files = self.gateway.files().into_iter().chain(self.keys.ca_file.as_deref().map(|path| ("ca_file", path)));
        files.filter_map(|(key, path)| read_file(format!("accounts.{name}.{key}"), path).err()).collect()
    }

    /// Reads the account's secrets and returns its gateway's settings. `name` is for messages.
    ///
    /// # Errors
    /// [`AccountError`] for the first file that cannot be used.
    pub(crate) fn gateway_settings(&self, name: &str) -> Result<GatewaySettings, AccountError> {
        let file = |key: &'static str, path: &Path| read_file(format!("accounts.{name}.{key}"), path);
        let ca_pem = self.keys.ca_file.as_deref().map(|path| file("ca_file", path)).transpose()?;
        let transport = Transport {
            base_url: self.keys.base_url.clone(),
            connect_timeout: self.keys.connect_timeout,
            call_timeout: self.keys.call_timeout,
            keep_alive: self.keys.keep_alive,
            trust: Trust::of(ca_pem, self.keys.ca_only),
            content_type: self.keys.content_type,
            http_429: self.keys.http_429_not_executed,
        };
        self.gateway.settings(transport, file)
    }

    /// The reader of the gateway's notifications to the account; `None` where the gateway sends none, or signs none.
    ///
    /// # Errors
    /// [`AccountError`] of the file with the platform's public key.
    pub(crate) fn notification_reader(
        &self,
        name: &str,
        parts: &SharedParts,
    ) -> Result<Option<NotificationReader>, AccountError> {
        let Some(notifications) = self.gateway.notifications() else { return Ok(None) };
        let text = read_file(format!("accounts.{name}.{}", notifications.key), notifications.file)?;
        let reader = notifications.reader(&text, parts);
        reader.map(Some).map_err(|error| AccountError::of_setting(name, error))
    }
}

/// A file's text without the line end that editors add.
pub(crate) fn read_file(key: String, path: &Path) -> Result<String, AccountError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text));
    let unusable = |key, rule| AccountError::Unusable { key, path: path.to_path_buf(), rule };
    match read {
        Err(source) => Err(AccountError::Unreadable { key, path: path.to_path_buf(), source }),
        Ok(_) if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE_BYTES) => {
            Err(unusable(key, "is too long to be a key, a token or a certificate"))
        }
        Ok(_) if text.trim().is_empty() => Err(unusable(key, "is empty")),
        Ok(_) => Ok(text.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Two accounts, their files in `folder`.
    fn config(folder: &Path) -> Config {
        let text = r#"
            [accounts.main]
            gateway = "yzt"
            base_url = "https://yzt.example.com"
            app_id = "1"
            private_key_file = "app.pem"
            require_response_sign = false
            app_auth_token_file = "token"
            [accounts.shop]
            gateway = "beingfi"
            base_url = "https://beingfi.example.com"
            mch_no = "M1"
            app_id = "1"
            secret_file = "secret"
        "#;
        Config::parse(text, &folder.join("bursar.toml"), std::iter::empty()).unwrap()
    }

    fn faults(config: &Config, name: &str) -> Vec<String> {
        let parts = SharedParts::default();
        config.accounts[&name.parse().unwrap()].faults(name, &parts).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_unusable_file_is_reported_by_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let at = |file: &str| folder.path().join(file).display().to_string();
        std::fs::write(folder.path().join("token"), " \n").unwrap();
        assert_eq!(
            faults(&config, "main"),
            [
                format!("accounts.main.private_key_file: cannot read {}", at("app.pem")),
                format!("accounts.main.app_auth_token_file: {} is empty", at("token")),
            ]
        );
        std::fs::write(folder.path().join("secret"), "x".repeat(300_000)).unwrap();
        let rule = "is too long to be a key, a token or a certificate";
        assert_eq!(faults(&config, "shop"), [format!("accounts.shop.secret_file: {} {rule}", at("secret"))]);
    }

    #[test]
    fn an_invalid_key_is_reported_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["app.pem", "token"] {
            std::fs::write(folder.path().join(file), "hunter2").unwrap();
        }
        let faults = faults(&config(folder.path()), "main");
        assert!(faults.len() == 1 && faults[0].starts_with("accounts.main.private_key_file "), "{faults:?}");
        assert!(!faults[0].contains("hunter2"), "{faults:?}");
    }

    #[test]
    fn a_key_that_every_user_can_read_is_refused_unless_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut config = config(folder.path());
        for (given, refused) in
            [(0o600, false), (0o400, false), (0o640, false), (0o644, true), (0o604, true), (0o666, true)]
        {
            mode(given);
            let faults = faults(&config, "shop");
            assert_eq!(!faults.is_empty(), refused, "{given:o}: {faults:?}");
            let path = path.display();
            let said =
                format!("accounts.shop.secret_file: {path} is open to every user (mode {given:o}): chmod 600 {path}");
            assert!(!refused || faults[0].starts_with(&said), "{faults:?}");
        }
        let shop = "shop".parse().unwrap();
        config.accounts.get_mut(&shop).unwrap().keys.allow_readable_keys = ReadableKeys::Used;
        assert_eq!(faults(&config, "shop"), [""; 0]);
    }

    #[test]
    fn secrets_lose_their_line_end_and_cannot_be_printed() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "hunter2\n").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let config = config(folder.path());
        assert_eq!(faults(&config, "shop"), [""; 0]);
        let settings = config.accounts[&"shop".parse().unwrap()].gateway_settings("shop").unwrap();
        assert!(!format!("{settings:?} {config:?}").contains("hunter2"));
    }
}
