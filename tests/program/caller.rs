//! Whose the command and the files are: of the one who called, or of whom it is asked for.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::support::following::{Following, actor_part, end_of, follow, with_command};
use crate::support::nobody::{NOBODY, become_nobody, copy_for_all};
use crate::support::watcher::{Run, open_folder, share_machine, short, text};

/// Users that have no account anywhere.
const CALLER: u32 = 4242;
const OTHER: u32 = 4343;

/// Prints what the kernel knows of the shell that runs it, and some of its environment.
const WHO: &str = "while read -r line; do echo \"$line\"; done </proc/self/status
    echo \"HOME=$HOME SUDO_UID=$SUDO_UID\"";

/// A line of what [`WHO`] printed.
#[track_caller]
fn line<'a>(run: &'a Run, name: &str) -> &'a str {
    let found = run.stdout.lines().find_map(|line| line.strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name} in {:?}; {}", run.stdout, run.stderr))
}

#[track_caller]
fn assert_is(run: &Run, uid: u32) {
    let four = [uid.to_string().as_str(); 4].join("\t");
    assert_eq!((line(run, "Uid:\t"), line(run, "Gid:\t")), (&*four, &*four));
    assert_eq!(line(run, "Groups:").trim(), "");
    for capabilities in ["CapPrm:\t", "CapEff:\t", "CapAmb:\t"] {
        assert_eq!(line(run, capabilities), "0000000000000000", "{capabilities}");
    }
    assert_eq!(line(run, "NoNewPrivs:\t"), "0");
}

#[test]
fn below_sudo_command_and_files_are_of_who_called_it() {
    let _machine = share_machine();
    let dir = open_folder();
    chown(dir.path(), Some(CALLER), Some(CALLER)).expect("root may");
    let names = ["s.jsonl", "s.svg", "s.pftrace", "log.txt"];
    let [saved, svg, pftrace, log] = names.map(|name| dir.path().join(name));
    let files = [&saved, &svg, &pftrace].map(|path| ["--save", text(path)]).concat();
    let options = [&files[..], &["--to", text(&log)]].concat();
    let mut command = with_command(&options, &["sh", "-c", WHO]);
    command.env("SUDO_UID", CALLER.to_string()).env("SUDO_GID", CALLER.to_string());
    let run = Following::start(command).end();
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    assert_is(&run, CALLER);
    assert_eq!(line(&run, "HOME="), "/ SUDO_UID=");
    for path in [&saved, &svg, &pftrace, &log] {
        let file = fs::metadata(path).expect("a file");
        assert_eq!((file.uid(), file.gid()), (CALLER, CALLER), "{}", path.display());
        let content = fs::read(path).expect("ours");
        let content = String::from_utf8_lossy(&content);
        let is_whole = match path.extension().and_then(|ending| ending.to_str()) {
            Some("svg") => content.contains("sh -c") && content.trim_end().ends_with("</svg>"),
            Some("pftrace") => content.contains("sh -c"),
            _ => content.contains(r#""event":"end""#),
        };
        assert!(is_whole, "{}: {content}", path.display());
    }
}

#[test]
fn a_command_runs_as_who_is_asked_for_and_can_be_ended() {
    let _machine = share_machine();
    let other = OTHER.to_string();
    let run = follow(&["--run-as", &other], &["sh", "-c", WHO]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    assert_is(&run, OTHER);

    for below_sudo in [false, true] {
        let sleep = actor_part(&["sleep"]);
        let mut command = with_command(&["--run-as", &other], &sleep);
        if below_sudo {
            command.env("SUDO_UID", CALLER.to_string()).env("SUDO_GID", CALLER.to_string());
        }
        let mut following = Following::start(command);
        let exec = following.wait_for(|event| event["event"] == "exec");
        assert_eq!(exec["uid"], OTHER);
        following.process().signal(Signal::SIGTERM);
        let run = following.end();
        assert_eq!(run.status.code(), Some(143), "{}", run.stderr);
        assert!(run.events.iter().any(|event| short_of_exit(event) == "exit SIGTERM"));
        end_of(&run);
    }
}

fn short_of_exit(event: &serde_json::Value) -> String {
    if event["event"] == "exit" { short(event) } else { String::new() }
}

#[test]
fn who_can_not_be_told_does_not_run_as_root() {
    let _machine = share_machine();
    for (uid, gid) in [("alice", "1"), ("-1", "1"), ("4294967295", "1"), ("", "1")] {
        let mut command = with_command(&[], &["sh", "-c", "echo it ran"]);
        command.env("SUDO_UID", uid).env("SUDO_GID", gid);
        let run = Following::start(command).end();
        assert_eq!(run.status.code(), Some(125), "{uid}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{uid}");
    }
    let run = follow(&["--run-as", "no-such-user"], &["sh", "-c", "echo it ran"]);
    assert_eq!((run.status.code(), &*run.stdout), (Some(125), ""), "{}", run.stderr);
    assert!(run.stderr.contains("there is no user \"no-such-user\""), "{}", run.stderr);
}

#[test]
fn the_command_of_a_service_has_none_of_its_capabilities() {
    let _machine = share_machine();
    let (copy, _dir) = copy_for_all();
    let mut command = std::process::Command::new(copy);
    command.args(["-o", "json", "--", "sh", "-c", WHO]).stdin(Stdio::null());
    // SAFETY: system calls only, but for sets of capabilities; glibc makes the allocator usable
    // after a fork.
    unsafe { command.pre_exec(become_nobody) };
    let run = Following::start(command).end();
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    assert_is(&run, NOBODY);
}
