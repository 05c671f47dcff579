//! When the kernel begins and ends to record (`watch_begin`, `watch_end` in the BPF program).
//!
//! The hooks are attached one after the other, and detached so. The account is true for the
//! time in between only, so it has a stated begin and a stated end.

use std::mem::take;
use std::ptr;
use std::thread;
use std::time::Duration;

use rustix::thread::{MembarrierCommand, membarrier};

use super::skel::KernelAndUserMapSkel;
use crate::system::clock::boot_now;

/// So long before it comes (nanoseconds), a time is told to the kernel. Then each program that
/// finds itself later than that time also finds the time: on no CPU a store stays unseen so long.
const AHEAD_NS: u64 = 2_000_000;

/// Sleeps until a time has come, in nanoseconds on the boot clock.
pub fn wait_until(time: u64) {
    thread::sleep(Duration::from_nanos(time.saturating_sub(boot_now())));
}

/// Lets the kernel record from the time on that this returns, in nanoseconds on the boot clock.
/// It has come when this returns. To be called when all hooks are attached.
///
/// Where this thread was held up, records that are older may be in the map, too.
pub fn begin(skel: &mut KernelAndUserMapSkel<'_>) -> u64 {
    loop {
        let begin = boot_now() + AHEAD_NS;
        set(skel, begin, u64::MAX);
        if boot_now() < begin {
            wait_until(begin);
            return begin;
        }
    }
}

/// Lets the kernel record only what happens before the time that this returns. It has come when
/// this returns. To be called before any hook is detached.
///
/// Where this thread was held up, records that are younger may be in the map, too.
pub fn end(skel: &mut KernelAndUserMapSkel<'_>, begin: u64) -> u64 {
    let end = boot_now() + AHEAD_NS;
    set(skel, begin, end);
    wait_until(end);
    end
}

/// Waits until each hook that runs now has ended, on whatever CPU: then what it records is in the
/// map. The kernel runs BPF programs of tracepoints as readers of RCU (`__bpf_trace_run()`,
/// `trace_call_bpf()`), and this command of membarrier(2) waits for all of those, some 10 ms. Where
/// CPUs are set apart from it (`nohz_full`), it is refused; then the hooks are detached, which
/// waits for the same and takes longer.
pub fn wait_for_hooks(skel: &mut KernelAndUserMapSkel<'_>) {
    if membarrier(MembarrierCommand::Global).is_err() {
        drop(take(&mut skel.links));
    }
}

fn set(skel: &mut KernelAndUserMapSkel<'_>, begin: u64, end: u64) {
    if let Some(bss) = &mut skel.maps.bss_data {
        // SAFETY: a reference is valid to write to. Volatile, since the kernel looks at both
        // at any time; each is an aligned u64, which no CPU tears.
        unsafe {
            ptr::write_volatile(&raw mut bss.watch_begin, begin);
            ptr::write_volatile(&raw mut bss.watch_end, end);
        }
    }
}
