//! A terminal that keeps what it is sent.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::fcntl::{OFlag, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use unicode_width::UnicodeWidthStr as _;

/// Clears the line that the cursor is in.
pub const CLEAR_LINE: &str = "\r\x1b[K";

/// A pseudo-terminal with so many columns, and all that has been written to it.
pub struct Terminal {
    columns: usize,
    /// The other end: its keys, and its size.
    ours: File,
    received: Arc<Mutex<Vec<u8>>>,
    receiver: JoinHandle<()>,
}

impl Terminal {
    /// And the end for a program to write to.
    pub fn open(columns: u16, lines: u16) -> (Self, File) {
        let size = size_of(columns, lines);
        let (mut ours, mut theirs) = (-1, -1);
        // SAFETY: all pointers are valid for the call or null; what it opens is ours alone.
        let [mut ours, theirs] = unsafe {
            let status = libc::openpty(
                &raw mut ours,
                &raw mut theirs,
                ptr::null_mut(),
                ptr::null(),
                &raw const size,
            );
            assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
            [ours, theirs].map(|fd| {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
                File::from(OwnedFd::from_raw_fd(fd))
            })
        };
        let received = Arc::default();
        let (into, clone) = (Arc::clone(&received), ours.try_clone().expect("a descriptor"));
        let receiver = thread::spawn(move || receive(&mut ours, &into));
        (Self { columns: columns.into(), ours: clone, received, receiver }, theirs)
    }

    /// What it has been sent so far.
    pub fn text(&self) -> String {
        let bytes = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All that it has been sent, when the program has ended.
    pub fn all(self) -> Vec<u8> {
        self.receiver.join().expect("no panic");
        let mut bytes = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut bytes)
    }

    /// Gives it another size.
    pub fn resize(&mut self, columns: u16, lines: u16) {
        let size = size_of(columns, lines);
        // SAFETY: the descriptor is open, and `size` is what the request takes.
        let status =
            unsafe { libc::ioctl(self.ours.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(status, 0, "{}", io::Error::last_os_error());
        self.columns = columns.into();
    }

    /// Types a key, such as Ctrl-C (`\x03`).
    pub fn press(&self, key: u8) {
        (&self.ours).write_all(&[key]).expect("a terminal takes keys");
    }

    /// What it shows when the program has ended, line by line. Fails if anything but these
    /// sequences could drive the terminal, or if a line is wider than the window.
    pub fn lines(self, sequences: &[&str]) -> Vec<String> {
        let columns = self.columns;
        let mut text = String::from_utf8(self.all()).expect("the program prints UTF-8");
        // Once, when a signal ends it: there the terminal may show its key.
        assert!(text.matches(CLEAR_LINE).count() <= 1, "{text:?}");
        text = text.replace(CLEAR_LINE, "");
        for sequence in sequences {
            text = text.replace(sequence, "");
        }
        let lines = text.lines().map(|line| line.trim_end_matches('\r').to_owned());
        let lines: Vec<String> = lines.collect();
        for line in &lines {
            assert_cannot_drive(line);
            // What was lost is told whole.
            if !line.contains("LOSS") {
                assert!(line.width() <= columns, "{} columns: {line:?}", line.width());
            }
        }
        lines
    }
}

fn size_of(columns: u16, lines: u16) -> libc::winsize {
    libc::winsize { ws_col: columns, ws_row: lines, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Ends with an error of the terminal when nobody has its other end open any more.
fn receive(from: &mut File, into: &Mutex<Vec<u8>>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        into.lock().unwrap_or_else(PoisonError::into_inner).extend(&bytes[..count]);
    }
}

/// Makes a terminal all that a command has, as a shell does: its keys signal the command.
pub fn run_on(command: &mut Command, tty: &File) {
    let end = || Stdio::from(tty.try_clone().expect("a descriptor"));
    command.stdin(end()).stdout(end()).stderr(end());
    // SAFETY: the closure makes system calls only; it allocates nothing.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            match libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
}

/// No character of a line moves the cursor, is invisible, or changes the direction of the text.
#[track_caller]
pub fn assert_cannot_drive(line: &str) {
    let is_unseen = |c: char| {
        matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}')
    };
    // What ends our own columns behind a name, and nothing else.
    let name = line.split("\u{200e} ").next().unwrap_or_default();
    let ours = if name.len() < line.len() { 1 } else { 0 };
    assert_eq!(line.matches(is_unseen).count(), ours, "{line:?}");
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(!line.contains(['\u{2028}', '\u{2029}']), "{line:?}");
}

/// The two ends of a terminal: the one that shows what is printed, and the one for a program.
pub fn terminal() -> (OwnedFd, OwnedFd) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let screen = posix_openpt(flags).expect("a terminal");
    grantpt(&screen).and_then(|()| unlockpt(&screen)).expect("ours");
    let name = ptsname_r(&screen).expect("a name");
    let stdout = open(name.as_str(), flags, Mode::empty()).expect("the other end");
    (screen.into(), stdout)
}
