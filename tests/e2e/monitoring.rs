//! The dashboard, the alerts and the runbook speak of metrics, alerts and commands that exist. What their expressions mean
//! is checked by `scripts/check-monitoring.sh`.

use std::collections::BTreeSet;

use bursar_telemetry::names;
use bursar_test_support::Process;

use crate::world::{SOON, bursar};

const ALERTS: &str = include_str!("../../deploy/alerts.yml");
const DASHBOARD: &str = include_str!("../../deploy/grafana/bursar.json");
const RUNBOOK: &str = include_str!("../../deploy/RUNBOOK.md");

/// Everything in a text that is written like a metric of ours, without the ends that histograms add.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    let ours = words.filter(|word| word.starts_with("bursar_"));
    let bare = |word: &str| {
        let end = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        end.unwrap_or(word).to_owned()
    };
    ours.map(bare).collect()
}

/// The names of all alerts.
fn alerts() -> Vec<&'static str> {
    ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

/// The runbook's entries: their names and their text.
fn entries() -> Vec<(&'static str, &'static str)> {
    RUNBOOK.split("\n## ").skip(1).map(|entry| entry.split_once('\n').unwrap()).collect()
}

#[test]
fn the_dashboard_and_the_alerts_show_metrics_that_exist() {
    let known: BTreeSet<String> = names::ALL.iter().map(|metric| metric.name.to_owned()).collect();
    for (place, text) in [("the dashboard", DASHBOARD), ("the alerts", ALERTS)] {
        let named = metrics(text);
        assert!(named.len() > 10, "{place} names metrics: {named:?}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{place}: {unknown:?}");
    }
    let unseen: Vec<_> = known.difference(&metrics(DASHBOARD)).cloned().collect();
    assert!(unseen.is_empty(), "the dashboard shows everything: {unseen:?}");
}

#[test]
fn labels_in_expressions_are_their_metric_s_own() {
    for metric in names::ALL {
        for text in [DASHBOARD, ALERTS] {
            for selector in text.split(metric.name).skip(1).filter_map(|rest| rest.strip_prefix('{')) {
                let labels = selector.split_once('}').unwrap().0;
                for label in labels.split(',').filter_map(|label| label.split_once('=')).map(|(label, _)| label) {
                    assert!(metric.labels.contains(&label), "{} has no label {label}", metric.name);
                }
            }
        }
    }
}

#[test]
fn alerts_and_runbook_entries_match() {
    let entries: Vec<&str> = entries().iter().map(|(name, _)| *name).collect();
    assert_eq!(alerts(), entries);
    for alert in alerts() {
        let link = format!("runbook: \"RUNBOOK.md#{}\"", alert.to_lowercase());
        assert_eq!(ALERTS.matches(&link).count(), 1, "{link}");
    }
}

#[tokio::test]
async fn every_runbook_entry_ends_in_a_command_that_exists() {
    let mut commands = BTreeSet::new();
    for (name, entry) in entries() {
        let last = entry.trim_end().strip_suffix("```").unwrap_or_else(|| panic!("{name} ends in a command"));
        assert!(last.trim_end().lines().last().unwrap().starts_with("bursar "), "{name}: {last}");
        let named = entry.split(['`', '\n']).filter_map(|text| text.strip_prefix("bursar "));
        commands.extend(named.map(|line| line.split_whitespace().next().unwrap().to_owned()));
    }
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let finished = Process::run(&command, bursar(&[&command, "--help"]), SOON).await;
        assert_eq!(finished.code, Some(0), "bursar {command}: {finished:?}");
    }
}
