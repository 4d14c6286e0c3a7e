//! The preflight: refuses a Redis that can lose a payment's record, and warns of settings that make a loss more likely.

use std::collections::HashMap;
use std::time::Duration;

use redis::{IntoConnectionInfo, RedisResult};

use crate::reconnecting::ConnectionId;
use crate::rights::{Refused, is_right};
use crate::sentinel::Place;
use crate::{Store, StoreError, tls};

/// The greatest difference between the worker's clock and Redis's that is safe with the gateway's tolerance of 10
/// minutes.
const MAX_SKEW: Duration = Duration::from_secs(60);

/// A clock difference that is worth a warning.
const NOTABLE_SKEW: Duration = Duration::from_secs(5);

/// The oldest server whose scripts can record an outcome while memory is full.
const MIN_MAJOR_VERSION: u32 = 7;

/// The check by which a cluster is refused: not even `redis.preflight = "warn"` overrules it.
pub const CLUSTER: &str = "redis.cluster";

/// Errors by which a server of a cluster says that it does not have a key now.
const ELSEWHERE: [&str; 5] = ["MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN", "TRYAGAIN"];

/// The possible loss under `appendfsync everysec`.
pub const LOSSES_ON_EVERYSEC: &str = "a power failure loses up to a second of accepted jobs";

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Sends go on.
    Warn,
    /// No money is sent on this Redis.
    Refuse,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// The check's name: `redis.eviction`.
    pub check: &'static str,
    /// The finding, and the remedy.
    pub text: String,
}

/// The settings that must fit together.
#[derive(Clone, Debug)]
pub struct PreflightInput {
    /// `redis.url`.
    pub url: String,
    /// `worker.lease`.
    pub lease: Duration,
    /// The longest `call_timeout` of all accounts, with its account.
    pub call_timeout: Option<(String, Duration)>,
    /// The local clock, ms since the epoch.
    pub local_now_ms: u64,
}

impl Store {
    /// Checks everything that the promises need of Redis, over the open connection. Findings come in a fixed order,
    /// fine ones included.
    ///
    /// # Errors
    /// [`StoreError`] when Redis does not answer.
    pub async fn preflight(&self, wanted: &PreflightInput) -> Result<Vec<Finding>, StoreError> {
        self.preflight_over(self.connection_id().await?, wanted).await
    }

    /// The same over one connection: its findings say nothing about the server behind another one.
    ///
    /// # Errors
    /// [`StoreError`] when Redis does not answer, or not over this connection.
    pub async fn preflight_over(
        &self,
        connection_id: ConnectionId,
        wanted: &PreflightInput,
    ) -> Result<Vec<Finding>, StoreError> {
        let mut connection = self.connection().over(connection_id);
        // Values that this user may not read are reported as unknown, not assumed.
        let info: Option<String> = granted("INFO", redis::cmd("INFO").query_async(&mut connection).await)?;
        let time: Option<(u64, u64)> = granted("TIME", redis::cmd("TIME").query_async(&mut connection).await)?;
        let mut fsync = redis::cmd("CONFIG");
        fsync.arg("GET").arg("appendfsync");
        let fsync: Option<(String, String)> = fsync.query_async(&mut connection).await.ok();
        let tried = self.refused_rights(&connection).await;
        let (rights, elsewhere) = rights(tried)?;
        let server = Server {
            info: info
                .iter()
                .flat_map(|info| info.lines())
                .filter_map(|line| line.trim_end().split_once(':'))
                .collect(),
            fsync: fsync.map(|(_, value)| value),
            now_ms: time.map(|(seconds, micros)| seconds * 1000 + micros / 1000),
            elsewhere,
        };
        let mut findings = if info.is_some() { server.findings(wanted) } else { server.unknown(wanted) };
        findings.extend(rights);
        Ok(findings)
    }
}

/// A reply, or nothing if this user lacks the permission.
fn granted<T>(command: &'static str, reply: RedisResult<T>) -> Result<Option<T>, StoreError> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(error) if is_right(&error) => Ok(None),
        Err(error) => Err(StoreError::of(command, error)),
    }
}

/// The result of trying the permissions, and whether the keys are on other servers of a cluster.
fn rights(tried: Result<Refused, StoreError>) -> Result<([Finding; 2], bool), StoreError> {
    let refused = match tried {
        Ok(refused) => refused,
        Err(StoreError::Refused { source, .. }) => {
            let elsewhere = source.code().is_some_and(|code| ELSEWHERE.contains(&code));
            let text = format!("unknown: Redis refused to try them ({source})");
            return Ok(([warn("redis.rights", text), warn("redis.channels", "unknown".into())], elsewhere));
        }
        Err(error) => return Err(error),
    };
    let Refused { needed, hints } = refused;
    let text = format!(
        "this user lacks permissions that Bursar needs: {}. `bursar redis-acl` prints all of them",
        needed.join(" ")
    );
    let needed = refuse_unless(needed.is_empty(), "redis.rights", "sufficient".into(), text);
    let text = format!(
        "this user lacks permissions for wake-up messages: {}. Jobs start up to 5 s later. `bursar redis-acl` prints all permissions",
        hints.join(" ")
    );
    let hints = if hints.is_empty() { fine("redis.channels", "open".into()) } else { warn("redis.channels", text) };
    Ok(([needed, hints], false))
}

