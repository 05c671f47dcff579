//! What is told to a person: stderr. Data goes to stdout.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::mem::take;
use std::os::fd::AsFd as _;
use std::sync::Mutex;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Of what is told while a live view has the terminal, so many bytes are kept.
const HELD_MOST: usize = 64 * 1024;

/// What is held back, if it is.
static HELD: Mutex<Option<String>> = Mutex::new(None);

/// Prints a text in one piece, and goes on if stderr takes no more: a full disk below it, or a
/// terminal that is gone, is no reason to lose events. `eprintln!` would panic.
pub fn print(text: impl Display) {
    let text = text.to_string();
    match HELD.lock().as_deref_mut() {
        Ok(Some(held)) => {
            if held.len() + text.len() <= HELD_MOST {
                held.push_str(&text);
            }
        }
        _ => write(&text),
    }
}

/// Holds back what is to be printed on a terminal, or prints it.
pub fn hold(holds: bool) {
    let Ok(mut held) = HELD.lock() else { return };
    if holds && held.is_none() {
        *held = io::stderr().is_terminal().then(String::new);
    } else if !holds {
        write(&take(&mut *held).unwrap_or_default());
    }
}

fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// On a terminal, takes away the `^C` that it shows where the cursor stands: what is printed next
/// begins a line. Where that can't be, begins a line below.
pub fn clear_key() {
    let (stderr, stdout) = (io::stderr(), io::stdout());
    let terminal = match (stderr.is_terminal(), stdout.is_terminal()) {
        (true, _) => stderr.as_fd(),
        (false, true) => stdout.as_fd(),
        (false, false) => return,
    };
    // One that takes nothing now, such as a stopped one, is not waited for.
    let mut ready = [PollFd::new(terminal, PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::ZERO) == Ok(1) {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let sequence: &[u8] = if is_dumb { b"\n" } else { b"\r\x1b[K" };
        let _ = nix::unistd::write(terminal, sequence);
    }
}
