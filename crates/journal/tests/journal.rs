//! The journal on a real disk: writing, reading back, bounds, and a disk that fails.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends by a panic, and its helpers do too")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bursar_journal::{
    Damage, Damaged, Entry, Intent, Journal, Room, Send, SendSkipped, Settings, Summary, check_folder, closed,
    content_at, hash_of, jobs_in, read, recall, remove_empty, surplus,
};

/// Long against any disk.
const WAIT_LIMIT: Duration = Duration::from_secs(20);

const MANY: u64 = 1 << 30;

const ROOM: Room = Room { bytes: MANY, age: Duration::from_secs(86_400) };

fn open(folder: &Path, file_bytes: u64) -> Journal {
    open_as("w", folder, file_bytes)
}

fn open_as(worker: &str, folder: &Path, file_bytes: u64) -> Journal {
    Journal::open(settings(worker, folder, file_bytes)).unwrap()
}

fn settings(worker: &str, folder: &Path, file_bytes: u64) -> Settings {
    let (folder, incarnation) = (folder.to_path_buf(), "i".to_owned());
    let worker = worker.to_owned();
    Settings { folder, worker, incarnation, file_bytes, room: ROOM, passing: |_| {} }
}

fn intent(key: &str) -> Entry<'static> {
    intent_of("main/transfer", key, 1)
}

fn intent_of(queue: &str, key: &str, fence: u64) -> Entry<'static> {
    let content = format!(r#"{{"platform_no":"{key}"}}"#);
    Entry::Intent(Intent {
        at: 1,
        queue: queue.to_owned().into(),
        key: key.to_owned().into(),
        fence,
        token: "w/1".into(),
        sends: 1,
        resends: 0,
        trade_nos: Vec::new().into(),
        hash: hash_of(&content).into(),
        content: content.into(),
    })
}

fn send_skipped(key: &str) -> Entry<'static> {
    Entry::SendSkipped(SendSkipped {
        queue: "main/transfer".into(),
        key: key.to_owned().into(),
        fence: 1,
        token: "w/1".into(),
    })
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The keys of the intents in the file, and the summary of the rest.
fn keys(path: &Path) -> (Vec<String>, Summary) {
    let mut keys = Vec::new();
    let summary = read(path, |entry, _| {
        if let Entry::Intent(intent) = entry {
            keys.push(intent.key.into_owned());
        }
    });
    (keys, summary.unwrap())
}

/// Calls `look` every few milliseconds until it returns a value; fails after [`WAIT_LIMIT`].
async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < WAIT_LIMIT, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_entry_is_in_a_private_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("deep/journal");
    let journal = open(&folder, MANY);
    let tasks: Vec<_> = (0..500)
        .map(|number| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.keep(&intent(&format!("K{number}")), WAIT_LIMIT).await })
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
    assert!(journal.is_writable());
}

