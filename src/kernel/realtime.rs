//! Lets nobody interrupt a read of the map.
//!
//! While a map system call runs, the kernel skips the `tp/` programs on its CPU, ours and
//! those of other tools (`bpf_disable_instrumentation()`). A reader that is preempted in the
//! middle of one holds them up until it runs again. So it reads in real time, and briefly.

use libc::{RLIMIT_RTPRIO, SCHED_FIFO, SCHED_OTHER, c_int, rlimit, sched_param};

/// The nice value that gives most: 87 times what an ordinary process gets.
const FIRST: c_int = -20;

/// The lowest real-time priority: above all ordinary threads, below any other real-time one.
const LOWEST: c_int = 1;

/// Allows [`RealTime`] also without privileges (`RLIMIT_RTPRIO`), and tells whether that worked.
/// Without it, as where CAP_SYS_RESOURCE is missing, all works, but more may be missed.
///
/// Also puts this process before others, and what it starts from now on.
pub fn allow_real_time() -> bool {
    come_first();
    let limit = rlimit { rlim_cur: LOWEST as u64, rlim_max: LOWEST as u64 };
    // SAFETY: `limit` lives as long as the call.
    (unsafe { libc::setrlimit(RLIMIT_RTPRIO, &raw const limit) }) == 0
}

/// Among 64 busy processes on two CPUs, a reader gets 1/32 of one, where 12,000 short processes a
/// second take 1/4: then a third of all events was dropped, and with this none. Who has another
/// nice value than the usual one keeps it. Without CAP_SYS_NICE, more may be dropped.
fn come_first() {
    // SAFETY: always sound; 0 is this process. (An error is -1, which is not the usual value.)
    unsafe {
        if libc::getpriority(libc::PRIO_PROCESS, 0) == 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, FIRST);
        }
    }
}

/// Gives the current thread real-time priority as long as it lives, where that is allowed.
#[derive(Debug)]
pub struct RealTime(bool);

impl RealTime {
    /// A thread that somebody has given another policy than the usual one keeps it.
    pub fn begin() -> Self {
        // SAFETY: always sound; 0 is the current thread.
        let policy = unsafe { libc::sched_getscheduler(0) };
        Self(policy == SCHED_OTHER && set(SCHED_FIFO, LOWEST))
    }
}

impl Drop for RealTime {
    fn drop(&mut self) {
        if self.0 {
            set(SCHED_OTHER, 0);
        }
    }
}

fn set(policy: c_int, priority: c_int) -> bool {
    let parameters = sched_param { sched_priority: priority };
    // SAFETY: `parameters` lives as long as the call; 0 is the current thread.
    (unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) }) == 0
}
