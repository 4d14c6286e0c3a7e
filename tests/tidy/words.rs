//! One word per idea, and it is the field's word: the words that the glossary replaced, and the dialect that plain prose does without.

use crate::not_yet::{Breaches, add, assert_known};
use crate::source::Split;
use crate::tree::{File, files};

/// Where a word is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// In comments, texts and documents.
    Prose,
    /// As a part of an identifier in code.
    Code,
    Both,
}

/// Words in small letters; with each, the word in its place.
const WORDS: [(Scope, &[&str], &str); 24] = [
    (Scope::Both, &["lane", "lanes", "lanewise"], "queue"),
    (Scope::Both, &["told", "untold", "teller", "tellers"], "delivered, reported, or the verb that fits"),
    (Scope::Code, &["tell", "tells", "telling"], "deliver, report, write"),
    (Scope::Code, &["asked", "asks"], "queried, requested"),
    (Scope::Code, &["held", "standing"], "claimed, leased, quarantined"),
    (Scope::Prose, &["stands", "stood"], "is, has, the verb that fits"),
    (Scope::Both, &["anew"], "again"),
    (Scope::Both, &["beside"], "with, next to, in addition to"),
    (Scope::Both, &["whoever", "whomever"], "the worker, the operator, the one who"),
    (Scope::Both, &["nobody", "somebody"], "no one, a person, no worker"),
    (Scope::Both, &["withheld", "withhold"], "skipped, released"),
    (Scope::Both, &["unclaim", "unclaimed"], "recover_claim, released"),
    (Scope::Both, &["aside"], "quarantined, dead letter"),
    (Scope::Both, &["orphan", "orphans"], "quarantined"),
    (Scope::Both, &["lapsed", "lapses"], "expired"),
    (Scope::Both, &["chronicle", "chronicles"], "journal"),
    (Scope::Both, &["patience", "patient"], "backoff, timeout"),
    (Scope::Both, &["door", "doors"], "import, interface"),
    (Scope::Both, &["intake"], "import"),
    (Scope::Both, &["upkeep"], "retention"),
    (Scope::Both, &["handoff"], "claimed_jobs"),
    (Scope::Code, &["abouts", "recalled", "doubtful"], "business_keys, restored_from_journal, after_unknown_send"),
    (Scope::Code, &["misuse", "shelf", "notified"], "usage error, the noun that fits"),
    (Scope::Code, &["troubles", "callbacks"], "errors, webhooks"),
];

/// Whole identifiers.
const IDENTIFIERS: [(&[&str], &str); 10] = [
    (&["Silent", "Unseen", "Contradiction", "ConfigFault"], "NoResponse, NotFound, Mismatch, Misconfigured"),
    (&["Facts", "Reading", "Illegal"], "JobProgress, ParsedResponse, IllegalTransition"),
    (&["did_nothing", "last_word", "is_at_rest"], "is_not_executed, final_state, is_settled"),
    (&["Heard", "Spoken", "Stand", "too_late"], "HttpOutcome, Envelope, TradeStatus, deadline_passed"),
    (&["Teller", "SecretsInUse", "Why"], "Dispatcher, SigningKeys, DeliveryError"),
    (&["Because", "Misuse"], "ReasonArg, UsageError"),
    (&["Bell", "Allowance", "Turn"], "Waker, SendBudget, CircuitChange"),
    (
        &["Remembered", "Standing", "Kept", "Happened", "ToldOrNot"],
        "JournalView, JournalDiff, StoreOutcome, EventPayload, DeliveryResult",
    ),
    (&["Wanted", "Asked"], "PreflightInput, CallKind"),
    (&["put_back", "give_back", "given_back"], "restore, release, released"),
];

/// Phrases in comments, texts and documents, in small letters.
const PHRASES: [(&str, &str); 22] = [
    ("comes to", "results in, is"),
    ("came to nothing", "failed"),
    ("told of", "informed about"),
    ("of its own", "own, separate"),
    ("of their own", "own, separate"),
    ("put down", "written"),
    ("for ever", "forever, without end"),
    ("before a person", "needs review"),
    ("put back", "restored, released"),
    ("puts back", "restores, releases"),
    ("given back", "released"),
    ("gives back", "releases"),
    ("give back", "release"),
    ("fit for money", "sends allowed"),
    ("older memory", "lost writes"),
    ("given_back_total", "claims_released_total"),
    ("circuit_turns_total", "circuit_transitions_total"),
    ("redis_troubles_total", "redis_errors_total"),
    ("fit_for_money", "sends_allowed"),
    ("last_try_age_seconds", "last_claim_attempt_age_seconds"),
    ("looked at next", "next check"),
    ("renewed when something happens", "live"),
];

