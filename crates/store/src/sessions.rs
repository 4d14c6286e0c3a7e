//! Sessions of the dashboard, and the last use of each token: what servers share about the people and programs that call them.

use std::time::Duration;

use bursar_domain::Millis;
use redis::Pipeline;

use crate::jobs::whole_millis;
use crate::{Store, StoreError};

/// Sessions of one bearer at a time. Of more, the one that has been idle the longest ends.
pub const MAX_SESSIONS: usize = 64;

/// The time for which a token's last use is remembered after it.
pub const USE_REMEMBERED: Duration = Duration::from_secs(400 * 24 * 3_600);

/// A step of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStep {
    /// It begins.
    Begin,
    /// Its bearer does something. The idle time begins again.
    Use,
    /// It is looked up. The idle time goes on.
    Find,
    /// It ends, at every server.
    End,
}

impl SessionStep {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Use => "use",
            Self::Find => "find",
            Self::End => "end",
        }
    }
}

/// A note of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenNote {
    /// A server knows it.
    Known,
    /// It is used now.
    Used,
}

/// The remembered use of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUse {
    /// The time at which a server first knew it; `None` if none has for [`USE_REMEMBERED`].
    pub known_since: Option<Millis>,
    /// The time of its last use, to the minute; `None` if it was not used within [`USE_REMEMBERED`].
    pub used_at: Option<Millis>,
}

impl Store {
    /// Takes a step of the bearer's session `name`; true if the session is there, or was before its end. A session that is idle for `idle` is
    /// over.
    ///
    /// # Errors
    /// [`StoreError`]: the step may have been taken. Safe to repeat.
    pub async fn session(
        &self,
        bearer: &str,
        name: &str,
        step: SessionStep,
        idle: Duration,
    ) -> Result<bool, StoreError> {
        let mut call = self.scripts.session.on(&self.keys.sessions(bearer));
        call.push(step.as_str()).push(name).push(whole_millis(idle)).push(MAX_SESSIONS);
        let found: u8 = call.run(self).await?;
        Ok(found == 1)
    }

    /// Notes something of a bearer's token.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been noted.
    pub async fn note_token(&self, bearer: &str, note: TokenNote) -> Result<(), StoreError> {
        let mut call = self.scripts.token_use.on(&self.keys.token(bearer));
        call.push(whole_millis(USE_REMEMBERED)).push(match note {
            TokenNote::Known => "known",
            TokenNote::Used => "used",
        });
        call.run(self).await
    }

    /// The uses of these bearers' tokens, as far as they are remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn token_uses(&self, bearers: &[String]) -> Result<Vec<TokenUse>, StoreError> {
        if bearers.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for bearer in bearers {
            let base = self.keys.token(bearer);
            pipeline.get(format!("{base}known")).get(format!("{base}used"));
        }
        let found: Vec<Option<String>> = self.query("GET", &pipeline).await?;
        let moment = |at: &Option<String>| at.as_ref().and_then(|at| at.parse().ok()).map(Millis);
        let uses = found
            .chunks(2)
            .map(|pair| TokenUse { known_since: pair.first().and_then(moment), used_at: pair.get(1).and_then(moment) });
        Ok(uses.collect())
    }
}
