//! Users who are not root: the one that owns nothing, and an attacker.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use caps::{CapSet, Capability};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::program::program;
use super::watcher::{open_folder, run_to_end};

pub const NOBODY: u32 = 65534;

/// The program where every user can start it.
pub fn copy_for_all() -> (PathBuf, tempfile::TempDir) {
    let dir = open_folder();
    let copy = dir.path().join("kernel_and_user_map");
    // By another process: a fork of another test would hold what this one has open for writing.
    run_to_end(Command::new("cp").arg(program()).arg(&copy));
    (copy, dir)
}

pub fn become_nobody() -> io::Result<()> {
    // Before Linux 5.11, maps count as locked memory. Root may not raise the limit everywhere.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    caps::securebits::set_keepcaps(true).map_err(io::Error::other)?;
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    for capability in [Capability::CAP_BPF, Capability::CAP_PERFMON] {
        for set in [CapSet::Effective, CapSet::Inheritable, CapSet::Ambient] {
            caps::raise(None, set, capability).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// The user of all attackers, who has no account.
pub const ATTACKER: u32 = 4242;

/// Makes a command one of the attacker's.
pub fn by_attacker(command: &mut Command) -> &mut Command {
    command.uid(ATTACKER).gid(ATTACKER)
}
