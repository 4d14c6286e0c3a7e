//! The operator of a command: the bearer of a token, or the system user who runs it. No text that anyone can choose. Each action of a
//! command is one event of the audit trail.

use std::io::Read;
use std::path::PathBuf;

use bursar_domain::{Actor, AuditAction, AuditResult, AuditRole, AuditTarget, CLI_ADDRESS, SYSTEM_USER};
use bursar_server::{Identity, Role, identify};
use bursar_store::{Operator, Store};
use clap::Args;
use nix::unistd::{User, getuid};

use crate::context::CommandContext;
use crate::exit::{Context, Exit, Failure, UsageError};

/// The variable with a token, for shells in which one person works.
const TOKEN_VARIABLE: &str = "BURSAR_TOKEN";

/// The longest token file, in bytes: a token and white space.
const MAX_TOKEN_BYTES: u64 = 1_024;

/// The way in which an operator is known.
#[derive(Debug, Args)]
pub(crate) struct Identification {
    /// Act as the bearer of the token in this file. Without it, the variable BURSAR_TOKEN has the token. Without both, you act as your
    /// system user.
    #[arg(long, value_name = "FILE", env = "BURSAR_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Refused: a name that anyone can choose proves nothing.
    #[arg(long, value_name = "NAME", hide = true, value_parser = no_free_name)]
    who: Option<String>,
}

fn no_free_name(_: &str) -> Result<String, &'static str> {
    Err("an action has the name of a token (--token-file, BURSAR_TOKEN) or of your system user")
}

/// An operator at the command line, and the reason for an action.
pub(crate) struct Acting<'a> {
    store: &'a Store,
    actor: Actor,
    /// The bearer of the token, where there is one.
    identity: Option<Identity>,
    /// The name in histories: a token and a system user of one name are two operators.
    name: String,
    reason: Option<&'a str>,
}

/// The end of an action.
pub(crate) struct Did {
    exit: Exit,
    result: AuditResult,
    detail: String,
}

impl Did {
    pub(crate) fn new(exit: Exit, detail: impl Into<String>) -> Self {
        let result = match exit {
            Exit::Done => AuditResult::Done,
            Exit::No | Exit::Misused => AuditResult::Refused,
            Exit::Unreachable => AuditResult::Failed,
        };
        Self { exit, result, detail: detail.into() }
    }

    /// The action waits for a second operator.
    pub(crate) fn proposed(detail: impl Into<String>) -> Self {
        Self { result: AuditResult::Proposed, ..Self::new(Exit::Done, detail) }
    }

    /// Nothing was done, without a print.
    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self::new(Exit::No, why)
    }

    /// The exit code.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    /// The result and its explanation.
    pub(crate) fn into_result(self) -> (AuditResult, String) {
        (self.result, self.detail)
    }

    /// Prints why nothing was done.
    pub(crate) fn no(why: impl std::fmt::Display) -> Self {
        eprintln!("bursar: {why}");
        Self::new(Exit::No, why.to_string())
    }

    /// The same without a print.
    pub(crate) fn quietly(exit: Exit) -> Self {
        Self::new(exit, "")
    }
}

