//! The kernel's counts of what it could not deliver.

use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd as _};
use std::ptr;

use anyhow::{Context as _, Result};
use libbpf_rs::{ProgramMut, libbpf_sys};

use super::preflight::kernel_version;
use super::skel::{KernelAndUserMapSkel, types};
use crate::process::loss::{Loss, LossTotals};

/// Reads the kernel's counts of one loaded skeleton.
#[derive(Debug)]
pub struct LossCounters {
    /// Whether the tp/ programs are loaded, and the kernel counts how often it skips them.
    tp_is_counted: bool,
    /// How often each program had been skipped when the watch began.
    before: [Misses; 2],
    totals: LossTotals,
}

/// How often the kernel skipped the programs of one tracepoint.
#[derive(Debug, Clone, Copy)]
struct Misses {
    tp_btf: u64,
    tp: u64,
}

impl LossCounters {
    /// To be called when the watch begins. `with_tp`: whether the tp/ programs are attached
    /// beside their twins.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell about a program.
    pub fn begin(skel: &KernelAndUserMapSkel<'_>, with_tp: bool) -> Result<Self> {
        // trace_call_bpf() counts the tp/ programs it skips since Linux 6.7.
        let counts_tp = kernel_version().is_some_and(|version| version >= (6, 7));
        let mut counters = Self {
            tp_is_counted: with_tp && counts_tp,
            before: [Misses { tp_btf: 0, tp: 0 }; 2],
            totals: LossTotals::default(),
        };
        counters.before = counters.misses(skel)?;
        Ok(counters)
    }

    /// All that was lost so far.
    pub fn total(&self) -> Loss {
        self.totals.total()
    }

    /// Brings the totals up to date, and tells what was lost since the last time.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell about a program.
    pub fn update(&mut self, skel: &KernelAndUserMapSkel<'_>) -> Result<Loss> {
        let now = self.misses(skel)?;
        let [execs, exits] =
            [0, 1].map(|event| self.missed_at_most(now[event], self.before[event]));
        let counters = counters(skel);
        Ok(self.totals.grow_to(Loss {
            dropped_execs: counters.dropped[0],
            dropped_exits: counters.dropped[1],
            missed_execs_at_most: execs,
            missed_exits_at_most: exits,
        }))
    }

    /// An event is missed only if both its programs were skipped. The first count alone is a
    /// bound on every kernel: since 6.1, bpf_trace_run() counts each program that it skips;
    /// before, it skips none.
    fn missed_at_most(&self, now: Misses, before: Misses) -> u64 {
        let tp_btf = now.tp_btf.saturating_sub(before.tp_btf);
        let tp = now.tp.saturating_sub(before.tp);
        if self.tp_is_counted { tp_btf.min(tp) } else { tp_btf }
    }

    fn misses(&self, skel: &KernelAndUserMapSkel<'_>) -> Result<[Misses; 2]> {
        let progs = &skel.progs;
        let of = |tp_btf: &ProgramMut<'_>, tp: &ProgramMut<'_>| -> Result<Misses> {
            let tp = if self.tp_is_counted { misses(tp)? } else { 0 };
            Ok(Misses { tp_btf: misses(tp_btf)?, tp })
        };
        Ok([of(&progs.exec_tp_btf, &progs.exec_tp)?, of(&progs.exit_tp_btf, &progs.exit_tp)?])
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
