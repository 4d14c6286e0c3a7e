//! Permissions: the commands that Bursar runs in Redis, tried by the preflight, and printed for administrators as a
//! line for `ACL SETUSER`.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::reconnecting::Connection;
use crate::subscription::Subscription;
use crate::{Durability, Store, StoreError};

/// Commands on keys, each as the preflight tries it: `KEY` is a key that nothing else uses.
const ON_KEYS: [&[&str]; 49] = [
    &["del", "KEY"],
    &["exists", "KEY"],
    &["get", "KEY"],
    &["hdel", "KEY", "f"],
    &["hexists", "KEY", "f"],
    &["hget", "KEY", "f"],
    &["hgetall", "KEY"],
    &["hincrby", "KEY", "f", "1"],
    &["hkeys", "KEY"],
    &["hlen", "KEY"],
    &["hmget", "KEY", "f"],
    &["hscan", "KEY", "0"],
    &["hset", "KEY", "f", "1"],
    &["hsetnx", "KEY", "f", "1"],
    &["hstrlen", "KEY", "f"],
    &["hvals", "KEY"],
    &["incr", "KEY"],
    &["lindex", "KEY", "0"],
    &["llen", "KEY"],
    &["lpop", "KEY"],
    &["lpos", "KEY", "x"],
    &["lrange", "KEY", "0", "0"],
    &["lrem", "KEY", "0", "x"],
    &["lset", "KEY", "0", "x"],
    &["mget", "KEY"],
    &["mset", "KEY", "x"],
    &["pexpire", "KEY", "1000"],
    &["ping"],
    &["pttl", "KEY"],
    &["rpush", "KEY", "x"],
    &["scan", "0", "COUNT", "1"],
    &["set", "KEY", "x", "PX", "1000"],
    &["time"],
    &["type", "KEY"],
    &["unlink", "KEY"],
    &["xadd", "KEY", "MAXLEN", "~", "1", "*", "f", "1"],
    &["xrange", "KEY", "-", "+", "COUNT", "1"],
    &["xread", "COUNT", "1", "STREAMS", "KEY", "0"],
    &["xrevrange", "KEY", "+", "-", "COUNT", "1"],
    &["zadd", "KEY", "1", "x"],
    &["zcard", "KEY"],
    &["zcount", "KEY", "0", "1"],
    &["zmscore", "KEY", "x"],
    &["zrange", "KEY", "0", "0"],
    &["zrangebyscore", "KEY", "0", "0"],
    &["zrem", "KEY", "x"],
    &["zremrangebyrank", "KEY", "0", "0"],
    &["zremrangebyscore", "KEY", "0", "0"],
    &["zscore", "KEY", "x"],
];

/// Commands that no script may run, or that are no command on a key.
const WITHOUT_KEYS: [&str; 9] =
    ["config|get", "evalsha", "exec", "info", "multi", "publish", "script|load", "select", "subscribe"];

/// A user of Redis with exactly Bursar's permissions.
#[derive(Clone, Debug)]
pub struct RightsWanted<'a> {
    /// The user's name.
    pub user: &'a str,
    /// `redis.prefix`.
    pub prefix: &'a str,
    /// Queues of apalis-redis, whose keys are outside the prefix.
    pub queues: &'a [String],
    /// `redis.durability`.
    pub durability: Durability,
    /// True if sentinels name the primary.
    pub sentinels: bool,
}

impl RightsWanted<'_> {
    /// The user as a line of an ACL file, and after `ACL SETUSER` without its first word. It has no password, so it
    /// cannot sign in until one is added.
    #[must_use]
    pub fn acl_line(&self) -> String {
        let mut words = vec![format!("user {} on resetchannels", self.user), format!("~{}:*", glob(self.prefix))];
        words.extend(self.queues.iter().map(|queue| format!("~{}:*", glob(queue))));
        words.extend([format!("&{}:*", glob(self.prefix)), "-@all".to_owned()]);
        words.extend(self.commands().into_iter().map(|command| format!("+{command}")));
        words.join(" ")
    }

    fn commands(&self) -> Vec<&'static str> {
        let mut commands: Vec<&str> = ON_KEYS.iter().filter_map(|words| words.first().copied()).collect();
        commands.extend(WITHOUT_KEYS);
        commands.extend(match self.durability {
            Durability::Fast => &[][..],
            Durability::Local => &["command|info", "waitaof"],
            Durability::Replicated(_) => &["wait"],
        });
        commands.extend(self.sentinels.then_some("role"));
        commands.sort_unstable();
        commands
    }
}

