//! `bursar reconcile --journal FILE…`: what workers' journals know and Redis has forgotten.

mod journal;
mod memory;

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Exit, Global};
use crate::session::Session;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar reconcile --journal /var/lib/bursar/journal --dry-run\n  bursar reconcile --journal worker-1/*.journal worker-2/*.journal --json\n\nAfter Redis came back with an older memory, or none: while no worker runs, with the journals of all of them. Jobs whose sends\nRedis has forgotten are put back as in doubt. Exit 1 if there were differences; repeated, it changes nothing."
)]
pub(crate) struct Arguments {
    /// Journals, or folders of them.
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    journal: Vec<PathBuf>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Who acts, for the jobs' logs; your login if left out.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "unknown")]
    who: String,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let session = Session::open(global.config.as_deref()).await?;
    journal::run(&session, arguments, global).await
}
