use std::time::Duration;

use bursar_domain::{Call, Outcome, State, Unsendable};

use super::*;

#[test]
fn enums_count_where_their_names_stand() {
    assert!(Outcome::ALL.iter().enumerate().all(|(at, answer)| *answer as usize == at));
    assert!(State::ALL.iter().enumerate().all(|(at, state)| *state as usize == at));
    assert!(Call::ALL.iter().enumerate().all(|(at, call)| *call as usize == at));
    assert!(Unsendable::ALL.iter().enumerate().all(|(at, why)| *why as usize == at));
    assert!(RedisOperation::ALL.iter().enumerate().all(|(at, doing)| *doing as usize == at));
}

#[test]
fn counts_are_exported_by_queue() {
    let metrics = Metrics::default();
    let queue = metrics.queue(&"main/transfer".parse().unwrap());
    queue.answered(Call::Send, Outcome::Accepted, Duration::from_millis(30));
    queue.answered(Call::Send, Outcome::Accepted, Duration::from_millis(30));
    queue.claimed(Call::Query, Duration::from_millis(2));
    queue.committed(State::Pending);
    queue.ended(State::Succeeded, Duration::from_secs(70));
    queue.lost(Lost::Released, 3);
    queue.circuit_opened();
    queue.circuit_opened();
    queue.skipped(Unsendable::Changed);
    queue.mismatch();
    metrics.trouble(RedisOperation::Renewing);
    let working = metrics.working();
    metrics.preflight([("redis.aof", "refuse")].into_iter());
    let mut text = String::new();
    metrics.write(&mut text).unwrap();
    let of = "queue=\"main/transfer\"";
    for line in [
        format!("bursar_answers_total{{{of},call=\"send\",answer=\"accepted\"}} 2"),
        format!("bursar_call_duration_seconds_bucket{{{of},call=\"send\",answer=\"accepted\",le=\"0.05\"}} 2"),
        format!("bursar_pickup_delay_seconds_count{{{of},call=\"query\"}} 1"),
        format!("bursar_commits_total{{{of},state=\"pending\"}} 1"),
        format!("bursar_time_to_end_seconds_count{{{of},state=\"succeeded\"}} 1"),
        format!("bursar_claims_released_total{{{of}}} 3"),
        format!("bursar_circuit_transitions_total{{{of},to=\"opened\"}} 1"),
        format!("bursar_circuit_open{{{of}}} 1"),
        format!("bursar_sends_skipped_total{{{of},reason=\"content_changed\"}} 1"),
        format!("bursar_mismatches_total{{{of}}} 1"),
        "bursar_redis_errors_total{operation=\"renewing leases\"} 1".to_owned(),
        "bursar_calls_in_flight 1".to_owned(),
        "bursar_preflight_findings{check=\"redis.aof\",severity=\"refuse\"} 1".to_owned(),
    ] {
        assert!(text.lines().any(|written| written == line), "{line} is not in:\n{text}");
    }
    for missing in
        ["state=\"failed\"", "above_max_amount", "call=\"send\",answer=\"no_response\"", "bursar_lost_leases_total"]
    {
        assert!(!text.contains(missing), "{missing} never happened:\n{text}");
    }
    drop(working);
    metrics.preflight(std::iter::empty());
    text.clear();
    metrics.write(&mut text).unwrap();
    assert!(text.contains("bursar_calls_in_flight 0") && !text.contains("redis.aof"), "{text}");
}

#[test]
fn every_metric_of_a_worker_has_a_line_once_it_happened() {
    let metrics = Metrics::default();
    let queue = metrics.queue(&"main/transfer".parse().unwrap());
    let second = Duration::from_secs(1);
    queue.answered(Call::Send, Outcome::Accepted, second);
    queue.claimed(Call::Send, second);
    queue.committed(State::Pending);
    queue.ended(State::Succeeded, second);
    for lost in [Lost::Commit, Lost::Lease, Lost::Released] {
        queue.lost(lost, 1);
    }
    queue.lost_writes();
    queue.skipped(Unsendable::Changed);
    queue.mismatch();
    queue.circuit_opened();
    queue.other_gateway(true);
    metrics.balance(&"main".parse().unwrap(), "paying").failed();
    metrics.preflight([("redis.aof", "refuse")].into_iter());
    let mut text = String::new();
    metrics.write(&mut text).unwrap();
    for metric in names::ALL.iter().filter(|metric| metric.source == names::Source::Worker) {
        let is_of = |line: &str| line.split(['{', ' ']).next().is_some_and(|name| name.starts_with(metric.name));
        assert!(text.lines().any(is_of), "{} has no line in:\n{text}", metric.name);
    }
}

#[test]
fn a_queue_in_which_nothing_happened_has_no_line() {
    let metrics = Metrics::default();
    let queue = metrics.queue(&"main/transfer".parse().unwrap());
    queue.other_gateway(false);
    queue.lost(Lost::Lease, 0);
    let _balance = metrics.balance(&"main".parse().unwrap(), "paying");
    let mut text = String::new();
    metrics.write(&mut text).unwrap();
    assert!(!text.contains("main"), "{text}");
}

#[test]
fn a_neglected_queue_is_reported_and_so_is_its_return() {
    let metrics = Metrics::default();
    let queue = metrics.queue(&"main/transfer".parse().unwrap());
    for (other, left_alone) in [(true, true), (true, true), (false, false), (true, true), (false, false)] {
        queue.other_gateway(other);
        assert_eq!(metrics.leaves_a_queue_alone(), left_alone);
        let mut text = String::new();
        metrics.write(&mut text).unwrap();
        let line = format!("bursar_other_gateway{{queue=\"main/transfer\"}} {}", u8::from(other));
        assert!(text.lines().any(|written| written == line), "{line} is not in:\n{text}");
    }
}
