//! The tokens of the tokens file with their last uses, for `bursar token list` and `bursar doctor`.

use std::time::Duration;

use bursar_domain::Millis;
use bursar_server::{KnownToken, TokensError, known_tokens};
use bursar_store::{Finding, Severity, Store, TokenUse};

use crate::config::Config;
use crate::exit::Failure;

/// The name of the check.
const CHECK: &str = "server.tokens_file";

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A token that expires sooner is reported: its owner needs time to change it.
const EXPIRES_SOON: Duration = DAY.saturating_mul(14);

/// A token that was not used for so long is probably not needed.
const UNUSED: Duration = DAY.saturating_mul(90);

/// A token with its use.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) known: KnownToken,
    pub(crate) used: TokenUse,
}

/// The tokens of the configured file.
pub(crate) async fn of_file(config: &Config, store: &Store) -> Result<Vec<Token>, Failure> {
    let known = read(config)?;
    let bearers: Vec<String> = known.iter().map(|token| token.bearer.clone()).collect();
    let uses = store.token_uses(&bearers).await?;
    Ok(known.into_iter().zip(uses).map(|(known, used)| Token { known, used }).collect())
}

fn read(config: &Config) -> Result<Vec<KnownToken>, TokensError> {
    known_tokens(&config.server.tokens_file, &config.accounts.keys().cloned().collect())
}

/// The findings about tokens. A host without the file has none: its process serves nothing.
pub(crate) async fn findings(config: &Config, store: &Store) -> Result<Vec<Finding>, Failure> {
    let warn = |text| vec![Finding { severity: Severity::Warn, check: CHECK, text }];
    match read(config) {
        Err(error) if error.is_missing() => Ok(Vec::new()),
        Err(error) => Ok(warn(bursar_store::chain(&error))),
        Ok(_) => {
            let (tokens, now) = (of_file(config, store).await?, store.now().await?);
            Ok(tokens.iter().filter_map(|token| finding(token, now)).collect())
        }
    }
}

fn finding(token: &Token, now: Millis) -> Option<Finding> {
    let Token { known, used } = token;
    let name = &known.name;
    let text = match known.expires {
        Some(expires) if expires <= now => {
            format!("{name}: the token expired at {}: it is refused. Remove it, or replace it", expires.rfc3339())
        }
        Some(expires) if expires.since(now) < EXPIRES_SOON => {
            format!("{name}: the token expires at {}: replace it before (`bursar token`)", expires.rfc3339())
        }
        Some(_) | None => {
            let last = used.used_at.or(used.known_since)?;
            if now.since(last) < UNUSED {
                return None;
            }
            format!(
                "{name}: the token was not used for {} days. Remove it if no one needs it",
                UNUSED.as_secs() / DAY.as_secs()
            )
        }
    };
    Some(Finding { severity: Severity::Warn, check: CHECK, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiring_and_unused_tokens_are_reported() {
        let now = Millis(1_000 * 24 * 3_600 * 1_000);
        let ago = |days: u32| Some(Millis(now.0 - u64::try_from((DAY * days).as_millis()).unwrap()));
        let ahead = |days: u32| Some(now.plus(DAY * days));
        for (expires, known_since, used_at, says) in [
            (None, None, None, None),
            (None, ago(89), None, None),
            (None, ago(90), None, Some("not used for 90 days")),
            (None, ago(300), ago(89), None),
            (None, ago(300), ago(91), Some("not used for 90 days")),
            (ahead(14), ago(1), ago(1), None),
            (ahead(14), ago(200), ago(200), Some("not used")),
            (ahead(13), ago(1), ago(1), Some("expires at")),
            (ahead(0), ago(1), ago(1), Some("expired at")),
            (ago(1), ago(200), None, Some("expired at")),
        ] {
            let known = KnownToken {
                name: "shop".to_owned(),
                role: bursar_server::Role::Producer,
                accounts: None,
                expires,
                bearer: String::new(),
            };
            let found = finding(&Token { known, used: TokenUse { known_since, used_at } }, now);
            let text = found.as_ref().map(|finding| finding.text.as_str());
            assert_eq!(text.is_some(), says.is_some(), "{text:?} {says:?}");
            assert!(says.is_none_or(|says| text.is_some_and(|text| text.contains(says))), "{text:?} {says:?}");
        }
    }
}
