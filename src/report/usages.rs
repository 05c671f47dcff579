//! What the processes alive use: the CPU time and the memory that `/proc` tells.
//!
//! A look at one process costs some 10 µs, so with many of them not each is looked at each
//! period: those that are on the screen are, those that used a CPU of late, and a part of the rest.

use std::collections::{HashMap, HashSet};

use crate::process::event::{Alive, Event, EventKind};
use crate::process::record::ProcessId;
use crate::process::tracker::SETTLE_NS;

/// Of those that used a CPU, so many are looked at in one period.
const MOST_BUSY: usize = 100;

/// About so many of the rest are: each has its turn.
const A_TURN: usize = 200;

/// The least time between two looks of which a share is made, in nanoseconds. `/proc` counts in
/// ticks (proc_pid_stat(5); 10 ms), and is read a little later than the time of the period.
pub const LEAST_SPAN_NS: u64 = 250_000_000;

/// The processes that have been looked at.
#[derive(Debug, Default)]
pub struct Usages {
    of: HashMap<ProcessId, Seen>,
    /// Those that are on the screen.
    shown: HashSet<ProcessId>,
    /// When the last period began, and the first one, in nanoseconds on the boot clock.
    last: u64,
    begin: Option<u64>,
    /// Of this period: how many were asked about, and how many of them were busy.
    asked: usize,
    busy: usize,
    /// How many turns there are, and which one it is.
    turns: u32,
    turn: u32,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    cpu_ns: u64,
    rss_kib: Option<u64>,
    /// When it was looked at.
    at: u64,
    /// Of one CPU, since the look before. `None`: there was none.
    share: Option<f64>,
}

impl Usages {
    /// Whether to look at a process now. To be asked once a period about each one alive.
    pub fn wants(&mut self, process: ProcessId) -> bool {
        self.asked += 1;
        let is_busy = |seen: &Seen| seen.share != Some(0.0);
        if self.shown.contains(&process) {
            true
        } else if self.busy < MOST_BUSY && self.of.get(&process).is_some_and(is_busy) {
            self.busy += 1;
            true
        } else {
            // Pids of like processes may have any distance, so they are mixed first.
            let mixed = process.pid.wrapping_mul(0x9E37_79B1) >> 16;
            self.turns <= 1 || mixed % self.turns == self.turn
        }
    }

    /// Ends a period at `time` (boot-clock nanoseconds): takes in what was looked at.
    pub fn take(&mut self, alive: &[Alive<'_>], time: u64) {
        let began = *self.begin.get_or_insert(time);
        let mut before = std::mem::take(&mut self.of);
        self.of.reserve(alive.len().min(before.len() * 2));
        for Alive { event, age_ns, cpu_ns, rss_kib, .. } in alive {
            let (process, seen) = (event.process, before.remove(&event.process));
            let is_too_soon = |seen: &Seen| time.saturating_sub(seen.at) < LEAST_SPAN_NS;
            if let Some(seen) = seen.filter(is_too_soon) {
                self.of.insert(process, seen);
                continue;
            }
            let share = match (*cpu_ns, seen) {
                (None, _) => None,
                (Some(now), Some(Seen { cpu_ns, at, .. })) => {
                    Some(now.saturating_sub(cpu_ns) as f64 / time.saturating_sub(at).max(1) as f64)
                }
                // Of one that was started since, all of its life is known.
                (Some(now), None) if process.start_time >= began => {
                    Some(now as f64 / (*age_ns).max(1) as f64)
                }
                (Some(_), None) => None,
            };
            let now = cpu_ns.map(|cpu_ns| Seen { cpu_ns, rss_kib: *rss_kib, at: time, share });
            if let Some(seen) = now.or(seen) {
                self.of.insert(process, seen);
            }
        }
        self.turns = (alive.len().div_ceil(A_TURN)) as u32;
        self.turn = (self.turn + 1) % self.turns.max(1);
        (self.last, self.asked, self.busy) = (time, 0, 0);
    }

    /// Which processes are on the screen.
    pub fn show(&mut self, shown: impl Iterator<Item = ProcessId>) {
        self.shown.clear();
        self.shown.extend(shown);
    }

    /// The share of one CPU that a process had when it was looked at last.
    pub fn share(&self, process: ProcessId) -> Option<f64> {
        self.of.get(&process).and_then(|seen| seen.share)
    }

    /// Its resident memory in KiB by then.
    pub fn rss_kib(&self, process: ProcessId) -> Option<u64> {
        self.of.get(&process).and_then(|seen| seen.rss_kib)
    }

    /// The nanoseconds on a CPU that an exit tells of and no look has seen, as far as they belong
    /// to the period that goes on.
    pub fn unseen_ns(&self, event: &Event<'_>) -> f64 {
        let EventKind::Exit { usage: Some(usage), .. } = event.kind else { return 0.0 };
        let seen = self.of.get(&event.process);
        let (cpu_ns, since) = seen.map_or((0, event.process.start_time), |it| (it.cpu_ns, it.at));
        let unseen = usage.cpu_ns.saturating_sub(cpu_ns) as f64;
        // Events come so much later than they happen.
        let period = event.time.saturating_sub(self.last).max(SETTLE_NS) as f64;
        let whole = event.time.saturating_sub(since).max(1) as f64;
        unseen * (period / whole).min(1.0)
    }
}

#[cfg(test)]
mod tests;