/// A text that a pattern of keys matches as it is.
pub(crate) fn glob(text: &str) -> String {
    let escaped = |character: char| match character {
        '*' | '?' | '[' | ']' | '\\' => format!("\\{character}"),
        // Spaces part the words of the line; this matches one.
        ' ' => "?".to_owned(),
        _ => character.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// The permissions that this connection's user lacks, in the words of the ACL line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Without these nothing works.
    pub(crate) needed: Vec<String>,
    /// Without these, wake-up hints are lost, and due work is found later.
    pub(crate) hints: Vec<String>,
}

impl Store {
    /// Tries Bursar's commands as the user of this connection.
    ///
    /// # Errors
    /// Any error other than a missing permission.
    pub(crate) async fn refused_rights(&self, connection: &Connection) -> Result<Refused, StoreError> {
        let mut refused = Refused::default();
        let wake = self.queues.wake_channel();
        match self.try_commands(connection, &wake).await {
            Ok(names) => {
                for name in names {
                    if name == "publish" { refused.hints.push(name) } else { refused.needed.push(name) }
                }
            }
            Err(StoreError::Refused { source, .. }) if is_right(&source) => {
                let key = source.to_string().contains("key");
                refused.needed.push(if key {
                    format!("~{}", self.keys.pattern())
                } else {
                    "script|load +evalsha".into()
                });
            }
            Err(error) => return Err(error),
        }
        let durability = match self.durability() {
            Durability::Fast => None,
            Durability::Local => Some(("waitaof", ["WAITAOF", "0", "0", "1"].as_slice())),
            Durability::Replicated(_) => Some(("wait", ["WAIT", "0", "1"].as_slice())),
        };
        if let Some((name, words)) = durability
            && may_not(connection, words).await
        {
            refused.needed.push(name.into());
        }
        if may_not_subscribe(self, &wake).await? {
            refused.hints.push("subscribe".into());
        }
        if !refused.hints.is_empty() {
            refused.hints.push(format!("&{}", self.keys.pattern()));
        }
        Ok(refused)
    }

    async fn try_commands(&self, connection: &Connection, channel: &str) -> Result<Vec<String>, StoreError> {
        let mut call = self.scripts.probe.on(&self.keys.probe_base());
        for words in ON_KEYS.iter().copied().chain([&["publish", channel, ""][..]]) {
            call.push(words.len());
            for word in words {
                call.push(*word);
            }
        }
        call.run_on(connection.clone()).await
    }
}

async fn may_not(connection: &Connection, words: &[&str]) -> bool {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let reply: Result<redis::Value, RedisError> = command.query_async(&mut connection.clone()).await;
    reply.is_err_and(|error| is_right(&error))
}

/// On a separate connection, as for listeners.
async fn may_not_subscribe(store: &Store, channel: &str) -> Result<bool, StoreError> {
    let subscribe = async {
        let (client, _) = store.server().client().await?;
        Subscription::open(&client, channel).await.map(drop)
    };
    match subscribe.await {
        Ok(()) => Ok(false),
        Err(error) if is_right(&error) => Ok(true),
        Err(error) => Err(StoreError::of("SUBSCRIBE", error)),
    }
}

/// True if a command was refused for lack of permission.
pub(crate) fn is_right(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) || error.code() == Some("NOPERM")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use std::path::Path;

    use super::*;

    /// Every file of this type in these folders of the crate, with its name.
    fn files(folders: &[&str], ending: &str) -> Vec<(String, String)> {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = folders.iter().flat_map(|folder| std::fs::read_dir(crate_folder.join(folder)).unwrap());
        let files =
            files.map(|file| file.unwrap().path()).filter(|file| file.extension().is_some_and(|of| of == ending));
        files.map(|file| (file.display().to_string(), std::fs::read_to_string(&file).unwrap())).collect()
    }

    /// Every script, those that are shared included, with its name.
    fn sources() -> Vec<(String, String)> {
        files(&["lua", "lua/shared", "lua/jobs", "lua/jobs/shared"], "lua")
    }

    fn wanted(durability: Durability) -> RightsWanted<'static> {
        RightsWanted { user: "bursar", prefix: "bursar", queues: &[], durability, sentinels: false }
    }

    #[test]
    fn every_command_of_a_script_is_tried_and_granted() {
        let granted: BTreeSet<&str> = wanted(Durability::Fast).commands().into_iter().collect();
        let mut seen = 0;
        for (name, source) in sources() {
            for call in ["redis.call('", "redis.pcall('"] {
                for (at, _) in source.match_indices(call) {
                    let command = source[at + call.len()..].split('\'').next().unwrap().to_lowercase();
                    assert!(granted.contains(command.as_str()), "{name} runs {command} without a permission for it");
                    seen += 1;
                }
            }
        }
        assert!(seen > 150, "the scripts' commands are not where they are looked for: {seen}");
    }

    #[test]
    fn every_printed_right_is_used() {
        let folders = ["src", "src/jobs", "src/jobs/adopt", "src/jobs/deliveries", "src/jobs/notifications"];
        let mut texts = files(&folders, "rs");
        texts.retain(|(name, _)| !name.ends_with("rights.rs"));
        texts.extend(sources());
        for command in ON_KEYS.iter().filter_map(|words| words.first()) {
            let spelt = [format!("'{}'", command.to_uppercase()), format!("\"{}\"", command.to_uppercase())];
            let called = [format!(".{command}("), format!("::{command}("), format!(".{command}_")];
            let is_used = |text: &String| spelt.iter().chain(&called).any(|way| text.contains(way));
            assert!(texts.iter().any(|(_, text)| is_used(text)), "no script runs {command}");
        }
    }

    #[test]
    fn a_message_that_may_not_be_published_fails_no_script() {
        for (name, source) in sources() {
            assert!(!source.contains("redis.call('PUBLISH'"), "{name} fails where PUBLISH is refused: use pcall");
        }
    }

    #[test]
    fn the_acl_names_keys_channels_durability_and_sentinel() {
        let queues = ["pay*".to_owned()];
        let line = RightsWanted { queues: &queues, sentinels: true, ..wanted(Durability::Replicated(1)) }.acl_line();
        assert!(
            line.starts_with("user bursar on resetchannels ~bursar:* ~pay\\*:* &bursar:* -@all +config|get +del "),
            "{line}"
        );
        for right in [" +role", " +wait", " +script|load", " +subscribe"] {
            assert!(line.contains(right), "{line}");
        }
        assert!(!line.contains("waitaof"), "{line}");
    }
}
