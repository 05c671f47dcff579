//! Follows processes and all that they start (`src/bpf/follow.bpf.h`).

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process;
use std::ptr;

use anyhow::{Context as _, Result};
use libbpf_rs::{MapCore as _, MapFlags};

use super::skel::{KernelAndUserMapSkel, OpenKernelAndUserMapSkel, types};
use super::{long_args, preflight};
use crate::process::record::ProcessId;

// SAFETY: `repr(C)`, integers only, without padding: any bytes are a value.
unsafe impl plain::Plain for types::followed_process {}

/// A process that is followed, and lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// Its start time is exact to a clock tick only, where `/proc` told it.
    pub process: ProcessId,
    /// Pid; 0 where the following begins.
    pub started_by: u32,
}

/// Lets the program record only what is followed, of which `most` may live at once; or
/// everything. To be called before it is loaded.
///
/// # Errors
///
/// When libbpf refuses the size.
pub fn configure(
    open_skel: &mut OpenKernelAndUserMapSkel<'_>,
    follows: bool,
    most: u32,
) -> libbpf_rs::Result<()> {
    if let Some(constants) = &mut open_skel.maps.rodata_data {
        constants.only_followed = follows.into();
    }
    if follows {
        long_args::configure(open_skel, most)?;
    }
    open_skel.progs.fork_tp_btf.set_autoload(follows);
    open_skel.progs.fork_tp_btf_2.set_autoload(follows && preflight::preempts_tp_btf());
    open_skel.maps.followed.set_max_entries(if follows { most } else { 1 })
}

/// Follows the child process that `start` starts, from its beginning.
///
/// # Errors
///
/// When `start` fails, or the kernel does not tell in which pid namespace this process is.
pub fn first_child<T>(
    skel: &mut KernelAndUserMapSkel<'_>,
    start: impl FnOnce() -> Result<T>,
) -> Result<T> {
    const NAMESPACE: &str = "/proc/self/ns/pid";
    let namespace =
        fs::metadata(NAMESPACE).with_context(|| format!("could not read {NAMESPACE}"))?;
    set_starter(skel, namespace.dev(), namespace.ino(), process::id());
    let started = start();
    set_starter(skel, 0, 0, 0);
    started
}

fn set_starter(skel: &mut KernelAndUserMapSkel<'_>, device: u64, inode: u64, pid: u32) {
    if let Some(bss) = &mut skel.maps.bss_data {
        // SAFETY: a reference is valid to write to. Volatile, since the kernel looks at it when
        // this process starts another.
        unsafe {
            ptr::write_volatile(&raw mut bss.starter.device, device);
            ptr::write_volatile(&raw mut bss.starter.inode, inode);
            ptr::write_volatile(&raw mut bss.starter.pid, pid);
        }
    }
}

/// Follows a process that runs already, and what it starts from now on. Tells whether it is new.
///
/// # Errors
///
/// When there is no room for it.
pub fn enter(skel: &KernelAndUserMapSkel<'_>, followed: Followed) -> Result<bool> {
    let Followed { process: ProcessId { pid, start_time }, started_by } = followed;
    let value = types::followed_process { start_time, started_by, pad: 0 };
    // SAFETY: `Plain`, so it has no padding.
    let value = unsafe { plain::as_bytes(&value) };
    match skel.maps.followed.update(&pid.to_ne_bytes(), value, MapFlags::NO_EXIST) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == libbpf_rs::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).context("could not follow a process: use a larger --max-entries"),
    }
}

/// The processes that are followed and live.
///
/// # Errors
///
/// When the map can't be read.
pub fn living(skel: &KernelAndUserMapSkel<'_>) -> Result<Vec<Followed>> {
    let map = &skel.maps.followed;
    let mut living = Vec::new();
    // A walk starts over when the process that it has come to ends. So it may meet some twice,
    // and it must have an end.
    let most = map.max_entries() as usize * 4;
    for key in map.keys().take(most).collect::<HashSet<_>>() {
        living.extend(followed_at(skel, &key)?);
    }
    Ok(living)
}

/// Any of the processes that are followed and live; or have ended unseen.
///
/// # Errors
///
/// When the map can't be read.
pub fn any(skel: &KernelAndUserMapSkel<'_>) -> Result<Option<Followed>> {
    // Where the one of a key has just ended, there may be another.
    for key in skel.maps.followed.keys() {
        if let Some(followed) = followed_at(skel, &key)? {
            return Ok(Some(followed));
        }
    }
    Ok(None)
}

fn followed_at(skel: &KernelAndUserMapSkel<'_>, key: &[u8]) -> Result<Option<Followed>> {
    let value = skel.maps.followed.lookup(key, MapFlags::ANY);
    let Some(value) = value.context("could not read followed")? else { return Ok(None) };
    let mut process = types::followed_process::default();
    let (Ok(pid), Ok(())) = (key.try_into(), plain::copy_from_bytes(&mut process, &value)) else {
        return Ok(None);
    };
    let id = ProcessId { pid: u32::from_ne_bytes(pid), start_time: process.start_time };
    Ok(Some(Followed { process: id, started_by: process.started_by }))
}

/// Forgets a process that has ended, where the kernel did not tell.
///
/// # Errors
///
/// When the map can't be changed.
pub fn leave(skel: &KernelAndUserMapSkel<'_>, process: ProcessId) -> Result<()> {
    match skel.maps.followed.delete(&process.pid.to_ne_bytes()) {
        Err(error) if error.kind() != libbpf_rs::ErrorKind::NotFound => {
            Err(error).context("could not delete from followed")
        }
        _ => Ok(()),
    }
}