struct Server<'a> {
    info: HashMap<&'a str, &'a str>,
    fsync: Option<String>,
    now_ms: Option<u64>,
    /// It has sent us to another server.
    elsewhere: bool,
}

impl Server<'_> {
    fn is(&self, field: &str, value: &str) -> bool {
        self.info.get(field) == Some(&value)
    }

    fn number(&self, field: &str) -> u64 {
        self.info.get(field).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    fn findings(&self, wanted: &PreflightInput) -> Vec<Finding> {
        let mut findings = vec![
            self.version(),
            self.role(),
            self.loading(),
            self.eviction(),
            self.append_only(),
            self.append_only_health(),
            self.fsync(),
            self.replicas(),
        ];
        if Place::is_meant(&wanted.url) {
            findings.push(self.min_replicas());
        }
        findings.extend([self.memory(), transport(&wanted.url), self.clock(wanted.local_now_ms), lease(wanted)]);
        findings.push(self.cluster());
        findings
    }

    /// The findings for a server that does not report its settings.
    fn unknown(&self, wanted: &PreflightInput) -> Vec<Finding> {
        let text = "unknown: this user may not run INFO, so it cannot be checked that this Redis keeps its data. Grant +info (`bursar redis-acl` prints all permissions)";
        let info = refuse_unless(false, "redis.info", String::new(), text.into());
        let mut findings =
            vec![info, self.fsync(), transport(&wanted.url), self.clock(wanted.local_now_ms), lease(wanted)];
        if self.elsewhere {
            findings.push(self.cluster());
        }
        findings
    }

    /// On a cluster, a repeated submission can miss the first one while a slot moves, and waits for disk or replicas
    /// confirm another server than the queue's.
    fn cluster(&self) -> Finding {
        let text = "this is a Redis Cluster, or a proxy in front of one, which Bursar does not support yet: a job could be taken twice while a slot moves, and redis.durability could not be confirmed. Use one server, or Sentinel";
        refuse_unless(!self.elsewhere && !self.is("cluster_enabled", "1"), CLUSTER, "no cluster".into(), text.into())
    }

    fn version(&self) -> Finding {
        let version = self.info.get("redis_version").copied().unwrap_or("unknown");
        let major = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
        let ok = major >= MIN_MAJOR_VERSION;
        // Valkey reports the version of Redis that it is compatible with.
        let shown = self.info.get("valkey_version").map_or(version.to_owned(), |valkey| format!("Valkey {valkey}"));
        refuse_unless(
            ok,
            "redis.version",
            shown,
            format!("{version}: use Redis or Valkey {MIN_MAJOR_VERSION} or newer"),
        )
    }

    fn role(&self) -> Finding {
        let text = "this is a replica: its writes are lost. Point redis.url at the primary";
        refuse_unless(self.is("role", "master"), "redis.role", "primary".into(), text.into())
    }

    fn loading(&self) -> Finding {
        let text = "it is still loading its data: wait until it has finished";
        refuse_unless(!self.is("loading", "1"), "redis.loading", "loaded".into(), text.into())
    }

    fn eviction(&self) -> Finding {
        let policy = self.info.get("maxmemory_policy").copied().unwrap_or("unknown");
        let text = format!("maxmemory-policy is {policy}: it deletes jobs when memory is full. Set it to noeviction");
        refuse_unless(policy == "noeviction", "redis.eviction", policy.to_owned(), text)
    }

    fn append_only(&self) -> Finding {
        let text = "appendonly is off: a restart loses every job since the last snapshot. Set appendonly yes";
        refuse_unless(self.is("aof_enabled", "1"), "redis.appendonly", "on".into(), text.into())
    }

    fn append_only_health(&self) -> Finding {
        let failed = |field: &str| self.info.get(field).is_some_and(|status| *status != "ok");
        let text = "the last write or rewrite of the append-only file failed: check the disk and the server's log";
        let ok = !failed("aof_last_write_status") && !failed("aof_last_bgrewrite_status");
        refuse_unless(ok, "redis.appendonly_health", "ok".into(), text.into())
    }

    fn fsync(&self) -> Finding {
        match self.fsync.as_deref() {
            Some("always") => fine("redis.appendfsync", "always".into()),
            Some("everysec") => warn("redis.appendfsync", format!("everysec: {LOSSES_ON_EVERYSEC}")),
            Some(other) => Finding {
                severity: Severity::Refuse,
                check: "redis.appendfsync",
                text: format!(
                    "{other}: a power failure loses what the system had not written yet. Set everysec or always"
                ),
            },
            None => warn("redis.appendfsync", "unknown: CONFIG GET is not allowed on this server".into()),
        }
    }

    fn replicas(&self) -> Finding {
        match self.number("connected_slaves") {
            0 => warn("redis.replicas", "none: if the machine's disk fails, the jobs are lost".into()),
            some => fine("redis.replicas", some.to_string()),
        }
    }

    /// Checks that a primary which is cut off stops accepting writes by itself: no client can know that it was demoted.
    fn min_replicas(&self) -> Finding {
        // Reported only if it is set.
        match self.info.get("min_slaves_good_slaves") {
            Some(_) => fine("redis.min_replicas", "set".into()),
            None => warn(
                "redis.min_replicas",
                "min-replicas-to-write is 0: a primary that is cut off accepts jobs that are lost when it rejoins. Set it to 1".into(),
            ),
        }
    }

    fn memory(&self) -> Finding {
        let (used, limit) = (self.number("used_memory"), self.number("maxmemory"));
        if limit > 0 && used >= limit / 10 * 9 {
            return warn(
                "redis.memory",
                format!("{} of {} MB used: when memory is full, no job is accepted or sent", used >> 20, limit >> 20),
            );
        }
        fine("redis.memory", format!("{} MB used", used >> 20))
    }

    fn clock(&self, local_now_ms: u64) -> Finding {
        let Some(now_ms) = self.now_ms else {
            return refuse_unless(false, "clock", String::new(), "unknown: this user may not run TIME".into());
        };
        let skew = Duration::from_millis(now_ms.abs_diff(local_now_ms));
        let text = format!(
            "this machine's clock and Redis's are {} s apart: gateways refuse requests that are 10 minutes off. Correct the clock",
            skew.as_secs()
        );
        if skew > MAX_SKEW {
            return refuse_unless(false, "clock", String::new(), text);
        }
        if skew > NOTABLE_SKEW { warn("clock", text) } else { fine("clock", format!("{} ms apart", skew.as_millis())) }
    }
}

