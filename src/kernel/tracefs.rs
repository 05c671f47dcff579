//! tracefs, where the kernel lists its tracepoints. perf wants their numbers, to attach the
//! `tp/` programs.

use std::fs;
use std::path::Path;

use nix::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Where libbpf looks: in the second only if there is no first.
const FOLDERS: [&str; 2] = ["/sys/kernel/debug/tracing", "/sys/kernel/tracing"];

fn folder() -> &'static Path {
    let [in_debugfs, own] = FOLDERS.map(Path::new);
    if in_debugfs.exists() { in_debugfs } else { own }
}

/// Whether the `tp/` programs can be attached.
pub fn is_readable() -> bool {
    fs::read(folder().join("events/sched/sched_process_exec/id")).is_ok()
}

/// Mounts it for this process alone, in a mount namespace of its own: nothing is left behind.
/// To be called while there is one thread: others would keep the old namespace.
///
/// # Errors
///
/// When the program may not mount, or there is no folder to mount it on.
pub fn mount_for_us() -> Result<()> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    // What is mounted and unmounted elsewhere still comes here, and what we mount stays here.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tracefs"), folder(), Some("tracefs"), flags, NONE)
}
