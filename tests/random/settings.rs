//! The configuration of a seed's processes.

use std::path::Path;

use bursar_simulator::Ready;

use crate::import::QUEUE;
use crate::jobs::ACCOUNTS;
use crate::plan::{CALL_TIMEOUT, LEASE, OnAmbiguous, Plan, QueryKey, SETTLE};
use crate::renaming::NEW_NAME;
use crate::webhooks::{SECRET, TIMEOUT};
use bursar_producer::GatewayKind;
use bursar_test_support::private_file;

/// A token that no client has: a server does not start without any.
const TOKENS: &str = "[[token]]\nname = \"unused\"\nrole = \"reader\"\n\
    sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\n";

/// Writes the configuration, and the files that it names.
pub(crate) fn write(plan: &Plan, ready: &Ready, folder: &Path) -> std::io::Result<std::path::PathBuf> {
    let config = folder.join("bursar.toml");
    std::fs::write(&config, file(plan, ready, None))?;
    if let Some(renaming) = &plan.renaming {
        std::fs::write(after_renaming(&config), file(plan, ready, Some(renaming.old)))?;
    }
    private_file(&folder.join("tokens.toml"), TOKENS);
    private_file(&folder.join("secrets"), SECRET);
    Ok(config)
}

/// The configuration in which the account has its other name.
pub(crate) fn after_renaming(config: &Path) -> std::path::PathBuf {
    config.with_file_name("renamed.toml")
}

/// The file, except Redis and the gateway's address, which each worker reaches over its own wires.
fn file(plan: &Plan, ready: &Ready, renamed: Option<&str>) -> String {
    let worker = format!(
        "[worker]\nconcurrency = {}\nlease = \"{}ms\"\ndrain = \"2s\"\n",
        plan.concurrency,
        (LEASE * plan.slowdown).as_millis()
    );
    let webhooks = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ntokens_file = \"tokens.toml\"\ndrain = \"2s\"\n\
         [webhooks]\nsecrets_file = \"secrets\"\nallow = [\"127.0.0.1:*\"]\ntimeout = \"{}ms\"\nconcurrency = 32\n",
        TIMEOUT.as_millis()
    );
    let import = plan.import.as_ref().map(|_| format!("[import]\nqueues = [\"{QUEUE}\"]\n"));
    let journal = plan.journal.then(|| "[journal]\ndir = \"journal\"\n".to_owned());
    let accounts = ACCOUNTS.iter().zip(plan.on_ambiguous);
    let sections = accounts.map(|((name, gateway), policy)| {
        let name = if renamed == Some(*name) { NEW_NAME } else { name };
        account(plan, ready, name, *gateway, policy)
    });
    [worker, webhooks].into_iter().chain(import).chain(journal).chain(sections).collect()
}

fn account(plan: &Plan, ready: &Ready, name: &str, gateway: GatewayKind, policy: OnAmbiguous) -> String {
    let policy = match policy {
        OnAmbiguous::Resend => "resend",
        OnAmbiguous::Hold => "hold",
    };
    let own = match gateway {
        GatewayKind::Yzt => {
            let query_key = match plan.query_key {
                QueryKey::TradeNo => "trade_no",
                QueryKey::PlatformNo => "platform_no",
                QueryKey::Both => "both",
            };
            format!(
                "gateway = \"yzt\"\napp_id = \"{}\"\nprivate_key_file = \"{}\"\nplatform_public_key_file = \"{}\"\n\
                 query_key = \"{query_key}\"\n",
                ready.app_id,
                ready.app_private_key_file.display(),
                ready.platform_public_key_file.display()
            )
        }
        GatewayKind::Beingfi => format!(
            "gateway = \"beingfi\"\nmch_no = \"{}\"\napp_id = \"{}\"\nsecret_file = \"{}\"\nnot_ready_wait = \"300ms\"\n",
            ready.mch_no,
            ready.beingfi_app_id,
            ready.beingfi_secret_file.display()
        ),
    };
    format!(
        "[accounts.{name}]\n{own}base_url = \"http://{}\"\nenvironment = \"simulator\"\non_ambiguous = \"{policy}\"\nresend_after = \"{}ms\"\n\
         resend_max = {}\nconnect_timeout = \"250ms\"\ncall_timeout = \"{}ms\"\nrate_per_second = {}\n\
         poll = [\"100ms\", \"200ms\", \"400ms\"]\npoll_deadline = \"{}ms\"\nretry_initial = \"50ms\"\n\
         retry_max = \"500ms\"\nretry_deadline = \"{}ms\"\n",
        ready.listen,
        (SETTLE * plan.slowdown).as_millis(),
        plan.resend_max,
        (CALL_TIMEOUT * plan.slowdown).as_millis(),
        plan.rate_per_second,
        plan.poll_deadline.as_millis(),
        plan.poll_deadline.as_millis(),
    )
}
