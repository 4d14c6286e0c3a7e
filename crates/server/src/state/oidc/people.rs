//! The people who have signed in by the provider. Each has a rate and places for streams, as a token has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::OidcSettings;
use crate::state::tokens::{Bearer, Role};

/// People whose rate is remembered at a time.
const MAX_PEOPLE: usize = 1_000;

/// A person as the provider says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    /// The operator's name.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The provider's own name of the person, which never changes.
    pub(crate) subject: String,
}

/// Their bearers.
pub(crate) struct People {
    /// The settings by which people have their roles.
    rules: Vec<u8>,
    known: Mutex<HashMap<Person, Arc<Bearer>>>,
}

impl People {
    pub(super) fn new(settings: &OidcSettings) -> Self {
        let OidcSettings { issuer, client_id, name_claim, roles_claim, operator_values, reader_values, .. } = settings;
        let rules = (issuer, client_id, name_claim, roles_claim, operator_values, reader_values);
        Self { rules: serde_json::to_vec(&rules).unwrap_or_default(), known: Mutex::default() }
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
            Arc::new(Bearer::of_person(person.name.clone(), person.role, hash.into()))
        });
        Arc::clone(bearer)
    }
}
