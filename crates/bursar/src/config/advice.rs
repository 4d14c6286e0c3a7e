//! What is allowed, and worth a second look: said by `config check` and `doctor`, never refused.

use std::time::Duration;

use bursar_domain::Confirm;
use bursar_gateways::{GatewayBlock, ResponseSign, UnsignedErrors, YztBlock};
use url::Url;

use super::account::{Account, PlainHttp};
use super::{Config, Redis, rules};

/// One thing worth a second look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// The key.
    pub(crate) key: String,
    /// To be read after the key: `is shorter than …`.
    pub(crate) text: String,
}

impl Config {
    /// Everything that is worth a second look: of Redis, then by account.
    pub(crate) fn advice(&self) -> Vec<Advice> {
        let of_accounts = self.accounts.iter().flat_map(|(name, account)| {
            account_advice(account, self.worker.lease)
                .into_iter()
                .map(move |(key, text)| Advice { key: format!("accounts.{name}.{key}"), text })
        });
        redis_advice(&self.redis).into_iter().chain(of_accounts).collect()
    }
}

fn redis_advice(redis: &Redis) -> Option<Advice> {
    let idle = redis.ca_file.is_some() && !redis.url.is_tls();
    idle.then(|| Advice {
        key: "redis.ca_file".to_owned(),
        text: "has no effect: redis.url does not ask for TLS (rediss://)".to_owned(),
    })
}

fn account_advice(account: &Account, lease: Duration) -> Vec<(&'static str, String)> {
    let mut advice = Vec::new();
    let policy = &account.policy;
    let text = rules::duration_text;
    // A send may begin as late as that after its claim, from when `resend_after` is counted.
    let begins = lease / 3;
    if policy.resend_after < account.call_timeout + begins {
        advice.push((
            "resend_after",
            format!(
                "is {}, shorter than call_timeout ({}) and a third of worker.lease ({}), within which a send begins: a request may be repeated that was given up on, not finished",
                text(policy.resend_after),
                text(account.call_timeout),
                text(begins)
            ),
        ));
    }
    if policy.retry_initial > policy.retry_max {
        advice.push((
            "retry_initial",
            format!(
                "is {}, longer than retry_max ({}), which counts",
                text(policy.retry_initial),
                text(policy.retry_max)
            ),
        ));
    }
    let elsewhere = Url::parse(&account.base_url).is_ok_and(|url| url.scheme() == "http" && !rules::is_loopback(&url));
    if account.plain_http == PlainHttp::Anywhere && elsewhere {
        advice.push(("base_url", "is plain http: whoever is on the way reads every payment".to_owned()));
    }
    if let GatewayBlock::Yzt(yzt) = &account.gateway {
        advice.extend(proof_advice(yzt, policy.confirm).map(|(key, text)| (key, text.to_owned())));
    }
    advice
}

/// What is believed without proof.
fn proof_advice(yzt: &YztBlock, confirm: Confirm) -> impl Iterator<Item = (&'static str, &'static str)> {
    let waived = yzt.response_sign == ResponseSign::Waived;
    let waived = waived.then_some(("require_response_sign", "is false: only TLS vouches for what the gateway answers"));
    let believed = yzt.unsigned_errors == UnsignedErrors::Believe;
    let believed = believed.then_some((
        "unsigned_errors",
        "is \"believe\": whoever is on the way can have a payment sent again that was executed",
    ));
    let unconfirmed = (confirm == Confirm::Never).then_some((
        "confirm",
        "is \"never\": a response that was another payment's can end one as failed that was executed",
    ));
    [waived, believed, unconfirmed].into_iter().flatten()
}
