//! The command that is watched (`-- COMMAND`): a child that waits until it may go.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process;

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, fork, pipe2};
use os_display::Quoted;
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus, pidfd_open, waitpid};

/// The exit statuses of a program that starts another, as env(1), timeout(1) and a shell have
/// them: it has failed itself; the command can't be executed; there is none.
pub const FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Why a command has not been started.
#[derive(Debug)]
pub struct NotStarted {
    /// The exit status for it.
    pub status: u8,
    reason: String,
}

impl fmt::Display for NotStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for NotStarted {}

/// A command. It is waited for when this is dropped.
#[derive(Debug)]
pub struct Command {
    pid: Pid,
    /// Readable when it has ended: pidfd_open(2).
    ended: OwnedFd,
    /// It waits for a byte of this; if it never comes, it ends.
    go: Option<File>,
    /// What kept it from starting.
    told: File,
    status: Option<u8>,
}

impl Command {
    /// Starts a child that waits for [`Self::go`]. Then it calls `prepare`, adds to its
    /// environment what that returns, and becomes the command.
    /// To be called while there is one thread.
    ///
    /// # Errors
    ///
    /// When the system has no room for a process or a pipe.
    pub fn start(
        words: &[OsString],
        prepare: impl FnOnce(&mut process::Command) -> Result<()>,
    ) -> Result<Self> {
        const PIPE: &str = "could not make a pipe";
        let (may_go, go) = pipe2(OFlag::O_CLOEXEC).context(PIPE)?;
        let (told, tell) = pipe2(OFlag::O_CLOEXEC).context(PIPE)?;
        // SAFETY: there is one thread, so the child may do what any process may.
        match unsafe { fork() }.context("could not start a process")? {
            ForkResult::Child => {
                drop(go); // else it would wait for itself
                become_command(words, may_go.into(), tell.into(), prepare)
            }
            ForkResult::Parent { child } => {
                let pid = Pid::from_raw(child.as_raw()).context("a process has a pid")?;
                let ended = pidfd_open(pid, PidfdFlags::empty());
                let ended = ended.context("could not open a process")?;
                let go = Some(go.into());
                Ok(Self { pid, ended, go, told: told.into(), status: None })
            }
        }
    }

    /// Lets it go, and returns when it has become the command.
    ///
    /// # Errors
    ///
    /// When it could not: a [`NotStarted`].
    pub fn go(&mut self) -> Result<()> {
        // If the child is gone, the other pipe tells so.
        let _ = self.go.take().map(|mut go| go.write_all(b"!"));
        let mut told = Vec::new();
        self.told.read_to_end(&mut told).context("could not read a pipe")?;
        match told.split_first() {
            None => Ok(()),
            Some((&status, reason)) => {
                let reason = String::from_utf8_lossy(reason).into_owned();
                Err(NotStarted { status, reason }.into())
            }
        }
    }

    /// Waits for its end. Its exit status, as a shell has it: 128 and the signal that ended it.
    pub fn wait(&mut self) -> u8 {
        drop(self.go.take());
        let status = self.status.unwrap_or_else(|| {
            loop {
                match waitpid(Some(self.pid), WaitOptions::empty()) {
                    Err(rustix::io::Errno::INTR) => {}
                    Ok(Some((_, status))) => break shell_status(status),
                    _ => break FAILED, // it is nobody's child
                }
            }
        });
        self.status = Some(status);
        status
    }
}

/// As a shell has it.
fn shell_status(status: WaitStatus) -> u8 {
    let by_signal = status.terminating_signal().map(|signal| 128 + signal);
    let status = status.exit_status().or(by_signal).and_then(|status| status.try_into().ok());
    status.unwrap_or(FAILED)
}

/// Readable when it has ended.
impl AsFd for Command {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        self.wait();
    }
}

/// In the child.
fn become_command(
    words: &[OsString],
    mut may_go: File,
    mut tell: File,
    prepare: impl FnOnce(&mut process::Command) -> Result<()>,
) -> ! {
    let not_started = match (may_go.read_exact(&mut [0]), words.split_first()) {
        (Ok(()), Some((program, arguments))) => {
            let mut command = process::Command::new(program);
            command.args(arguments);
            match prepare(&mut command) {
                Ok(()) => exec_failed(program, &command.exec()),
                Err(error) => NotStarted { status: FAILED, reason: format!("{error:#}") },
            }
        }
        // The watch has not begun.
        _ => NotStarted { status: FAILED, reason: String::new() },
    };
    let _ = tell.write_all(&[&[not_started.status], not_started.reason.as_bytes()].concat());
    // SAFETY: always sound. What the parent has to clean up is left to it.
    unsafe { libc::_exit(not_started.status.into()) }
}

fn exec_failed(program: &OsString, error: &io::Error) -> NotStarted {
    let reason = error.raw_os_error().map_or("", |code| Errno::from_raw(code).desc());
    let status = match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    };
    let path = program;
    let program = Quoted::unix_raw(program.as_bytes());
    // The kernel says the same of a file that is there.
    let hint = if status == NOT_FOUND && Path::new(path).is_file() {
        " (the file is there; what it names as its interpreter is not)"
    } else {
        ""
    };
    NotStarted { status, reason: format!("could not run {program}: {reason}{hint}") }
}
