//! `bursar reconcile`: Bursar's books beside the gateway's for a period; with `--journal`, Redis beside what workers' journals
//! know.

mod journal;
mod memory;
mod period;
mod position;
mod summary;
mod verdict;

use std::path::PathBuf;

use bursar_domain::Millis;
use clap::Args;

use crate::cli::{Exit, Global};
use crate::commands::export::time;
use crate::commands::show::Place;
use crate::context::CommandContext;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar reconcile --from 2026-01-01T00:00:00+08:00 --to 2026-01-02T00:00:00+08:00 --csv > differences.csv\n  bursar reconcile --account main --kind transfer --resume ./reconcile.position --wake\n  bursar reconcile --journal /var/lib/bursar/journal --dry-run\n\nThe gateway is asked about each job that was accepted in the period, at no more than half of the account's rate, out of the\nsame allowance as the workers' calls; no job's state is written. What cannot be asked about is counted. Exit 1 if anything\ndiffers or a job cannot be read by this build, 3 if nothing differs and some questions had no answer.\n\nWith --journal: after Redis came back with an older memory, or none, with the journals of all workers. Jobs whose sends Redis has\nforgotten are put back as in doubt; workers that send nothing because of these journals (check journal.ahead) go on by\nthemselves. Exit 1 if there were any; repeated, it changes nothing."
)]
pub(crate) struct Arguments {
    /// Jobs accepted at this time (RFC 3339) or later; a day before the end if left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Millis>,
    /// Jobs accepted before this time (RFC 3339); now if left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Millis>,
    #[command(flatten)]
    place: Place,
    /// Comma-separated values, the summary on standard error.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Keeps the position in this file; a run that was cut short goes on from it.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Has open jobs that differ looked at soon, by the workers.
    #[arg(long)]
    wake: bool,
    /// Journals, or folders of them: puts back what Redis has forgotten, and asks no gateway.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["from", "to", "account", "kind", "csv", "resume", "wake"])]
    journal: Vec<PathBuf>,
    /// With --journal: only say what would be done.
    #[arg(long, requires = "journal")]
    dry_run: bool,
    /// With --journal: who acts, for the jobs' logs; your login if left out.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "unknown")]
    who: String,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    if arguments.journal.is_empty() {
        period::run(&context, arguments, global).await
    } else {
        journal::run(&context, arguments, global).await
    }
}
