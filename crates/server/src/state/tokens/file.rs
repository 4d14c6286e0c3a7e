//! The tokens file: a table per token, with its name, role, accounts, expiry and hash.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use bursar_domain::{AccountName, Millis};
use serde::Deserialize;

use super::weak::{self, Hash};
use super::{Accounts, Role, TokensError};

/// The longest tokens file that is read, in bytes: each token is compared with every request's.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// The longest name of a token, in characters: it is in every log line and action of its bearer.
pub(in crate::state) const MAX_NAME_CHARS: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    role: Role,
    sha256: String,
    accounts: Option<Vec<String>>,
    expires: Option<toml::Value>,
}

/// One token of the file.
#[derive(Debug)]
pub(super) struct TokenOfFile {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) accounts: Accounts,
    pub(super) expires: Option<Millis>,
    pub(super) hash: Hash,
}

/// Reads the file. `configured` are the accounts that a token may be for.
pub(super) fn read(path: &Path, configured: &BTreeSet<AccountName>) -> Result<Vec<TokenOfFile>, TokensError> {
    use std::io::Read;
    let wrong = |problem| TokensError::Wrong { path: path.to_path_buf(), problem };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|source| TokensError::Unreadable { path: path.to_path_buf(), source })?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(wrong(format!("is over {MAX_FILE_BYTES} bytes")));
    }
    parse(&text, configured).map_err(wrong)
}

pub(super) fn parse(text: &str, configured: &BTreeSet<AccountName>) -> Result<Vec<TokenOfFile>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    if file.token.is_empty() {
        // A file that an editor has just emptied must not lock everybody out.
        return Err("names no token".into());
    }
    let (mut names, mut hashes) = (BTreeSet::new(), HashSet::new());
    let mut tokens = Vec::with_capacity(file.token.len());
    for (index, Entry { name, role, sha256, accounts, expires }) in file.token.into_iter().enumerate() {
        let whose = format!("token {}", index + 1);
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(format!("{whose}: name must be 1 to {MAX_NAME_CHARS} characters, none a control character"));
        }
        let whose = format!("{whose} ({name})");
        let hash: Option<Hash> = hex::decode(&sha256).ok().and_then(|bytes| bytes.try_into().ok());
        let hash = hash.ok_or_else(|| format!("{whose}: sha256 must be 64 hexadecimal digits"))?;
        if !names.insert(name.clone()) {
            return Err(format!("{whose}: the name {name} is there twice"));
        }
        if !hashes.insert(hash) {
            return Err(format!("{whose}: its sha256 is there twice"));
        }
        let accounts = accounts_of(accounts, configured).map_err(|problem| format!("{whose}: {problem}"))?;
        let expires = expires.map(|expires| moment(&expires)).transpose().map_err(|rule| format!("{whose}: {rule}"))?;
        tokens.push(TokenOfFile { name, role, accounts, expires, hash });
    }
    refuse_guessable(&tokens, &hashes)?;
    Ok(tokens)
}

/// A token that a stranger can guess is worse than none.
fn refuse_guessable(tokens: &[TokenOfFile], hashes: &HashSet<Hash>) -> Result<(), String> {
    let names: Vec<&str> = tokens.iter().map(|token| token.name.as_str()).collect();
    let guessed = weak::guessable(hashes, &names);
    match tokens.iter().position(|token| guessed.contains(&token.hash)) {
        None => Ok(()),
        Some(index) => Err(format!(
            "token {} ({}): its sha256 is of a token that can be guessed; `bursar token NAME --role ROLE` makes a random one",
            index + 1,
            tokens[index].name
        )),
    }
}

/// A time as RFC 3339 has it, in quotes or as TOML's own type.
fn moment(value: &toml::Value) -> Result<Millis, String> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Datetime(at) => at.to_string(),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => String::new(),
    };
    let rule = || "expires must be an RFC 3339 time with an offset, for example \"2027-01-31T00:00:00Z\"".to_owned();
    Millis::parse_rfc3339(&text).ok_or_else(rule)
}

