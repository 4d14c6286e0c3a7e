//! Configurations that are taken, and the messages of those that are refused.

mod accounts_dir;
mod corpus;
mod documents;
mod environment;
mod oidc;
mod page;
mod rules;
mod show;

use std::ffi::OsString;
use std::path::Path;

use super::{Config, ConfigError};

/// An account at YZT with the required keys alone.
const YZT: &str = r#"
[accounts.main]
gateway = "yzt"
base_url = "https://yzt.example.com"
app_id = "202404221232028501746384896"
private_key_file = "app.pem"
platform_public_key_file = "platform.pub.pem"
"#;

/// The same at BeingFi.
const BEINGFI: &str = r#"
[accounts.shop]
gateway = "beingfi"
base_url = "https://beingfi.example.com"
mch_no = "M1621873433953"
app_id = "60cc09bce4b0f1c0b83761c9"
secret_file = "beingfi.secret"
"#;

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/bursar/bursar.toml"), owned(variables))
}

fn owned(variables: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
    let owned: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    owned.into_iter()
}

fn right(text: &str, variables: &[(&str, &str)]) -> Config {
    parse(text, variables).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Everything that is wrong, a line each.
fn faults(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    match parse(text, variables) {
        Ok(config) => panic!("taken: {config:?}"),
        Err(ConfigError::Invalid(faults)) => faults.iter().map(ToString::to_string).collect(),
        Err(error @ ConfigError::Unreadable { .. }) => panic!("{error}"),
    }
}
