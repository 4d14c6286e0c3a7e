//! Processor time and memory of processes, and of the whole machine.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// The processor time of this process so far, all threads.
pub(crate) fn own() -> Duration {
    let of = |time: TimeVal| {
        Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or_default())
            + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or_default())
    };
    getrusage(UsageWho::RUSAGE_SELF).map(|usage| of(usage.user_time()) + of(usage.system_time())).unwrap_or_default()
}

/// The processor time of another process so far. It is summed over its threads in nanoseconds, because the process as a
/// whole is only counted in hundredths of a second.
pub(crate) fn of_process(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = threads.filter_map(|thread| {
        let schedule = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        schedule.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The processor time of a process and its children so far. Ended threads are counted in hundredths of a second.
pub(crate) fn of_family(pid: u32) -> Duration {
    family(pid).into_iter().map(|pid| of_process(pid).max(in_ticks(pid))).sum()
}

/// A process and all that it has started, and they.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let (mut all, mut at) = (vec![pid], 0);
    while let Some(pid) = all.get(at).copied() {
        at += 1;
        for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    all
}

fn in_ticks(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    // From the third field on: state, …; the 14th and 15th are user and system time.
    ticks(after_name.split_whitespace().skip(11).take(2))
}

/// The processor time of the whole machine so far, without the share of other guests.
pub(crate) fn of_machine() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    // user, nice, system, (idle, iowait,) irq, softirq
    ticks(fields.enumerate().filter(|(at, _)| [0, 1, 2, 5, 6].contains(at)).map(|(_, field)| field))
}

/// The resident memory of another process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> u64 {
    status_bytes(pid, "VmRSS:")
}

/// The most that a process and its children have had resident, in bytes.
pub(crate) fn peak_resident_bytes(pid: u32) -> u64 {
    family(pid).into_iter().map(|pid| status_bytes(pid, "VmHWM:")).sum()
}

fn status_bytes(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
}

fn ticks<'a>(fields: impl Iterator<Item = &'a str>) -> Duration {
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .and_then(|ticks| u64::try_from(ticks).ok())
        .unwrap_or(100);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1_000 / per_second)
}
