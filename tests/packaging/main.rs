//! What is installed: the program, its pages, its service and the packages. It needs root, and on
//! the first run the network; without them, the tests fail.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

#[path = "../../build/commit.rs"]
mod commit;
mod completions;
mod deb;
mod install;
mod manual;
mod packages;
#[allow(dead_code, reason = "the kernel tests need more of it")]
#[path = "../support/processes.rs"]
mod processes;
#[path = "../support/program.rs"]
mod program;
mod rpm;
mod service;
mod version;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{env, process};

const NAME: &str = "kernel_and_user_map";

/// Everything that is made here.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/packaging");

/// What one run of make has left for all tests.
struct Made {
    /// PREFIX, without a DESTDIR before it.
    prefix: PathBuf,
    /// The program that the packages hold.
    built: PathBuf,
    deb: PathBuf,
    rpm: PathBuf,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        assert!(nix::unistd::geteuid().is_root(), "only root may load BPF programs: use sudo");
        let _ = fs::remove_dir_all(FOLDER);
        let prefix = Path::new(FOLDER).join("prefix");
        fs::create_dir_all(&prefix).expect("a folder to write to");
        // Fat LTO takes minutes, and the profile does not change which files are packed.
        let profile = if program::is_soak() { "dist" } else { "release" };
        let packing = format!("DIST_PROFILE={profile}");
        let said = make(&["install", "deb", "rpm", &packing], &prefix, Path::new(""));
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("one");
        let made = Made {
            prefix,
            built: target.join(profile).join(NAME),
            deb: newest(&target.join("debian"), "deb"),
            rpm: newest(&target.join("generate-rpm"), "rpm"),
        };
        assert!(!said.contains("warning:"), "{said}");
        // Made by root; whoever owns the repository must be able to clean up.
        let mut chown = Command::new("chown");
        chown.args(["-R", concat!("--reference=", env!("CARGO_MANIFEST_DIR"))]);
        let folders = ["debian", "generate-rpm", "release", profile];
        run(chown.arg(FOLDER).args(folders.map(|name| target.join(name))));
        made
    })
}

/// Runs make as a user does, and returns what it says on stderr.
fn make(targets: &[&str], prefix: &Path, destination: &Path) -> String {
    let cargo = Path::new(env!("CARGO")).parent().expect("a folder");
    let mut path = cargo.as_os_str().to_owned();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let mut command = Command::new("make");
    command
        .args(targets)
        .args([variable("PREFIX", prefix), variable("DESTDIR", destination)])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path)
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("RUSTC_BOOTSTRAP") // the runner's, for times
        .stdin(Stdio::null());
    if let (None, Some(home)) = (env::var_os("CARGO_HOME"), option_env!("CARGO_HOME")) {
        command.env("CARGO_HOME", home); // sudo has dropped it
    }
    let output = command.output().expect("make is there");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn variable(name: &str, value: &Path) -> String {
    format!("{name}={}", value.display())
}

/// The file in the folder that was written last.
fn newest(folder: &Path, extension: &str) -> PathBuf {
    let files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    files
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .max_by_key(|path| path.metadata().and_then(|it| it.modified()).expect("a time"))
        .expect("make has made it")
}

/// Runs a command that must succeed, and returns what it prints.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{command:?}: {error}: scripts/install-packages test installs what is missing")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    assert!(!said.contains("warning"), "{command:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

/// What the program below this prefix prints.
fn run_installed(prefix: &Path, option: &str) -> String {
    run(Command::new(prefix.join("bin").join(NAME)).arg(option))
}

/// Each long option that `--help` lists.
fn long_options() -> Vec<String> {
    let help = run_installed(&made().prefix, "--help");
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let options: Vec<_> = lines
        .filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")))
        .map(|option| option.trim_end_matches("...").to_owned())
        .collect();
    assert!(options.len() > 25 && options.contains(&"--view".to_owned()), "{options:?}");
    options
}

/// A word that no other process has in its command line.
fn marker(test: &str) -> String {
    format!("{test}-{}", process::id())
}
