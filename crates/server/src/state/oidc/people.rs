//! The people who have signed in by the provider. Each has a rate and places for streams, as a token has.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::OidcSettings;
use crate::state::tokens::{Accounts, Bearer, Role, digest};

/// People whose rate is remembered at a time.
const MAX_PEOPLE: usize = 1_000;

/// A person as the provider says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    /// The operator's name.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The accounts that the person may see and act on; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accounts: Option<BTreeSet<String>>,
    /// The provider's own name of the person, which never changes.
    pub(crate) subject: String,
}

/// Their bearers.
pub(crate) struct People {
    issuer: String,
    /// The settings by which people have their roles.
    rules: Vec<u8>,
    known: Mutex<HashMap<Person, Arc<Bearer>>>,
}

impl People {
    pub(super) fn new(settings: &OidcSettings) -> Self {
        let OidcSettings { issuer, client_id, name_claim, roles_claim, operator_values, reader_values, .. } = settings;
        let OidcSettings { accounts_claim, all_accounts_values, .. } = settings;
        let roles = (roles_claim, operator_values, reader_values);
        let rules = (issuer, client_id, name_claim, roles, accounts_claim, all_accounts_values);
        Self { issuer: issuer.clone(), rules: serde_json::to_vec(&rules).unwrap_or_default(), known: Mutex::default() }
    }

    /// The bearer that a person is. Under other settings it is another one, so that a session does not outlive its rules.
    pub(crate) fn bearer(&self, person: &Person) -> Arc<Bearer> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_PEOPLE && !known.contains_key(person) {
            known.retain(|_, bearer| Arc::strong_count(bearer) > 1);
        }
        let bearer = known.entry(person.clone()).or_insert_with(|| {
            let text = serde_json::to_vec(person).unwrap_or_default();
            let hash = Sha256::new().chain_update(b"person ").chain_update(&self.rules).chain_update(text).finalize();
            let named = |names: &BTreeSet<String>| names.iter().filter_map(|name| name.parse().ok()).collect();
            let accounts = person.accounts.as_ref().map_or(Accounts::All, |names| Accounts::Only(named(names)));
            let identity = digest(&[b"person ", self.issuer.as_bytes(), b" ", person.subject.as_bytes()]);
            Arc::new(Bearer::of_person((person.name.clone(), identity), (person.role, accounts), hash.into()))
        });
        Arc::clone(bearer)
    }
}
