//! A worker that keeps a journal: nothing leaves before its intent is on disk, and a disk that fails stops sends alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{Outcome, State};
use bursar_journal::{Entry, Journal, Room, Settings, read};
use bursar_test_support::eventually;

use crate::support::{Act, Scripted, World, keys};

const SOON: Duration = Duration::from_secs(20);

/// A journal that begins a new file after every group, so that any damage to the folder is noticed at once.
fn journal(folder: &Path) -> Journal {
    let folder = folder.to_path_buf();
    let room = Room { bytes: 1 << 30, age: Duration::from_secs(86_400) };
    let (worker, incarnation) = ("w1".into(), "i".into());
    Journal::open(Settings { folder, worker, incarnation, file_bytes: 1, room, passing: |_| {} }).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The journal's entries of one job, in order: `intent 1`, `answer 1 succeeded`, `send_skipped 2`.
fn story(folder: &Path, wanted: &str) -> Vec<String> {
    let mut story = Vec::new();
    for file in files(folder) {
        read(&file, |entry, _| match entry {
            Entry::Intent(intent) if intent.key == wanted => story.push(format!("intent {}", intent.fence)),
            Entry::Response(outcome) if outcome.key == wanted => {
                story.push(format!("answer {} {}", outcome.fence, outcome.read["outcome"].as_str().unwrap()));
            }
            Entry::SendSkipped(send_skipped) if send_skipped.key == wanted => {
                story.push(format!("send_skipped {}", send_skipped.fence))
            }
            Entry::Opened { .. } | Entry::Intent(_) | Entry::Response(_) | Entry::SendSkipped(_) => {}
        })
        .unwrap();
    }
    story
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sends_intent_is_on_disk_before_the_gateway_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new().await;
    world.settings.journal = Some(journal(folder.path()));
    let gateway = Arc::new(
        Scripted::new(Act::Outcome(Outcome::Succeeded))
            .on("K1", &[Act::WaitAtTheGate(Outcome::Succeeded)])
            .on("K2", &[Act::Outcome(Outcome::NotExecuted), Act::Outcome(Outcome::Accepted)]),
    );
    let worker = world.worker("w1", &gateway);
    world.submit(keys(2)).await;
    eventually(SOON, "the send of K1 to be out", async || (gateway.sends_of("K1") == 1).then_some(())).await;
    assert_eq!(story(folder.path(), "K1"), ["intent 1"], "it is there while the answer is not");
    gateway.gate.add_permits(1);
    world.until_done(2).await;
    worker.stop().await;
    world.settings.journal = None;
    let answered = async |key: &str, wanted: &[&str]| {
        let look = || story(folder.path(), key);
        eventually(SOON, "the answers to be written", async || if look() == wanted { Ok(()) } else { Err(look()) })
            .await;
    };
    answered("K1", &["intent 1", "answer 1 succeeded"]).await;
    answered("K2", &["intent 1", "answer 1 not_executed", "intent 2", "answer 2 accepted"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_disk_stops_sends_and_queries_continue() {
    let base = tempfile::tempdir().unwrap();
    let (folder, away) = (base.path().join("journal"), base.path().join("away"));
    let mut world = World::new().await;
    world.settings.journal = Some(journal(&folder));
    let gateway =
        Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)).on("K1", &vec![Act::Outcome(Outcome::Accepted); 40]));
    let worker = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    world.until("K1", State::Pending).await;

    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "no folder any more").unwrap();
    let journal = world.settings.journal.clone().unwrap();
    // One more send may find the file that is open already; the next file cannot be begun.
    let mut number = 1_u32;
    eventually(SOON, "the journal to be unfit", async || {
        number += 1;
        world.submit([format!("K{number}")]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        (!journal.is_writable()).then_some(())
    })
    .await;
    world.submit((100..120).map(|number| format!("K{number}"))).await;
    let queries = async || gateway.queries.lock().unwrap().len();
    let before = (queries().await, gateway.sends.lock().unwrap().len());
    eventually(SOON, "asks to go on", async || (queries().await >= before.0 + 5).then_some(())).await;
    assert!((100..120).all(|number| gateway.sends_of(&format!("K{number}")) == 0), "nothing leaves");
    assert_eq!(world.view("K100").await.attempts, 0, "released unsent, if it was claimed at all");

    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    world.until_done(u64::from(number) + 20).await;
    assert!((100..120).all(|number| gateway.sends_of(&format!("K{number}")) == 1));
    worker.stop().await;
    for number in 100..120 {
        let story = story(&folder, &format!("K{number}"));
        assert!(story.iter().any(|line| line.starts_with("intent")), "K{number}: {story:?}");
    }
}
