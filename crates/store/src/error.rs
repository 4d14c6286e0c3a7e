//! The errors between Bursar and Redis.

use redis::{ErrorKind, RedisError};

/// A failure of the store. Every script is safe to repeat: after an error it is unknown whether it ran.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is not one that the client understands.
    #[error("redis.url is not a Redis URL")]
    Url(#[source] RedisError),
    /// The certificate authority for Redis cannot be used. Nothing was connected.
    #[error("the certificate authority of redis.ca_file cannot be used: {detail}")]
    Authority {
        /// The fault.
        detail: String,
    },
    /// The server's certificate is not trusted. No command was sent.
    #[error(
        "Redis's certificate is not trusted: set redis.ca_file to its authority, or use a certificate of a public one"
    )]
    Untrusted(#[source] RedisError),
    /// Redis cannot be reached, or its reply did not come in time. The command may have run.
    #[error("Redis did not answer {command}")]
    Unreachable {
        /// The script or command.
        command: &'static str,
        /// The client's account of it.
        #[source]
        source: RedisError,
    },
    /// Redis refused the command: out of memory, read-only, loading, no permission. The command did not run. The only
    /// exception is a key of a foreign type, which ends a script halfway, between two jobs of its batch.
    #[error("Redis refused {command}")]
    Refused {
        /// The script or command.
        command: &'static str,
        /// The client's account of it.
        #[source]
        source: RedisError,
    },
    /// It is a cluster, where a job could be taken twice while a slot moves. Nothing was submitted.
    #[error("redis.url leads to a Redis Cluster, which Bursar does not support yet: use one server, or Sentinel")]
    Cluster,
    /// The jobs in Redis have a layout that this build cannot use. Nothing was written.
    #[error("this build cannot use the jobs in this Redis (PREFIX:layout): {0}")]
    Layout(String),
    /// Redis has it, but not as durably as the operator requires. Safe to repeat.
    #[error("not as durable as redis.durability = \"{required}\" requires: {reached}")]
    NotDurable {
        /// `local` or `replicated`.
        required: &'static str,
        /// The level that was reached.
        reached: String,
    },
    /// A record or reply that this build cannot read. The job is unchanged.
    #[error("{what} cannot be read by this build: {detail}")]
    Unreadable {
        /// The record or reply.
        what: String,
        /// The fault.
        detail: String,
    },
}

/// Errors that repeating does not change: identity, permissions, and the types of keys.
const FOR_GOOD: [&str; 4] = ["NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE"];

impl StoreError {
    /// True if the same call may succeed later by itself. Repeating is safe either way; if `false`, an operator must
    /// fix something first.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NotDurable { .. } => true,
            Self::Refused { source, .. } => source.code().is_none_or(|code| !FOR_GOOD.contains(&code)),
            Self::Url(_)
            | Self::Authority { .. }
            | Self::Untrusted(_)
            | Self::Cluster
            | Self::Layout(_)
            | Self::Unreadable { .. } => false,
        }
    }

    pub(crate) fn of(command: &'static str, source: RedisError) -> Self {
        if matches!(source.kind(), ErrorKind::Parse | ErrorKind::UnexpectedReturnType) {
            return Self::Unreadable { what: format!("the reply of {command}"), detail: source.to_string() };
        }
        let unreachable =
            source.is_io_error() || source.is_timeout() || source.is_connection_dropped() || source.code().is_none();
        if unreachable { Self::Unreachable { command, source } } else { Self::Refused { command, source } }
    }

    /// The error with its causes, for one line of a log or a terminal.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// Any error with its causes. An error whose text already ends with its cause does not repeat it.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let shown = error.to_string();
        if !text.ends_with(&shown) {
            text.push_str(": ");
            text.push_str(&shown);
        }
        cause = error.source();
    }
    text
}
