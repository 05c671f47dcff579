//! A terminal that keeps what it is sent.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr;
use std::thread::{self, JoinHandle};

use unicode_width::UnicodeWidthStr as _;

/// A pseudo-terminal with so many columns, and all that has been written to it.
pub struct Terminal {
    columns: usize,
    received: JoinHandle<Vec<u8>>,
}

impl Terminal {
    /// And the end for a program to write to.
    pub fn open(columns: u16, lines: u16) -> (Self, File) {
        let size = libc::winsize { ws_col: columns, ws_row: lines, ws_xpixel: 0, ws_ypixel: 0 };
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
        let received = thread::spawn(move || {
            let mut bytes = Vec::new();
            // It ends with an error when nobody has the other end open any more.
            let _ = ours.read_to_end(&mut bytes);
            bytes
        });
        (Self { columns: columns.into(), received }, theirs)
    }

    /// What it shows when the program has ended, line by line. Fails if anything but these
    /// sequences could drive the terminal, or if a line is wider than the window.
    pub fn lines(self, sequences: &[&str]) -> Vec<String> {
        let bytes = self.received.join().expect("no panic");
        let mut text = String::from_utf8(bytes).expect("the program prints UTF-8");
        for sequence in sequences {
            text = text.replace(sequence, "");
        }
        let lines = text.lines().map(|line| line.trim_end_matches('\r').to_owned());
        let lines: Vec<String> = lines.collect();
        for line in &lines {
            assert_cannot_drive(line);
            // What was lost is told whole.
            if !line.contains("LOSS") {
                assert!(line.width() <= self.columns, "{} columns: {line:?}", line.width());
            }
        }
        lines
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
