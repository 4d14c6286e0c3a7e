//! The effective configuration, as TOML that reads back as the same: secrets are files, shown by their paths, and the
//! password in a URL is masked.

use std::path::Path;
use std::time::Duration;

use toml::{Table, Value};

use bursar_gateways::{Channel, ContentType, QueryKey, TooManyRequests, UploadMethod};
use bursar_store::Durability;

use super::account::{Account, Beingfi, Gateway, PlainHttp, Yzt};
use super::rules::duration_text;
use super::{Balance, Config, Expect, LogFormat, Preflight, fair};

const MASK: &str = "***";

impl Config {
    /// Every key that has a value.
    pub(crate) fn shown(&self) -> Table {
        let accounts: Table =
            self.accounts.iter().map(|(name, account)| (name.to_string(), shown_account(account).into())).collect();
        table([
            ("redis", self.shown_redis().into()),
            ("worker", self.shown_worker().into()),
            ("import", table([("queues", self.import.queues.clone().into())]).into()),
            ("journal", self.shown_journal().into()),
            ("server", self.shown_server().into()),
            ("webhooks", self.webhooks.shown().into()),
            ("log", self.shown_log().into()),
            ("telemetry", self.shown_telemetry().into()),
            ("accounts", accounts.into()),
        ])
    }

    fn shown_redis(&self) -> Table {
        let preflight = match self.redis.preflight {
            Preflight::Refuse => "refuse",
            Preflight::Warn => "warn",
        };
        let expect = match self.redis.expect {
            Expect::Any => "any",
            Expect::Existing => "existing",
        };
        let replicas = match self.redis.durability {
            Durability::Replicated(replicas) => replicas,
            Durability::Fast | Durability::Local => 1,
        };
        let mut shown = table([
            ("url", self.redis.url.to_string().into()),
            ("prefix", self.redis.prefix.as_str().into()),
            ("preflight", preflight.into()),
            ("expect", expect.into()),
            ("durability", self.redis.durability.as_str().into()),
            ("replicas", i64::from(replicas).into()),
            ("retention", duration(self.redis.retention)),
        ]);
        shown.extend(self.redis.ca_file.as_deref().map(|file| ("ca_file".to_owned(), path(file))));
        shown.extend(self.redis.partitions.map(|count| ("partitions".to_owned(), i64::from(count).into())));
        shown
    }

    fn shown_worker(&self) -> Table {
        let mut shown = table([
            ("concurrency", whole(self.worker.concurrency)),
            ("lease", duration(self.worker.lease)),
            ("drain", duration(self.worker.drain)),
        ]);
        shown.extend(self.worker.listen.map(|address| ("listen".to_owned(), address.to_string().into())));
        shown
    }

    fn shown_journal(&self) -> Table {
        let mut shown = table([
            ("file_mb", i64::from(self.journal.file_mb).into()),
            ("files", i64::from(self.journal.files).into()),
            ("keep", duration(self.journal.keep)),
        ]);
        shown.extend(self.journal.dir.as_deref().map(|dir| ("dir".to_owned(), path(dir))));
        shown
    }

    fn shown_server(&self) -> Table {
        let mut shown = table([
            ("listen", self.server.listen.to_string().into()),
            ("tokens_file", path(&self.server.tokens_file)),
            ("rate_per_second", i64::from(self.server.rate_per_second).into()),
            ("patience", duration(self.server.patience)),
            ("drain", duration(self.server.drain)),
        ]);
        shown.extend(self.server.session_key_file.as_deref().map(|file| ("session_key_file".to_owned(), path(file))));
        shown
    }

    fn shown_telemetry(&self) -> Table {
        let endpoint = self.telemetry.otlp_endpoint.as_deref();
        endpoint.map(|endpoint| ("otlp_endpoint".to_owned(), endpoint.into())).into_iter().collect()
    }

    fn shown_log(&self) -> Table {
        let format = match self.log.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        table([("format", format.into()), ("level", self.log.level.into())])
    }
}

fn shown_account(account: &Account) -> Table {
    let policy = &account.policy;
    let content_type = match account.content_type {
        ContentType::Form => "form",
        ContentType::Json => "json",
    };
    let poll: Vec<Value> = policy.poll.iter().copied().map(duration).collect();
    let mut shown = table([
        ("gateway", account.gateway.kind().as_str().into()),
        ("base_url", account.base_url.as_str().into()),
        ("allow_http", (account.plain_http == PlainHttp::Anywhere).into()),
        ("content_type", content_type.into()),
        ("http_429_not_executed", (account.http_429 == TooManyRequests::NotExecuted).into()),
        ("connect_timeout", duration(account.connect_timeout)),
        ("call_timeout", duration(account.call_timeout)),
        ("keep_alive", duration(account.keep_alive)),
        ("rate_per_second", number(account.rate_per_second)),
        ("on_ambiguous", policy.on_ambiguous.as_str().into()),
        ("resend_after", duration(policy.resend_after)),
        ("resend_max", i64::from(policy.resend_max).into()),
        ("poll", poll.into()),
        ("poll_deadline", duration(policy.poll_deadline)),
        ("retry_initial", duration(policy.retry_initial)),
        ("retry_max", duration(policy.retry_max)),
        ("retry_deadline", duration(policy.retry_deadline)),
    ]);
    shown.extend(fair::shown(&account.fair_order));
    shown.extend(account.environment.as_deref().map(|name| ("environment".to_owned(), name.into())));
    shown.extend(account.ca_file.as_deref().map(|file| ("ca_file".to_owned(), path(file))));
    match &account.gateway {
        Gateway::Yzt(yzt) => {
            shown.insert("poll_deadline_t1".to_owned(), duration(policy.poll_deadline_t1));
            shown.insert("confirm".to_owned(), policy.confirm.as_str().into());
            shown.extend(policy.max_amount.map(|cap| ("max_amount".to_owned(), cap.get().into())));
            shown.extend(shown_yzt(yzt));
            shown.extend(account.notify.shown());
            shown.extend(account.balance.iter().flat_map(Balance::shown));
        }
        Gateway::Beingfi(beingfi) => {
            shown.insert("not_ready_wait".to_owned(), duration(policy.not_ready_wait));
            shown.extend(shown_beingfi(beingfi));
        }
    }
    shown
}

