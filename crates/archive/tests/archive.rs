//! Archives are written, read, and changed in every way: each change must be found, and named where it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test ends by a panic, and its helpers do too"
)]

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use bursar_archive::{
    Archive, ArchiveError, ArchivedJob, Fault, JobLine, PublicKey, Seal, Sha256, SignError, Signer, Trust, verify,
};

const LINES: u64 = 6;
const SEGMENTS: u64 = 4;

fn signer() -> Signer {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    Signer::Key(Box::new(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap()))
}

fn body(number: u64) -> String {
    let record = format!(r#"{{"v":2,"state":"succeeded","content":{{"total_amount":{number},"remark":"货款"}}}}"#);
    let history = [format!(r#"{{"event":"delivery","at":{number},"outcome":"delivered"}}"#)];
    let key = format!("K{number}");
    let job =
        ArchivedJob { at: 1_700, queue: "main/transfer", key: &key, version: 1, record: &record, history: &history };
    job.body(&ArchivedJob::fingerprint(record.as_bytes(), &history))
}

fn add_segment(archive: &Archive, chain: &str, signer: &Signer, lines: u64) -> Seal {
    let mut writer = archive.chain(chain).begin().unwrap();
    for _ in 0..lines {
        let number = writer.begun_at().lines + writer.lines() + 1;
        writer.push(&body(number)).unwrap();
    }
    writer.publish(signer, 1_700, |_| {}).unwrap()
}

/// An archive of two chains, with the key that signed it.
struct Scene {
    folder: tempfile::TempDir,
    signer: Signer,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), signer: signer() };
        let archive = Archive::create(scene.folder.path()).unwrap();
        for chain in ["00", "01"] {
            for _ in 0..SEGMENTS {
                add_segment(&archive, chain, &scene.signer, LINES);
            }
        }
        scene
    }

    fn archive(&self) -> Archive {
        Archive::open(self.folder.path()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("00").join(name)
    }

    fn seal(&self, segment: u64) -> Seal {
        self.archive().chain("00").seal(segment).unwrap().unwrap()
    }

    fn data(&self, segment: u64) -> PathBuf {
        self.path(&format!("{}.jsonl.zst", self.seal(segment).file))
    }

    fn signature(&self, segment: u64) -> PathBuf {
        self.path(&format!("{}.sig", self.seal(segment).file))
    }

    fn seal_path(&self, segment: u64) -> PathBuf {
        self.path(&format!("{segment:08}.seal"))
    }

    /// The faults with their segment and line, by the key that signed.
    fn faults(&self) -> Vec<(Option<u64>, Option<u64>, Fault)> {
        self.faults_with(&Trust { keys: vec![self.signer.public_key()], heads: Vec::new() })
    }

    fn faults_with(&self, trust: &Trust) -> Vec<(Option<u64>, Option<u64>, Fault)> {
        let report = verify(&self.archive(), trust).unwrap();
        let findings = report.findings.into_iter().filter(|finding| finding.fault.is_fault());
        findings.map(|finding| (finding.segment, finding.line, finding.fault)).collect()
    }

    fn lines(&self, segment: u64) -> Vec<Vec<u8>> {
        let text = zstd::decode_all(fs::File::open(self.data(segment)).unwrap()).unwrap();
        text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    fn write_lines(&self, segment: u64, lines: &[Vec<u8>]) {
        fs::write(self.data(segment), zstd::encode_all(&lines.concat()[..], 3).unwrap()).unwrap();
    }
}

fn has(faults: &[(Option<u64>, Option<u64>, Fault)], expected: &(Option<u64>, Option<u64>, Fault)) {
    assert!(faults.contains(expected), "{expected:?} is not in {faults:?}");
}

fn swap(one: &Path, other: &Path) {
    let (first, second) = (fs::read(one).unwrap(), fs::read(other).unwrap());
    fs::write(one, second).unwrap();
    fs::write(other, first).unwrap();
}

#[test]
fn an_archive_reads_back_as_it_was_written_and_verifies() {
    let scene = Scene::new();
    let archive = scene.archive();
    let report = verify(&archive, &Trust { keys: vec![scene.signer.public_key()], heads: Vec::new() }).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.chains, report.segments, report.lines), (2, 2 * SEGMENTS, 2 * SEGMENTS * LINES));
    let mut previous = (bursar_archive::ZERO, 0);
    for segment in 1..=SEGMENTS {
        let seal = scene.seal(segment);
        archive
            .chain("00")
            .read(&seal, |line| {
                let job = JobLine::read(line).unwrap();
                assert_eq!((job.prev, job.seq), (previous.0, previous.1 + 1));
                assert_eq!((job.queue.as_ref(), job.version), ("main/transfer", 1));
                let record = job.record.get();
                assert!(record.contains(&format!(r#""total_amount":{},"remark":"货款""#, job.seq)), "{record}");
                let history: Vec<&str> = job.history.iter().map(|event| event.get()).collect();
                assert_eq!(ArchivedJob::fingerprint(record.as_bytes(), &history), job.fingerprint);
                previous = (Sha256::of(line), job.seq);
            })
            .unwrap();
    }
    assert_eq!(previous.1, SEGMENTS * LINES);
    assert_eq!(report.heads[0], scene.seal(SEGMENTS));
}

#[test]
fn files_and_folders_are_private_to_their_user() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::create(&folder.path().join("a/b")).unwrap();
    add_segment(&archive, "00", &signer(), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let chain = archive.folder().join("00");
    assert_eq!((mode(archive.folder()), mode(&chain)), (0o700, 0o700));
    let names: Vec<PathBuf> = fs::read_dir(&chain).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 4, "a file of lines, its signature, its seal and the head: {names:?}");
    for path in names {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn every_changed_byte_of_every_file_is_found() {
    let scene = Scene::new();
    let about = scene.folder.path().join("archive.json");
    for path in
        [scene.data(2), scene.signature(2), scene.seal_path(2), scene.seal_path(SEGMENTS), scene.path("head"), about]
    {
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            {
                let bit = 1 << (at % 8);
                let mut changed = bytes.clone();
                changed[at] ^= bit;
                fs::write(&path, &changed).unwrap();
                let trust = Trust { keys: vec![scene.signer.public_key()], heads: Vec::new() };
                let is_found = Archive::open(scene.folder.path())
                    .and_then(|archive| verify(&archive, &trust))
                    .map_or(true, |report| !report.is_sound());
                // The file about the archive may change its white space: no byte of it is signed, its id is.
                let is_same = path.ends_with("archive.json") && changed[at].is_ascii_whitespace() && bytes[at] == b'\n';
                assert!(is_found || is_same, "{}: byte {at} of {}", path.display(), bytes.len());
            }
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert_eq!(scene.faults(), []);
}

#[test]
fn every_changed_field_of_a_line_is_found_at_its_line() {
    let scene = Scene::new();
    let lines = scene.lines(2);
    let changed_line = 3;
    let number = LINES + 4;
    for (old, new) in [
        (r#""at":1700"#, r#""at":1701"#),
        ("main/transfer", "main/transfes"),
        (r#""key":"K"#, r#""key":"L"#),
        (r#""version":1"#, r#""version":2"#),
        (r#""fingerprint":""#, r#""fingerprint":"0"#),
        (r#""state":"succeeded""#, r#""state":"failed""#),
        (r#""total_amount":"#, r#""total_amount":9"#),
        ("货款", "货欵"),
        (r#""outcome":"delivered""#, r#""outcome":"refused""#),
        ("}]}", "}] }"),
    ] {
        for line in [0, changed_line, LINES as usize - 1] {
            let mut changed = lines.clone();
            let text = String::from_utf8(changed[line].clone()).unwrap();
            assert!(text.contains(old), "{old} is not in {text}");
            changed[line] = text.replacen(old, new, 1).into_bytes();
            scene.write_lines(2, &changed);
            let faults = scene.faults();
            has(&faults, &(Some(2), Some(LINES + 1 + line as u64), Fault::LineChanged));
            has(&faults, &(Some(2), None, Fault::FileChanged));
            assert_eq!(faults.len(), 2, "{old}: {faults:?}");
        }
    }
    // The place in the chain.
    let mut changed = lines.clone();
    changed[changed_line][12] ^= 1;
    scene.write_lines(2, &changed);
    has(&scene.faults(), &(Some(2), Some(number), Fault::LineChanged));
    let text = String::from_utf8(lines[changed_line].clone()).unwrap();
    changed[changed_line] = text.replacen(&format!(r#""seq":{number}"#), r#""seq":99"#, 1).into_bytes();
    scene.write_lines(2, &changed);
    has(&scene.faults(), &(Some(2), Some(number), Fault::LineOutOfPlace { found: 99 }));
    changed[changed_line] = b"{}\n".to_vec();
    scene.write_lines(2, &changed);
    has(&scene.faults(), &(Some(2), Some(number), Fault::LineUnreadable));
}

#[test]
fn lines_that_are_moved_removed_added_or_cut_are_found() {
    let scene = Scene::new();
    let lines = scene.lines(2);
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    scene.write_lines(2, &swapped);
    has(&scene.faults(), &(Some(2), Some(LINES + 2), Fault::LineOutOfPlace { found: LINES + 3 }));

    let mut removed = lines.clone();
    removed.remove(2);
    scene.write_lines(2, &removed);
    has(&scene.faults(), &(Some(2), Some(LINES + 3), Fault::LineOutOfPlace { found: LINES + 4 }));
    has(&scene.faults(), &(Some(2), None, Fault::LinesMissing { found: LINES - 1, sealed: LINES }));

    let mut added = lines.clone();
    added.push(lines[0].clone());
    scene.write_lines(2, &added);
    has(&scene.faults(), &(Some(2), None, Fault::LinesAdded { sealed: LINES }));

    scene.write_lines(2, &lines[..LINES as usize - 1]);
    has(&scene.faults(), &(Some(2), None, Fault::LinesMissing { found: LINES - 1, sealed: LINES }));

    let mut torn = lines.clone();
    torn.last_mut().unwrap().pop();
    scene.write_lines(2, &torn);
    has(&scene.faults(), &(Some(2), Some(2 * LINES), Fault::LineUnreadable));

    let mut split = lines.clone();
    split[1].insert(40, b'\n');
    scene.write_lines(2, &split);
    has(&scene.faults(), &(Some(2), Some(LINES + 2), Fault::LineUnreadable));

    // The same lines, compressed otherwise: they say the same, and the sealed bytes are gone.
    fs::write(scene.data(2), zstd::encode_all(&lines.concat()[..], 1).unwrap()).unwrap();
    assert_eq!(scene.faults(), [(Some(2), None, Fault::FileChanged)]);
}

#[test]
fn a_file_that_is_cut_anywhere_is_found() {
    let scene = Scene::new();
    let bytes = fs::read(scene.data(2)).unwrap();
    for length in 0..bytes.len() {
        fs::write(scene.data(2), &bytes[..length]).unwrap();
        has(&scene.faults(), &(Some(2), None, Fault::FileChanged));
    }
    fs::write(scene.data(2), [&bytes[..], b"more"].concat()).unwrap();
    has(&scene.faults(), &(Some(2), None, Fault::FileChanged));
}

#[test]
fn segments_that_are_missing_or_swapped_are_found() {
    let scene = Scene::new();
    swap(&scene.data(2), &scene.data(3));
    has(&scene.faults(), &(Some(2), None, Fault::FileChanged));
    swap(&scene.data(2), &scene.data(3));
    swap(&scene.seal_path(2), &scene.seal_path(3));
    let faults = scene.faults();
    assert!(
        matches!(&faults[0], (Some(2), None, Fault::SealOfAnother { of }) if of.starts_with("segment 3 of chain 00")),
        "{faults:?}"
    );
    swap(&scene.seal_path(2), &scene.seal_path(3));
    assert_eq!(scene.faults(), []);

    fs::remove_file(scene.data(1)).unwrap();
    assert_eq!(scene.faults(), [(Some(1), None, Fault::FileMissing)]);
    fs::remove_file(scene.seal_path(1)).unwrap();
    fs::remove_file(scene.seal_path(2)).unwrap();
    assert_eq!(scene.faults(), [(Some(1), None, Fault::SegmentsMissing { to: 2 })]);
}

#[test]
fn a_removed_end_is_found_by_the_head_or_a_note() {
    let scene = Scene::new();
    let noted = scene.seal(SEGMENTS);
    for path in [scene.data(SEGMENTS), scene.signature(SEGMENTS), scene.seal_path(SEGMENTS)] {
        fs::remove_file(path).unwrap();
    }
    let truncated = Fault::Truncated { head: SEGMENTS, newest: SEGMENTS - 1 };
    assert_eq!(scene.faults(), [(None, None, truncated.clone())]);
    let refused = scene.archive().chain("00").begin().err();
    assert!(matches!(refused, Some(ArchiveError::Truncated { head: SEGMENTS, newest: 3, .. })), "{refused:?}");

    fs::remove_file(scene.path("head")).unwrap();
    assert_eq!(scene.faults(), [(None, None, Fault::HeadMissing)]);

    // A head that is as old as the rest: only a note from outside knows better.
    fs::copy(scene.seal_path(SEGMENTS - 1), scene.path("head")).unwrap();
    assert_eq!(scene.faults(), []);
    let keys = vec![scene.signer.public_key()];
    let trust = Trust { keys: keys.clone(), heads: vec![noted.clone()] };
    assert_eq!(scene.faults_with(&trust), [(None, None, truncated)]);

    fs::remove_dir_all(scene.folder.path().join("00")).unwrap();
    assert_eq!(scene.faults(), []);
    assert_eq!(scene.faults_with(&trust), [(None, None, Fault::Truncated { head: SEGMENTS, newest: 0 })]);
}

#[test]
fn a_chain_written_again_is_found_by_its_key_or_a_note() {
    let scene = Scene::new();
    let noted = scene.seal(2);
    // A forger without the key: all hashes fit, and the signatures are those of another key.
    fs::remove_dir_all(scene.folder.path().join("00")).unwrap();
    let foreign = signer();
    for _ in 0..SEGMENTS {
        add_segment(&scene.archive(), "00", &foreign, LINES);
    }
    let faults = scene.faults();
    assert_eq!(faults.len() as u64, SEGMENTS);
    has(&faults, &(Some(1), None, Fault::ForeignKey { key: foreign.public_key() }));
    // Without a key to trust, the first seal's counts: the other chain has another one.
    assert_eq!(scene.faults_with(&Trust::default()).len() as u64, SEGMENTS);

    // The seals claim the right key.
    let mut seal = scene.seal(2);
    seal.key = scene.signer.public_key();
    fs::write(scene.seal_path(2), seal.text()).unwrap();
    has(&scene.faults(), &(Some(2), None, Fault::SignatureWrong));
    has(&scene.faults(), &(Some(3), None, Fault::PredecessorChanged));
    fs::remove_file(scene.signature(2)).unwrap();
    has(&scene.faults(), &(Some(2), None, Fault::SignatureMissing));

    // A forger with the key: only a note from outside knows better.
    fs::remove_dir_all(scene.folder.path().join("00")).unwrap();
    for _ in 0..SEGMENTS {
        add_segment(&scene.archive(), "00", &scene.signer, LINES);
    }
    assert_eq!(scene.faults(), []);
    let trust = Trust { keys: vec![scene.signer.public_key()], heads: vec![noted] };
    assert_eq!(scene.faults_with(&trust), [(Some(2), None, Fault::NotAsNoted)]);
}

#[test]
fn seals_of_another_archive_or_chain_are_found() {
    let scene = Scene::new();
    let other = Scene { signer: signer(), ..Scene::new() };
    fs::copy(other.seal_path(2), scene.seal_path(2)).unwrap();
    let faults = scene.faults();
    assert!(matches!(&faults[0], (Some(2), None, Fault::SealOfAnother { .. })), "{faults:?}");
    let scene = Scene::new();
    fs::rename(scene.folder.path().join("01"), scene.folder.path().join("02")).unwrap();
    assert!(!scene.faults().is_empty());
}

#[test]
fn a_writer_that_dies_leaves_no_segment_and_the_next_goes_on() {
    let scene = Scene::new();
    let archive = scene.archive();
    let mut dying = archive.chain("00").begin().unwrap();
    dying.push(&body(1)).unwrap();
    std::mem::forget(dying); // as a process that is killed
    assert_eq!(scene.faults(), []);

    // Two writers at once: one seal.
    let mut slow = archive.chain("00").begin().unwrap();
    slow.push(&body(25)).unwrap();
    let seal = add_segment(&archive, "00", &scene.signer, 1);
    assert_eq!(seal.segment, SEGMENTS + 1);
    let outrun = slow.publish(&scene.signer, 1, |_| {});
    assert!(matches!(outrun, Err(ArchiveError::Outrun { segment: 5, .. })), "{outrun:?}");
    assert_eq!(scene.faults(), []);

    // A writer that died after the seal and before the head.
    fs::copy(scene.seal_path(SEGMENTS), scene.path("head")).unwrap();
    assert_eq!(scene.faults(), []);
    assert_eq!(archive.chain("00").newest().unwrap().unwrap(), seal);
    assert_eq!(add_segment(&archive, "00", &scene.signer, 1).segment, SEGMENTS + 2);
    let strays = verify(&archive, &Trust::default()).unwrap();
    assert!(strays.is_sound() && strays.findings.is_empty(), "{:?}", strays.findings);
}

#[test]
fn files_that_no_seal_names_are_named_and_no_fault() {
    let scene = Scene::new();
    fs::write(scene.path("00000005-00.jsonl.zst"), b"x").unwrap();
    let report = verify(&scene.archive(), &Trust::default()).unwrap();
    assert!(report.is_sound());
    let file = "00000005-00.jsonl.zst".to_owned();
    assert_eq!(report.findings[0].fault, Fault::Stray { file });
}

#[test]
fn only_one_json_object_on_one_line_can_be_a_line() {
    let scene = Scene::new();
    let mut writer = scene.archive().chain("00").begin().unwrap();
    for wrong in ["", "{}", "[1]", "{\"a\":\n1}", "{\"a\":\r1}"] {
        assert!(matches!(writer.push(wrong), Err(ArchiveError::Line)), "{wrong}");
    }
    assert!(matches!(writer.push(&format!("{{\"a\":\"{}\"}}", "x".repeat(17 << 20))), Err(ArchiveError::Line)));
    writer.push(&body(25)).unwrap();
    writer.publish(&scene.signer, 1, |_| {}).unwrap();
    assert_eq!(scene.faults(), []);
}

#[test]
fn a_record_with_line_ends_becomes_one_line() {
    let job = ArchivedJob { at: 1, queue: "q", key: "k\n", version: 1, record: "{\n\"a\": 1\r\n}", history: &[] };
    let body = job.body("0");
    assert!(!body.contains(['\n', '\r']) && body.contains(r#""key":"k\n""#), "{body}");
    serde_json::from_str::<serde_json::Value>(&body).unwrap();
}

#[test]
fn keys_are_those_of_openssl_and_signatures_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let openssl = |arguments: &[&str]| {
        let done = std::process::Command::new("openssl").args(arguments).output().unwrap();
        assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", &path("key.pem")]);
    openssl(&["pkey", "-in", &path("key.pem"), "-pubout", "-out", &path("pub.pem")]);
    let signer = Signer::from_pem(&fs::read_to_string(path("key.pem")).unwrap()).unwrap();
    let public_pem = fs::read_to_string(path("pub.pem")).unwrap();
    let public: PublicKey = public_pem.parse().unwrap();
    assert_eq!((signer.public_key(), public.pem()), (public, public_pem));
    assert_eq!(public.to_string().parse::<PublicKey>(), Ok(public));

    fs::write(path("seal"), b"text\n").unwrap();
    fs::write(path("sig"), signer.sign(b"text\n").unwrap()).unwrap();
    openssl(&[
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        &path("pub.pem"),
        "-rawin",
        "-in",
        &path("seal"),
        "-sigfile",
        &path("sig"),
    ]);

    // A command that signs.
    let script = "cat > \"$1/in\" && openssl pkeyutl -sign -inkey \"$1/key.pem\" -rawin -in \"$1/in\"";
    let words = ["sh", "-c", script, "sh", &folder.path().display().to_string()].map(str::to_owned).to_vec();
    let by_command = Signer::Command { words: words.clone(), key: public };
    assert_eq!(by_command.sign(b"text\n").unwrap(), signer.sign(b"text\n").unwrap());
    let wrong = Signer::Command { words, key: foreign_key() };
    assert!(matches!(wrong.sign(b"text\n"), Err(SignError::Wrong(_))));
    let failing = Signer::Command { words: vec!["false".into()], key: public };
    assert!(matches!(failing.sign(b"text\n"), Err(SignError::Failed(..))));
    for wrong in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "abcd"] {
        assert!(wrong.parse::<PublicKey>().is_err() && Signer::from_pem(wrong).is_err(), "{wrong}");
    }
}

fn foreign_key() -> PublicKey {
    signer().public_key()
}
