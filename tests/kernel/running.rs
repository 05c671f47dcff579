//! Processes that run already and are followed (`--follow PID`).

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::json;

use crate::follow::{assert_started_by, pids};
use crate::namespaces::unshare_time;
use crate::support::following::{Following, end_of, events_of};
use crate::support::processes::{Running, actor, play, wait_until, wait_until_asleep};
use crate::support::program::program;
use crate::support::truth::{Truth, args_of, assert_outcome};
use crate::support::watcher::{
    Tracefs, Watcher, here_or_in_guest, in_namespace, own_machine, run_to_end, share_machine,
    short, text_of, watcher_command,
};

/// A process that waits for the end of its stdin, and then plays a part.
fn waiting(part: &[&str]) -> Running {
    let mut command = play(&[&["wait"], part].concat());
    let process = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    wait_until_asleep(process.pid());
    process
}

/// Follows these processes only.
fn following(processes: &[&Running]) -> Watcher {
    let pids: Vec<_> = processes.iter().map(|process| process.pid().to_string()).collect();
    let mut options = vec!["--period", "0.05"];
    options.extend(pids.iter().flat_map(|pid| ["--follow", pid]));
    Watcher::start(&options)
}

#[test]
fn a_pid_that_somebody_else_uses_again_is_not_followed() {
    let _machine = share_machine();
    let (mut first, mut second) = (waiting(&["exit", "4"]), waiting(&["exit", "5"]));
    let watcher = following(&[&first, &second]);
    drop(first.child.stdin.take());
    first.child.wait().expect("it ends");
    watcher.wait_for("its exit", |event| event["pid"] == first.pid());
    let (_, status) = run_to_end(&mut play(&["as-pid", &first.pid().to_string(), "7"]));
    assert_eq!(status.code(), Some(7), "the pid was not free");
    drop(second.child.stdin.take());
    let run = watcher.wait();
    second.child.wait().expect("it ends");
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    for (process, exit) in [(&first, "exit 4"), (&second, "exit 5")] {
        let events: Vec<_> = run.of(process.pid()).into_iter().map(short).collect();
        assert_eq!(events, [exit]);
    }
    assert_eq!(pids(&run).len(), 2);
}

#[test]
fn a_running_process_that_calls_exec_is_one_process_of_the_tree() {
    let _machine = share_machine();
    let mut command = Command::new("sh");
    command.args(["-c", "read -r line; exec \"$0\" sleep"]).arg(actor()).stdin(Stdio::piped());
    let mut process = Running::start(&mut command);
    let pid = process.pid().to_string();
    let watcher = Watcher::start(&["--follow", &pid, "--view", "tree"]);
    drop(process.child.stdin.take());
    wait_until_asleep(process.pid());
    let run = watcher.finish();
    let [in_tree] = run.of(process.pid())[..] else { panic!("{:#?}", run.events) };
    let ran: Vec<_> = in_tree["programs"].as_array().expect("two").iter().collect();
    assert_eq!(ran.iter().map(|program| &program["comm"]).collect::<Vec<_>>(), ["sh", "actor"]);
    assert_eq!((&in_tree["running"], &in_tree["parent_pid"]), (&json!(true), &json!(null)));
    assert_eq!(run.events.last().expect("lines")["running"], json!([process.pid()]));
}

#[test]
fn a_running_process_is_followed_until_the_last_of_its_descendants_has_ended() {
    let _machine = share_machine();
    let parts: [&[&str]; 2] = [&["births", "10"], &["forked", "births", "20"]];
    // Each has a child that was running before, and that one starts others later.
    let processes = parts.map(|part| {
        let mut command = play(&[&["forked", "wait"], part].concat());
        let process = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        (process, args_of(&command))
    });
    let children = format!("/proc/{0}/task/{0}/children", processes[1].0.pid());
    let forked = || std::fs::read_to_string(&children).is_ok_and(|pids| !pids.is_empty());
    assert!(wait_until(forked), "it has no child");
    let watcher = following(&processes.each_ref().map(|(process, _)| process));
    Truth::of(&mut play(&["births", "90"])); // not followed
    let truths = processes.map(|(process, args)| Truth::at_end_of(process, args));
    let run = watcher.wait();
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);

    let mut expected = 0;
    for truth in &truths {
        let (births, parents): (Vec<_>, Vec<_>) =
            truth.ended.iter().partition(|ended| ended.name != "forked");
        let mut starter = truth.pid;
        assert_started_by(&run, truth.pid, 0);
        // The innermost has printed first.
        for parent in parents.iter().rev() {
            assert_eq!(run.of(parent.pid).len(), 1, "{}", run.stdout);
            assert_outcome(run.exit_of(parent.pid), parent.status);
            assert_started_by(&run, parent.pid, starter);
            starter = parent.pid;
        }
        for ended in births.iter().filter(|ended| ended.name != "sibling") {
            assert_started_by(&run, ended.pid, starter);
            assert_eq!(run.of(ended.pid).len(), if ended.name.ends_with("-exit") { 1 } else { 2 });
        }
        expected += 1 + truth.ended.len() + 1; // one is in the middle
    }
    assert_eq!(pids(&run).len(), expected, "{}", run.stderr);
    assert_eq!(end_of(&run)["running"], json!([]));
}

