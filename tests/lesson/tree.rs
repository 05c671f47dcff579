//! A copy of the repository, and patches to it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::program;

/// Makes `to` a copy of `from`, without what is built. Files that are the same stay untouched:
/// cargo builds anew what is newer.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(to).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name();
        if name != "target" && !from.join(&name).exists() {
            let removed = if entry.path().is_dir() {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
            removed.expect("an old file can be removed");
        }
    }
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (name, path) = (entry.file_name(), entry.path());
        if name == "target" || name == ".git" {
            continue;
        }
        let copy = to.join(&name);
        if path.is_dir() {
            self::copy(&path, &copy);
        } else if fs::read(&path).expect("a file") != fs::read(&copy).unwrap_or_default() {
            fs::copy(&path, &copy).expect("a copy");
        }
    }
}

/// Gives the copy what cargo has built of others for the program under test, and a configuration, in
/// the folder above, by which the rest is not optimized: the lesson is about what happens, not how fast.
pub fn make_builds_short(folder: &Path, copy: &Path) {
    const CONFIG: &str = "[profile.release.package]\nkernel_and_user_map.opt-level = 0\n";
    fs::create_dir_all(folder.join(".cargo")).expect("a folder");
    fs::write(folder.join(".cargo/config.toml"), CONFIG).expect("a file");
    let program = program();
    let (from, to) = (program.parent().expect("a folder"), copy.join("target/release"));
    if to.exists() || !from.ends_with("release") {
        return;
    }
    fs::create_dir_all(&to).expect("a folder");
    let mut cp = Command::new("cp");
    cp.args(["--archive", "--reflink=auto"]).args([".fingerprint", "build", "deps"]).arg(&to);
    assert!(cp.current_dir(from).status().expect("cp").success());
}

/// Applies a patch: each hunk begins with a line `@@`, and fits at one place of its file.
///
/// # Errors
///
/// When it does not fit.
pub fn apply(patch: &str, root: &Path) -> Result<(), String> {
    for part in patch.split("--- a/").skip(1) {
        let (header, hunks) = part.split_once("\n@@").ok_or("a patch has hunks")?;
        let (old, new) = header.split_once("\n+++ b/").ok_or("a patch names its file twice")?;
        if old != new {
            return Err(format!("a patch of {old} becomes {new}"));
        }
        let path = root.join(old);
        let text = fs::read_to_string(&path).map_err(|error| format!("{old}: {error}"))?;
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        for hunk in hunks.split("\n@@") {
            let hunk = hunk.split_once('\n').ok_or("a hunk has lines")?.1;
            let side = |other: char| -> Vec<String> {
                let kept = hunk.lines().filter(|line| !line.starts_with(other));
                kept.map(|line| line.get(1..).unwrap_or_default().to_owned()).collect()
            };
            let (before, after) = (side('+'), side('-'));
            let fits = |at: &usize| lines[*at..].starts_with(&before);
            let places: Vec<_> = (0..lines.len()).filter(fits).collect();
            let [at] = places[..] else {
                return Err(format!("a hunk fits {} times into {old}:\n{hunk}", places.len()));
            };
            lines.splice(at..at + before.len(), after);
        }
        fs::write(&path, lines.join("\n") + "\n").map_err(|error| format!("{old}: {error}"))?;
    }
    Ok(())
}

#[test]
fn a_patch_fits_at_one_place_or_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    let patch = "--- a/file\n+++ b/file\n@@\n one\n-two\n+2\n+II\n@@ later\n-four\n+4\n";
    fs::write(&file, "one\ntwo\nthree\nfour\n").expect("a file");
    assert_eq!(apply(patch, folder.path()), Ok(()));
    assert_eq!(fs::read_to_string(&file).expect("a file"), "one\n2\nII\nthree\n4\n");
    assert!(apply(patch, folder.path()).is_err(), "it does not fit again");
    fs::write(&file, "four\nfour\n").expect("a file");
    assert!(apply("--- a/file\n+++ b/file\n@@\n-four\n+4\n", folder.path()).is_err());
}
