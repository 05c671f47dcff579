//! What is told to a person: stderr. Data goes to stdout.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Prints a text in one piece, and goes on if stderr takes no more: a full disk below it, or a
/// terminal that is gone, is no reason to lose events. `eprintln!` would panic.
pub fn print(text: impl Display) {
    let _ = io::stderr().write_all(text.to_string().as_bytes());
}
