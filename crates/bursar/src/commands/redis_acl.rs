//! `bursar redis-acl`: the rights that Bursar needs in Redis.

use bursar_store::RightsWanted;
use clap::Args;
use serde_json::json;

use crate::config::Config;
use crate::exit::{Exit, Failure, Global};
use crate::output::line;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar redis-acl --config bursar.toml >> /etc/redis/users.acl\n\nThe user has no password yet: put >PASSWORD, or # and its SHA-256, behind `on`. After `ACL SETUSER` leave out the word `user`. Redis is not connected to."
)]
pub(crate) struct Arguments {
    /// The user's name in Redis.
    #[arg(long, value_name = "NAME", default_value = "bursar", value_parser = name)]
    user: String,
}

fn name(text: &str) -> Result<String, &'static str> {
    let plain = !text.is_empty() && text.chars().all(|character| character.is_ascii_graphic());
    plain.then(|| text.to_owned()).ok_or("must be a name of printable characters without spaces")
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let config = Config::load(global.config.as_deref())?;
    let rights = RightsWanted {
        user: &arguments.user,
        prefix: &config.redis.prefix,
        queues: &config.import.queues,
        durability: config.redis.durability(),
        sentinels: config.redis.url.is_sentinel(),
    };
    if global.json {
        line(json!({"user": arguments.user, "acl": rights.acl_line()}))?;
    } else {
        line(rights.acl_line())?;
    }
    Ok(Exit::Done)
}
