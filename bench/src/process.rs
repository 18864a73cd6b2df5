//! What the kernel says a process uses.

use std::{fs, time::Duration};

use anyhow::Context;

/// The unit of the times in `/proc/PID/stat`: `USER_HZ` is 100 on every Linux that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of all threads so far, also of those that ended.
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("cannot read the times of a process")?;
    // The name, in parentheses, may contain anything. After it, utime and stime are the 12th and the 13th.
    let (_, fields) = stat.rsplit_once(')').context("a process has a name")?;
    let ticks: Option<u32> = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().ok()).sum();
    Ok(TICK * ticks.context("times are numbers")?)
}

/// Resident memory in MiB.
pub(crate) fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("cannot read the memory of a process")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process has memory")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().context("memory is a number")?;
    Ok(kib / 1024.0)
}
