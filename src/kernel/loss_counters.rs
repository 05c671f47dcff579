//! The kernel's counts of what it could not deliver.

use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd as _};
use std::ptr;

use anyhow::{Context as _, Result};
use libbpf_rs::{ProgramMut, libbpf_sys};

use super::setup::Twins;
use super::skel::{KernelAndUserMapSkel, types};
use crate::process::loss::{Loss, LossTotals};
use crate::system::host::kernel_version;

/// Reads the kernel's counts of one loaded skeleton.
#[derive(Debug)]
pub struct LossCounters {
    /// The twins that are loaded, if the kernel counts how often it skips them.
    twins: Twins,
    /// How often each program had been skipped when the watch began.
    before: [Misses; 3],
    totals: LossTotals,
}

/// How often the kernel skipped the programs of one tracepoint.
#[derive(Debug, Clone, Copy, Default)]
struct Misses {
    tp_btf: u64,
    /// Of its twin, if that is counted.
    twin: Option<u64>,
}

impl Misses {
    /// An event is missed only if both its programs were skipped. The first count alone is a
    /// bound on every kernel: since 6.1, bpf_trace_run() counts each program that it skips;
    /// before, it skips none.
    fn missed_at_most(self, before: Self) -> u64 {
        let tp_btf = self.tp_btf.saturating_sub(before.tp_btf);
        let twin = self.twin.map(|twin| twin.saturating_sub(before.twin.unwrap_or(0)));
        twin.map_or(tp_btf, |twin| twin.min(tp_btf))
    }
}

impl LossCounters {
    /// To be called when the watch begins. `twins`: those that are attached.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell about a program.
    pub fn begin(skel: &KernelAndUserMapSkel<'_>, twins: Twins) -> Result<Self> {
        // trace_call_bpf() counts the tp/ programs it skips since Linux 6.7.
        let counts_tp = kernel_version().is_some_and(|version| version >= (6, 7));
        let twins = if twins == Twins::Tp && !counts_tp { Twins::None } else { twins };
        let mut before = misses_of_all(skel, twins)?;
        before[2] = Misses::default(); // what is followed is so before the watch begins
        Ok(Self { twins, before, totals: LossTotals::default() })
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
        let now = misses_of_all(skel, self.twins)?;
        let [execs, exits, forks] =
            [0, 1, 2].map(|event| now[event].missed_at_most(self.before[event]));
        let counters = counters(skel);
        Ok(self.totals.grow_to(Loss {
            dropped_execs: counters.dropped[0],
            dropped_exits: counters.dropped[1],
            missed_execs_at_most: execs,
            missed_exits_at_most: exits,
            dropped_forks: counters.unfollowed,
            missed_forks_at_most: forks,
        }))
    }
}

/// Of execs, of exits and of forks. What is not loaded misses nothing.
fn misses_of_all(skel: &KernelAndUserMapSkel<'_>, twins: Twins) -> Result<[Misses; 3]> {
    let progs = &skel.progs;
    let of = |tp_btf: &ProgramMut<'_>, tp: &ProgramMut<'_>, tp_btf_2: &ProgramMut<'_>| {
        let twin = match twins {
            Twins::Tp => Some(misses(tp)?),
            Twins::TpBtf => Some(misses(tp_btf_2)?),
            Twins::None => None,
        };
        Ok(Misses { tp_btf: misses(tp_btf)?, twin })
    };
    let execs: Result<_> = of(&progs.exec_tp_btf, &progs.exec_tp, &progs.exec_tp_btf_2);
    let exits: Result<_> = of(&progs.exit_tp_btf, &progs.exit_tp, &progs.exit_tp_btf_2);
    let loaded = |program: &ProgramMut<'_>| program.autoload().then(|| misses(program));
    let forks = Misses {
        tp_btf: loaded(&progs.fork_tp_btf).transpose()?.unwrap_or(0),
        twin: loaded(&progs.fork_tp_btf_2).transpose()?,
    };
    Ok([execs?, exits?, forks])
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