fn transport(url: &str) -> Finding {
    let private = match Place::is_meant(url) {
        true => Place::read(url).is_ok_and(|place| place.is_private()),
        false => url.into_connection_info().is_ok_and(|server| tls::is_private(server.addr())),
    };
    if private {
        fine("redis.tls", "private".into())
    } else {
        warn("redis.tls", "not encrypted: use rediss:// for a Redis on another machine".into())
    }
}

fn lease(wanted: &PreflightInput) -> Finding {
    let Some((account, call_timeout)) = &wanted.call_timeout else { return fine("worker.lease", "no account".into()) };
    let lease = humanly(wanted.lease);
    let text = format!(
        "worker.lease is {lease}, shorter than call_timeout of account {account} ({}): another worker could claim a job while its request is in flight",
        humanly(*call_timeout)
    );
    refuse_unless(wanted.lease >= *call_timeout, "worker.lease", lease, text)
}

fn humanly(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

fn fine(check: &'static str, text: String) -> Finding {
    Finding { severity: Severity::Fine, check, text }
}

fn warn(check: &'static str, text: String) -> Finding {
    Finding { severity: Severity::Warn, check, text }
}

fn refuse_unless(ok: bool, check: &'static str, found: String, text: String) -> Finding {
    if ok { fine(check, found) } else { Finding { severity: Severity::Refuse, check, text } }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of a sound server, with some fields changed.
    fn findings(changes: &[(&'static str, &'static str)]) -> Vec<Finding> {
        let mut info = HashMap::from([
            ("redis_version", "7.2.4"),
            ("role", "master"),
            ("loading", "0"),
            ("maxmemory_policy", "noeviction"),
            ("aof_enabled", "1"),
            ("aof_last_write_status", "ok"),
            ("aof_last_bgrewrite_status", "ok"),
            ("connected_slaves", "1"),
            ("used_memory", "1000000"),
            ("maxmemory", "0"),
        ]);
        info.extend(changes.iter().copied());
        let server = Server { info, fsync: Some("always".into()), now_ms: Some(1_000), elsewhere: false };
        let wanted = PreflightInput {
            url: "redis://127.0.0.1/".into(),
            lease: Duration::from_secs(30),
            call_timeout: None,
            local_now_ms: 1_000,
        };
        server.findings(&wanted)
    }

    #[test]
    fn a_sound_server_is_fine_throughout() {
        assert!(findings(&[]).iter().all(|finding| finding.severity == Severity::Fine), "{:?}", findings(&[]));
    }

    #[test]
    fn each_untestable_fault_is_refused_by_name() {
        let faults = [
            ("aof_last_write_status", "err", "redis.appendonly_health"),
            ("aof_last_bgrewrite_status", "err", "redis.appendonly_health"),
            ("loading", "1", "redis.loading"),
            ("redis_version", "6.2.14", "redis.version"),
            ("redis_version", "unknown", "redis.version"),
            ("role", "slave", "redis.role"),
            ("maxmemory_policy", "unknown", "redis.eviction"),
            ("cluster_enabled", "1", "redis.cluster"),
        ];
        for (field, value, check) in faults {
            let refused: Vec<&str> = findings(&[(field, value)])
                .iter()
                .filter(|finding| finding.severity != Severity::Fine)
                .map(|finding| finding.check)
                .collect();
            assert_eq!(refused, [check], "{field} {value}");
        }
    }
}
