//! Reasons to end: Ctrl-C and its relatives; that nobody reads stdout any more; or, where a
//! command is watched, that it has ended.

use std::io::{self, Stdout, Write as _};
use std::mem;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;

use rustix::process::pidfd_send_signal;

use super::command::Command;
use super::{stderr, terminal};

/// A second signal within this time is the first one again: timeout(1) and sudo signal
/// the process and its group. A person who presses Ctrl-C twice takes longer.
const SAME_REQUEST: Duration = Duration::from_millis(300);

/// 128 + SIGINT, as a shell reports a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// When to end.
#[derive(Debug)]
pub enum Stop {
    /// When the program is asked to: there is something in the socket then. Or when nobody reads
    /// stdout any more, if that is where the reports go.
    Asked(UnixStream, Option<Stdout>),
    /// When the command has ended; signals are for it.
    Command(Command),
}

impl Stop {
    /// Sleeps for so long, or until one of the others can be read, or it is time to end. Tells
    /// whether it is.
    ///
    /// # Errors
    ///
    /// When nobody reads stdout any more, as if something had been printed: a broken pipe. When
    /// the system refuses to wait: see ppoll(2).
    pub fn wait<'a>(
        &'a self,
        others: impl Iterator<Item = BorrowedFd<'a>>,
        time: Duration,
    ) -> Result<bool> {
        let for_input = |file| PollFd::new(file, PollFlags::POLLIN);
        let mut files: Vec<_> = others.map(for_input).collect();
        let ours = files.len();
        match self {
            Self::Asked(asked, stdout) => {
                files.push(for_input(asked.as_fd()));
                // Nothing is asked for, so only an error or a hang-up is told.
                let stdout = stdout.iter();
                files.extend(stdout.map(|it| PollFd::new(it.as_fd(), PollFlags::empty())));
            }
            Self::Command(command) => files.push(for_input(command.as_fd())),
        }
        match ppoll(&mut files, Some(TimeSpec::from_duration(time)), None) {
            Err(Errno::EINTR) => return Ok(false), // the caller asks again
            result => result.context("could not wait")?,
        };
        let has_news = |at: usize| files.get(at).is_some_and(|file| file.any().unwrap_or(true));
        match self {
            Self::Asked(..) if has_news(ours + 1) => {
                Err(io::Error::from(io::ErrorKind::BrokenPipe)).context("nobody reads stdout")
            }
            _ => Ok(has_news(ours)),
        }
    }

    /// Lets the command go, if there is one.
    ///
    /// # Errors
    ///
    /// When it could not be started: a [`super::command::NotStarted`].
    pub fn let_command_go(&mut self) -> Result<()> {
        match self {
            Self::Asked(..) => Ok(()),
            Self::Command(command) => command.go(),
        }
    }

    /// The exit status of the command, which has ended; 0 if there is none.
    pub fn command_status(&mut self) -> u8 {
        match self {
            Self::Asked(..) => 0,
            Self::Command(command) => command.wait(),
        }
    }
}

/// Passes signals on, in a thread of its own: the program may be held up in writing. When the
/// command has ended, two signals end the program, since then it is stuck.
/// To be called while there is one thread: another would get the signals.
fn with_command(command: Command, reports_to_file: bool) -> Result<Stop> {
    const NO_SIGNALS: &str = "could not receive signals";
    let signals = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP];
    let mut signals = SigSet::from_iter(signals);
    if reports_to_file {
        signals.remove(Signal::SIGHUP); // it is for the file
    }
    signals.thread_block().context(NO_SIGNALS)?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC).context(NO_SIGNALS)?;
    let process = command.as_fd().try_clone_to_owned().context(NO_SIGNALS)?;
    let pass_on = move || {
        let mut ended_since = None;
        while let Ok(Some(received)) = signals.read_signal() {
            let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
            if ppoll(&mut ended, Some(TimeSpec::from_duration(Duration::ZERO)), None) == Ok(1) {
                // What has ended the command may come to the program as well.
                if ended_since.get_or_insert_with(Instant::now).elapsed() > SAME_REQUEST {
                    // SAFETY: always sound. The kernel removes programs and maps with the process.
                    unsafe { libc::_exit(INTERRUPTED) };
                }
                continue;
            }
            let number = received.ssi_signo as i32;
            // What the terminal's keys send, it sends to the command as well: then the kernel is
            // the sender. Of what others send, the command knows nothing.
            let is_key = received.ssi_code == libc::SI_KERNEL
                && matches!(number, libc::SIGINT | libc::SIGQUIT);
            if is_key {
                stderr::clear_key();
            }
            let signal = rustix::process::Signal::from_named_raw(number).filter(|_| !is_key);
            if let Some(signal) = signal {
                let _ = pidfd_send_signal(&process, signal);
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(pass_on).context(NO_SIGNALS)?;
    Ok(Stop::Command(command))
}

/// What SIGINT, SIGTERM or SIGHUP ask; not SIGHUP where it is for the file ([`super::hangup`]) or
/// is ignored, as below nohup(1). A later signal ends the program at once, since then it
/// is stuck, say in writing to a pipe that nobody reads. Where there is a command, its end ends
/// the program. To be called while there is one thread.
///
/// # Errors
///
/// When the system has no room for a pair of sockets or a signal handler.
pub fn on_signals(command: Option<Command>, reports_to_file: bool) -> Result<Stop> {
    if let Some(command) = command {
        return with_command(command, reports_to_file);
    }
    // To ignore it anew would forget one that has come for the file.
    let ignores_hangup = !reports_to_file && is_ignored(Signal::SIGHUP);
    let (asked, mut ask) = UnixStream::pair().context("could not make a pair of sockets")?;
    let first = OnceLock::new();
    ctrlc::set_handler(move || {
        let begun = *first.get_or_init(Instant::now);
        // Also if the socket does not take it: then nothing else would end the program.
        if begun.elapsed() > SAME_REQUEST || ask.write_all(b"!").is_err() {
            terminal::restore();
            // SAFETY: always sound. The kernel removes programs and maps with the process.
            unsafe { libc::_exit(INTERRUPTED) };
        }
        stderr::clear_key(); // before the last events come
    })
    .context("could not install the handler for Ctrl-C")?;
    if ignores_hangup {
        // SAFETY: no handler is installed.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
    }
    Ok(Stop::Asked(asked, (!reports_to_file).then(io::stdout)))
}

fn is_ignored(signal: Signal) -> bool {
    // SAFETY: zeroes are such a value, and nothing is changed.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        let asked = libc::sigaction(signal as i32, ptr::null(), &mut action);
        asked == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}
