//! Logs that the program writes to a file of its own (`--to`).

use std::fs;
use std::path::{Path, PathBuf};

use super::account::mark;
use super::processes::wait_until;
use super::watcher::{Tracefs, Watcher, text, watcher_command};

/// What it says where there is no new file.
pub const OLD: &str = "going on in the old file";

pub fn watcher_to(path: &Path, options: &[&str]) -> Watcher {
    let options = [&["-o", "json", "--to", text(path)], options].concat();
    Watcher::spawn(watcher_command(Tracefs::Mounted, &options))
}

pub fn content(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

pub fn other_name(path: &Path, number: usize) -> PathBuf {
    path.with_extension(format!("jsonl.{number}"))
}

#[track_caller]
pub fn wait_for_file(path: &Path, watcher: &Watcher) {
    assert!(wait_until(|| path.exists()), "no new {}: {}", path.display(), watcher.stderr());
}

/// Runs a process, and waits until it is in the file.
#[track_caller]
pub fn assert_reported_in(path: &Path, name: &str, watcher: &Watcher) {
    let word = mark(name);
    let is_reported = || content(path).contains(&word);
    assert!(wait_until(is_reported), "not in {}: {}", path.display(), watcher.stderr());
}
