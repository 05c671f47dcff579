//! Filters for users and cgroups, which act in the kernel: nothing is lost that they let pass, and
//! both events of a program pass or neither.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::account::{children, crowd, storm};
use crate::support::cgroups::{Delegated, USER, remove_cgroups};
use crate::support::processes::{Running, actor, play, storm_for, wait_until, wait_until_asleep};
use crate::support::watcher::{
    Run, Watcher, here_or_in_guest, may_be_missed, open_folder, own_machine, run_to_end,
    share_machine, short, text,
};

/// What tells an event from all others.
fn id(event: &Value) -> String {
    format!("{} {} {}", event["event"], event["pid"], event["exec_id"])
}

/// The events of some pids that a filter for a user lets pass, as the events of all tell: an exit
/// belongs to the exec of its program.
fn of_user<'a>(all: &'a Run, pids: &[u32], uid: u32) -> Vec<&'a Value> {
    let mut programs = HashMap::new();
    let of_pids = all.events.iter().filter(|event| pids.iter().any(|pid| event["pid"] == *pid));
    of_pids
        .filter(|event| {
            let program = (event["pid"].as_u64(), event["exec_id"].as_u64());
            if event["event"] == "exec" {
                programs.insert(program, event["uid"].clone());
            }
            *programs.get(&program).unwrap_or(&event["uid"]) == uid
        })
        .collect()
}

/// How many events the filter has hidden that the kernel had recorded.
fn hidden(run: &Run) -> u64 {
    let end = run.events.last().expect("the closing account");
    end["hidden"].as_u64().expect("a number")
}

#[test]
fn the_user_at_the_exec_decides_for_both_events() {
    let _machine = share_machine();
    let folder = open_folder();
    // Its effective user is root's then, so it may become root.
    let setuid = folder.path().join("setuid");
    let (_, status) = run_to_end(&mut play(&["copy", "whole", text(&setuid)]));
    assert!(status.success());
    fs::set_permissions(&setuid, Permissions::from_mode(0o4755)).expect("ours");
    let (actor, setuid, user) = (text(actor()), text(&setuid), USER.to_string());

    let mut before = play(&["wait", "become", &user, "exit", "0"]);
    let mut before = Running::start(before.stdin(Stdio::piped()));
    wait_until_asleep(before.pid());
    let all = Watcher::start(&[]);
    let filters = [USER, 0].map(|uid| (uid, Watcher::start(&["-u", &uid.to_string()])));
    let neither = Watcher::start(&["-u", "54320"]);
    let parts: [(&[&str], [usize; 2]); 11] = [
        // How many events of the other user, and of root
        (&["exit", "1"], [0, 2]),
        (&["become", &user, "exit", "2"], [0, 2]),
        (&["as", &user, actor, "exit", "3"], [2, 1]),
        (&["as", &user, actor, "chain", "3"], [5, 1]),
        (&["chain", "3"], [0, 5]),
        (&["as", &user, setuid, "become", "0", "exit", "4"], [2, 1]),
        (&["as", &user, setuid, "become", "0", "chain", "2"], [1, 4]),
        (&["as", &user, setuid, "become", "0", "as", &user, actor, "chain", "1"], [4, 1]),
        (&["as", "54319", setuid, "become", "0", "as", &user, actor, "exit", "5"], [2, 1]),
        (&["thread-exec", "6"], [0, 3]),
        (&["last-thread", "exit", "exit_group"], [0, 2]),
    ];
    let pids = parts.map(|(part, _)| run_to_end(&mut play(part)).0);
    let ran_before = before.pid();
    drop(before.child.stdin.take());
    assert!(before.child.wait().expect("it is ours").success());
    let all = all.finish();
    let of = |run: &Run, pids: &[u32]| {
        let events = run.events.iter().filter(|event| pids.iter().any(|pid| event["pid"] == *pid));
        events.map(id).collect::<Vec<_>>()
    };
    for (place, (uid, watcher)) in filters.into_iter().enumerate() {
        let run = watcher.finish();
        for ((part, counts), pid) in parts.iter().zip(pids) {
            let expected: Vec<_> = of_user(&all, &[pid], uid).into_iter().map(id).collect();
            assert_eq!(expected.len(), counts[place], "{part:?}: {expected:?}");
            assert_eq!(of(&run, &[pid]), expected, "{part:?}, user {uid}");
        }
        let exits = run.of(ran_before).len();
        assert_eq!(exits, usize::from(uid == USER), "without an exec, the exit's user counts");
    }
    assert_eq!(of(&neither.finish(), &pids), [""; 0]);
}

