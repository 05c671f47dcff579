//! What is followed: a command that is started for it, or processes that run already.

use std::collections::HashSet;
use std::path::Path;
use std::process;

use anyhow::{Result, bail};
use nix::unistd::geteuid;

use crate::kernel::follow::{self, Followed};
use crate::kernel::memlock;
use crate::kernel::privileges::Duties;
use crate::kernel::skel::{KernelAndUserMapSkel, OpenKernelAndUserMapSkel};
use crate::look::Look;
use crate::options::Options;
use crate::process::event::StillRunning;
use crate::process::live::Live;
use crate::process::record::ProcessId;
use crate::process::tracker::Tracker;
use crate::system::command::Command;
use crate::system::hangup;
use crate::system::identity::{Identity, become_user};
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

/// Who the command runs as. `None`: as the program was started.
fn identity(options: &Options) -> Result<Option<Identity>> {
    match &options.run_as {
        Some(user) => Identity::of_user(user).map(Some),
        None => Identity::of_caller(),
    }
}

/// What is left to do when the programs are attached.
///
/// # Errors
///
/// When it can't be told who called.
pub fn duties(options: &Options) -> Result<Duties> {
    let files: Vec<_> = options.files().map(Path::to_owned).collect();
    let has_command = !options.command.is_empty();
    if !has_command && files.is_empty() {
        return Ok(Duties::default());
    }
    let user = |identity: Option<Identity>| identity.map_or_else(geteuid, |it| it.uid);
    let command = if has_command { Some(user(identity(options)?)) } else { None };
    // Who called does not matter for the command of another user.
    let caller = match Identity::of_caller() {
        Err(_) if options.run_as.is_some() && files.is_empty() => None,
        caller => caller?,
    };
    Ok(Duties { caller, command, files })
}

fn start(options: &Options, skel: &mut KernelAndUserMapSkel<'_>) -> Result<Command> {
    let identity = identity(options)?;
    for _ in 0..TRIES {
        let command = follow::first_child(skel, || {
            Command::start(&options.command, |command| {
                for (name, value) in identity.iter().flat_map(Identity::environment) {
                    match value {
                        Some(value) => command.env(name, value),
                        None => command.env_remove(name),
                    };
                }
                memlock::restore()?;
                hangup::restore()?;
                become_user(identity.as_ref())
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

/// The pids of what is followed and was running before. `None`: all that was.
///
/// # Errors
///
/// When the kernel does not tell what is followed.
pub fn running_before(
    options: &Options,
    skel: &KernelAndUserMapSkel<'_>,
) -> Result<Option<HashSet<u32>>> {
    Ok(match (options.command.is_empty(), options.follow.is_empty()) {
        (false, _) => Some(HashSet::new()), // a command has yet to begin
        (true, false) => Some(follow::living(skel)?.iter().map(|it| it.process.pid).collect()),
        (true, true) => None,
    })
}

/// What is followed, was started before `end` (boot-clock nanoseconds), and goes on: the oldest
/// first.
///
/// # Errors
///
/// When the kernel does not tell what is followed.
pub fn still_running(
    tracker: &Tracker,
    look: &Look,
    end: u64,
    skel: &KernelAndUserMapSkel<'_>,
) -> Result<Vec<StillRunning>> {
    let mut living = follow::living(skel)?;
    living.retain(|it| it.process.start_time < end && !look.is_gone(it.process));
    living.sort_by_key(|it| (it.process.start_time, it.process.pid));
    let describe = |Followed { process, started_by }| {
        let known = tracker.live_as(process);
        let name = known.map(Live::comm).or_else(|| look.name_of(process).map(Into::into));
        // An exec tells the start more exactly than `/proc`.
        let process = known.map_or(process, |live| live.id(process.pid));
        StillRunning { process, started_by, name }
    };
    Ok(living.into_iter().map(describe).collect())
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