#[test]
fn a_folder_that_every_user_can_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (mode, refused) in [
        (0o700, false),
        (0o750, false),
        (0o755, false),
        (0o2770, false), // a volume of Kubernetes with fsGroup
        (0o777, true),
        (0o1777, true),
        (0o2777, true),
        (0o702, true),
    ] {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        let checked = check_folder(folder.path());
        assert_eq!(checked.is_err(), refused, "{mode:o}");
        let said = checked.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!refused || said.contains(&format!("(mode {mode:o}): chmod 700 it")), "{said}");
        assert_eq!(Journal::open(settings("w", folder.path(), MANY)).is_err(), refused, "{mode:o}");
        // A folder in it is the worker's own.
        let inner = folder.path().join(format!("inner-{mode:o}"));
        open(&inner, MANY);
        assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_an_intent_leads_back_to_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path(), MANY);
    for key in ["K1", "号2", "K3"] {
        journal.keep(&intent(key), WAIT_LIMIT).await.unwrap();
    }
    let file = files(folder.path()).remove(0);
    let mut places = Vec::new();
    read(&file, |entry, place| places.push((entry, place))).unwrap();
    for (entry, place) in places {
        let wanted = match entry {
            Entry::Intent(intent) => Some(intent.content.into_owned()),
            Entry::Opened { .. } | Entry::Response(_) | Entry::SendSkipped(_) => None,
        };
        assert_eq!(content_at(&file, place).unwrap(), wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unawaited_entries_are_written_soon_and_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path(), MANY);
    journal.note(&send_skipped("K1"));
    eventually("the note", || (keys(&files(folder.path()).pop()?).1.entries == 2).then_some(())).await;
    journal.note(&send_skipped("K2"));
    drop(journal);
    assert_eq!(keys(&files(folder.path())[0]).1.entries, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_last_line_is_ignored_and_a_damaged_one_reported() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path(), MANY);
    for key in ["K1", "K2", "K3"] {
        journal.keep(&intent(key), WAIT_LIMIT).await.unwrap();
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
async fn files_are_bounded_and_only_closed_ones_may_go() {
    let folder = tempfile::tempdir().unwrap();
    let other = open_as("other", folder.path(), MANY);
    other.keep(&intent("OTHER"), WAIT_LIMIT).await.unwrap();
    let journal = open(folder.path(), 1_000);
    for number in 0..20 {
        journal.keep(&intent(&format!("K{number:03}")), WAIT_LIMIT).await.unwrap();
    }
    drop(journal);
    let closed = closed(folder.path()).unwrap();
    assert_eq!(closed.len(), files(folder.path()).len() - 1, "the other worker lives");
    assert!(closed.iter().all(|file| file.bytes < 2_000), "{closed:?}");
    let room = Room { bytes: 2_000, ..ROOM };
    let gone = surplus(&closed, room);
    let first = jobs_in(&gone[0].path).unwrap();
    assert!(first.named.contains_key(&("main/transfer".to_owned(), "K000".to_owned())), "the oldest first: {first:?}");
    let left: u64 = closed[gone.len()..].iter().map(|file| file.bytes).sum();
    assert!(left <= room.bytes && !gone.is_empty(), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_closed_file_goes_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    open_as("full", folder.path(), MANY).keep(&intent("K"), WAIT_LIMIT).await.unwrap();
    for start in 0..18 {
        drop(open_as(&format!("start{start}"), folder.path(), MANY));
    }
    let _alive = open_as("alive", folder.path(), MANY);
    eventually("the files", || (files(folder.path()).len() == 20).then_some(())).await;
    assert_eq!(remove_empty(folder.path()).unwrap(), 0, "they may be locked in a moment");
    for file in files(folder.path()) {
        let before = fs::metadata(&file).unwrap().modified().unwrap() - Duration::from_secs(120);
        fs::File::options().append(true).open(&file).unwrap().set_modified(before).unwrap();
    }
    assert_eq!(remove_empty(folder.path()).unwrap(), 18);
    let left: Vec<String> = files(folder.path()).iter().flat_map(|file| keys(file).0).collect();
    assert_eq!((files(folder.path()).len(), left), (2, vec!["K".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_knows_the_newest_sends_and_the_highest_fences() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open_as("one", folder.path(), MANY);
    for number in 1..=70 {
        journal.keep(&intent_of("main/transfer", &format!("K{number}"), number), WAIT_LIMIT).await.unwrap();
    }
    journal.keep(&intent_of("shop/split", "S", 4), WAIT_LIMIT).await.unwrap();
    journal.note(&Entry::SendSkipped(SendSkipped {
        queue: "main/transfer".into(),
        key: "K70".into(),
        fence: 70,
        token: "w/1".into(),
    }));
    drop(journal);
    open_as("two", folder.path(), MANY).keep(&intent_of("main/transfer", "X", 9), WAIT_LIMIT).await.unwrap();
    drop(open_as("empty", folder.path(), MANY));
    eventually("all files", || (files(folder.path()).len() == 3).then_some(())).await;

    let recall = recall(folder.path()).unwrap();
    assert_eq!(
        recall.fences.iter().map(|(queue, fence)| (queue.as_str(), *fence)).collect::<Vec<_>>(),
        [("main/transfer", 70), ("shop/split", 4)]
    );
    let [one, two] = &recall.files[..] else { panic!("the files with intents: {recall:?}") };
    assert_eq!((one.incarnation.as_str(), one.queues.len(), one.newest.iter().count()), ("i", 2, 63));
    let last = Send { queue: "shop/split".into(), key: "S".into(), fence: 4 };
    assert_eq!(one.newest.iter().last(), Some(&last));
    assert!(one.newest.iter().all(|send| send.key != "K70"), "its send was skipped");
    assert_eq!(two.newest.iter().map(|send| send.fence).collect::<Vec<_>>(), [9]);
    assert_eq!(bursar_journal::recall(&folder.path().join("none")).unwrap(), bursar_journal::Recall::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_disk_keeps_nothing_and_is_tried_until_it_is_back() {
    let base = tempfile::tempdir().unwrap();
    let (folder, away) = (base.path().join("journal"), base.path().join("away"));
    let journal = open(&folder, 1); // each group gets a separate file
    journal.keep(&intent("BEFORE"), WAIT_LIMIT).await.unwrap();
    fs::rename(&folder, &away).unwrap();
    fs::write(&folder, "no folder any more").unwrap();
    // The file that is open already can still be written; the next one cannot be begun.
    eventually("the loss to be noticed", || {
        journal.note(&send_skipped("MEANWHILE"));
        (!journal.is_writable()).then_some(())
    })
    .await;
    assert!(journal.keep(&intent("REFUSED"), WAIT_LIMIT).await.is_err());
    journal.note(&send_skipped("REFUSED"));

    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    eventually("the journal to be fit again", || journal.is_writable().then_some(())).await;
    journal.keep(&intent("AFTER"), WAIT_LIMIT).await.unwrap();
    drop(journal);
    let found: Vec<String> = files(&folder).iter().flat_map(|file| keys(file).0).collect();
    assert_eq!(found, ["BEFORE", "AFTER"]);
    let mut taken_back = Vec::new();
    for file in files(&folder) {
        read(&file, |entry, _| {
            if let Entry::SendSkipped(send_skipped) = entry {
                taken_back.push(send_skipped.key.into_owned());
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
        incarnation: "i".into(),
        file_bytes: MANY,
        room: ROOM,
        passing: |_| {},
    };
    let error = Journal::open(settings).unwrap_err();
    assert!(error.to_string().starts_with("cannot keep a journal in "), "{error}");
}
