//! Where reports go: stdout.

use std::env;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, anyhow};
use clap::ColorChoice;

use super::{Output, Window};
use crate::process::wall_clock::WallClock;

/// What every failure to print is called.
pub const WRITE: &str = "could not write to stdout";

/// Stdout, with a buffer.
#[derive(Debug)]
pub struct Sink {
    // Not `Stdout` itself, which looks for the end of each line.
    buffer: BufWriter<File>,
    is_terminal: bool,
    window: Option<Window>,
}

impl Sink {
    /// # Errors
    ///
    /// When stdout is closed.
    pub fn stdout() -> Result<Self> {
        if STDOUT_WAS_CLOSED.load(Ordering::Relaxed) {
            return Err(anyhow!("stdout is closed: events would go nowhere"));
        }
        let stdout = io::stdout();
        let file = File::from(stdout.as_fd().try_clone_to_owned()?);
        let mut sink = Self {
            buffer: BufWriter::with_capacity(64 * 1024, file),
            is_terminal: stdout.is_terminal(),
            window: None,
        };
        sink.follow_window();
        Ok(sink)
    }

    /// Whether to use colours; there is a wish for none (<https://no-color.org>).
    pub fn wants_colour(&self, choice: ColorChoice) -> bool {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_none_or(|term| term == "dumb");
        match choice {
            ColorChoice::Always => true,
            ColorChoice::Auto => self.is_terminal && !unwanted,
            ColorChoice::Never => false,
        }
    }

    pub fn window(&self) -> Option<Window> {
        self.window
    }

    /// For a report to write to. It may stay in memory until [`Self::flush`].
    pub fn output(&mut self, clock: WallClock) -> Output<'_> {
        Output { to: &mut self.buffer, clock, window: self.window }
    }

    /// Writes what is still in memory, and takes notice of a window that has changed its size.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn flush(&mut self) -> io::Result<()> {
        self.buffer.flush()?;
        self.follow_window();
        Ok(())
    }

    fn follow_window(&mut self) {
        if self.is_terminal {
            let size = terminal_size::terminal_size_of(self.buffer.get_ref());
            let window = size.map(|(columns, lines)| Window {
                columns: columns.0.into(),
                lines: lines.0.into(),
            });
            self.window = window.or(self.window);
        }
    }
}

/// Whether file descriptor 1 was closed when the program was started.
static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before Rust's runtime, which opens /dev/null in place of a closed stdout: all
/// events would be reported, and nobody would have seen them.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_AT_STDOUT: extern "C" fn() = {
    extern "C" fn look() {
        // SAFETY: asks about a number; nothing is touched.
        let closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1;
        STDOUT_WAS_CLOSED.store(closed, Ordering::Relaxed);
    }
    look
};