fn shown_yzt(yzt: &Yzt) -> Table {
    let query_key = match yzt.query_key {
        QueryKey::TradeNo => "trade_no",
        QueryKey::PlatformNo => "platform_no",
        QueryKey::Both => "both",
    };
    let upload_method = match yzt.upload_method {
        UploadMethod::FundsBillUpload => "funds.bill.upload",
        UploadMethod::BkfundsOrderUpload => "bkfunds.order.upload",
    };
    let platform_key = yzt.response_sign.key_file();
    let split = yzt.split.as_ref();
    let mut shown = table([
        ("app_id", yzt.app_id.as_str().into()),
        ("private_key_file", path(&yzt.private_key_file)),
        ("require_response_sign", platform_key.is_some().into()),
        ("unsigned_errors", yzt.unsigned_errors.as_str().into()),
        ("query_key", query_key.into()),
        ("upload_method", upload_method.into()),
        ("final_sub_codes", yzt.sub_codes.refused.clone().into()),
        ("duplicate_sub_codes", yzt.sub_codes.duplicate.clone().into()),
        ("not_executed_sub_codes", yzt.sub_codes.not_executed.clone().into()),
        ("unseen_sub_codes", yzt.sub_codes.unseen.clone().into()),
        ("party_types", yzt.party_types.list().into()),
    ]);
    let given = [
        ("platform_public_key_file", platform_key.map(|file| path(file))),
        ("app_auth_token_file", yzt.app_auth_token_file.as_deref().map(path)),
        ("split_method", split.map(|split| split.apply.as_str().into())),
        ("split_query_method", split.and_then(|split| split.query.as_deref()).map(Into::into)),
    ];
    shown.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    shown
}

fn shown_beingfi(beingfi: &Beingfi) -> Table {
    let texts = &beingfi.texts;
    let mut shown = table([
        ("mch_no", beingfi.mch_no.as_str().into()),
        ("app_id", beingfi.app_id.as_str().into()),
        ("secret_file", path(&beingfi.secret_file)),
        ("in_doubt_texts", texts.in_doubt.clone().into()),
        ("final_texts", texts.refused.clone().into()),
        ("duplicate_texts", texts.duplicate.clone().into()),
        ("not_ready_texts", texts.not_ready.clone().into()),
        ("not_executed_texts", texts.not_executed.clone().into()),
        ("config_fault_texts", texts.config_fault.clone().into()),
        ("unseen_texts", texts.unseen.clone().into()),
    ]);
    let channel = beingfi.channel.map(|channel| match channel {
        Channel::Wxpay => "wxpay",
        Channel::Alipay => "alipay",
    });
    let given = [("channel", channel), ("split_query_path", beingfi.split_query_path.as_deref())];
    shown.extend(given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
    shown
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub(super) fn duration(duration: Duration) -> Value {
    duration_text(duration).into()
}

pub(super) fn path(path: &Path) -> Value {
    path.display().to_string().into()
}

pub(super) fn whole(number: usize) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// `10`, not `10.0`.
pub(super) fn number(number: f64) -> Value {
    number.to_string().parse::<i64>().map_or(number.into(), Into::into)
}

/// Parameters of a URL that hold no secret.
const OPEN_PARAMETERS: [&str; 4] = ["db", "protocol", "sentinel_user", "user"];

/// A URL without its secrets. A password that was not percent-encoded holds anything, so all up to the last `@` is hidden but the
/// user's name, and everything where even that tells nothing of the password's end.
pub(super) fn masked(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return MASK.to_owned() };
    let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
    if user.is_some_and(|user| user.contains(['?', '#'])) || place.contains('#') {
        return format!("{scheme}://{MASK}");
    }
    let user = match user.map(|user| user.split_once(':')) {
        None => String::new(),
        Some(None) => format!("{MASK}@"),
        Some(Some((name, _))) => format!("{name}:{MASK}@"),
    };
    let (place, query) = place.split_once('?').map_or((place, None), |(place, query)| (place, Some(query)));
    let mut shown = format!("{scheme}://{user}{place}");
    for (number, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if number == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if OPEN_PARAMETERS.contains(&name) => shown.push_str(pair),
            Some((name, _)) => shown.push_str(&format!("{name}={MASK}")),
            None => shown.push_str(MASK),
        }
    }
    shown
}
