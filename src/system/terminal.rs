//! The terminal of the live view: entered, left whole whatever happens, and what is typed on it.

use std::io::{self, IsTerminal as _, Stdin};
use std::mem::take;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp,
    tcsetattr,
};
use signal_hook::consts::{SIGCONT, SIGQUIT, SIGTSTP, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::low_level::{emulate_default_handler, register};

use super::stderr;

/// The alternate screen, without cursor; what is longer than a line does not wrap.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l";

/// It is cleared before: the Linux console has no other screen.
const LEAVE: &[u8] = b"\x1b[0m\x1b[2J\x1b[H\x1b[?7h\x1b[?25h\x1b[?1049l";

/// An Escape key that nothing follows within this time is no beginning of another key.
const ESCAPE: Duration = Duration::from_millis(50);

/// So long it is waited for a terminal that takes nothing, before it is left as it is.
const PATIENCE_MS: u8 = 100;

/// Whether the terminal is entered, and how its keys were set before.
static IS_ENTERED: AtomicBool = AtomicBool::new(false);
static BEFORE: OnceLock<Termios> = OnceLock::new();

/// The terminal on stdout, and its keys where stdin is a terminal.
#[derive(Debug)]
pub struct Screen {
    keys: Option<Stdin>,
    signals: SignalDelivery<UnixStream, SignalOnly>,
    /// Bytes of a key whose others may follow, and when they came.
    part: Vec<u8>,
    part_since: Instant,
}

/// What has happened on the terminal.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// It must be drawn anew.
    pub is_changed: bool,
    pub typed: Vec<u8>,
}

impl Screen {
    /// Enters the terminal, if the program is in the foreground; else when it comes there.
    ///
    /// # Errors
    ///
    /// When the terminal or its signals refuse.
    pub fn enter() -> Result<Self> {
        let (theirs, ours) = UnixStream::pair().context("could not make a pair of sockets")?;
        let signals = [SIGWINCH, SIGTSTP, SIGCONT];
        let signals = SignalDelivery::with_pipe(theirs, ours, SignalOnly, signals)
            .context("could not receive the terminal's signals")?;
        // Ctrl-\ is no key of the live view, but others may send its signal.
        let die = || {
            restore();
            let _ = emulate_default_handler(SIGQUIT);
        };
        // SAFETY: it makes system calls only, and allocates nothing.
        unsafe { register(SIGQUIT, die) }.context("could not receive SIGQUIT")?;
        // It would stop the program where it gives the terminal back from the background.
        // SAFETY: nothing runs in place of the signal.
        unsafe { nix::sys::signal::signal(Signal::SIGTTOU, SigHandler::SigIgn) }?;
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            restore();
            earlier(panic);
        }));
        let stdin = io::stdin();
        let keys = stdin.is_terminal().then_some(stdin);
        let screen = Self { keys, signals, part: Vec::new(), part_since: Instant::now() };
        screen.enter_in_foreground();
        Ok(screen)
    }

    /// Whether what is drawn is seen.
    pub fn is_entered(&self) -> bool {
        IS_ENTERED.load(Ordering::Relaxed)
    }

    fn enter_in_foreground(&self) {
        // Without job control, nobody else has the terminal.
        let group = rustix::process::getpgrp();
        if tcgetpgrp(io::stdout()).is_ok_and(|foreground| foreground != group) {
            return;
        }
        stderr::hold(true);
        IS_ENTERED.store(true, Ordering::SeqCst);
        if let Some(Ok(mut modes)) = self.keys.as_ref().map(tcgetattr) {
            let _ = BEFORE.set(modes.clone());
            // Ctrl-C and Ctrl-Z stay signals.
            modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
            modes.input_modes -= InputModes::IXON | InputModes::ICRNL;
            modes.special_codes[SpecialCodeIndex::VQUIT] = 0; // none
            modes.special_codes[SpecialCodeIndex::VMIN] = 0; // a read never waits
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
        }
        write_soon(ENTER);
    }

    /// Gives the terminal back, and prints what was to be told meanwhile.
    pub fn leave(&self) {
        restore();
        stderr::hold(false);
    }

    /// What to wait on for [`Self::input`].
    pub fn files(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [self.signals.get_read().as_fd()].into_iter().chain(self.keys.iter().map(|it| it.as_fd()))
    }

    /// How long to wait at most.
    pub fn patience(&self) -> Option<Duration> {
        (!self.part.is_empty()).then(|| ESCAPE.saturating_sub(self.part_since.elapsed()))
    }

    /// What has happened since the last time.
    pub fn input(&mut self) -> Input {
        let mut is_changed = false;
        let signals: Vec<_> = self.signals.pending().collect();
        for signal in signals {
            match signal {
                SIGTSTP => {
                    self.leave();
                    stop_as_usual();
                }
                SIGCONT => self.enter_in_foreground(),
                _ => {}
            }
            is_changed = true;
        }
        // A shell does not tell a program that runs that it brings it to the foreground.
        if !self.is_entered() {
            self.enter_in_foreground();
            is_changed = true;
        }
        if !self.is_entered() {
            return Input::default();
        }
        Input { is_changed, typed: self.typed() }
    }

    /// Whole keys, as far as can be told.
    fn typed(&mut self) -> Vec<u8> {
        let mut bytes = [0; 256];
        let count = match self.keys.as_ref().map(|keys| read(keys, &mut bytes)) {
            Some(Ok(count)) => count,
            // A signal came while it looked; the next look finds the keys.
            Some(Err(Errno::EINTR | Errno::EAGAIN)) => 0,
            Some(Err(_)) => {
                self.keys = None; // the terminal is gone, or was taken away
                0
            }
            None => 0,
        };
        if count > 0 {
            self.part.extend(&bytes[..count]);
            self.part_since = Instant::now();
        }
        if is_whole(&self.part) || self.part_since.elapsed() >= ESCAPE {
            take(&mut self.part)
        } else {
            Vec::new()
        }
    }
}

