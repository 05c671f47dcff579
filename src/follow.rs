//! What is followed: a command that is started for it, or processes that run already.

use std::collections::HashSet;
use std::process;

use anyhow::{Context as _, Result, bail};

use crate::kernel::follow::{self, Followed};
use crate::kernel::skel::{KernelAndUserMapSkel, OpenKernelAndUserMapSkel};
use crate::kernel::{memlock, tracefs};
use crate::options::Options;
use crate::process::record::ProcessId;
use crate::system::command::Command;
use crate::system::proc;

/// So often a command is started anew if the kernel has skipped both hooks on its fork.
const TRIES: usize = 10;

/// Lets the program record only what is followed, or everything. To be called before it is loaded.
///
/// # Errors
///
/// When libbpf refuses the size of a map.
pub fn configure(open_skel: &mut OpenKernelAndUserMapSkel<'_>, options: &Options) -> Result<()> {
    memlock::remember();
    follow::configure(open_skel, options.follows(), options.max_entries)?;
    Ok(())
}

/// Begins to follow what the options name. A command waits for its `go`. To be called when all
/// is attached, with all privileges, while there is one thread.
///
/// # Errors
///
/// When there is no such process, or the command can't be prepared.
pub fn begin(options: &Options, skel: &mut KernelAndUserMapSkel<'_>) -> Result<Option<Command>> {
    if !options.command.is_empty() {
        return start(options, skel).map(Some);
    }
    if !options.follow.is_empty() {
        enter_running(&options.follow, skel)?;
    }
    Ok(None)
}

fn start(options: &Options, skel: &mut KernelAndUserMapSkel<'_>) -> Result<Command> {
    for _ in 0..TRIES {
        let command = follow::first_child(skel, || {
            Command::start(&options.command, |command| {
                tracefs::leave_own_mounts().context("could not leave the mount namespace")?;
                memlock::restore()?;
                let _ = command;
                Ok(())
            })
        })?;
        if follow::any(skel)?.is_some() {
            return Ok(command);
        }
    }
    bail!("the kernel does not tell of processes that start")
}

/// Enters processes that run already, with all of their descendants.
fn enter_running(pids: &[u32], skel: &KernelAndUserMapSkel<'_>) -> Result<()> {
    if !proc::is_usable() {
        bail!("--follow needs the pids of the host, but /proc does not show them here");
    }
    let mut entered = HashSet::new();
    // What starts while this goes on has its parent in already, or is found the next time.
    loop {
        let mut processes = proc::parents();
        // From a shell that is followed: this one would wait for its own end.
        processes.retain(|(it, _)| it.pid != process::id());
        let before = entered.len();
        for &pid in pids {
            if !entered.contains(&pid) && !processes.iter().any(|(it, _)| it.pid == pid) {
                bail!("there is no process {pid}");
            }
        }
        loop {
            let round = entered.len();
            for &(process, ppid) in &processes {
                let is_child = entered.contains(&ppid);
                if (is_child || pids.contains(&process.pid)) && entered.insert(process.pid) {
                    let started_by = if is_child { ppid } else { 0 };
                    follow::enter(skel, Followed { process, started_by })?;
                }
            }
            if entered.len() == round {
                break;
            }
        }
        if entered.len() == before {
            return Ok(());
        }
    }
}

/// Whether any of the followed still lives. Who has ended unseen is forgotten: the kernel told of it
/// before it was entered, or missed it.
///
/// # Errors
///
/// When the kernel's map can't be read or changed.
pub fn any_lives(
    skel: &KernelAndUserMapSkel<'_>,
    is_gone: impl Fn(ProcessId) -> bool,
) -> Result<bool> {
    while let Some(Followed { process, .. }) = follow::any(skel)? {
        if !is_gone(process) {
            return Ok(true);
        }
        follow::leave(skel, process)?;
    }
    Ok(false)
}
