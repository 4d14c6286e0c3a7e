//! The runbook's commands, each block run on a system that has the jobs and queues that the block names.

use std::fmt::Write;

use crate::docs_page::{Block, Page};
use crate::docs_reader::Reader;

/// Entries whose commands may exit with 1, "the answer is no", on a system without that incident.
const MAY_SAY_NO: &[(&str, &str)] =
    &[("BursarQuarantine", "nothing is in quarantine here, so there is nothing to retry or drop")];

/// The names that a block has in place of the runbook's.
fn on_this_system(block: &Block, key: &str) -> String {
    let names = [
        ("/var/lib/bursar/journal", "journal"),
        ("QUEUE", "main/transfer"),
        ("ACCOUNT", "main"),
        ("NODE", "00061783"),
        ("MERCHANT", "1000000000926"),
        ("KEY", key),
        ("adopt OLD NEW", "adopt old main"),
    ];
    let text = names.iter().fold(block.text.clone(), |text, (written, here)| text.replace(written, here));
    if MAY_SAY_NO.iter().any(|(entry, _)| *entry == block.heading) {
        return text.lines().map(|line| format!("{line} || [ $? = 1 ]\n")).collect();
    }
    text
}

/// Bursar again, with a journal; and the file of the trial.
const WITH_A_JOURNAL: &str = r#"kill $UP && wait $UP
BURSAR_JOURNAL__DIR="$PWD/journal" bursar up --embedded 2>> bursar.log &
UP=$!
curl -fs --retry 60 --retry-delay 1 --retry-connrefused -o ready http://127.0.0.1:8080/readyz
sed 's/ORDER-1/TRIAL/' order-1.json > fen.json
"#;

fn key_of(number: usize) -> String {
    format!("RUNBOOK-{number}")
}

/// Jobs in review, one for each block: the gateway refuses them by a code that no list has.
fn jobs_in_review(blocks: &[Block]) -> String {
    let mut script = String::from(WITH_A_JOURNAL);
    let keys: Vec<String> = (0..blocks.len()).map(key_of).collect();
    for key in &keys {
        let fault = format!(r#"{{"key": "{key}", "fault": "refused"}}"#);
        writeln!(script, "curl -sS -o fault -X PUT http://127.0.0.1:4711/_faults -d '{fault}'").unwrap();
        writeln!(script, "sed 's/ORDER-1/{key}/' order-1.json > job.json; bursar submit job.json").unwrap();
    }
    for key in &keys {
        let url = format!("http://127.0.0.1:8080/v1/jobs/main/transfer/{key}?wait=30s");
        writeln!(script, r#"curl -sS -H "Authorization: Bearer $TOKEN" '{url}' | grep -o needs_review"#).unwrap();
    }
    script
}

#[tokio::test]
async fn every_block_of_the_runbook_runs() {
    if !Reader::is_possible("bash") {
        return;
    }
    let first = Page::read("docs/getting-started.md");
    let blocks: Vec<Block> =
        Page::read("deploy/RUNBOOK.md").blocks().into_iter().filter(|b| b.language == "sh").collect();
    assert!(blocks.len() > 30, "{}", blocks.len());
    let mut script = jobs_in_review(&blocks);
    for (number, block) in blocks.iter().enumerate() {
        let text = on_this_system(block, &key_of(number));
        write!(script, "set +e\n( set -e\n{text})\nCODE=$?; echo; echo \"block {number} ended with $CODE\"\nset -e\n")
            .unwrap();
    }
    let reader = Reader::paste("bash", &[first.commands(), script]).await;
    let output = reader.finished_pasting().await;
    for (number, block) in blocks.iter().enumerate() {
        let end = format!("block {number} ended with 0");
        assert!(output.lines().any(|line| line == end), "{}, line {}: {output}", block.heading, block.line);
    }
    reader.stop(&first.commands_to_stop()).await;
}