/// Names that stay, because they are on the wire, stored, or another crate's; each with its reason.
const NAMES: [(&[&str], &str); 6] = [
    (
        &["RestoredBesideAnotherJob", "restored_beside_another_job"],
        "the code of a reason, in records and in the API's JSON",
    ),
    (&["NoResponseAndHeld"], "the code of a reason, in records and in the API's JSON"),
    (&["HeldReason", "held_reason"], "a held notification waits for an operator: in records and in the API's JSON"),
    (&["NobodyPaid", "nobody-paid"], "a fault of the simulator's interface"),
    (&["WithheldWhileWaiting", "withheld-while-waiting"], "a choice of the simulator's interface"),
    (&[".notified()"], "tokio's wait for a notification"),
];

/// Words that stay in these files and folders; with each, its reason.
const PLACES: [(&str, &[&str], &str); 3] = [
    (
        "held",
        &[
            "crates/bursar/src/commands/notifications.rs",
            "crates/domain/src/notification.rs",
            "crates/server/src/api/notify",
            "crates/server/src/dashboard/i18n",
            "crates/server/src/dashboard/pages/notifications.rs",
            "crates/server/src/dashboard/pages/queues.rs",
            "crates/server/src/ops/notifications.rs",
            "crates/store/src/jobs/notifications",
            "crates/store/tests/redis/notifications.rs",
        ],
        "a held notification waits for an operator",
    ),
    ("told", &["CHANGELOG.md"], "the old name of an outcome"),
    ("somebody", &["fuzz/properties/beingfi_answer.rs"], "the secret that signed inputs in the corpus"),
];

/// Problem types by the names that they had: whole words with their hyphens, in code marks or quotes.
const PROBLEMS: [(&str, &str); 7] = [
    ("no-token", "unauthenticated"),
    ("wrong-role", "forbidden"),
    ("wrong-method", "method-not-allowed"),
    ("too-slow", "request-timeout"),
    ("not-now", "invalid-state"),
    ("too-many", "rate-limited"),
    ("too-large", "payload-too-large"),
];

/// Chinese words, in every document and page.
const CHINESE: [(&str, &str); 5] = [
    ("存疑", "结果未知"),
    ("待人工处理", "人工复核"),
    ("待处理", "人工复核"),
    ("撤回", "取消"),
    ("网关最终结果（人工关闭时）", "人工确认"),
];

/// 通道 is a payment channel: in the dashboard, which has queues, it is a queue by its old name.
const CHANNEL: (&str, &str) = ("通道", "队列");

/// The parts of an identifier, in small letters: `give_back` and `GiveBack` have two.
fn parts(token: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_small = false;
    for character in token.chars() {
        if character == '_' || (character.is_uppercase() && was_small) {
            parts.push(String::new());
        }
        was_small = character.is_lowercase() || character.is_numeric();
        if character != '_' {
            parts.last_mut().unwrap().extend(character.to_lowercase());
        }
    }
    parts
}

fn tokens(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_').filter(|token| !token.is_empty())
}

/// The line without the names that stay.
fn without_names(line: &str) -> String {
    let names = NAMES.iter().flat_map(|(names, _)| *names);
    names.fold(line.to_owned(), |line, name| line.replace(name, " "))
}

fn stays(word: &str, path: &str) -> bool {
    PLACES.iter().any(|(stays, places, _)| *stays == word && places.iter().any(|place| path.starts_with(place)))
}

fn refused(word: &str, at: Scope, path: &str) -> Option<&'static str> {
    if stays(word, path) {
        return None;
    }
    let is_here = |scope: Scope| scope == at || scope == Scope::Both;
    WORDS.iter().find(|(scope, words, _)| is_here(*scope) && words.contains(&word)).map(|(_, _, instead)| *instead)
}

