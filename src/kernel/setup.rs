//! What is set before the programs are loaded, and before they are attached.

use libbpf_rs::{MapCore as _, MapFlags, Result};

use super::skel::{KernelAndUserMapSkel, OpenKernelAndUserMapSkel};
use super::{preflight, tracefs};
use crate::system::stderr;

/// What stands beside `exec_tp_btf` and `exit_tp_btf` on their tracepoints. The others are not
/// loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twins {
    /// `exec_tp` and `exit_tp`: best, since the kernel skips them for other reasons.
    Tp,
    /// `exec_tp_btf_2` and `exit_tp_btf_2`, where tracefs is out of reach, or not asked for.
    TpBtf,
    /// Nothing, where the kernel skips no `tp_btf/` program.
    None,
}

/// Chooses the twins that can be used here. Where tracefs is missing, mounts it for this
/// process alone, if that is allowed. `verbose`: says so.
///
/// `follows`: whether a command or some processes are followed. Then what is watched may be short,
/// and a `tp/` program takes 80 ms to detach; a `tp_btf/` program 0.1 ms. So it is taken only where
/// it is needed more.
pub fn choose_hooks(
    open_skel: &mut OpenKernelAndUserMapSkel<'_>,
    follows: bool,
    verbose: bool,
) -> Twins {
    let reaches_tracefs = || match follows {
        // The command must not live in a mount namespace of ours.
        true => preflight::preempts_tp_btf() && tracefs::is_readable(),
        false => reach_tracefs(verbose),
    };
    let twins = if preflight::has_typed_tp() && reaches_tracefs() {
        Twins::Tp
    } else if preflight::skips_tp_btf() {
        Twins::TpBtf
    } else {
        Twins::None
    };
    open_skel.progs.exec_tp.set_autoload(twins == Twins::Tp);
    open_skel.progs.exit_tp.set_autoload(twins == Twins::Tp);
    open_skel.progs.exec_tp_btf_2.set_autoload(twins == Twins::TpBtf);
    open_skel.progs.exit_tp_btf_2.set_autoload(twins == Twins::TpBtf);
    twins
}

fn reach_tracefs(verbose: bool) -> bool {
    if tracefs::is_readable() {
        return true;
    }
    let mounted = tracefs::mount_for_us();
    let is_readable = tracefs::is_readable();
    if verbose {
        stderr::print(match mounted {
            Ok(()) if is_readable => "tracefs mounted, in a mount namespace of its own\n".into(),
            Ok(()) => "tracefs can't be read: attaching tp_btf/ programs only\n".into(),
            Err(error) => format!(
                "tracefs can't be read, nor mounted ({error}): attaching tp_btf/ programs only\n"
            ),
        });
    }
    is_readable
}

/// Makes room for the pids whose events alone are recorded; none means all.
///
/// # Errors
///
/// When libbpf refuses the size.
pub fn make_room_for_pids(
    open_skel: &mut OpenKernelAndUserMapSkel<'_>,
    pids: &[u32],
) -> Result<()> {
    if let Some(constants) = &mut open_skel.maps.rodata_data {
        constants.only_wanted_pids = (!pids.is_empty()).into();
    }
    // More pids than a u32 can count are more than a command line can hold.
    let room = u32::try_from(pids.len()).unwrap_or(u32::MAX);
    open_skel.maps.wanted_pids.set_max_entries(room.max(1))
}

/// Tells the loaded program those pids.
///
/// # Errors
///
/// When the kernel refuses one.
pub fn want_pids(skel: &KernelAndUserMapSkel<'_>, pids: &[u32]) -> Result<()> {
    pids.iter()
        .try_for_each(|pid| skel.maps.wanted_pids.update(&pid.to_ne_bytes(), &[1], MapFlags::ANY))
}
