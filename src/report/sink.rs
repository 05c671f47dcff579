//! Where reports go: stdout, stderr or a file.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Error, Result, anyhow};
use clap::ColorChoice;

use super::charset::Charset;
use super::whole_lines::WholeLines;
use super::{Output, Window};
use crate::process::wall_clock::WallClock;

/// A file, with a buffer.
#[derive(Debug)]
pub struct Sink {
    name: String,
    /// Where there may be another file of this name one day.
    path: Option<PathBuf>,
    // Not `Stdout` itself, which writes each line alone.
    buffer: WholeLines,
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
        let file = open_at_end(path);
        let file = file.with_context(|| format!("could not open {}", path.display()))?;
        Ok(Self { path: Some(path.to_owned()), ..Self::of_file(file, path) })
    }

    /// Goes on in the file that has the name of [`Self::appending`] now. To be called when all is
    /// flushed, else the new one gets it. A pipe or a device stays as it is: it has no other
    /// name, and to open a pipe may take until somebody reads it.
    ///
    /// # Errors
    ///
    /// When it can't be opened. Then it goes on in the old one.
    pub fn reopen(&mut self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir()) {
            return Ok(());
        }
        let file = open_at_end(path);
        let file = file.with_context(|| format!("could not open {} anew", path.display()))?;
        self.buffer = WholeLines::new(file);
        Ok(())
    }

    /// A file that is open. `path`: what errors call it.
    pub fn of_file(file: File, path: &Path) -> Self {
        let mut sink = Self {
            name: path.display().to_string(),
            path: None,
            is_terminal: file.is_terminal(),
            buffer: WholeLines::new(file),
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
            let size = terminal_size::terminal_size_of(self.buffer.file());
            let window = size.map(|(columns, lines)| Window {
                columns: columns.0.into(),
                lines: lines.0.into(),
            });
            self.window = window.or(self.window);
        }
    }
}

/// What is written begins a line, also where another program has left one unfinished.
fn open_at_end(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let before = file.metadata()?;
    if before.is_file() && before.len() > 0 {
        let mut last = [b'\n']; // of a file that nobody may read, too
        let _ = File::open(path).and_then(|it| it.read_exact_at(&mut last, before.len() - 1));
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;

    use super::*;

    fn content(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn print(sink: &mut Sink, text: &str) {
        let mut out = sink.output(WallClock::default(), Charset::Utf8);
        out.write_all(text.as_bytes()).expect("there is room");
        sink.flush().expect("there is room");
    }

    #[test]
    fn what_was_there_stays_and_is_whole_lines() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("log");
        for (before, expected) in
            [(None, "a\n"), (Some(""), "a\n"), (Some("x\n"), "x\na\n"), (Some("x"), "x\na\n")]
        {
            let _ = fs::remove_file(&path);
            before.iter().for_each(|text| fs::write(&path, text).expect("it is ours"));
            print(&mut Sink::appending(&path).expect("it is ours"), "a\n");
            assert_eq!(content(&path), expected, "{before:?}");
        }
    }

    #[test]
    fn a_renamed_file_keeps_what_came_before_and_a_new_one_gets_the_rest() {
        let dir = tempfile::tempdir().expect("a folder");
        let [path, old] = ["log", "log.1"].map(|name| dir.path().join(name));
        let mut sink = Sink::appending(&path).expect("it is ours");
        print(&mut sink, "a\n");
        fs::rename(&path, &old).expect("it is ours");
        print(&mut sink, "b\n");
        assert!(!path.exists(), "it was not asked for yet");
        sink.reopen().expect("it is ours");
        print(&mut sink, "c\n");
        sink.reopen().expect("it is the same"); // where it has its name still
        print(&mut sink, "d\n");
        assert_eq!((content(&old).as_str(), content(&path).as_str()), ("a\nb\n", "c\nd\n"));
        // One that somebody has begun.
        fs::rename(&path, &old).expect("it is ours");
        fs::write(&path, "x").expect("it is ours");
        sink.reopen().expect("it is ours");
        print(&mut sink, "e\n");
        assert_eq!((content(&old).as_str(), content(&path).as_str()), ("c\nd\n", "x\ne\n"));
    }

    #[test]
    fn where_no_new_file_can_be_opened_the_old_one_goes_on() {
        let dir = tempfile::tempdir().expect("a folder");
        let [logs, old] = ["logs", "old"].map(|name| dir.path().join(name));
        fs::create_dir(&logs).expect("it is ours");
        let path = logs.join("log");
        let mut sink = Sink::appending(&path).expect("it is ours");
        print(&mut sink, "a\n");
        fs::rename(&logs, &old).expect("it is ours");
        let error = format!("{:#}", sink.reopen().expect_err("the folder is gone"));
        let gone = "anew: No such file or directory (os error 2)";
        assert_eq!(error, format!("could not open {} {gone}", path.display()));
        print(&mut sink, "b\n");
        fs::create_dir_all(&path).expect("it is ours");
        sink.reopen().expect_err("it is a folder");
        print(&mut sink, "c\n");
        assert_eq!(content(&old.join("log")), "a\nb\nc\n");
        fs::remove_dir(&path).expect("it is ours");
        sink.reopen().expect("it is ours");
        print(&mut sink, "d\n");
        assert_eq!(
            (content(&old.join("log")).as_str(), content(&path).as_str()),
            ("a\nb\nc\n", "d\n")
        );
    }

    #[test]
    fn only_a_file_of_its_own_is_opened_anew() {
        let dir = tempfile::tempdir().expect("a folder");
        let [path, pipe] = ["saved", "pipe"].map(|name| dir.path().join(name));
        let mut saved = Sink::of_file(File::create(&path).expect("it is ours"), &path);
        fs::remove_file(&path).expect("it is ours");
        saved.reopen().expect("there is nothing to do");
        assert!(!path.exists(), "a file that is saved has no name until it is whole");

        // Nobody reads it: to open it would take forever.
        let mut sink = Sink::appending(&path).expect("it is ours");
        fs::remove_file(&path).expect("it is ours");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).expect("it is ours");
        symlink(&pipe, &path).expect("it is ours");
        sink.reopen().expect("there is nothing to do");
    }
}