#[test]
fn what_the_kernel_refuses_is_no_event_that_is_hidden() {
    let _machine = own_machine();
    let processes = here_or_in_guest(2000, 150);
    let cgroups = Delegated::create();
    for filter in [["-u", &USER.to_string()], ["-c", &cgroups.path]] {
        let watcher = Watcher::start(&filter);
        let storm = storm(processes);
        let run = watcher.finish();
        assert!(children(&run, storm).is_empty());
        // Forks of other programs may be among them.
        assert!(hidden(&run) < processes as u64, "{filter:?}: {}", run.stderr);
        assert!(!run.stderr.contains("not written"), "{}", run.stderr);
    }
    // A picture needs them all.
    let folder = open_folder();
    let picture = folder.path().join("s.svg");
    let watcher = Watcher::start(&["-u", &USER.to_string(), "--save", text(&picture)]);
    let storm = storm(processes);
    let run = watcher.finish();
    assert!(children(&run, storm).is_empty());
    let seen = 2 * (processes - may_be_missed(processes)) as u64;
    assert!(hidden(&run) >= seen, "{}", run.stderr);
}

#[test]
fn a_program_that_is_refused_is_so_however_long_it_runs_and_however_many_do() {
    let _machine = own_machine();
    let (room, processes) = here_or_in_guest(("1024", 1500), ("256", 350));
    let user = USER.to_string();
    let watcher = Watcher::start(&["-u", &user, "--max-entries", room, "--period", "0.1"]);
    let mut long = play(&["wait", "become", &user, "exit", "0"]);
    let mut long = Running::start(long.stdin(Stdio::piped()));
    let pid = long.pid();
    // More than there is room for; what has none is recorded, and hidden.
    let crowd = crowd(processes, 10);
    let parent = crowd.pid();
    storm(here_or_in_guest(3000, 600));
    let exit = actor();
    let wanted: Vec<_> =
        (0..20).map(|_| run_to_end(&mut play(&["as", &user, text(exit), "exit", "3"])).0).collect();
    drop(crowd);
    drop(long.child.stdin.take());
    assert!(long.child.wait().expect("it is ours").success());
    let run = watcher.finish();
    assert_eq!(run.of(pid), [] as [&Value; 0], "it was root's at its exec");
    assert!(children(&run, parent).is_empty());
    let unsure = run.lost("dropped_execs") + run.lost("dropped_exits");
    assert_eq!(unsure, 0, "{}", run.stderr);
    for pid in &wanted {
        assert_eq!(run.of(*pid).len(), 2, "{:?}", run.of(*pid));
    }
    let more = processes as u64 - room.parse::<u64>().expect("a number");
    assert!(hidden(&run) >= 2 * more - may_be_missed(2 * processes) as u64, "{}", run.stderr);
}

