//! Gives up what loading BPF programs takes and reading a map does not.

use std::fmt;
use std::process;

use anyhow::{Context as _, Result};
use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

use super::realtime::allow_real_time;
use crate::system::host::kernel_version;
use crate::system::stderr;

/// With the pid, a user and group id of this instance alone (in its pid namespace): no account has an id above 2^31,
/// which some programs take for a negative number, and no pid is above 2^22.
const OWN: u32 = 0xF000_0000;

/// The user and group `nobody`, the kernel's overflow uid. Any service may be it, too, and then
/// may signal the program.
const NOBODY: u32 = 65534;

/// What is left after [`drop_all`].
#[derive(Debug)]
struct Kept {
    uid: Uid,
    capabilities: CapsHashSet,
    real_time: bool,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "privileges given up: now uid {}, with ", self.uid)?;
        if self.capabilities.is_empty() {
            f.write_str("no capabilities")?;
        } else {
            let names: Vec<_> = self.capabilities.iter().map(ToString::to_string).collect();
            write!(f, "{} only (Linux before 5.19 asks for it to read a map)", names.join(", "))?;
        }
        let may = if self.real_time { "may" } else { "may not" };
        write!(f, ", and {may} read the map in real time")
    }
}

/// Gives up root's user id, for one that nobody else has, and all capabilities but those that
/// reading the map still takes; keeps the right to read it in real time. `verbose`: says what
/// was kept.
/// To be called while there is one thread: capabilities belong to each.
///
/// # Errors
///
/// When the kernel refuses to take a capability away.
pub fn drop_all(verbose: bool) -> Result<()> {
    let kept = keep_what_reading_takes().context("could not give up privileges")?;
    if verbose {
        stderr::print(format_args!("{kept}\n"));
    }
    Ok(())
}

fn keep_what_reading_takes() -> Result<Kept> {
    let real_time = allow_real_time();
    let mut capabilities = CapsHashSet::new();
    if !map_is_free_to_read() && caps::has_cap(None, CapSet::Permitted, Capability::CAP_BPF)? {
        capabilities.insert(Capability::CAP_BPF);
    }
    if geteuid().is_root() {
        prctl::set_keepcaps(true).context("PR_SET_KEEPCAPS")?;
        // A user namespace may have no such id. And without CAP_SETUID, in some containers,
        // root stays root: without capabilities.
        let _ = go_on_as(OWN + process::id()).or_else(|_| go_on_as(NOBODY));
    }
    // After a change of the user, which sets it anew. Nobody but root looks into its memory
    // then: it has the command lines of all users, also those that `--redact` hides.
    prctl::set_dumpable(false).context("PR_SET_DUMPABLE")?;
    prctl::set_no_new_privs().context("PR_SET_NO_NEW_PRIVS")?;
    caps::clear(None, CapSet::Inheritable).context("inheritable capabilities")?;
    caps::set(None, CapSet::Effective, &capabilities).context("effective capabilities")?;
    caps::set(None, CapSet::Permitted, &capabilities).context("permitted capabilities")?;
    Ok(Kept { uid: geteuid(), capabilities, real_time })
}

fn go_on_as(id: u32) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

/// Since Linux 5.19 only creating maps and loading programs takes CAP_BPF; before, all of
/// bpf(2) does, where kernel.unprivileged_bpf_disabled is set.
fn map_is_free_to_read() -> bool {
    kernel_version().is_some_and(|version| version >= (5, 19))
}
