//! The example that the table of keys gives: `bursar config example` prints it, and `deploy/bursar.toml` is it.

use std::fmt::Display;

use bursar_domain::GatewayKind;

use super::account::{AccountKeys, gateway_row};
use super::beingfi::BeingfiKeys;
use super::oidc::OidcKeys;
use super::sections::{Archive, Audit, Import, Journal, Log, Redis, Reload, Server, Telemetry, Webhooks, Worker};
use super::table::{Keys, Row, Setting};
use super::yzt::YztKeys;

/// The column at which the rule begins behind a setting of the file.
const RULE_COLUMN: usize = 44;

const FILE_HEAD: &str = "\
# Bursar's configuration: every key with its default. `bursar config example` prints this file.
#
#   bursar --config bursar.toml config check      report everything that is wrong, at once
#   bursar --config bursar.toml config show       print the effective configuration
#
# Leave out any section and any key that is not marked \"required\". Keys that are commented out have no default: their value
# here is an example. An unknown key is an error.
#
# Every key can be set by an environment variable, which wins over this file: BURSAR_REDIS__URL is redis.url,
# BURSAR_ACCOUNTS__MAIN__APP_ID is accounts.main.app_id (write a - in an account's name as _). Separate the items of a list by
# commas: BURSAR_ACCOUNTS__MAIN__POLL=5s,10s. BURSAR_CONFIG names this file where --config does not.
#
# Write durations as \"500ms\", \"30s\", \"5m\", \"24h\", \"30d\". Files are relative to this file's folder, or to the current folder when an
# environment variable names them.

# A folder with one file per account. NAME.toml has the keys of [accounts.NAME], without a section. An account that is also in this
# file is an error. BURSAR_ACCOUNTS_DIR names the folder as well.
# accounts_dir = \"accounts.d\"              # a path
";

/// A section in documents.
pub(super) struct Chapter {
    pub(super) header: &'static str,
    pub(super) about: &'static [&'static str],
    pub(super) rows: Vec<Row>,
}

pub(super) fn chapter<K: Keys>(header: &'static str) -> Chapter {
    Chapter { header, about: K::ABOUT, rows: K::rows() }
}

/// Every section but accounts, in the order of documents.
pub(super) fn sections() -> Vec<Chapter> {
    vec![
        chapter::<Redis>("redis"),
        chapter::<Worker>("worker"),
        chapter::<Import>("import"),
        chapter::<Journal>("journal"),
        chapter::<Archive>("archive"),
        chapter::<Server>("server"),
        chapter::<OidcKeys>("server.oidc"),
        chapter::<Audit>("audit"),
        chapter::<Webhooks>("webhooks"),
        chapter::<Log>("log"),
        chapter::<Telemetry>("telemetry"),
        chapter::<Reload>("reload"),
    ]
}

/// A configuration file with every key and its default.
pub(crate) fn example() -> String {
    let mut text = FILE_HEAD.to_owned();
    for chapter in sections() {
        section_of_file(&mut text, &chapter);
    }
    // An account's file begins with the keys that it needs: where the gateway is, and who the merchant is there.
    let common = AccountKeys::rows();
    let (address, others) = common.split_at(first_group(&common));
    let yzt = YztKeys::rows();
    let (credentials, further) = yzt.split_at(first_group(&yzt));
    header_of_file(&mut text, "accounts.main", YztKeys::ABOUT);
    row_of_file(&mut text, &gateway_row(GatewayKind::Yzt));
    for row in address.iter().chain(credentials).chain(others).chain(further) {
        row_of_file(&mut text, row);
    }
    let shared = " It has the keys of the account above that are not YZT's alone, with the same defaults.";
    let mut about = BeingfiKeys::ABOUT.to_vec();
    about.push(shared);
    header_of_file(&mut text, "accounts.shop", &about);
    row_of_file(&mut text, &gateway_row(GatewayKind::Beingfi));
    let required = |row: &&Row| matches!(row.setting, Setting::Required(_));
    for row in address.iter().filter(required) {
        row_of_file(&mut text, row);
    }
    for row in BeingfiKeys::rows() {
        row_of_file(&mut text, &row);
    }
    text
}

/// The rows before the second heading.
fn first_group(rows: &[Row]) -> usize {
    rows.iter().skip(1).position(|row| heading(row).is_some()).map_or(rows.len(), |at| at + 1)
}

fn section_of_file(text: &mut String, chapter: &Chapter) {
    header_of_file(text, chapter.header, chapter.about);
    for row in &chapter.rows {
        row_of_file(text, row);
    }
}

fn header_of_file(text: &mut String, name: &str, about: &[&str]) {
    text.push_str("\n\n");
    for line in about {
        comment(text, line);
    }
    line(text, format_args!("[{name}]"));
}

fn row_of_file(text: &mut String, row: &Row) {
    if let Some(heading) = heading(row) {
        line(text, format_args!("\n# --- {heading} ---"));
    }
    text.push('\n');
    for line in description(row) {
        comment(text, line);
    }
    let (mark, value, rule) = match &row.setting {
        Setting::Default(value) => ("", value, row.rule.clone()),
        Setting::Optional(value) => ("# ", value, row.rule.clone()),
        Setting::Required(value) => ("", value, format!("required; {}", row.rule)),
    };
    let setting = format!("{mark}{} = {value}", row.name);
    line(text, format_args!("{setting:<RULE_COLUMN$} # {rule}"));
}

fn comment(text: &mut String, words: &str) {
    line(text, format_args!("#{}", words.trim_end()));
}

/// The heading that opens a group of keys.
pub(super) fn heading(row: &Row) -> Option<&'static str> {
    row.doc.first()?.trim().strip_prefix("# ")
}

/// The lines of a key's description.
pub(super) fn description(row: &Row) -> &[&'static str] {
    if heading(row).is_some() { &row.doc[1..] } else { row.doc }
}

fn line(text: &mut String, words: impl Display) {
    text.push_str(&format!("{words}\n"));
}
