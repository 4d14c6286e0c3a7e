//! From configured accounts to what the rest of Bursar works with: rules for the validator, lanes for the worker,
//! settings for the gateways. Secrets are read here, when they are needed, and nowhere else.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bursar_domain::{AccountRules, Lane};
use bursar_gateways::{BeingfiSettings, ResponseSign, Secret, Transport, YztSettings};

use crate::config::{self, Account, Config, Gateway};

/// No key, token or certificate is longer; what is, is the wrong file.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// A file of an account that cannot be used. The operator acts next; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountFileError {
    /// It cannot be read.
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
    /// It is empty, or far too long.
    #[error("{key}: {} {rule}", path.display())]
    Unusable {
        /// `accounts.main.private_key_file`.
        key: String,
        /// The file.
        path: PathBuf,
        /// What it must be.
        rule: &'static str,
    },
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
    /// What the validator must know of the account called `name`; `None` for an unknown one.
    pub(crate) fn account_rules(&self, name: &str) -> Option<AccountRules> {
        let account = self.accounts.get(&name.parse().ok()?)?;
        Some(account.rules())
    }

    /// Every lane of every account, in a fixed order.
    pub(crate) fn lanes(&self) -> Vec<Lane> {
        let of_account = |(name, account): (&bursar_domain::AccountName, &Account)| {
            let name = name.clone();
            account.rules().kinds().iter().map(move |kind| Lane { account: name.clone(), kind: *kind })
        };
        self.accounts.iter().flat_map(of_account).collect()
    }
}

impl Account {
    /// What the validator must know.
    pub(crate) fn rules(&self) -> AccountRules {
        let generic_split = match &self.gateway {
            Gateway::Yzt(yzt) => yzt.split.is_some(),
            Gateway::Beingfi(_) => false,
        };
        AccountRules { gateway: self.gateway.kind(), max_amount: self.policy.max_amount, generic_split }
    }

    /// Every file of the account that cannot be used. `name` is for messages.
    pub(crate) fn unusable_files(&self, name: &str) -> Vec<AccountFileError> {
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
    /// [`AccountFileError`] for the first file that cannot be used.
    pub(crate) fn gateway_settings(&self, name: &str) -> Result<GatewaySettings, AccountFileError> {
        let file = |key: &str, path: &Path| read_file(format!("accounts.{name}.{key}"), path);
        let optional = |key: &str, path: Option<&PathBuf>| path.map(|path| file(key, path)).transpose();
        let transport = Transport {
            base_url: self.base_url.clone(),
            connect_timeout: self.connect_timeout,
            call_timeout: self.call_timeout,
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
            }),
        })
    }
}

/// A file's text without the line end that editors add.
fn read_file(key: String, path: &Path) -> Result<String, AccountFileError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text));
    let unusable = |key, rule| AccountFileError::Unusable { key, path: path.to_path_buf(), rule };
    match read {
        Err(source) => Err(AccountFileError::Unreadable { key, path: path.to_path_buf(), source }),
        Ok(_) if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE_BYTES) => {
            Err(unusable(key, "is too long to be a key, a token or a certificate"))
        }
        Ok(_) if text.trim().is_empty() => Err(unusable(key, "is empty")),
        Ok(_) => Ok(text.trim().to_owned()),
    }
}
