//! What the kernel could not deliver: `happened = reported + dropped + missed`.

use std::fmt;
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd as _};
use std::ptr;

use anyhow::{Context as _, Result};
use libbpf_rs::{ProgramMut, libbpf_sys};

use crate::preflight::kernel_version;
use crate::skel::{KernelAndUserMapSkel, types};

/// Events lost. The totals of a run, or what came since the last report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loss {
    /// The map was full: an exact count.
    pub dropped_execs: u64,
    pub dropped_exits: u64,
    /// The kernel skipped both of a tracepoint's programs: an upper bound.
    pub missed_execs_at_most: u64,
    pub missed_exits_at_most: u64,
}

impl Loss {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the map was full at some time.
    pub fn any_dropped(&self) -> bool {
        self.dropped_execs > 0 || self.dropped_exits > 0
    }

    /// Whether any exit was, or may have been, lost.
    pub fn any_exits(&self) -> bool {
        self.dropped_exits > 0 || self.missed_exits_at_most > 0
    }

    /// What was lost since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        // A bound is the smaller of two counts that are read one after the other, so it
        // may waver; it never takes back what it said.
        let grown = |now: u64, before: u64| now.saturating_sub(before);
        Self {
            dropped_execs: grown(self.dropped_execs, earlier.dropped_execs),
            dropped_exits: grown(self.dropped_exits, earlier.dropped_exits),
            missed_execs_at_most: grown(self.missed_execs_at_most, earlier.missed_execs_at_most),
            missed_exits_at_most: grown(self.missed_exits_at_most, earlier.missed_exits_at_most),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "dropped {} execs, {} exits; missed at most {} execs, {} exits",
            self.dropped_execs,
            self.dropped_exits,
            self.missed_execs_at_most,
            self.missed_exits_at_most
        )
    }
}

/// Reads the kernel's counts of one loaded skeleton.
#[derive(Debug)]
pub struct Account {
    /// Whether the tp/ programs are loaded, and the kernel counts how often it skips them.
    tp_is_counted: bool,
    total: Loss,
}

impl Account {
    /// `with_tp`: whether the tp/ programs are attached beside their twins.
    pub fn new(with_tp: bool) -> Self {
        // trace_call_bpf() counts the tp/ programs it skips since Linux 6.7.
        let counts_tp = kernel_version().is_some_and(|version| version >= (6, 7));
        Self { tp_is_counted: with_tp && counts_tp, total: Loss::default() }
    }

    /// All that was lost so far.
    pub fn total(&self) -> Loss {
        self.total
    }

    /// Brings the account up to date, and tells what was lost since the last time.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell about a program.
    pub fn update(&mut self, skel: &KernelAndUserMapSkel<'_>) -> Result<Loss> {
        let counters = counters(skel);
        let progs = &skel.progs;
        let missed = |tp_btf: &ProgramMut<'_>, tp: &ProgramMut<'_>| -> Result<u64> {
            // An event is missed only if both its programs were skipped.
            let bound = misses(tp_btf)?;
            Ok(if self.tp_is_counted { bound.min(misses(tp)?) } else { bound })
        };
        let now = Loss {
            dropped_execs: counters.dropped[0],
            dropped_exits: counters.dropped[1],
            missed_execs_at_most: missed(&progs.exec_tp_btf, &progs.exec_tp)?,
            missed_exits_at_most: missed(&progs.exit_tp_btf, &progs.exit_tp)?,
        };
        let since = now.since(&self.total);
        self.total = now;
        Ok(since)
    }
}

/// The counters of the BPF program, out of mapped memory: no system call.
pub fn counters(skel: &KernelAndUserMapSkel<'_>) -> types::counters {
    match &skel.maps.bss_data {
        // SAFETY: a reference is valid to read from. Volatile, since the kernel changes it
        // at any time; each count is an aligned u64, which no CPU tears.
        Some(bss) => unsafe { ptr::read_volatile(&raw const bss.counters) },
        None => types::counters::default(),
    }
}

/// How often the kernel skipped a program: `bpf_prog_info.recursion_misses`, in Linux 5.12
/// and later. Older kernels leave it 0.
fn misses(program: &impl AsFd) -> Result<u64> {
    let mut info = libbpf_sys::bpf_prog_info::default();
    // The kernel copies as much as is asked for; what follows the count is not needed.
    let mut size = u32::try_from(
        offset_of!(libbpf_sys::bpf_prog_info, recursion_misses)
            + size_of_val(&info.recursion_misses),
    )?;
    // SAFETY: `info` is larger than `size`, and all zeros ask for no array.
    let status = unsafe {
        libbpf_sys::bpf_obj_get_info_by_fd(
            program.as_fd().as_raw_fd(),
            (&raw mut info).cast(),
            &raw mut size,
        )
    };
    if status != 0 {
        return Err(std::io::Error::from_raw_os_error(-status))
            .context("the kernel does not tell how often it skipped a program");
    }
    Ok(info.recursion_misses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_what_came_since() {
        let earlier = Loss { dropped_execs: 2, missed_exits_at_most: 5, ..Loss::default() };
        let now = Loss { dropped_execs: 7, missed_exits_at_most: 4, ..Loss::default() };
        let since = now.since(&earlier);
        assert_eq!(since, Loss { dropped_execs: 5, ..Loss::default() });
        assert!(since.any_dropped() && !since.is_none());
        assert!(now.since(&now).is_none());
    }
}
