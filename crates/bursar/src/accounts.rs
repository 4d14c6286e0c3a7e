//! From configured accounts to what the rest of Bursar works with: rules for the validator, queues for the worker,
//! settings for the gateways. Secrets are read here, when they are needed, and nowhere else.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bursar_domain::{AccountRules, FairOrder, PartyTypes, Queue};
use bursar_gateways::{Beingfi, BeingfiSettings, ResponseSign, Secret, SharedParts, Transport, Yzt, YztSettings};
use url::Url;

use crate::config::{self, Account, Config, Gateway};

/// No key, token or certificate is longer; what is, is the wrong file.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// An account, or a Redis, that cannot be worked with. The operator acts next; nothing was sent.
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
        /// What is wrong with it.
        rule: &'static str,
    },
    /// What the file or the key holds is nothing that the gateway can work with.
    #[error("{key} {problem}")]
    Unfit {
        /// `accounts.main.private_key_file`.
        key: String,
        /// To be read after the key; never its content.
        problem: String,
    },
}

impl AccountError {
    /// The key that is to be mended.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Unreadable { key, .. } | Self::Unusable { key, .. } | Self::Unfit { key, .. } => key,
        }
    }
}

/// What a gateway is built from.
#[derive(Debug)]
pub(crate) enum GatewaySettings {
    /// 银账通.
    Yzt(YztSettings),
    /// BeingFi Pay.
    Beingfi(BeingfiSettings),
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
    /// What the validator must know.
    pub(crate) fn rules(&self) -> AccountRules {
        let (generic_split, party_types) = match &self.gateway {
            Gateway::Yzt(yzt) => (yzt.split.is_some(), yzt.party_types),
            Gateway::Beingfi(_) => (false, PartyTypes::default()),
        };
        AccountRules { gateway: self.gateway.kind(), max_amount: self.policy.max_amount, generic_split, party_types }
    }

    /// Which gateway the account is at, and whose it is there: what a queue's jobs are bound to. Spellings of one address are one, and
    /// so are all addresses of one `environment`.
    pub(crate) fn identity(&self) -> String {
        let base_url = Url::parse(&self.base_url).map_or(self.base_url.clone(), String::from);
        let gateway = self.gateway.kind().as_str();
        let place = self.environment.as_deref().unwrap_or(base_url.trim_end_matches('/'));
        match &self.gateway {
            Gateway::Yzt(yzt) => format!("{gateway} {place} app_id {}", yzt.app_id),
            Gateway::Beingfi(beingfi) => format!("{gateway} {place} mch_no {}", beingfi.mch_no),
        }
    }

    /// Everything that keeps the account from being worked with: its files are read, its keys are looked at.
    pub(crate) fn faults(&self, name: &str, parts: &SharedParts) -> Vec<AccountError> {
        let unusable = self.unusable_files(name);
        if !unusable.is_empty() {
            return unusable;
        }
        let built = self.gateway_settings(name).and_then(|settings| {
            let built = match settings {
                GatewaySettings::Yzt(settings) => Yzt::sharing(settings, parts).map(drop),
                GatewaySettings::Beingfi(settings) => Beingfi::sharing(settings, parts).map(drop),
            };
            built.map_err(|error| AccountError::Unfit {
                key: format!("accounts.{name}.{}", error.setting),
                problem: error.problem,
            })
        });
        built.err().into_iter().collect()
    }

    fn unusable_files(&self, name: &str) -> Vec<AccountError> {
        let own: Vec<(&str, Option<&PathBuf>)> = match &self.gateway {
            Gateway::Yzt(yzt) => vec![
                ("private_key_file", Some(&yzt.private_key_file)),
                ("platform_public_key_file", yzt.response_sign.key_file()),
                ("app_auth_token_file", yzt.app_auth_token_file.as_ref()),
            ],
            Gateway::Beingfi(beingfi) => vec![("secret_file", Some(&beingfi.secret_file))],
        };
        own.into_iter()
            .chain([("ca_file", self.ca_file.as_ref())])
            .filter_map(|(key, path)| read_file(format!("accounts.{name}.{key}"), path?).err())
            .collect()
    }

    /// Reads the account's secrets and says what its gateway is built from. `name` is for messages.
    ///
    /// # Errors
    /// [`AccountError`] for the first file that cannot be used.
    pub(crate) fn gateway_settings(&self, name: &str) -> Result<GatewaySettings, AccountError> {
        let file = |key: &str, path: &Path| read_file(format!("accounts.{name}.{key}"), path);
        let optional = |key: &str, path: Option<&PathBuf>| path.map(|path| file(key, path)).transpose();
        let transport = Transport {
            base_url: self.base_url.clone(),
            connect_timeout: self.connect_timeout,
            call_timeout: self.call_timeout,
            keep_alive: self.keep_alive,
            ca_pem: optional("ca_file", self.ca_file.as_ref())?,
            content_type: self.content_type,
            http_429: self.http_429,
        };
        Ok(match &self.gateway {
            Gateway::Yzt(yzt) => GatewaySettings::Yzt(YztSettings {
                transport,
                app_id: yzt.app_id.clone(),
                app_auth_token: optional("app_auth_token_file", yzt.app_auth_token_file.as_ref())?.map(Secret::new),
                private_key: Secret::new(file("private_key_file", &yzt.private_key_file)?),
                response_sign: match &yzt.response_sign {
                    config::ResponseSign::Required(path) => {
                        ResponseSign::Required(file("platform_public_key_file", path)?)
                    }
                    config::ResponseSign::Waived => ResponseSign::Waived,
                },
                unsigned_errors: yzt.unsigned_errors,
                query_key: yzt.query_key,
                upload_method: yzt.upload_method,
                split: yzt.split.clone(),
                sub_codes: yzt.sub_codes.clone(),
            }),
            Gateway::Beingfi(beingfi) => GatewaySettings::Beingfi(BeingfiSettings {
                transport,
                mch_no: beingfi.mch_no.clone(),
                app_id: beingfi.app_id.clone(),
                secret: Secret::new(file("secret_file", &beingfi.secret_file)?),
                channel: beingfi.channel,
                split_query_path: beingfi.split_query_path.clone(),
                texts: beingfi.texts.clone(),
            }),
        })
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
    fn every_file_that_cannot_be_used_is_told_by_its_key() {
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
    fn a_key_that_is_none_is_told_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["app.pem", "token"] {
            std::fs::write(folder.path().join(file), "hunter2").unwrap();
        }
        let faults = faults(&config(folder.path()), "main");
        assert!(faults.len() == 1 && faults[0].starts_with("accounts.main.private_key_file "), "{faults:?}");
        assert!(!faults[0].contains("hunter2"), "{faults:?}");
    }

    #[test]
    fn secrets_are_read_without_their_editor_s_line_end_and_cannot_be_printed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
        let config = config(folder.path());
        assert_eq!(faults(&config, "shop"), [""; 0]);
        let settings = config.accounts[&"shop".parse().unwrap()].gateway_settings("shop").unwrap();
        assert!(!format!("{settings:?} {config:?}").contains("hunter2"));
    }
}
