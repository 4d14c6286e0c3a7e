//! Payment gateways over HTTP: the only crate that knows a wire format.
//!
//! A gateway takes a stored job and one of two calls, makes at most one request for each question, and tells what the
//! answer was understood to mean. It never retries, never invents content, and never reads silence as "no".

mod beingfi;
mod clock;
mod http;
mod json;
mod keys;
mod rsa2;
mod secret;
mod settings;
mod shared;
mod text;
#[cfg(test)]
mod vectors;
mod yzt;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bursar_domain::{Kind, ParsedResponse};

pub use beingfi::{Beingfi, Bound, Receiver};
pub use clock::local_now_ms;
pub use rsa2::{check_private_key, check_public_key};
pub use secret::Secret;
pub use settings::{
    BeingfiSettings, Channel, ContentType, QueryKey, RefusalTexts, ResponseSign, SettingsError, SplitMethods, SubCodes,
    TooManyRequests, Transport, UnsignedErrors, UploadMethod, YztSettings,
};
pub use shared::SharedParts;
pub use yzt::{
    AccountSubType, BADLY_SIGNED, Balance, BalanceQuery, MAX_NOTIFICATION_BYTES, Notification, NotificationError,
    NotificationReader, SignRule, Yzt, masked,
};

/// A call under way.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a call is about: a stored job, as far as a gateway must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayRequest {
    /// What it does.
    pub kind: Kind,
    /// The producer's name for it: `platform_no`.
    pub key: String,
    /// The stored content, one compact JSON object: the exact bytes of every send.
    pub content: Arc<str>,
    /// The gateway's own numbers for it as far as it named any, newest last.
    pub trade_nos: Vec<String>,
    /// Whether an earlier send of it may have reached the gateway. False as long as every earlier send certainly
    /// executed nothing. BeingFi's refusal of a repeat means the opposite of its refusal of a first attempt.
    pub sent_before: bool,
    /// A send that has not begun by then is not made: its worker stood still, and others may look at the job already.
    pub send_by: Option<Instant>,
}

/// The account's rate, for requests that no claim has paid for: a call pays for its first one, and now and then makes more.
pub trait Rate: Send + Sync {
    /// Waits for a place of one more request about a job of this kind, until `by` at the latest.
    fn acquire(&self, kind: Kind, by: Instant) -> BoxFuture<'_, RatePermit>;
}

/// Whether one more request may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RatePermit {
    /// Now.
    Taken,
    /// Not in time: it is not made.
    NotInTime,
}

/// A configured account's way to its gateway. Every call makes its requests once, whatever happens to them.
pub trait Gateway: Send + Sync {
    /// Sends the stored bytes: may move money. Never answers [`NotFound`](bursar_domain::Outcome::NotFound).
    fn send<'a>(&'a self, request: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse>;

    /// Asks how the job stands: never moves money. Never answers [`Rejected`](bursar_domain::Outcome::Rejected) or
    /// [`NotReady`](bursar_domain::Outcome::NotReady).
    fn query<'a>(&'a self, request: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse>;

    /// Whether the gateway can be asked about this job, with what is known by now.
    fn can_query(&self, order: &GatewayRequest) -> bool;

    /// Whether a repeated identical send is answered with how the first one stands.
    fn repeat_is_answered(&self) -> bool;
}
