//! Writes a signed YZT request. Everything but the stored content is renewed for each call.

use std::sync::Arc;

use crate::rsa2::Signer;
use crate::{ContentType, Secret, SettingsError, params};

/// The caller: an app, perhaps on behalf of a merchant.
pub(crate) struct Caller {
    app_id: String,
    app_auth_token: Option<Secret>,
    signer: Arc<Signer>,
}

impl Caller {
    pub(super) fn new(
        app_id: &str,
        app_auth_token: Option<&Secret>,
        signer: Arc<Signer>,
    ) -> Result<Self, SettingsError> {
        if app_id.is_empty() {
            return Err(SettingsError::new("app_id", "must not be empty"));
        }
        let app_auth_token = app_auth_token.map(Secret::of_file);
        if app_auth_token.as_ref().is_some_and(|token| token.expose().is_empty()) {
            return Err(SettingsError::new("app_auth_token_file", "is empty: leave the setting out"));
        }
        Ok(Self { app_id: app_id.to_owned(), app_auth_token, signer })
    }

    pub(super) fn token(&self) -> Option<&Secret> {
        self.app_auth_token.as_ref()
    }

    pub(super) fn app_id(&self) -> &str {
        &self.app_id
    }

    /// The body of a request. `None` when it could not be signed.
    pub(crate) fn write(
        &self,
        method: &str,
        content: &str,
        timestamp: &str,
        content_type: ContentType,
    ) -> Option<String> {
        let mut params = self.params(method, content, timestamp);
        let sign = self.signer.sign(&join(&params))?;
        params.push(("sign", &sign));
        params.sort_unstable_by_key(|(name, _)| *name);
        Some(params::body(content_type, &params))
    }

    /// The text that is signed for a request.
    pub(crate) fn signing_content(&self, method: &str, content: &str, timestamp: &str) -> String {
        join(&self.params(method, content, timestamp))
    }

    /// Every parameter but `sign`, in ASCII order. None is empty: the gateway signs empty values, its own clients do
    /// not, and without any both agree (SOP's `AlipaySignature` and `SopSignature`, read 2026-11-22).
    fn params<'a>(&'a self, method: &'a str, content: &'a str, timestamp: &'a str) -> Vec<(&'static str, &'a str)> {
        let mut params = vec![
            ("app_id", self.app_id.as_str()),
            ("biz_content", content),
            ("charset", "utf-8"), // the pages also write UTF-8: one spelling, always (trap 34)
            ("format", "json"),
            ("method", method),
            ("sign_type", "RSA2"),
            ("timestamp", timestamp),
            ("version", "1.0"),
        ];
        params.extend(self.app_auth_token.as_ref().map(|token| ("app_auth_token", token.expose())));
        params.sort_unstable_by_key(|(name, _)| *name);
        params
    }
}

/// The text that is signed: `name=value` joined by `&`, values as they are, not encoded.
pub(super) fn join<N: AsRef<str>, V: AsRef<str>>(params: &[(N, V)]) -> String {
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{}={}", name.as_ref(), value.as_ref())).collect();
    pairs.join("&")
}
