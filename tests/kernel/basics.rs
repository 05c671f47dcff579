//! What happens to ordinary processes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use libbpf_rs::query::ProgInfoIter;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{
    Tracefs, Watcher, actor, is_seen_exit, own_machine, play, run_to_end, share_machine, short,
};

#[test]
fn a_process_in_another_shell_is_shown_within_a_period() {
    let _machine = share_machine();
    let mut watcher = Watcher::start(&["--period", "0.2"]);
    let (pid, _) = run_to_end(Command::new("sh").args(["-c", "exit 3"]));
    watcher.wait_for("the exit", |event| event["pid"] == pid && event["event"] == "exit");
    let run = watcher.finish();
    assert!(run.status.success());

    let [exec, exit] = run.of(pid)[..] else { panic!("{:#?}", run.of(pid)) };
    assert_eq!(short(exec), "exec sh -c exit 3");
    assert_eq!(short(exit), "exit 3");
    for event in [exec, exit] {
        assert_eq!(event["ppid"], std::process::id());
        assert_eq!(
            (&event["uid"], &event["gid"], &event["user"]),
            (&json!(0), &json!(0), &json!("root"))
        );
        assert_eq!(event["comm"], "sh");
        assert!(event["filename"].as_str().is_some_and(|name| name.ends_with("/sh")));
        assert_eq!(event["args"], json!(["sh", "-c", "exit 3"]));
        assert_eq!(event["args_truncated"], false);
        assert_eq!(event["start_time"], exec["start_time"]);
        assert_eq!(event["exec_id"], exec["exec_id"]);
        assert!(event["cgroup_id"].as_u64().is_some_and(|id| id > 0));
    }
    assert!(exec["start_time"].as_str() <= exec["time"].as_str());
    assert!(exec["time"].as_str() < exit["time"].as_str());
    assert!(exit["duration_ns"].as_u64().is_some_and(|ns| ns > 0 && ns < 10_000_000_000));
    assert_eq!(exit["core_dumped"], false);
}

#[test]
fn a_process_that_lives_between_two_reads_is_two_events() {
    let _machine = share_machine();
    let watcher = Watcher::start(&["--period", "3600"]);
    let (pid, _) = run_to_end(&mut play(&["exit", "0"]));
    let run = watcher.finish();
    assert_eq!(
        run.of(pid).into_iter().map(short).collect::<Vec<_>>(),
        [format!("exec {} exit 0", actor().display()), "exit 0".into()]
    );
}

#[test]
fn death_by_sigkill_has_a_signal_and_no_code() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let mut child = Command::new("sleep").arg("1000").spawn().expect("sleep starts");
    child.kill().expect("it runs");
    let status = child.wait().expect("it ends");
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
    let run = watcher.finish();
    let exit = run.exit_of(child.id());
    assert_eq!((&exit["exit_code"], &exit["signal"]), (&json!(null), &json!("SIGKILL")));
    assert_eq!(exit["core_dumped"], false);
}

#[test]
fn each_exec_in_one_pid_is_an_event() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let (pid, _) = run_to_end(Command::new("sh").args(["-c", "exec \"$0\" chain 1"]).arg(actor()));
    let run = watcher.finish();
    let sh = format!("exec sh -c exec \"$0\" chain 1 {}", actor().display());
    let first = format!("exec {} chain 1", actor().display());
    assert_eq!(
        run.of(pid).into_iter().map(short).collect::<Vec<_>>(),
        [&sh, &first, "exec actor chain 0", "exit 0"]
    );
    let ids: Vec<_> =
        run.execs_of(pid).iter().filter_map(|exec| exec["exec_id"].as_u64()).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
}

#[test]
fn an_exec_from_a_second_thread_is_no_exit_of_the_first() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let (pid, status) = run_to_end(&mut play(&["thread-exec", "7"]));
    assert_eq!(status.code(), Some(7));
    let run = watcher.finish();
    assert_eq!(run.execs_of(pid).len(), 2);
    assert_eq!(short(run.exit_of(pid)), "exit 7");
}

#[test]
fn a_process_ends_with_its_last_thread_not_with_its_first() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let (pid, status) = run_to_end(&mut play(&["main-first", "5"]));
    assert_eq!(status.code(), Some(5));
    let run = watcher.finish();
    let exit = run.exit_of(pid);
    assert_eq!(short(exit), "exit 5");
    assert!(exit["duration_ns"].as_u64().is_some_and(|ns| ns >= 50_000_000), "{exit}");
}

#[test]
fn a_fork_without_exec_has_an_exit_and_no_command() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let output = play(&["fork", "4"]).stdout(Stdio::piped()).output().expect("the actor runs");
    assert_eq!(output.status.code(), Some(4));
    let pid = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a pid");
    let run = watcher.finish();
    let exit = run.exit_of(pid);
    assert_eq!(short(exit), "exit 4");
    assert_eq!(run.of(pid).len(), 1);
    assert_eq!((&exit["args"], &exit["filename"]), (&json!(null), &json!(null)));
    assert_eq!(exit["comm"], "actor");
}

