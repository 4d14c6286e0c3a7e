//! No crate above this one names a gateway: `server`, `worker` and `bursar` know `Gateway` and `GatewayBlock`, and the configuration's
//! reader alone fills the block. What is found here is found in their sources.

use std::path::{Path, PathBuf};

/// Crates that must not know which gateways there are.
const ABOVE: [&str; 3] = ["server", "worker", "bursar"];

/// The one place that may: it reads the gateways' own keys.
const READER: &str = "bursar/src/config";

/// The beginnings of the names of this crate's types for one gateway, and of the domain's list of gateways.
const NAMES: [&str; 3] = ["Yzt", "Beingfi", "GatewayKind::"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// True if a line of code, comments left out, has a word that begins so.
fn names(line: &str, beginning: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let is_word = |before: &str| before.ends_with(|end: char| end.is_alphanumeric() || end == '_');
    code.match_indices(beginning).any(|(at, _)| !is_word(&code[..at]))
}

#[test]
fn no_gateway_is_named_above_this_crate() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for name in ABOVE {
        sources(&crates.join(name).join("src"), &mut files);
    }
    assert!(files.len() > 100, "the sources are elsewhere: {}", files.len());
    let (reader, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.starts_with(crates.join(READER)));
    for file in others {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let named = NAMES.iter().find(|beginning| names(line, beginning));
            assert_eq!(named, None, "{}:{}: {line}", file.display(), number + 1);
        }
    }
    let finds = |file: &PathBuf| std::fs::read_to_string(file).unwrap().lines().any(|line| names(line, NAMES[0]));
    assert!(reader.iter().any(finds), "a check that finds nothing where there is something checks nothing");
}
