//! Settings that are allowed and deserve a second look. `config check` and `doctor` report them; nothing refuses them.

use std::time::Duration;

use bursar_domain::Confirm;
use bursar_gateways::{GatewayBlock, ResponseSign, UnsignedErrors, YztBlock};

use super::account::{Account, PlainHttp};
use super::sections::{Redis, Server, UnsignedWebhooks, Webhooks};
use super::{Config, rules, texts};

/// One setting that deserves a second look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// The key.
    pub(crate) key: String,
    /// To be read after the key: `is shorter than …`.
    pub(crate) text: String,
}

impl Config {
    /// Every piece of advice: about Redis, the server and webhooks, then by account.
    pub(crate) fn advice(&self) -> Vec<Advice> {
        let of_accounts = self.accounts.iter().flat_map(|(name, account)| {
            account_advice(account, self.worker.lease)
                .into_iter()
                .map(move |(key, text)| Advice { key: format!("accounts.{name}.{key}"), text })
        });
        let of_process = self.server_advice().into_iter().chain(webhooks_advice(&self.webhooks));
        redis_advice(&self.redis).into_iter().chain(of_process).chain(of_accounts).collect()
    }

    /// Advice about the server: metrics with balances, which are not served at an address that others than monitoring reach, or are there by the
    /// operator's word.
    pub(crate) fn server_advice(&self) -> Option<Advice> {
        let Server { listen, admin_listen, .. } = &self.server;
        let text = match admin_listen {
            None => format!(
                "is not set: /metrics shows balances, so it is not served at server.listen ({listen}), which other machines reach"
            ),
            Some(admin) if admin == listen => {
                format!("is server.listen ({listen}): everyone who reaches it reads /metrics, with balances")
            }
            Some(_) => return None,
        };
        (!listen.ip().is_loopback()).then(|| Advice { key: "server.admin_listen".to_owned(), text })
    }
}

fn redis_advice(redis: &Redis) -> Option<Advice> {
    let idle = redis.ca_file.is_some() && !redis.url.is_tls();
    idle.then(|| Advice {
        key: "redis.ca_file".to_owned(),
        text: "has no effect: redis.url does not ask for TLS (rediss://)".to_owned(),
    })
}

fn webhooks_advice(webhooks: &Webhooks) -> Option<Advice> {
    let is_unsigned = webhooks.secrets_file.is_none() && webhooks.allow_unsigned == UnsignedWebhooks::Delivered;
    is_unsigned.then(|| Advice {
        key: "webhooks.allow_unsigned".to_owned(),
        text: "is true: anyone who reaches a receiver can tell it that a job was paid".to_owned(),
    })
}

fn account_advice(account: &Account, lease: Duration) -> Vec<(&'static str, String)> {
    let mut advice = Vec::new();
    let policy = &account.policy;
    let text = rules::duration_text;
    // `resend_after` counts from the claim, and the send may begin this much later.
    let begins = lease / 3;
    if policy.resend_after < account.keys.call_timeout + begins {
        advice.push((
            "resend_after",
            format!(
                "is {}, shorter than call_timeout ({}) and a third of worker.lease ({}), within which a send begins: a request may be repeated that timed out and is still being executed",
                text(policy.resend_after),
                text(account.keys.call_timeout),
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
    if account.keys.allow_http == PlainHttp::Anywhere && texts::is_exposed(&account.keys.base_url) {
        advice.push(("base_url", "is plain http: anyone on the way can read every payment".to_owned()));
    }
    if let GatewayBlock::Yzt(yzt) = &account.gateway {
        advice.extend(proof_advice(yzt, policy.confirm).map(|(key, text)| (key, text.to_owned())));
    }
    advice
}

/// Responses that are believed without proof.
fn proof_advice(yzt: &YztBlock, confirm: Confirm) -> impl Iterator<Item = (&'static str, &'static str)> {
    let waived = yzt.response_sign == ResponseSign::Waived;
    let waived = waived.then_some(("require_response_sign", "is false: only TLS protects the gateway's responses"));
    let believed = yzt.unsigned_errors == UnsignedErrors::Believe;
    let believed = believed.then_some((
        "unsigned_errors",
        "is \"believe\": anyone on the way can cause a payment that was executed to be sent again",
    ));
    let unconfirmed = (confirm == Confirm::Never)
        .then_some(("confirm", "is \"never\": another payment's response can end an executed payment as failed"));
    [waived, believed, unconfirmed].into_iter().flatten()
}