#[test]
fn a_long_argv_is_cut_and_marked() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let long = "x".repeat(1000);
    // Else it might read while the process lives, and complete the command line.
    watcher.stop();
    let (cut, _) = run_to_end(Command::new("true").args(["first", &long]));
    let (whole, _) = run_to_end(Command::new("true").args(["first", &long[..200]]));
    watcher.signal(Signal::SIGCONT);
    let run = watcher.finish();
    let args = |pid| run.execs_of(pid)[0]["args"].clone();
    assert_eq!(run.execs_of(cut)[0]["args_truncated"], true);
    assert_eq!(args(cut)[1], "first");
    assert!(args(cut)[2].as_str().is_some_and(|arg| arg.len() > 280 && long.starts_with(arg)));
    assert_eq!(run.execs_of(whole)[0]["args_truncated"], false);
    assert_eq!(args(whole), json!(["true", "first", long[..200]]));
}

#[test]
fn strange_bytes_in_argv_arrive() {
    let _machine = share_machine();
    let watcher = Watcher::start(&[]);
    let strange = OsStr::from_bytes(b"a\nb\x1b[2J\xff");
    let (pid, _) = run_to_end(Command::new("true").arg(strange).arg("").arg("last").arg(""));
    let run = watcher.finish();
    let exec = run.execs_of(pid)[0];
    assert_eq!(exec["args"], json!(["true", "a\nb\u{1b}[2J\u{fffd}", "", "last", ""]));
    assert!(!run.stdout.contains('\u{1b}'));
}

/// How often the kernel ran each of these programs of a watcher.
fn runs_of(watcher: &Watcher, names: [&str; 4]) -> [u64; 4] {
    let ids = watcher.program_ids();
    let mut runs = [0; 4];
    for program in ProgInfoIter::default().filter(|program| ids.contains(&program.id)) {
        if let Some(at) = names.iter().position(|name| program.name == *name) {
            runs[at] += program.run_cnt;
        }
    }
    runs
}

#[test]
fn both_pairs_of_hooks_run_with_tracefs_and_one_without() {
    let _machine = own_machine();
    let setting = "/proc/sys/kernel/bpf_stats_enabled";
    std::fs::write(setting, "1").expect("root may count BPF runs");
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let before_5_11 = release.starts_with("5.10.");
    for (tracefs, tp_runs) in [(Tracefs::Mounted, true), (Tracefs::Absent, false)] {
        let without_tracefs = tracefs == Tracefs::Absent;
        let tp_runs = tp_runs && !before_5_11;
        let watcher = Watcher::start_with(tracefs, &["-v"]);
        let (pid, _) = run_to_end(Command::new("true").arg("hooks"));
        let runs = runs_of(&watcher, ["exec_tp", "exit_tp", "exec_tp_btf", "exit_tp_btf"]);
        let run = watcher.finish();
        assert_eq!(
            run.of(pid).into_iter().map(short).collect::<Vec<_>>(),
            ["exec true hooks", "exit 0"]
        );
        assert_eq!(runs.map(|count| count > 0), [tp_runs, tp_runs, true, true], "{runs:?}");
        assert_eq!(run.stderr.contains("tp_btf/ programs only"), without_tracefs, "{}", run.stderr);
    }
    std::fs::write(setting, "0").expect("root may count BPF runs");
}

#[test]
fn five_thousand_processes_at_full_speed_are_reported_once_each() {
    let _machine = own_machine();
    let count = if crate::support::in_guest() { 500 } else { 5000 };
    let watcher = Watcher::start(&[]);
    let (storm, _) = run_to_end(&mut play(&["storm", &count.to_string()]));
    let run = watcher.finish();
    let of_storm = |kind: &str| {
        let mut pids: Vec<_> = run
            .events
            .iter()
            .filter(|event| event["ppid"] == storm && event["event"] == kind)
            .filter_map(|event| event["pid"].as_u64())
            .collect();
        pids.sort_unstable();
        let reported = pids.len();
        pids.dedup();
        assert_eq!(pids.len(), reported, "{kind} reported twice");
        reported
    };
    assert_eq!((of_storm("exec"), of_storm("exit")), (count, count));
    assert_eq!((run.lost("dropped_execs"), run.lost("dropped_exits")), (0, 0));
    let times: Vec<_> = run.events.iter().filter_map(|event| event["time"].as_str()).collect();
    assert!(times.is_sorted(), "events are not in time order");
}

#[test]
fn a_full_map_drops_an_exact_number() {
    let _machine = own_machine();
    let count = 200;
    // Sees what else goes on: a machine is never quite ours.
    let witness = Watcher::start(&[]);
    let watcher = Watcher::start(&["--max-entries", "100", "--period", "3600"]);
    // Stopped, it can't read early: of the records, the first 100 fit.
    watcher.stop();
    let (storm, _) = run_to_end(&mut play(&["storm", &count.to_string()]));
    watcher.signal(Signal::SIGCONT);
    let run = watcher.finish();
    let witness = witness.finish();

    let exec: fn(&Value) -> bool = |event| event["event"] == "exec";
    for (dropped, is_kind) in [("dropped_execs", exec), ("dropped_exits", is_seen_exit)] {
        let ours = |event: &Value| event["ppid"] == storm || event["pid"] == storm;
        let others = witness.events.iter().filter(|event| is_kind(event) && !ours(event)).count();
        let reported = run.events.iter().filter(|event| is_kind(event)).count() as u64;
        let accounted = reported + run.lost(dropped);
        let at_most = count + 1 + others as u64;
        assert!((count + 1..=at_most).contains(&accounted), "{dropped}: {accounted}, {others}");
        assert!(run.lost(dropped) > 0, "{dropped}");
    }
    assert!(run.stderr.contains("fullest with 100 of 100"), "{}", run.stderr);
}