impl Identification {
    /// Finds out who acts.
    ///
    /// # Errors
    /// For a token that is not known, or whose role does not act.
    pub(crate) async fn acting<'a>(
        &self,
        context: &'a CommandContext,
        reason: Option<&'a str>,
    ) -> Result<Acting<'a>, Failure> {
        let store = &context.store;
        let Some(token) = self.token()? else { return Ok(Acting::of_system_user(store, reason)) };
        let file = &context.config.server.tokens_file;
        let accounts = context.config.accounts.keys().cloned().collect();
        let Some(identity) = identify(file, accounts, &token)? else {
            let event = Actor { role: AuditRole::Stranger, ..Acting::of_system_user(store, None).actor };
            let event = event.intends(AuditAction::TokenFailed, AuditTarget::file(&file.display()), None);
            refused(store, event.ended(AuditResult::Refused, None)).await;
            return Err(UsageError(format!("the token is not one of {}", file.display())).into());
        };
        let name = identity.name().to_owned();
        let role: AuditRole = identity.role().into();
        let actor = Actor { name: Some(name.clone()), role, address: CLI_ADDRESS.to_owned() };
        if identity.role() != Role::Operator {
            let event = actor.intends(AuditAction::Forbidden, AuditTarget::default(), reason);
            refused(store, event.ended(AuditResult::Refused, None)).await;
            return Err(Failure::no(format_args!("{name} has the role {}; this is for operator", role.as_str())));
        }
        Ok(Acting { store, actor, identity: Some(identity), name, reason })
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        let Some(file) = &self.token_file else {
            return Ok(std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()));
        };
        let mut text = String::new();
        let read = std::fs::File::open(file).and_then(|file| file.take(MAX_TOKEN_BYTES).read_to_string(&mut text));
        read.map_err(|error| UsageError(format!("cannot read {}: {error}", file.display())))?;
        Ok(Some(text.trim().to_owned()))
    }
}

impl<'a> Acting<'a> {
    /// The user of this process, by its number: variables of the environment can say anything.
    pub(crate) fn of_system_user(store: &'a Store, reason: Option<&'a str>) -> Self {
        let uid = getuid();
        let user = User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name);
        let name = format!("{user}{SYSTEM_USER}");
        let actor = Actor { name: Some(user), role: AuditRole::SystemUser, address: CLI_ADDRESS.to_owned() };
        Self { store, actor, identity: None, name, reason }
    }

    /// The same as the store records it in the history of a job.
    pub(crate) fn operator(&self) -> Operator<'_> {
        let identity = self.identity.as_ref().map(Identity::digest);
        Operator { who: &self.name, why: self.reason.unwrap_or_default(), identity }
    }

    /// Writes what the operator intends, does it, and writes the result.
    ///
    /// # Errors
    /// Those of `act`. Nothing is done if the intention cannot be written, or if the token is not for the account.
    pub(crate) async fn record(
        &self,
        action: AuditAction,
        target: AuditTarget,
        act: impl Future<Output = Result<Did, Failure>>,
    ) -> Result<Exit, Failure> {
        Ok(self.recorded(action, target, act).await?.exit)
    }

    /// The same, with the end of the action.
    ///
    /// # Errors
    /// As [`Acting::record`].
    pub(crate) async fn recorded(
        &self,
        action: AuditAction,
        target: AuditTarget,
        act: impl Future<Output = Result<Did, Failure>>,
    ) -> Result<Did, Failure> {
        let account = target.account.clone();
        let event = self.actor.intends(action, target, self.reason);
        if self.identity.as_ref().is_some_and(|identity| !identity.is_for(account.as_deref())) {
            let detail = format!("{} is not for {}", self.name, account.as_deref().unwrap_or("every account"));
            refused(self.store, event.ended(AuditResult::Refused, Some(detail.clone()))).await;
            return Err(Failure::no(detail));
        }
        let intention = self.store.audit_intention(event).await;
        let intention = intention.context("nothing was done, because the audit trail cannot be written")?;
        let outcome = act.await;
        let (result, detail) = match &outcome {
            Ok(Did { result, detail, .. }) => (*result, detail.clone()),
            Err(failure) if failure.exit() == Exit::Misused => (AuditResult::Refused, failure.to_string()),
            Err(failure) => (AuditResult::Failed, failure.to_string()),
        };
        if let Err(error) = self.store.audit_result(intention, result, Some(detail)).await {
            eprintln!("bursar: the audit trail lacks the result: {}", error.chain());
        }
        outcome
    }
}

/// Writes the event of a command that did nothing.
async fn refused(store: &Store, event: bursar_domain::AuditEvent) {
    if let Err(error) = store.audit(event).await {
        eprintln!("bursar: the audit trail cannot be written: {}", error.chain());
    }
}