/// Whether no byte may be missing at the end.
fn is_whole(bytes: &[u8]) -> bool {
    match bytes.iter().rposition(|&byte| byte == 0x1b).map(|at| &bytes[at + 1..]) {
        None => true,
        Some([b'[' | b'O', parameters @ ..]) => {
            parameters.iter().any(|byte| (0x40..0x7f).contains(byte))
        }
        Some(rest) => !rest.is_empty(),
    }
}

/// What there is to read; an error if there will never be anything.
fn read(keys: &Stdin, bytes: &mut [u8]) -> Result<usize, Errno> {
    let mut file = [PollFd::new(keys.as_fd(), PollFlags::POLLIN)];
    poll(&mut file, PollTimeout::ZERO)?;
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    match file[0].revents() {
        Some(events) if events.intersects(gone) => Err(Errno::EIO),
        Some(events) if events.is_empty() => Ok(0),
        _ => nix::unistd::read(keys, bytes),
    }
}

/// Stops as Ctrl-Z stops other programs: where no shell could let it go on, it does not.
fn stop_as_usual() {
    let usual = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the action that was there comes back, and is as sound as it was.
    unsafe {
        if let Ok(ours) = sigaction(Signal::SIGTSTP, &usual) {
            let _ = raise(Signal::SIGTSTP);
            let _ = sigaction(Signal::SIGTSTP, &ours);
        }
    }
}

/// Gives the terminal back as it was, if it is entered. To be called from anywhere, also from a
/// signal handler.
pub fn restore() {
    if !IS_ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    if let Some(before) = BEFORE.get() {
        // Not when all is written: the terminal may take nothing any more.
        let _ = tcsetattr(descriptor(libc::STDIN_FILENO), OptionalActions::Now, before);
    }
    write_soon(LEAVE);
}

fn descriptor(number: i32) -> BorrowedFd<'static> {
    // SAFETY: it is used for single calls only; if it is closed, they fail.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Writes to the terminal, if it takes anything.
fn write_soon(bytes: &[u8]) {
    let stdout = descriptor(libc::STDOUT_FILENO);
    let mut file = [PollFd::new(stdout, PollFlags::POLLOUT)];
    if poll(&mut file, PATIENCE_MS) == Ok(1) {
        let _ = nix::unistd::write(stdout, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_whose_bytes_come_one_by_one_is_waited_for() {
        for whole in
            [&b""[..], b"q", b"\x1b[A", b"\x1bOA", b"\x1b[5~", b"\x1bx", b"\x1b[Aq", "ä".as_bytes()]
        {
            assert!(is_whole(whole), "{whole:?}");
        }
        for part in [&b"\x1b"[..], b"\x1b[", b"\x1bO", b"\x1b[5", b"q\x1b[", b"\x1b[A\x1b"] {
            assert!(!is_whole(part), "{part:?}");
        }
    }
}
