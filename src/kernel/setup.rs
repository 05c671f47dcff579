//! What is set before the programs are loaded, and before they are attached.

use libbpf_rs::{MapCore as _, MapFlags, Result};

use super::preflight;
use super::skel::{KernelAndUserMapSkel, OpenKernelAndUserMapSkel};
use crate::system::stderr;

/// Whether the `tp/` hooks can be used beside their `tp_btf/` twins; where not, they are not
/// loaded. `verbose`: says so.
pub fn choose_hooks(open_skel: &mut OpenKernelAndUserMapSkel<'_>, verbose: bool) -> bool {
    let with_tracefs = preflight::tracefs_is_readable();
    let with_tp = with_tracefs && preflight::has_typed_tp();
    open_skel.progs.exec_tp.set_autoload(with_tp);
    open_skel.progs.exit_tp.set_autoload(with_tp);
    if verbose && !with_tracefs {
        stderr::print("tracefs can't be read: attaching the tp_btf/ programs only\n");
    }
    with_tp
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
