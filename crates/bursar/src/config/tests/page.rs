//! `docs/configuration.md`, from the table of keys.

use crate::config::account::AccountKeys;
use crate::config::beingfi::BeingfiKeys;
use crate::config::document::{Chapter, chapter, description, heading, sections};
use crate::config::table::{Keys, Setting};
use crate::config::yzt::YztKeys;

const PAGE_HEAD: &str = "\
# Configuration

<!-- Generated from the program's table of keys: `BURSAR_WRITE_DOCUMENTS=1 cargo test -p bursar documents` writes it. -->

Bursar reads a TOML file, named by `--config FILE` or `BURSAR_CONFIG`. Every section and key can be left out unless it is marked
required; an unknown key is an error. [`deploy/bursar.toml`](../deploy/bursar.toml) is a file with every key and its default;
`bursar config example` prints it.

- Check a file with `bursar config check`: it reports everything that is wrong at once, each with its key, its rule and its place.
- Print the effective configuration with `bursar config show`. Secrets are never shown.
- Every key can be set by an environment variable, which wins over the file: `BURSAR_REDIS__URL` is `redis.url`, and
  `BURSAR_ACCOUNTS__MAIN__APP_ID` is `accounts.main.app_id` (write a `-` in an account's name as `_`). Separate the items of a list
  by commas: `BURSAR_ACCOUNTS__MAIN__POLL=5s,10s`.
- Write durations as `\"500ms\"`, `\"30s\"`, `\"5m\"`, `\"24h\"`, `\"30d\"`.
- Files are relative to the configuration file's folder, or to the current folder when an environment variable names them.

## Accounts in separate files

`accounts_dir = \"accounts.d\"`, at the top of the file and above every section, names a folder with one file per account. The file
`accounts.d/shop.toml` has the keys of `[accounts.shop]`, without a section; the files that it names are relative to its folder. An
account that is in two places is an error that names both. Files that do not end in `.toml`, and hidden ones, are left alone.
Variable: `BURSAR_ACCOUNTS_DIR`. `bursar config show` prints these accounts like all others.

SIGHUP makes `worker`, `serve` and `up` read file, folder and keys again: [operations](operations.md) has the procedure.
";

/// Every key that exists, as `accounts.*.resend_after`.
pub(super) fn every_key() -> Vec<String> {
    let of = |chapter: &Chapter| -> Vec<String> {
        chapter.rows.iter().map(|row| format!("{}.{}", chapter.header, row.name)).collect()
    };
    let accounts = [AccountKeys::NAMES, YztKeys::NAMES, BeingfiKeys::NAMES].concat();
    let accounts = ["gateway"].into_iter().chain(accounts).map(|key| format!("accounts.*.{key}"));
    let mut keys: Vec<String> = sections().iter().flat_map(of).chain(accounts).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Every key with its section and its rule, the accounts by their names in tests.
pub(super) fn every_rule() -> Vec<(&'static str, &'static str, String)> {
    let accounts = [
        chapter::<AccountKeys>("accounts.main"),
        chapter::<YztKeys>("accounts.main"),
        chapter::<BeingfiKeys>("accounts.shop"),
    ];
    let of = |chapter: Chapter| chapter.rows.into_iter().map(move |row| (chapter.header, row.name, row.rule));
    sections().into_iter().chain(accounts).flat_map(of).collect()
}

/// `docs/configuration.md`.
pub(super) fn page() -> String {
    let mut text = PAGE_HEAD.to_owned();
    for chapter in sections() {
        chapter_of_page(
            &mut text,
            &format!("[{}]", chapter.header),
            &chapter,
            &chapter.header.to_uppercase().replace('.', "__"),
        );
    }
    let common = chapter::<AccountKeys>("accounts.NAME");
    chapter_of_page(&mut text, "[accounts.NAME]", &common, "ACCOUNTS__NAME");
    let yzt = chapter::<YztKeys>("accounts.NAME");
    chapter_of_page(&mut text, "[accounts.NAME] with gateway = \"yzt\"", &yzt, "ACCOUNTS__NAME");
    let beingfi = chapter::<BeingfiKeys>("accounts.NAME");
    chapter_of_page(&mut text, "[accounts.NAME] with gateway = \"beingfi\"", &beingfi, "ACCOUNTS__NAME");
    text
}

fn chapter_of_page(text: &mut String, title: &str, chapter: &Chapter, variable: &str) {
    line(text, &format!("\n## `{title}`\n"));
    for words in chapter.about {
        line(text, words.trim());
    }
    for row in &chapter.rows {
        if let Some(heading) = heading(row) {
            line(text, &format!("\n### {heading}"));
        }
        let setting = match &row.setting {
            Setting::Default(value) => format!("Default: `{value}`."),
            Setting::Optional(value) => format!("No default. Example: `{value}`."),
            Setting::Required(value) => format!("Required. Example: `{value}`."),
        };
        let (key, rule) = (row.name, &row.rule);
        let of = if chapter.header.starts_with("accounts") { "" } else { chapter.header };
        let full = if of.is_empty() { key.to_owned() } else { format!("{of}.{key}") };
        line(text, &format!("\n#### `{full}`\n"));
        line(text, &format!("Must be {rule}. {setting} Variable: `BURSAR_{variable}__{}`.\n", key.to_uppercase()));
        for words in description(row) {
            line(text, words.trim());
        }
    }
}

fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}
