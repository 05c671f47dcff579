//! SIGHUP where reports go to a file (`--to`): it has got another name, and a new one is to be made.
//! That is what logrotate(8) asks for.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Which signals were blocked before.
static BEFORE: OnceLock<SigSet> = OnceLock::new();

/// From now on SIGHUP ends nothing, and is kept for [`Hangup`], if it is for a file. To be called
/// while there is one thread: another would get it.
///
/// # Errors
///
/// When the kernel refuses.
pub fn keep_if(is_for_file: bool) -> Result<()> {
    const CANNOT: &str = "could not block SIGHUP";
    if is_for_file {
        let before = SigSet::thread_get_mask().context(CANNOT)?;
        BEFORE.get_or_init(|| before);
        SigSet::from(Signal::SIGHUP).thread_block().context(CANNOT)?;
    }
    Ok(())
}

/// Blocks the signals that were blocked before, for a command: else it could not be hung up.
///
/// # Errors
///
/// When the kernel refuses.
pub fn restore() -> Result<()> {
    let Some(before) = BEFORE.get() else { return Ok(()) };
    before.thread_set_mask().context("could not give back the signals")
}

/// Readable when SIGHUP has come since [`keep_if`].
#[derive(Debug)]
pub struct Hangup(SignalFd);

impl Hangup {
    /// # Errors
    ///
    /// When there are too many files open.
    pub fn new() -> Result<Self> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let signals = SignalFd::with_flags(&SigSet::from(Signal::SIGHUP), flags);
        signals.map(Self).context("could not receive SIGHUP")
    }

    /// Whether it has come since the last time. Several in one go are one.
    pub fn has_come(&self) -> bool {
        matches!(self.0.read_signal(), Ok(Some(_)))
    }
}

impl AsFd for Hangup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