/// The phrase at a boundary of words.
fn has_phrase(line: &str, phrase: &str) -> bool {
    let is_letter = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    line.match_indices(phrase).any(|(at, _)| {
        !is_letter(line[..at].chars().next_back()) && !is_letter(line[at + phrase.len()..].chars().next())
    })
}

fn in_prose(line: &str, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let line = &without_names(line);
    let small = line.to_lowercase();
    for token in tokens(line) {
        for word in parts(token) {
            if let Some(instead) = refused(&word, Scope::Prose, path) {
                found.push(format!("{word}, better: {instead}"));
            }
        }
    }
    let phrases = PHRASES.iter().filter(|(phrase, _)| has_phrase(&small, phrase));
    let problems = PROBLEMS.iter().filter(|(name, _)| {
        ['`', '"', '/']
            .iter()
            .any(|mark| small.contains(&format!("{mark}{name}`")) || small.contains(&format!("{mark}{name}\"")))
    });
    let in_dashboard = path.starts_with("crates/server/");
    let chinese = CHINESE.iter().chain(in_dashboard.then_some(&CHANNEL)).filter(|(word, _)| line.contains(word));
    found.extend(phrases.chain(problems).chain(chinese).map(|(word, instead)| format!("{word}, better: {instead}")));
    found
}

fn in_code(line: &str, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens(&without_names(line)) {
        let whole = IDENTIFIERS.iter().find(|(names, _)| names.contains(&token)).map(|(_, instead)| *instead);
        let part = || parts(token).iter().find_map(|part| refused(part, Scope::Code, path));
        if let Some(instead) = whole.or_else(part) {
            found.push(format!("{token}, better: {instead}"));
        }
    }
    found
}

#[test]
fn every_text_has_the_glossarys_words() {
    let mut breaches = Breaches::new();
    for file in files().iter().filter(|file| !file.is_of_tidy()) {
        let split = Split::of(file);
        for (number, (code, prose)) in split.code.iter().zip(&split.prose).enumerate() {
            for breach in in_code(code, &file.path).into_iter().chain(in_prose(prose, &file.path)) {
                add(&mut breaches, &file.path, format!("{}: {breach}", number + 1));
            }
        }
    }
    assert_known("words", &breaches);
}

#[test]
fn a_refused_word_is_seen_in_code_and_in_prose() {
    let text = "fn give_back(laneWise: Lane) {} // nobody's `told` it before a person\nlet s = \"too-many\"; // stood_by, a blue plane\n";
    let split = Split::of(&File { path: "x.rs".into(), text: text.into() });
    let first: Vec<String> = in_code(&split.code[0], "x.rs");
    assert_eq!(first.len(), 3, "{first:?}");
    let prose: Vec<String> = split.prose.iter().flat_map(|line| in_prose(line, "x.rs")).collect();
    let words: Vec<&str> = prose.iter().filter_map(|breach| breach.split(',').next()).collect();
    assert_eq!(words, ["nobody", "told", "before a person", "stood", "too-many"]);
    assert_eq!(in_prose("该任务存疑", "docs/zh/x.md").len(), 1);
    assert_eq!(in_prose("支付通道", "docs/zh/x.md").len(), 0);
}

#[test]
fn a_word_stays_by_its_name_or_in_its_place_only() {
    assert_eq!(in_code("Code::NoResponseAndHeld + held", "x.rs").len(), 1);
    assert_eq!(in_code("held", "crates/store/src/jobs/notifications/read.rs").len(), 0);
    assert_eq!(in_code("held", "crates/store/src/jobs/claim.rs").len(), 1);
    assert_eq!(in_prose("`nobody-paid` pays nobody", "x.md").len(), 1);
}

#[test]
fn every_word_that_stays_is_still_there() {
    let files: Vec<File> = files().into_iter().filter(|file| !file.is_of_tidy()).collect();
    for name in NAMES.iter().flat_map(|(names, _)| *names) {
        assert!(files.iter().any(|file| file.text.contains(name)), "{name} is in no file");
    }
    for (word, places, _) in &PLACES {
        for place in *places {
            let is_there = |file: &File| file.path.starts_with(place) && file.text.to_lowercase().contains(word);
            assert!(files.iter().any(is_there), "{word} is not in {place}");
        }
    }
}
