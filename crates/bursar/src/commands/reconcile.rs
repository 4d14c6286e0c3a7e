//! `bursar reconcile` compares Bursar's jobs of a period with the gateway's; with `--journal`, Redis with the workers' journals.

mod journal;
mod memory;
mod period;
mod position;
mod summary;
mod verdict;

use std::path::PathBuf;

use bursar_domain::{AuditAction, AuditTarget, Millis};
use clap::Args;

use crate::attribution::{Did, Identification};
use crate::commands::export::time;
use crate::commands::show::Place;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar reconcile --from 2026-01-01T00:00:00Z --csv > differences.csv\n  bursar reconcile --account main --resume ./reconcile.position --wake\n  bursar reconcile --journal /var/lib/bursar/journal --dry-run\n\nQueries the gateway for each job that was accepted in the period. The queries use at most half of the account's rate, and share it with the workers' calls. No job is changed. Jobs that cannot be queried are counted. Exit 1 if anything differs or a job cannot be read by this build, 3 if nothing differs and some queries had no response.\n\nWith --journal: run it after Redis lost recent writes, with the journals of all workers. Jobs whose sends Redis has lost are restored as in_doubt. Workers that send nothing because of these journals (check journal.ahead) then go on by themselves. Exit 1 if there were any. It is safe to repeat."
)]
pub(crate) struct Arguments {
    /// Jobs accepted at this time (RFC 3339) or later. A day before the end if left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Millis>,
    /// Jobs accepted before this time (RFC 3339). Now if left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Millis>,
    #[command(flatten)]
    place: Place,
    /// Print comma-separated values, and the summary on standard error.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Keep the position in this file. A run that was interrupted continues from it.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Let the workers query open jobs that differ soon.
    #[arg(long)]
    wake: bool,
    /// Restore the sends that Redis has lost from these journals, or folders of journals. No gateway is called.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["from", "to", "account", "kind", "csv", "resume", "wake"])]
    journal: Vec<PathBuf>,
    /// With --journal: change nothing, print what would be done.
    #[arg(long, requires = "journal")]
    dry_run: bool,
    #[command(flatten)]
    identification: Identification,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let acting = arguments.identification.acting(&context, None).await?;
    let done = |exit| Did::quietly(exit);
    match (arguments.journal.is_empty(), arguments.dry_run, arguments.wake) {
        // Nothing is changed.
        (true, _, false) => period::run(&context, arguments, global).await,
        (false, true, _) => journal::run(&context, arguments, acting.operator(), global).await,
        (true, _, true) => {
            let target = arguments.place.target();
            let act = async { period::run(&context, arguments, global).await.map(done) };
            acting.record(AuditAction::ReconcileWake, target, act).await
        }
        (false, false, _) => {
            let target = arguments.journal.first().map(|file| AuditTarget::file(&file.display())).unwrap_or_default();
            let act = async { journal::run(&context, arguments, acting.operator(), global).await.map(done) };
            acting.record(AuditAction::ReconcileJournal, target, act).await
        }
    }
}
