//! The bearer of a token outside the server: a command acts in that name.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bursar_domain::AccountName;

use super::clock;
use super::tokens::{Bearer, Role, Tokens, TokensError};

/// The bearer of a token, for a command.
#[derive(Clone, Debug)]
pub struct Identity {
    bearer: Arc<Bearer>,
}

impl Identity {
    /// The token's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.bearer.name
    }

    /// The digest of the token, by which two operators are distinguished.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.bearer.identity
    }

    /// The token's role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.bearer.role
    }

    /// True if the token is for this account; `None` is what belongs to no single account.
    #[must_use]
    pub fn is_for(&self, account: Option<&str>) -> bool {
        self.bearer.accounts.have_named(account)
    }
}

/// The bearer of this token by the tokens file at `path`; `None` for a token that is not known there, or has expired.
///
/// # Errors
/// [`TokensError`].
pub fn identify(path: &Path, configured: BTreeSet<AccountName>, token: &str) -> Result<Option<Identity>, TokensError> {
    let tokens = Tokens::read(path, configured)?;
    Ok(tokens.bearer(token, clock::now()).ok().map(|bearer| Identity { bearer }))
}
