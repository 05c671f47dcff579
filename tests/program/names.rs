//! Names that users choose, and services that do not answer: never in the way of a read.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns};
use serde_json::json;

use crate::support::account::{KINDS, count, print_result};
use crate::support::cgroups::{Delegated, USER};
use crate::support::processes::{Running, field, play, wait_until};
use crate::support::watcher::{
    Tracefs, Watcher, may_be_missed, open_folder, own_machine, run_to_end, share_machine, text,
    watcher_command,
};

#[test]
fn a_cgroup_for_each_process_keeps_nothing_from_being_read() {
    let _machine = own_machine();
    let cgroups = Delegated::create();
    let (others, processes) = (5000, 3000);
    let entries = "1024";
    let watcher = Watcher::start(&["--max-entries", entries]);
    let numbers = [USER as usize, others, processes].map(|number| number.to_string());
    let mut storm = play(&["cgroups", text(&cgroups.dir)]);
    let (storm, status) = run_to_end(storm.args(numbers));
    assert!(status.success(), "{status}");
    // In one of so many, a process that lives is found at once.
    let inner = cgroups.dir.join("other-7");
    let living = Running::start(&mut play(&["in-cgroup", text(&inner), "sleep"]));
    let is_it = |event: &serde_json::Value| {
        event["pid"] == living.pid() && event["args"] == json!(["actor", "sleep"])
    };
    watcher.wait_for("the exec of one that lives", is_it);
    let status = fs::read_to_string(format!("/proc/{}/status", watcher.pid())).expect("it runs");
    let memory = field(&status, "VmHWM:").expect("a line");
    let run = watcher.finish();

    assert_eq!(run.lost("dropped_execs") + run.lost("dropped_exits"), 0, "{}", run.stderr);
    let living = run.events.iter().find(|event| is_it(event)).expect("it was printed");
    assert_eq!(living["cgroup"], format!("{}/other-7", cgroups.path));
    let events: Vec<_> = run.events.iter().filter(|event| event["ppid"] == storm).collect();
    for (kind, ..) in KINDS {
        let lost = processes as u64 - count(events.iter().copied(), kind);
        assert!(lost <= may_be_missed(processes) as u64, "{lost} {kind}s are missing");
    }
    let mut known = 0;
    for event in &events {
        assert_eq!(event["uid"], USER);
        let Some(path) = event["cgroup"].as_str() else { continue };
        assert_eq!(json!(path.rsplit('/').next()), event["args"][3], "another's: {event}");
        known += 1;
    }
    print_result(&format!(
        "{processes} processes in as many cgroups beside {others}: {known} of {} paths known, {memory} KiB",
        events.len()
    ));
    assert!(memory < 32 * 1024, "{memory} KiB");
}

#[test]
fn a_cgroup_is_found_after_the_end_of_its_process() {
    let _machine = own_machine();
    let cgroups = Delegated::create();
    let inner = cgroups.dir.join("inner");
    fs::create_dir(&inner).expect("root may make a cgroup");
    let watcher = Watcher::start(&["--period", "3600"]);
    let (pid, _) = run_to_end(&mut play(&["in-cgroup", text(&inner.join("most")), "exit", "0"]));
    let run = watcher.finish();
    assert_eq!(run.exit_of(pid)["cgroup"], format!("{}/inner/most", cgroups.path));
}

/// A watcher for which the users' file is a FIFO: who opens it hangs until somebody writes.
fn watcher_without_users(fifo: &Path) -> Watcher {
    let mut command = watcher_command(Tracefs::Mounted, &["-o", "json", "--period", "0.1"]);
    let fifo = fifo.to_owned();
    // SAFETY: the closure makes one system call; it allocates nothing.
    unsafe {
        command.pre_exec(move || {
            const NONE: Option<&str> = None;
            Ok(mount(Some(&fifo), "/etc/passwd", NONE, MsFlags::MS_BIND, NONE)?)
        });
    }
    Watcher::spawn(command)
}

/// Waits for the events of a process that runs now, and tells the user in its last one.
fn user_of_a_process(watcher: &Watcher) -> serde_json::Value {
    let (pid, _) = run_to_end(&mut play(&["exit", "0"]));
    let mut user = json!(null);
    watcher.wait_for("an exit", |event| {
        user = event["user"].clone();
        event["event"] == "exit" && event["pid"] == pid
    });
    user
}

/// Takes away what is mounted over the users' file of a watcher.
fn give_back_users(watcher: &Watcher) {
    let namespace = File::open(format!("/proc/{}/ns/mnt", watcher.pid())).expect("it runs");
    let mut command = play(&["exit", "0"]);
    // SAFETY: the closure makes system calls only; it allocates nothing.
    unsafe {
        command.pre_exec(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNS)?;
            Ok(umount2("/etc/passwd", MntFlags::MNT_DETACH)?)
        });
    }
    let (_, status) = run_to_end(&mut command);
    assert!(status.success(), "{status}");
}

#[test]
fn a_user_service_that_does_not_answer_holds_up_neither_events_nor_the_end() {
    let _machine = share_machine();
    let dir = open_folder();
    let fifo = dir.path().join("passwd");
    let (_, status) = run_to_end(Command::new("mkfifo").args(["-m", "644"]).arg(&fifo));
    assert!(status.success(), "{status}");

    let watcher = watcher_without_users(&fifo);
    for _ in 0..3 {
        assert_eq!(user_of_a_process(&watcher), json!(null));
    }
    let run = watcher.finish();
    assert!(run.status.success(), "{}", run.status);

    let watcher = watcher_without_users(&fifo);
    assert_eq!(user_of_a_process(&watcher), json!(null));
    // With somebody who writes, opening it goes on; a service that is down is asked again later.
    let mut writer = None;
    let hangs = wait_until(|| {
        let open = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&fifo);
        assert!(!open.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied));
        writer = open.ok();
        writer.is_some()
    });
    assert!(hangs, "nobody has opened the FIFO");
    give_back_users(&watcher);
    drop(writer);
    assert!(wait_until(|| user_of_a_process(&watcher) == "root"), "the name never comes");
    assert!(watcher.finish().status.success());
}
