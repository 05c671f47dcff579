//! Reasons to end: Ctrl-C and its relatives, or that nobody reads stdout any more.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

/// A second signal within this time is the first one again: timeout(1) and sudo signal
/// the process and its group. A person who presses Ctrl-C twice takes longer.
const SAME_REQUEST: Duration = Duration::from_millis(300);

/// 128 + SIGINT, as a shell reports a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Whether the program has been asked to end: there is something in a socket then.
#[derive(Debug)]
pub struct Stop(UnixStream);

impl Stop {
    /// Sleeps for so long, or until `other` can be read, or the program is asked to end.
    /// Tells whether it was asked.
    ///
    /// # Errors
    ///
    /// When nobody reads stdout any more, as if something had been printed: a broken pipe. When
    /// the system refuses to wait: see ppoll(2).
    pub fn wait(&self, other: BorrowedFd<'_>, time: Duration) -> Result<bool> {
        let stdout = io::stdout();
        let mut files = [
            PollFd::new(self.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(other, PollFlags::POLLIN),
            // Nothing is asked for, so only an error or a hang-up is told.
            PollFd::new(stdout.as_fd(), PollFlags::empty()),
        ];
        match ppoll(&mut files, Some(TimeSpec::from_duration(time)), None) {
            // The caller asks again.
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno).context("could not wait"),
            Ok(_) if files[2].any().unwrap_or(true) => {
                Err(io::Error::from(io::ErrorKind::BrokenPipe)).context("nobody reads stdout")
            }
            Ok(_) => Ok(files[0].any().unwrap_or(true)),
        }
    }
}

/// What SIGINT, SIGTERM or SIGHUP ask. A later signal ends the program at once, since then it
/// is stuck, say in writing to a pipe that nobody reads.
///
/// # Errors
///
/// When the system has no room for a pair of sockets or a signal handler.
pub fn on_signals() -> Result<Stop> {
    let (asked, mut ask) = UnixStream::pair().context("could not make a pair of sockets")?;
    let first = OnceLock::new();
    ctrlc::set_handler(move || {
        let begun = *first.get_or_init(Instant::now);
        // Also if the socket does not take it: then nothing else would end the program.
        if begun.elapsed() > SAME_REQUEST || ask.write_all(b"!").is_err() {
            // SAFETY: always sound. The kernel removes programs and maps with the process.
            unsafe { libc::_exit(INTERRUPTED) };
        }
    })
    .context("could not install the handler for Ctrl-C")?;
    Ok(Stop(asked))
}