/// A name that no account has is a mistake: its bearer would find nothing, without a reason.
fn accounts_of(named: Option<Vec<String>>, configured: &BTreeSet<AccountName>) -> Result<Accounts, String> {
    let Some(named) = named else { return Ok(Accounts::All) };
    if named.is_empty() {
        return Err("accounts must name at least one; left out, the token is for all".to_owned());
    }
    let known = |name: &String| configured.iter().find(|account| account.as_str() == name).cloned();
    let accounts = named.iter().map(|name| {
        known(name).ok_or_else(|| {
            let there: Vec<&str> = configured.iter().map(AccountName::as_str).collect();
            format!("accounts names {name:?}, which is not configured; there are {}", there.join(", "))
        })
    });
    accounts.collect::<Result<_, _>>().map(Accounts::Only)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, role: &str, sha256: &str) -> String {
        format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{sha256}\"\n")
    }

    fn configured() -> BTreeSet<AccountName> {
        ["main", "shop"].into_iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_token_is_for_all_accounts_or_for_those_that_it_names() {
        let hash = "0".repeat(64);
        let of = |line: &str| parse(&format!("{}{line}", entry("a", "producer", &hash)), &configured()).unwrap();
        let (main, shop) = ("main".parse().unwrap(), "shop".parse().unwrap());
        for (line, expected) in [("", [true, true]), ("accounts = [\"shop\"]", [false, true])] {
            let accounts = &of(line)[0].accounts;
            assert_eq!([accounts.have(&main), accounts.have(&shop)], expected, "{line}");
        }
    }

    #[test]
    fn an_expiry_is_a_time_with_an_offset() {
        let hash = "0".repeat(64);
        let of = |line: &str| parse(&format!("{}{line}", entry("a", "producer", &hash)), &configured());
        for (line, expected) in [
            ("", None),
            ("expires = \"1970-01-01T01:00:01+01:00\"", Some(Millis(1_000))),
            ("expires = 1970-01-01T00:00:01Z", Some(Millis(1_000))),
        ] {
            assert_eq!(of(line).unwrap()[0].expires, expected, "{line}");
        }
        for wrong in ["\"tomorrow\"", "\"2027-01-31\"", "2027-01-31", "2027-01-31T00:00:00", "1", "true", "\"90d\""] {
            let problem = of(&format!("expires = {wrong}")).unwrap_err();
            assert!(problem.contains("token 1 (a): expires must be an RFC 3339 time"), "{wrong}: {problem}");
        }
    }

    #[test]
    fn a_hash_of_a_guessable_token_is_refused_with_its_name() {
        let strong = entry("a", "reader", &"0".repeat(64));
        for (word, hash) in [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("admin", "8c6976e5b5410415bde908bd4dee15dfb167a9c873fc4bb8a81f6f2ab448a918"),
            ("password", "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ] {
            let problem = parse(&format!("{strong}{}", entry("cfo", "operator", hash)), &configured()).unwrap_err();
            assert!(
                problem.starts_with("token 2 (cfo): its sha256 is of a token that can be guessed"),
                "{word}: {problem}"
            );
        }
    }

    #[test]
    fn a_broken_file_is_refused_by_what_is_wrong_with_it() {
        let hash = "0".repeat(64);
        let wrong = [
            (entry("a", "admin", &hash), "unknown variant `admin`"),
            (entry("a", "reader", "abc"), "token 1 (a): sha256 must be 64 hexadecimal digits"),
            (entry("", "reader", &hash), "token 1: name must be"),
            (format!("{}token = \"plain\"\n", entry("a", "reader", &hash)), "unknown field `token`"),
            ("tokens = []".to_owned(), "unknown field `tokens`"),
            (
                format!("{}{}", entry("a", "reader", &hash), entry("a", "reader", &"1".repeat(64))),
                "the name a is there twice",
            ),
            (format!("{}{}", entry("a", "reader", &hash), entry("b", "reader", &hash)), "its sha256 is there twice"),
            (format!("{}accounts = []", entry("a", "reader", &hash)), "token 1 (a): accounts must name at least one"),
            (format!("{}accounts = [\"mian\"]", entry("a", "reader", &hash)), "accounts names \"mian\", which is not"),
            (format!("{}accounts = \"main\"", entry("a", "reader", &hash)), "expected a sequence"),
            ("[[token]".to_owned(), ""),
            (String::new(), "names no token"),
        ];
        for (text, expected) in wrong {
            let problem = parse(&text, &configured()).map(|bearers| bearers.len()).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
