//! The provider's description with its keys: read when someone signs in, kept for an hour, and read again for a key that is not known.

use std::sync::Arc;
use std::time::Duration;

use openidconnect::{IssuerUrl, ProviderMetadataWithLogout};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::http::Http;
use super::{NotSignedIn, chain};

/// The description is read again after this time.
const LASTS: Duration = Duration::from_secs(3_600);

/// ID tokens with an unknown key have the description read again, once in this time: anyone can bring such a token.
const NEWER_KEYS: Duration = Duration::from_secs(60);

/// A provider that did not answer is tried again after this time.
const AWAY: Duration = Duration::from_secs(5);

/// What a provider says of itself, with its keys.
pub(super) type Metadata = Arc<ProviderMetadataWithLogout>;

/// The provider's description.
pub(super) struct Description {
    issuer: IssuerUrl,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    last: Option<(Instant, Result<Metadata, NotSignedIn>)>,
    /// The last reading for an unknown key.
    for_newer_keys: Option<Instant>,
}

impl Description {
    pub(super) fn new(issuer: IssuerUrl) -> Self {
        Self { issuer, known: Mutex::default() }
    }

    /// The description. Concurrent attempts wait for one reading.
    pub(super) async fn get(&self, http: &Http) -> Result<Metadata, NotSignedIn> {
        let mut known = self.known.lock().await;
        if let Some((at, outcome)) = known.last.as_ref() {
            let lasts = if outcome.is_ok() { LASTS } else { AWAY };
            if at.elapsed() < lasts {
                return outcome.clone();
            }
        }
        let outcome = self.read(http).await;
        known.last = Some((Instant::now(), outcome.clone()));
        outcome
    }

    /// A description that is newer than this one, whose keys an ID token does not fit: the provider may have renewed them. It is this one
    /// where the bound allows no reading.
    pub(super) async fn newer_than(&self, old: &Metadata, http: &Http) -> Result<Metadata, NotSignedIn> {
        let mut known = self.known.lock().await;
        if let Some((_, Ok(last))) = known.last.as_ref()
            && !Arc::ptr_eq(last, old)
        {
            return Ok(Arc::clone(last));
        }
        if known.for_newer_keys.is_some_and(|at| at.elapsed() < NEWER_KEYS) {
            return Ok(Arc::clone(old));
        }
        known.for_newer_keys = Some(Instant::now());
        // Where the provider does not answer, the old description stays: its keys may be good for others.
        let newer = self.read(http).await?;
        known.last = Some((Instant::now(), Ok(Arc::clone(&newer))));
        Ok(newer)
    }

    async fn read(&self, http: &Http) -> Result<Metadata, NotSignedIn> {
        let metadata = ProviderMetadataWithLogout::discover_async(self.issuer.clone(), &http.calls()).await;
        metadata.map(Arc::new).map_err(|error| NotSignedIn::ProviderAway(chain(&error)))
    }
}
