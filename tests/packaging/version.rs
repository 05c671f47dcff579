//! The commit that `--version` tells.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::commit::commit_of;
use crate::program::program;
use crate::{NAME, run};

fn git(folder: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).arg("-C").arg(folder);
    run(git.args(args)).trim_end().to_owned()
}

fn commit(folder: &Path, message: &str) -> String {
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", message]);
    git(folder, &["rev-parse", "--short", "HEAD"])
}

fn hash(folder: &Path) -> Option<String> {
    commit_of(folder).map(|commit| commit.hash)
}

/// Changes to files that cargo looks at: it compares times.
fn files(folder: &Path) -> Vec<String> {
    let files = commit_of(folder).expect("it is a checkout").files;
    assert!(!files.is_empty());
    files.into_iter().map(|file| fs::read_to_string(file).expect("it is there")).collect()
}

#[test]
fn the_program_tells_its_own() {
    let version = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    let expected = match hash(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        Some(hash) => format!("{version} ({hash})\n"),
        None => format!("{version}\n"),
    };
    assert_eq!(run(Command::new(program()).arg("--version")), expected);
}

#[test]
fn it_is_that_of_the_checkout_and_another_one_shows_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    assert_eq!(hash(folder), None, "no checkout");
    git(folder, &["init", "--quiet"]);
    assert_eq!(hash(folder), None, "nothing is committed");

    let mut seen = Vec::new();
    let mut look = |folder: &Path, expected: &str| {
        assert_eq!(hash(folder).as_deref(), Some(expected));
        let files = files(folder);
        assert!(!seen.contains(&files), "cargo would not notice: {files:?}");
        seen.push(files);
    };
    let first = commit(folder, "a");
    look(folder, &first);
    look(folder, &commit(folder, "b"));
    git(folder, &["pack-refs", "--all"]);
    look(folder, &commit(folder, "c"));
    git(folder, &["checkout", "--quiet", "--detach", &first]);
    look(folder, &first);

    let worktree = folder.join("worktree");
    let path = worktree.to_str().expect("text");
    git(folder, &["worktree", "add", "--quiet", path]);
    look(&worktree, &first);
    look(&worktree, &commit(&worktree, "d"));
    assert_eq!(hash(folder), Some(first));
}

#[test]
fn sources_in_a_repository_of_something_else_have_none() {
    let outer = tempfile::tempdir().expect("a folder");
    git(outer.path(), &["init", "--quiet"]);
    commit(outer.path(), "a");
    let inner = outer.path().join(NAME);
    fs::create_dir(&inner).expect("a folder");
    assert_eq!(hash(&inner), None);
}

#[test]
fn another_users_checkout_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    git(folder.path(), &["init", "--quiet"]);
    commit(folder.path(), "a");
    let owner = Some(nix::unistd::Uid::from_raw(12345));
    nix::unistd::chown(folder.path(), owner, None).expect("root may");
    nix::unistd::chown(&folder.path().join(".git"), owner, None).expect("root may");
    assert_eq!(hash(folder.path()), None);
}
