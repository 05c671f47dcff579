//! tracefs, where the kernel lists its tracepoints. perf wants their numbers, to attach the
//! `tp/` programs.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use nix::Result;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{chroot, fchdir};

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

/// Where this process was before [`mount_for_us`]: its mount namespace, root and working folder.
static BEFORE: OnceLock<[io::Result<File>; 3]> = OnceLock::new();

/// Mounts it for this process alone, in a mount namespace of its own: nothing is left behind.
/// To be called while there is one thread: others would keep the old namespace.
///
/// # Errors
///
/// When the program may not mount, or there is no folder to mount it on.
pub fn mount_for_us() -> Result<()> {
    const NONE: Option<&str> = None;
    let before = ["/proc/self/ns/mnt", "/", "."].map(File::open);
    unshare(CloneFlags::CLONE_NEWNS)?;
    let _ = BEFORE.set(before);
    // What is mounted and unmounted elsewhere still comes here, and what we mount stays here.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tracefs"), folder(), Some("tracefs"), flags, NONE)
}

/// Goes back to where this process was before [`mount_for_us`], if that was called.
///
/// # Errors
///
/// When the program may not: it takes CAP_SYS_ADMIN and CAP_SYS_CHROOT (setns(2)).
pub fn leave_own_mounts() -> Result<()> {
    let Some([namespace, root, working]) = BEFORE.get() else { return Ok(()) };
    // It changes root and working folder, too.
    setns(opened(namespace)?, CloneFlags::CLONE_NEWNS)?;
    fchdir(opened(root)?)?;
    chroot(".")?;
    fchdir(opened(working)?)
}

fn opened(file: &io::Result<File>) -> Result<&File> {
    file.as_ref().map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}