#[test]
fn a_busy_process_is_followed_to_its_end() {
    let _machine = own_machine();
    for _ in 0..here_or_in_guest(6, 2) {
        // Some of its children end while they are looked for.
        let mut storm = play(&["log-storm", "16"]);
        let mut storm = Running::start(storm.stdin(Stdio::piped()).stdout(Stdio::null()));
        let mut command = watcher_command(Tracefs::Mounted, &["-o", "json", "--period", "0.05"]);
        command.args(["--follow", &storm.pid().to_string()]);
        let following = Following::start(command);
        let begun = wait_until(|| following.stderr().contains("following"));
        assert!(begun, "it does not begin: {}", following.stderr());
        drop(storm.child.stdin.take());
        assert!(storm.child.wait().expect("it ends").success());
        let run = following.end();
        let events = events_of(&run.stdout);
        assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
        let end = events.last().expect("an end");
        assert_eq!(end["running"], json!([]), "{}", run.stderr);
        let exits = events.iter().filter(|event| event["event"] == "exit");
        assert!(exits.clone().any(|exit| exit["pid"] == storm.pid()), "{}", run.stderr);
        for exit in exits.filter(|exit| exit["pid"] != storm.pid()) {
            assert_eq!(exit["started_by"], storm.pid(), "{exit}");
        }
    }
}

#[test]
fn the_shell_that_starts_it_is_followed_without_the_program_itself() {
    let _machine = share_machine();
    let script = r#""$0" -o json --period 0.05 --follow $$ & "$1" wait exit 0; "$1" exit 4; :"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(program()).arg(actor()).stdin(Stdio::piped());
    // SAFETY: the closure makes system calls only; it allocates nothing.
    unsafe { shell.pre_exec(|| in_namespace(Tracefs::Mounted)) };
    let following = Following::start(shell);
    let begun = wait_until(|| following.stderr().contains("following"));
    assert!(begun, "it does not begin: {}", following.stderr());
    let stdout = following.stdout_file();
    let run = following.end();
    // The shell has ended; the program goes on until it has noticed.
    let mut events = Vec::new();
    let ended = wait_until(|| {
        events = events_of(&text_of(&stdout));
        events.last().is_some_and(|event| event["event"] == "end")
    });
    assert!(ended, "it does not end: {}", run.stderr);
    assert_eq!(events.last().expect("an end")["running"], json!([]));
    let told: Vec<_> = events.iter().filter(|event| event["pid"].is_u64()).collect();
    let told: Vec<_> =
        told.into_iter().map(|event| (&event["event"], &event["exit_code"])).collect();
    let expected = [
        (json!("exit"), json!(0)),
        (json!("exec"), json!(null)),
        (json!("exit"), json!(4)),
        (json!("exit"), json!(0)),
    ];
    let expected = expected.each_ref().map(|(kind, code)| (kind, code));
    assert!(told.ends_with(&expected), "{told:?}");
}

#[test]
fn a_running_process_is_followed_from_a_time_namespace() {
    let _machine = share_machine();
    let mut process = waiting(&["forked", "exit", "4"]);
    let follow = || {
        unshare_time(1_000_000, 503_000_000);
        let watcher = following(&[&process]);
        drop(process.child.stdin.take());
        watcher.wait()
    };
    // A thread of its own, since nothing leads back.
    let run = thread::scope(|scope| scope.spawn(follow).join()).expect("no panic");
    assert_eq!(short(run.exit_of(process.pid())), "exit 0", "{}", run.stderr);
    assert_eq!(pids(&run).len(), 2, "{}", run.stderr);
}

#[test]
fn what_cant_be_followed_is_refused() {
    let _machine = share_machine();
    let refusal = |options: &[&str]| {
        let output = Command::new(program()).args(options).output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.stdout.is_empty(), "{options:?}");
        (output.status.code(), stderr)
    };
    let (gone, _) = run_to_end(&mut play(&["exit", "0"]));
    let (status, stderr) = refusal(&["--follow", &gone.to_string()]);
    let message = format!("kernel_and_user_map: error: there is no process {gone}\n");
    assert_eq!((status, stderr), (Some(1), message));
    for options in [&["--follow", "1", "-p", "1"][..], &["--follow", "1", "--", "true"]] {
        let (status, stderr) = refusal(options);
        assert_eq!(status, Some(2), "{stderr}");
        assert!(stderr.contains("cannot be used with"), "{stderr}");
    }
}
