//! Gives up what loading BPF programs takes and reading a map does not.

use std::fmt;
use std::path::PathBuf;
use std::process;

use anyhow::{Context as _, Result};
use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::unistd::{Gid, ROOT, Uid, geteuid, getuid, setgroups, setresgid, setresuid};

use super::realtime::allow_real_time;
use super::write_limit::{WriteLimit, check_writable, places_of, write_only_below};
use crate::system::host::kernel_version;
use crate::system::identity::Identity;
use crate::system::stderr;

/// With the pid, a user and group id of this instance alone (in its pid namespace): no account has an id above 2^31,
/// which some programs take for a negative number, and no pid is above 2^22.
const OWN: u32 = 0xF000_0000;

/// The user and group `nobody`, the kernel's overflow uid. Any service may be it, too, and then
/// may signal the program.
const NOBODY: u32 = 65534;

/// What is left to do for a program that root started, beside reading the map and printing. Who it
/// goes on as follows from it:
///
/// | left to do | user |
/// |---|---|
/// | nothing | one that no process and no account is |
/// | for the caller of sudo | the caller: may signal the command, and owns the new files |
/// | for root | root, which may write only the files |
#[derive(Debug, Default)]
pub struct Duties {
    /// Who called sudo.
    pub caller: Option<Identity>,
    /// The user of a command that it signals.
    pub command: Option<Uid>,
    /// What it opens from now on to write it, or replaces.
    pub files: Vec<PathBuf>,
}

/// What is left after [`drop_all`].
#[derive(Debug)]
struct Kept {
    uid: Uid,
    real_uid: Uid,
    capabilities: CapsHashSet,
    write_limit: Option<WriteLimit>,
    real_time: bool,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "privileges given up: now uid {}, ", self.uid)?;
        if self.real_uid != self.uid {
            write!(f, "with the real uid {} to signal the command, ", self.real_uid)?;
        }
        if self.capabilities.is_empty() {
            f.write_str("with no capabilities")?;
        } else {
            let names: Vec<_> = self.capabilities.iter().map(ToString::to_string).collect();
            let names = names.join(", ");
            write!(f, "with {names} only (Linux before 5.19 asks for it to read a map)")?;
        }
        if let Some(limit) = &self.write_limit {
            write!(f, ", {limit}")?;
        }
        let may = if self.real_time { "may" } else { "may not" };
        write!(f, ", and {may} read the map in real time")
    }
}

/// Gives up root's user id, where it need not stay root's, and all capabilities but those that
/// reading the map still takes; keeps the right to read it in real time. `verbose`: says what
/// was kept.
/// To be called while there is one thread, since capabilities belong to each, and after the
/// command was forked, which keeps its own rights.
///
/// # Errors
///
/// When the kernel refuses to take a capability away, or to make it the caller's; when a file that
/// it has to write can't be written with the rights that are left.
pub fn drop_all(duties: &Duties, verbose: bool) -> Result<()> {
    let mut kept = keep_what_is_needed(duties).context("could not give up privileges")?;
    check_writable(&duties.files)?;
    // One of the two is enough: a process may make either its effective one.
    if kept.uid.is_root() || kept.real_uid.is_root() {
        let limit = write_only_below(&places_of(&duties.files));
        kept.write_limit = Some(limit.context("could not give up writing other files")?);
    }
    if verbose {
        stderr::print(format_args!("{kept}\n"));
    }
    Ok(())
}

fn keep_what_is_needed(duties: &Duties) -> Result<Kept> {
    let real_time = allow_real_time();
    let mut capabilities = CapsHashSet::new();
    if !map_is_free_to_read() && caps::has_cap(None, CapSet::Permitted, Capability::CAP_BPF)? {
        capabilities.insert(Capability::CAP_BPF);
    }
    if geteuid().is_root() {
        prctl::set_keepcaps(true).context("PR_SET_KEEPCAPS")?;
        change_user(duties)?;
    }
    // After a change of the user, which sets it anew. Nobody but root looks into its memory
    // then: it has the command lines of all users, also those that `--redact` hides.
    prctl::set_dumpable(false).context("PR_SET_DUMPABLE")?;
    prctl::set_no_new_privs().context("PR_SET_NO_NEW_PRIVS")?;
    caps::clear(None, CapSet::Inheritable).context("inheritable capabilities")?;
    caps::set(None, CapSet::Effective, &capabilities).context("effective capabilities")?;
    caps::set(None, CapSet::Permitted, &capabilities).context("permitted capabilities")?;
    let (uid, real_uid) = (geteuid(), getuid());
    Ok(Kept { uid, real_uid, capabilities, write_limit: None, real_time })
}

fn change_user(duties: &Duties) -> Result<()> {
    if duties.command.is_none() && duties.files.is_empty() {
        // A user namespace may have no such id. And without CAP_SETUID, in some containers,
        // root stays root: without capabilities.
        let _ = go_on_as(OWN + process::id()).or_else(|_| go_on_as(NOBODY));
        return Ok(());
    }
    if let Some(caller) = &duties.caller {
        caller.assume_groups()?;
    }
    // Files are opened and made as the effective user. Without CAP_KILL, kill(2) wants the real or
    // effective one to be the command's; the command's user may signal the program, in turn.
    let uid = duties.caller.as_ref().map_or(ROOT, |caller| caller.uid);
    let real = duties.command.unwrap_or(uid);
    setresuid(real, uid, uid).with_context(|| format!("setresuid to uid {real}, {uid}, {uid}"))
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
