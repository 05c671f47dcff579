//! Where reports go: stdout, stderr or a file.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Error, Result, anyhow};
use clap::ColorChoice;

use super::charset::Charset;
use super::{Output, Window};
use crate::process::wall_clock::WallClock;

/// A file, with a buffer.
#[derive(Debug)]
pub struct Sink {
    name: String,
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
        Self::of_descriptor(io::stdout().as_fd(), "stdout")
    }

    /// # Errors
    ///
    /// When there are too many files open.
    pub fn stderr() -> Result<Self> {
        Self::of_descriptor(io::stderr().as_fd(), "stderr")
    }

    /// A file that is written to at its end.
    ///
    /// # Errors
    ///
    /// When it can't be opened.
    pub fn appending(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.with_context(|| format!("could not open {}", path.display()))?;
        Ok(Self::of_file(file, path))
    }

    /// A file that is open. `path`: what errors call it.
    pub fn of_file(file: File, path: &Path) -> Self {
        let mut sink = Self {
            name: path.display().to_string(),
            is_terminal: file.is_terminal(),
            buffer: BufWriter::with_capacity(64 * 1024, file),
            window: None,
        };
        sink.follow_window();
        sink
    }

    fn of_descriptor(file: BorrowedFd<'_>, name: &str) -> Result<Self> {
        Ok(Self::of_file(file.try_clone_to_owned()?.into(), Path::new(name)))
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether to use colours; there is a wish for none (<https://no-color.org>).
    pub fn wants_colour(&self, choice: ColorChoice) -> bool {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || is_dumb();
        match choice {
            ColorChoice::Always => true,
            ColorChoice::Auto => self.is_terminal && !unwanted,
            ColorChoice::Never => false,
        }
    }

    /// Whether it is a terminal that can be drawn on.
    pub fn is_screen(&self) -> bool {
        self.is_terminal && !is_dumb()
    }

    pub fn window(&self) -> Option<Window> {
        self.window
    }

    /// For a report to write to. It may stay in memory until [`Self::flush`].
    pub fn output(&mut self, clock: WallClock, charset: Charset) -> Output<'_> {
        Output { to: &mut self.buffer, clock, window: self.window, charset }
    }

    /// Writes what is still in memory, and takes notice of a window that has changed its size.
    ///
    /// # Errors
    ///
    /// When it can't be written to.
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

fn is_dumb() -> bool {
    env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Whether an error says that nobody reads what is written.
pub fn is_broken_pipe(error: &Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
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
