//! Which programs are loaded.

use super::skel::OpenKernelAndUserMapSkel;
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
/// a `tp/` program takes 80 ms to detach (a `tp_btf/` program 0.1 ms), and each to be loaded takes
/// 6 ms. So there are twins only where the kernel preempts BPF programs: elsewhere it skipped no
/// `tp_btf/` program (ARCHITECTURE.md), and where it skips one, the account says so.
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
    let skips_one = if follows { preflight::preempts_tp_btf() } else { preflight::skips_tp_btf() };
    let twins = if preflight::has_typed_tp() && reaches_tracefs() {
        Twins::Tp
    } else if skips_one {
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