#[test]
fn what_was_listed_with_the_wanted_user_leaves_the_list_with_it() {
    let _machine = share_machine();
    // Its child was running before, and calls its first exec as another user.
    let user = USER.to_string();
    let turns = ["as", &user, text(actor()), "exit", "3"];
    let mut before = play(&["forked", "wait"]);
    let mut before = Running::start(before.args(turns).stdin(Stdio::piped()));
    let options = ["-u", "0", "--view", "processes", "--all", "--period", "0.1"];
    let watcher = Watcher::start(&options);
    let mut child = 0;
    watcher.wait_for("the child", |list| {
        let processes = list["processes"].as_array().into_iter().flatten();
        let pid =
            processes.filter(|it| it["ppid"] == before.pid()).find_map(|it| it["pid"].as_u64());
        child = pid.unwrap_or(child);
        child != 0
    });
    drop(before.child.stdin.take());
    assert!(before.child.wait().expect("it is ours").success());
    let (started, _) = run_to_end(&mut play(&turns));
    let last = Running::start(&mut play(&["sleep"]));
    let mut pids = Vec::new();
    watcher.wait_for("a list with the last one", |list| {
        let processes = list["processes"].as_array().into_iter().flatten();
        pids = processes.filter_map(|it| it["pid"].as_u64()).collect();
        pids.contains(&u64::from(last.pid()))
    });
    assert!(!pids.contains(&child) && !pids.contains(&u64::from(started)), "{pids:?}");
}

#[test]
fn a_cgroup_that_is_made_again_loses_nothing() {
    let _machine = own_machine();
    let cgroups = Delegated::create();
    let dir = cgroups.dir.join("service");
    fs::create_dir(&dir).expect("root may make a cgroup");
    let inner = dir.join("inner");
    let watcher = Watcher::start(&["-c", &format!("{}/service", cgroups.path), "--period", "0.05"]);
    let outside = storm_for(600, 2, 0);
    let mut expected = HashMap::new();
    for round in 0..here_or_in_guest(20, 4) {
        // A process that has just ended may still be in it.
        assert!(wait_until(|| {
            remove_cgroups(&dir);
            !dir.exists()
        }));
        // Every second time it stays away for longer than a period.
        storm(if round % 2 == 0 { here_or_in_guest(300, 100) } else { 1 });
        let parts = [
            &["in-cgroup", text(&dir), "exit", "3"][..],
            &["in-cgroup", text(&dir), "in-cgroup", text(&inner), "exit", "3"],
        ];
        let starts = (0..6).map(|i| Running::start(&mut play(parts[i % 2])));
        for (i, mut process) in starts.collect::<Vec<_>>().into_iter().enumerate() {
            let status = process.child.wait().expect("it is ours");
            assert_eq!(status.code(), Some(3));
            expected.insert(u64::from(process.pid()), 2 + i % 2);
            // Of a cgroup that is gone, nobody knows the path.
            let is_it = |event: &Value| event["pid"] == process.pid() && event["event"] == "exit";
            watcher.wait_for("the exit", is_it);
        }
    }
    drop(outside);
    let run = watcher.finish();
    let mut events = HashMap::new();
    for pid in run.events.iter().filter_map(|event| event["pid"].as_u64()) {
        *events.entry(pid).or_insert(0) += 1;
    }
    if may_be_missed(1) == 0 {
        assert_eq!(events, expected, "{}", run.stderr);
    }
    let lost: usize = expected.iter().map(|(pid, n)| n - events.get(pid).unwrap_or(&0)).sum();
    assert!(lost <= may_be_missed(expected.values().sum()), "{lost}: {}", run.stderr);
    assert!(events.keys().all(|pid| expected.contains_key(pid)), "of other cgroups");
}

#[test]
fn a_pid_is_filtered_in_the_kernel() {
    let _machine = share_machine();
    let mut sleeping = Running::start(&mut play(&["sleep"]));
    let pid = sleeping.pid();
    let watcher = Watcher::start(&["-p", &pid.to_string(), "--pid", "1"]);
    let (other, _) = run_to_end(&mut play(&["exit", "0"]));
    sleeping.end();
    let run = watcher.finish();
    assert_eq!(short(run.exit_of(pid)), "exit SIGKILL");
    assert_eq!(run.of(other).len(), 0);
    assert!(!run.stderr.contains("not shown"), "nothing else came: {}", run.stderr);
}
