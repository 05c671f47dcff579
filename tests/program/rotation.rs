//! Logs (`--to`) that get another name while they are written, and SIGHUP: as logrotate does it. The
//! real logrotate is in tests/rotation.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::account::mark;
use crate::support::following::{Following, actor_part, with_command};
use crate::support::logs::{
    OLD, assert_reported_in, content, other_name, wait_for_file, watcher_to,
};
use crate::support::processes::{Running, play, wait_until};
use crate::support::rotated::{Rotated, storm_pids};
use crate::support::watcher::{
    Tracefs, Watcher, may_be_missed, open_folder, own_machine, share_machine, short, text,
    watcher_command,
};

/// A user that has no account anywhere.
const CALLER: u32 = 4242;

/// So often the log is rotated.
const ROUNDS: usize = 20;

/// The first and the last line of a stream.
const WHOLE: (Option<&str>, Option<&str>) = (Some("begin"), Some("end"));

/// The mask of signals on this line of /proc/PID/status.
fn has_hangup(pid: u32, name: &str) -> bool {
    let status = content(Path::new(&format!("/proc/{pid}/status")));
    let mask = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    u64::from_str_radix(mask.trim(), 16).expect("a mask") & 1 << (libc::SIGHUP - 1) != 0
}

#[test]
fn in_a_storm_nothing_is_lost_and_nothing_comes_twice() {
    let _machine = own_machine();
    let dir = open_folder();
    let path = dir.path().join("log.jsonl");
    let watcher = watcher_to(&path, &["--period", "0.05", "--max-entries", "65536"]);
    let mut storm =
        Running::start(play(&["log-storm", "2"]).stdin(Stdio::piped()).stdout(Stdio::piped()));
    for number in 1..=ROUNDS {
        let has_lines = || content(&path).contains(r#""tiny""#);
        assert!(wait_until(has_lines), "nothing is reported: {}", watcher.stderr());
        fs::rename(&path, other_name(&path, number)).expect("it is there");
        watcher.signal(Signal::SIGHUP);
        wait_for_file(&path, &watcher);
    }
    let parent = storm.pid();
    let pids = storm_pids(&mut storm);
    let run = watcher.finish();
    assert!(run.status.success() && !run.stderr.contains(OLD), "{}", run.stderr);
    let files = (1..=ROUNDS).map(|number| other_name(&path, number)).chain([path.clone()]);
    Rotated::read(files).assert_whole(parent, &pids, may_be_missed(pids.len()));
}

#[test]
fn while_it_starts_it_is_kept_and_several_are_one() {
    let _machine = share_machine();
    let dir = open_folder();
    let pipe = dir.path().join("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).expect("ours");
    let options = ["-o", "json", "--period", "3600", "--to", text(&pipe)];
    let mut command = watcher_command(Tracefs::Mounted, &options);
    let program = Running::start(command.stderr(Stdio::null()));
    let pid = program.pid();
    assert!(wait_until(|| has_hangup(pid, "SigBlk:")), "it is not blocked");
    // Until the pipe has a reader, the watch can't begin.
    for _ in 0..3 {
        program.signal(Signal::SIGHUP);
    }
    assert!(has_hangup(pid, "ShdPnd:"));
    let mut reader = File::open(&pipe).expect("ours");
    assert!(wait_until(|| !has_hangup(pid, "ShdPnd:")), "it is not heeded");
    program.signal(Signal::SIGINT);
    let mut printed = String::new();
    reader.read_to_string(&mut printed).expect("text");
    let printed = Rotated::of_texts([printed]);
    assert_eq!((printed.first()["event"].as_str(), printed.last()["event"].as_str()), WHOLE);
}

#[test]
fn between_two_reads_it_is_heeded_at_once() {
    let _machine = share_machine();
    let dir = open_folder();
    let path = dir.path().join("log.jsonl");
    let watcher = watcher_to(&path, &["--period", "3600"]);
    for number in 1..=2 {
        fs::rename(&path, other_name(&path, number)).expect("it is there");
        watcher.signal(Signal::SIGHUP);
        wait_for_file(&path, &watcher);
    }
    let run = watcher.finish();
    assert!(run.status.success(), "{}", run.stderr);
    let files = [other_name(&path, 1), other_name(&path, 2), path];
    let printed = Rotated::read(files);
    assert_eq!((printed.first()["event"].as_str(), printed.last()["event"].as_str()), WHOLE);
}

#[test]
fn below_sudo_a_new_file_of_root_is_left_alone() {
    let _machine = share_machine();
    let dir = open_folder();
    chown(dir.path(), Some(CALLER), Some(CALLER)).expect("root may");
    let path = dir.path().join("log.jsonl");
    let options = ["-o", "json", "--period", "0.05", "--to", text(&path)];
    let mut command = watcher_command(Tracefs::Mounted, &options);
    command.env("SUDO_UID", CALLER.to_string()).env("SUDO_GID", CALLER.to_string());
    let watcher = Watcher::spawn(command);

    fs::rename(&path, other_name(&path, 1)).expect("ours");
    fs::write(&path, "").expect("ours");
    watcher.signal(Signal::SIGHUP);
    let denied = "log.jsonl anew: Permission denied";
    assert!(wait_until(|| watcher.stderr().contains(denied)), "{}", watcher.stderr());
    assert_reported_in(&other_name(&path, 1), "denied", &watcher);
    assert_eq!(content(&path), "");

    fs::remove_file(&path).expect("ours");
    watcher.signal(Signal::SIGHUP);
    wait_for_file(&path, &watcher);
    assert_reported_in(&path, "allowed", &watcher);
    assert_eq!(fs::metadata(&path).expect("it is there").uid(), CALLER);
    let run = watcher.finish();
    assert_eq!(
        (run.status.code(), run.stderr.matches(OLD).count()),
        (Some(0), 1),
        "{}",
        run.stderr
    );
}

#[test]
fn a_command_is_not_hung_up_with_it() {
    let _machine = share_machine();
    let dir = open_folder();
    let path = dir.path().join("log.jsonl");
    let options = ["--to", text(&path)];
    let mut following = Following::start(with_command(&options, &actor_part(&["sleep"])));
    let has_begun = || content(&path).contains(r#""event":"exec""#);
    assert!(wait_until(has_begun), "{}", following.stderr());
    fs::rename(&path, other_name(&path, 1)).expect("it is there");
    following.process().signal(Signal::SIGHUP);
    assert!(wait_until(|| path.exists()), "it is not opened anew: {}", following.stderr());
    following.process().signal(Signal::SIGTERM);
    let run = following.end();
    assert_eq!(run.status.code(), Some(143), "{}", run.stderr);
    let rotated = Rotated::read([other_name(&path, 1), path]);
    let told: Vec<_> = rotated.events().map(short).collect();
    assert_eq!(told.last().map(String::as_str), Some("exit SIGTERM"), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn where_it_is_ignored_it_ends_nothing() {
    let _machine = share_machine();
    let mut command = watcher_command(Tracefs::Mounted, &["-o", "json", "--period", "0.05"]);
    // SAFETY: no handler is installed.
    let as_under_nohup =
        || unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }.map(|_| ()).map_err(Into::into);
    // SAFETY: the closure makes one system call; it allocates nothing.
    unsafe { command.pre_exec(as_under_nohup) };
    let watcher = Watcher::spawn(command);
    watcher.signal(Signal::SIGHUP);
    let word = mark("ignored");
    watcher.wait_for("what comes then", |event| event["args"][3] == *word);
    assert!(has_hangup(watcher.pid(), "SigIgn:"));
    let run = watcher.finish();
    assert!(run.status.success(), "{}", run.stderr);
}
