//! `scripts/install-packages` installs nothing twice, and the Makefile does not pass its variables on to
//! the makes below it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const TOP: &str = env!("CARGO_MANIFEST_DIR");

/// A PATH of one folder: all of this machine's programs but some, and some others.
struct Programs(TempDir);

impl Programs {
    /// In place of the package managers are programs that fail, and say so.
    fn all_but(missing: &[&str]) -> Self {
        let programs = Self(tempfile::tempdir().expect("a folder"));
        for folder in ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if !name.to_str().is_some_and(|name| missing.contains(&name)) {
                    // The first one is found on a PATH, too.
                    let _ = symlink(entry.path(), programs.0.path().join(name));
                }
            }
        }
        for manager in ["apt-get", "dnf", "pacman", "sudo"] {
            programs.add(manager, "echo \"INSTALLS: $0 $*\" >&2; exit 1");
        }
        programs
    }

    fn add(&self, name: &str, script: &str) {
        let file = self.0.path().join(name);
        let _ = fs::remove_file(&file);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    /// What it says on stderr, and whether it succeeds. `/usr/sbin` is in its PATH anyway.
    fn run(&self, purpose: &str, cargo: &Path) -> (String, bool) {
        let mut command = Command::new(Path::new(TOP).join("scripts/install-packages"));
        command.arg(purpose).env("PATH", self.0.path()).env("CARGO_HOME", cargo);
        let output = command.env_remove("SUDO_USER").output().expect("it starts");
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.success())
    }
}

/// A cargo and a rustc that are new enough, where rustup puts them.
fn cargo_home() -> TempDir {
    let home = tempfile::tempdir().expect("a folder");
    let bin = home.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    for (name, script) in [("cargo", "exit 0"), ("rustc", "echo 'rustc 9.9.9 (x)'")] {
        let file = bin.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    home
}

#[test]
fn nothing_is_asked_for_where_all_is_there() {
    // The tests run, so all that they need is here. rustup may be in its own folder alone.
    let (programs, cargo) = (Programs::all_but(&["cargo", "rustc"]), cargo_home());
    for purpose in ["build", "test"] {
        assert_eq!(programs.run(purpose, cargo.path()), (String::new(), true), "{purpose}");
    }
}

#[test]
fn without_a_compiler_the_headers_are_still_there() {
    let (programs, cargo) = (Programs::all_but(&["cc", "dpkg-query"]), cargo_home());
    programs.add("apt-cache", "exit 1");
    for purpose in ["build", "test"] {
        let (said, success) = programs.run(purpose, cargo.path());
        let installs = said.lines().find(|line| line.contains("install --yes"));
        assert!(!success && installs.is_some_and(|line| line.ends_with(" gcc")), "{said}");
    }
}

#[test]
fn a_package_that_is_installed_is_not_installed_again() {
    let (programs, cargo) = (Programs::all_but(&["strace", "jq"]), cargo_home());
    programs.add("dpkg-query", "echo installed");
    let (said, success) = programs.run("test", cargo.path());
    assert!(!success && !said.contains("install --yes"), "{said}");
    assert!(said.contains("not found: strace jq ("), "{said}");
}

#[test]
fn a_make_below_is_not_told_what_this_one_is() {
    let programs = Programs::all_but(&[]);
    programs.add("cargo", "env | grep -E '^(DESTDIR|PREFIX|MAKEFLAGS|V|ARGS)='; exit 0");
    let mut make = Command::new("make");
    make.args(["--old-file=packages", "all", "DESTDIR=/image", "PREFIX=/usr", "V=1", "ARGS=-h"]);
    make.current_dir(TOP).env("PATH", programs.0.path());
    make.env_remove("MAKELEVEL").env_remove("MAKEFLAGS"); // of a make that runs the tests
    let output = make.output().expect("make is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, "cargo build --release --locked --verbose\n");
}
