//! Payment gateways over HTTP: the only crate that knows a wire format.
//!
//! A gateway takes a stored job and one of two calls, makes at most one request for each question, and returns the outcome that
//! its answer was understood as. It never retries, never invents content, and never reads silence as "no".
//!
//! Everything outside this crate knows a gateway by [`Gateway`] and [`GatewayBlock`] alone. A new gateway is a folder here, its arm in
//! `account.rs`, its block of the configuration, and its part of the simulator.

mod account;
mod beingfi;
mod clock;
mod gateway;
mod http;
mod json;
mod keys;
mod params;
mod rsa2;
mod secret;
mod settings;
mod shared;
mod text;
#[cfg(test)]
mod vectors;
mod yzt;

pub use account::{GatewayBlock, GatewaySettings, NotificationKey};
pub use beingfi::{Beingfi, BeingfiBlock, BeingfiSettings, Bound, Channel, Receiver, RefusalTexts};
pub use bursar_http_client::{Authorities, Trust};
pub use clock::local_now_ms;
pub use gateway::{
    BoxFuture, Capability, Gateway, GatewayRequest, Inquiry, Rate, RatePermit, ReceiverBinding, StatusQuery,
};
pub use rsa2::{check_private_key, check_public_key};
pub use secret::Secret;
pub use settings::{ContentType, SettingsError, TooManyRequests, Transport};
pub use shared::SharedParts;
pub use yzt::{
    AccountSubType, BADLY_SIGNED, Balance, BalanceQuery, Described, MAX_NOTIFICATION_BYTES, Notification,
    NotificationError, NotificationReader, QueryKey, RecordStatus, ResponseSign, SignRule, SplitMethods, SubCodes,
    UnsignedErrors, UploadMethod, Yzt, YztBlock, YztSettings, masked,
};
