//! The journal on a real disk: what is kept, what is found again, how it is bounded, and what a disk that fails does to it.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends by a panic, and its helpers do too")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bursar_journal::{Damage, Damaged, Entry, Intent, Journal, Settings, Summary, Withheld, content_at, hash_of, read};

/// Long against any disk.
const PATIENCE: Duration = Duration::from_secs(20);

const MANY: u64 = 1 << 30;

fn open(folder: &Path, file_bytes: u64, files_kept: usize) -> Journal {
    open_as("w", folder, file_bytes, files_kept)
}

fn open_as(worker: &str, folder: &Path, file_bytes: u64, files_kept: usize) -> Journal {
    let folder = folder.to_path_buf();
    Journal::open(Settings { folder, worker: worker.into(), file_bytes, files_kept, passing: |_| {} }).unwrap()
}

fn intent(key: &str) -> Entry<'static> {
    let content = format!(r#"{{"platform_no":"{key}"}}"#);
    Entry::Intent(Intent {
        at: 1,
        lane: "main/transfer".into(),
        key: key.to_owned().into(),
        fence: 1,
        sends: 1,
        resends: 0,
        trade_nos: Vec::new().into(),
        hash: hash_of(&content).into(),
        content: content.into(),
    })
}

fn withheld(key: &str) -> Entry<'static> {
    Entry::Withheld(Withheld { lane: "main/transfer".into(), key: key.to_owned().into(), fence: 1 })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The keys of the intents in the file, and what else was there.
fn keys(path: &Path) -> (Vec<String>, Summary) {
    let mut keys = Vec::new();
    let summary = read(path, |entry, _| {
        if let Entry::Intent(intent) = entry {
            keys.push(intent.key.into_owned());
        }
    });
    (keys, summary.unwrap())
}

/// Waits until `look` finds it.
async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_is_in_the_file_at_once_whole_and_for_nobody_else_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("deep/journal");
    let journal = open(&folder, MANY, 1);
    let tasks: Vec<_> = (0..500)
        .map(|number| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.keep(&intent(&format!("K{number}")), PATIENCE).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let [file] = &files(&folder)[..] else { panic!("one file") };
    let (mut found, summary) = keys(file);
    found.sort();
    found.dedup();
    assert_eq!((found.len(), summary.entries, summary.torn, summary.damaged_lines), (500, 501, false, 0));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file), mode(&folder)), (0o600, 0o700));
    assert!(journal.is_fit());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_an_intent_leads_back_to_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path(), MANY, 1);
    for key in ["K1", "号2", "K3"] {
        journal.keep(&intent(key), PATIENCE).await.unwrap();
    }
    let file = files(folder.path()).remove(0);
    let mut places = Vec::new();
    read(&file, |entry, place| places.push((entry, place))).unwrap();
    for (entry, place) in places {
        let wanted = match entry {
            Entry::Intent(intent) => Some(intent.content.into_owned()),
            Entry::Opened { .. } | Entry::Answer(_) | Entry::Withheld(_) => None,
        };
        assert_eq!(content_at(&file, place).unwrap(), wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_is_written_soon_and_at_the_end_at_the_latest() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path(), MANY, 1);
    journal.note(&withheld("K1"));
    eventually("the note", || (keys(&files(folder.path()).pop()?).1.entries == 2).then_some(())).await;
    journal.note(&withheld("K2"));
    drop(journal);
    assert_eq!(keys(&files(folder.path())[0]).1.entries, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_last_line_is_passed_over_and_a_damaged_one_in_the_middle_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path(), MANY, 1);
    for key in ["K1", "K2", "K3"] {
        journal.keep(&intent(key), PATIENCE).await.unwrap();
    }
    drop(journal);
    let file = files(folder.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();

    let torn = [lines[..3].concat(), lines[3][..40].to_vec()].concat();
    fs::write(&file, torn).unwrap();
    let (found, summary) = keys(&file);
    assert_eq!((found, summary.torn, summary.damaged_lines), (vec!["K1".into(), "K2".into()], true, 0));

    let mut damaged = whole.clone();
    let middle = lines[..2].concat().len() + 30;
    damaged[middle] ^= 1;
    fs::write(&file, damaged).unwrap();
    let (found, summary) = keys(&file);
    assert_eq!(found, ["K1", "K3"]);
    assert_eq!(summary.damaged, [Damaged { line: 3, damage: Damage::Checksum }]);

    let endless = [lines[0].to_vec(), vec![b'x'; 5 << 20], b"\n".to_vec(), lines[1].to_vec()].concat();
    fs::write(&file, endless).unwrap();
    let (found, summary) = keys(&file);
    assert_eq!((found, summary.damaged), (vec!["K1".into()], vec![Damaged { line: 2, damage: Damage::TooLong }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_bounded_by_size_and_number_and_one_that_is_being_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let other = open_as("other", folder.path(), MANY, 3);
    other.keep(&intent("OTHER"), PATIENCE).await.unwrap();
    let journal = open(folder.path(), 1_000, 3);
    for number in 0..100 {
        journal.keep(&intent(&format!("K{number:03}")), PATIENCE).await.unwrap();
    }
    let kept = eventually("old files to go", || {
        let files = files(folder.path());
        (files.len() <= 3 + 2).then_some(files)
    });
    let kept = kept.await;
    assert!(kept.iter().all(|file| fs::metadata(file).unwrap().len() < 2_000), "{kept:?}");
    let found: Vec<String> = kept.iter().flat_map(|file| keys(file).0).collect();
    assert!(found.contains(&"K099".to_owned()) && found.contains(&"OTHER".to_owned()), "{found:?}");
    assert!(!found.contains(&"K000".to_owned()), "the oldest are gone: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_keeps_nothing_says_so_and_is_tried_until_it_is_back() {
    let base = tempfile::tempdir().unwrap();
    let (folder, away) = (base.path().join("journal"), base.path().join("away"));
    let journal = open(&folder, 1, 10); // each group gets a file of its own
    journal.keep(&intent("BEFORE"), PATIENCE).await.unwrap();
    fs::rename(&folder, &away).unwrap();
    fs::write(&folder, "no folder any more").unwrap();
    // The file that is open already can still be written; the next one cannot be begun.
    eventually("the loss to be noticed", || {
        journal.note(&withheld("MEANWHILE"));
        (!journal.is_fit()).then_some(())
    })
    .await;
    assert!(journal.keep(&intent("REFUSED"), PATIENCE).await.is_err());
    journal.note(&withheld("REFUSED"));

    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    eventually("the journal to be fit again", || journal.is_fit().then_some(())).await;
    journal.keep(&intent("AFTER"), PATIENCE).await.unwrap();
    drop(journal);
    let found: Vec<String> = files(&folder).iter().flat_map(|file| keys(file).0).collect();
    assert_eq!(found, ["BEFORE", "AFTER"]);
    let mut taken_back = Vec::new();
    for file in files(&folder) {
        read(&file, |entry, _| {
            if let Entry::Withheld(withheld) = entry {
                taken_back.push(withheld.key.into_owned());
            }
        })
        .unwrap();
    }
    assert!(taken_back.contains(&"REFUSED".to_owned()), "what was noted meanwhile is written later: {taken_back:?}");
}

#[test]
fn a_folder_that_cannot_be_is_an_error_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let settings = Settings {
        folder: file.path().join("journal"),
        worker: "w".into(),
        file_bytes: MANY,
        files_kept: 1,
        passing: |_| {},
    };
    let error = Journal::open(settings).unwrap_err();
    assert!(error.to_string().starts_with("no journal can be kept in "), "{error}");
}
