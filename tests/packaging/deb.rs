//! The package for Debian and its relatives, in a clean Debian 12.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{SigHandler, Signal, signal};
use serde_json::Value;

use crate::service::setting;
use crate::{FOLDER, NAME, made, marker, run};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packaging/debian");
const PACKAGE: &str = "kernel-and-user-map";

/// A Debian to be changed.
struct Debian(PathBuf);

impl Debian {
    fn copy() -> Self {
        let folder = Path::new(FOLDER).join("debian");
        run(Command::new(SCRIPT).arg("make"));
        run(Command::new(SCRIPT).arg("copy").arg(&folder));
        Self(folder)
    }

    /// Runs a command in it that must succeed, and returns what it prints.
    #[track_caller]
    fn run(&self, command: &[&str]) -> String {
        let mut script = Command::new(SCRIPT);
        // Below nohup it is ignored, which no shell can change.
        // SAFETY: no handler is installed.
        let heed = || unsafe { signal(Signal::SIGHUP, SigHandler::SigDfl) }.map(|_| ());
        // SAFETY: the closure makes one system call; it allocates nothing.
        unsafe { script.pre_exec(move || heed().map_err(Into::into)) };
        run(script.arg("in").arg(&self.0).args(command))
    }

    fn shell(&self, script: &str) -> String {
        self.run(&["sh", "-euc", script])
    }

    /// All files, but for what the package manager writes about its own work.
    fn files(&self) -> String {
        self.shell(
            "find / -xdev ! -path '/var/lib/dpkg/*' ! -path '/var/lib/apt/*' ! -path '/var/cache/*' \
                ! -path '/var/log/apt/*' ! -path /var/log/dpkg.log ! -path /etc/ld.so.cache ! -path '/tmp/*' |
                sort",
        )
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // a quarter of a gigabyte
    }
}

#[test]
fn it_is_installed_runs_and_leaves_nothing_when_purged() {
    let package = &made().deb;
    let debian = Debian::copy();
    let before = debian.files();
    fs::copy(package, debian.0.join("tmp/package.deb")).expect("there is room");
    debian.run(&["apt-get", "--quiet", "--yes", "install", "/tmp/package.deb"]);

    // It runs, with the libraries that the package has asked for.
    let word = marker("debian");
    let script = format!("{NAME} -o json --to /tmp/log -- sh -c 'exit 3' {word} || echo $?");
    assert_eq!(debian.shell(&script), "3\n");
    let log = fs::read_to_string(debian.0.join("tmp/log")).expect("it was written");
    let events: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let ours = |event: &&Value| {
        event["args"].as_array().is_some_and(|args| args.contains(&word.as_str().into()))
    };
    let exit = events.iter().filter(ours).find(|event| event["event"] == "exit");
    assert_eq!(exit.expect("it has ended")["exit_code"], 3, "{log}");

    // What a person looks for, where a Debian looks for it.
    debian.shell(&format!("test ! -e /etc/systemd/system/multi-user.target.wants/{NAME}.service"));
    let files = debian.run(&["dpkg-query", "--listfiles", PACKAGE]);
    for path in [
        "/etc/logrotate.d/kernel_and_user_map",
        "/lib/systemd/system/kernel_and_user_map.service",
        "/usr/bin/kernel_and_user_map",
        "/usr/share/bash-completion/completions/kernel_and_user_map",
        "/usr/share/doc/kernel-and-user-map/copyright",
        "/usr/share/doc/kernel-and-user-map/service.md",
        "/usr/share/fish/vendor_completions.d/kernel_and_user_map.fish",
        "/usr/share/man/man8/kernel_and_user_map.8",
        "/usr/share/zsh/vendor-completions/_kernel_and_user_map",
    ] {
        assert!(
            files
                .lines()
                .any(|line| line.trim_start_matches("/usr") == path.trim_start_matches("/usr")),
            "{path}: {files}"
        );
    }
    let config = debian.run(&["dpkg-query", "--show", "--showformat=${Conffiles}", PACKAGE]);
    assert!(config.contains(" /etc/logrotate.d/kernel_and_user_map "), "{config}");
    debian.run(&["dpkg", "--verify", PACKAGE]);
    assert!(debian.shell("cat /usr/share/man/man8/kernel_and_user_map.8").contains(".SH OPTIONS"));

    // What the unit reloads the service with is there, too.
    let reload = setting("ExecReload").join(" ");
    let hang_up = format!("sleep 60 & export MAINPID=$!; {reload}; wait $MAINPID || echo $?");
    assert_eq!(debian.shell(&hang_up), "129\n", "by SIGHUP");

    // As systemd lays it out. It is kept until the package is purged.
    debian.shell(
        "mkdir -p /var/log/private/kernel_and_user_map
        ln -s private/kernel_and_user_map /var/log/
        echo '{}' >/var/log/kernel_and_user_map/events.jsonl",
    );
    let end = |what| debian.run(&["apt-get", "--quiet", "--yes", "--autoremove", what, PACKAGE]);
    end("remove");
    debian.shell("test -s /var/log/kernel_and_user_map/events.jsonl");
    debian.shell(
        "test -e /etc/logrotate.d/kernel_and_user_map && ! test -e /usr/bin/kernel_and_user_map",
    );
    end("purge");
    debian.shell("rmdir /var/log/private"); // systemd's own
    assert_eq!(debian.files(), before);
}
