//! The command that is followed: it runs as if it had been started without the program, and the
//! program ends as it does.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use serde_json::json;

use crate::support::following::{
    Following, actor_part, by_shell, end_of, events_of, follow, followed_and_direct, with_command,
};
use crate::support::processes::{Running, actor};
use crate::support::program::program;
use crate::support::watcher::{
    Tracefs, open_folder, output_of, run_to_end, share_machine, short, text,
};

/// The lines about an error.
fn errors(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| line.starts_with("kernel_and_user_map: error: ")).collect()
}

#[test]
fn it_ends_with_the_status_of_the_command() {
    let _machine = share_machine();
    for (part, status, told) in [
        (["exit", "0"], 0, "exit 0"),
        (["exit", "42"], 42, "exit 42"),
        (["exit", "125"], 125, "exit 125"),
        (["signal", "9"], 137, "exit SIGKILL"),
        (["signal", "15"], 143, "exit SIGTERM"),
        (["signal", "40"], 168, "exit SIGRTMIN+6"),
    ] {
        let run = follow(&[], &actor_part(&part));
        assert_eq!(run.status.code(), Some(status), "{}", run.stderr);
        let exits = run.events.iter().filter(|event| event["event"] == "exit");
        assert_eq!(exits.map(short).collect::<Vec<_>>(), [told]);
        assert_eq!(errors(&run.stderr), <[&str; 0]>::default());
    }
}

#[test]
fn what_cant_be_run_is_told_with_the_reason() {
    let _machine = share_machine();
    for (command, status, message) in [
        ("no-such-command", 127, "could not run 'no-such-command': No such file or directory"),
        ("/no/such/command", 127, "could not run '/no/such/command': No such file or directory"),
        ("/", 126, "could not run '/': Permission denied"),
        ("/etc/passwd", 126, "could not run '/etc/passwd': Permission denied"),
        ("no\u{1b}[2J", 127, "could not run $'no\\x1B[2J': No such file or directory"),
    ] {
        let run = follow(&[], &[command]);
        assert_eq!(run.status.code(), Some(status), "{}", run.stderr);
        let error = format!("kernel_and_user_map: error: {message}");
        assert_eq!(errors(&run.stderr), [error], "{}", run.stderr);
    }
}

#[test]
fn where_the_program_itself_fails_the_command_does_not_run() {
    let _machine = share_machine();
    let shell = ["sh", "-c", "echo it has run"];
    let without_rights = || {
        let dir = open_folder();
        let copy = dir.path().join("kernel_and_user_map");
        // By another process: a fork of another test would hold what is open for writing here.
        run_to_end(Command::new("cp").arg(program()).arg(&copy));
        let mut command = Command::new(copy);
        command.arg("--").args(shell).uid(65534).gid(65534);
        command.output().expect("the program starts")
    };
    let with = |options: &[&str]| with_command(options, &shell).output().expect("it starts");
    for (output, status, words) in [
        (without_rights(), 125, "CAP_BPF"),
        (with(&["--to", "/no/such/folder/x"]), 125, "/no/such/folder/x"),
        (with(&["--max-entries", "4294967295"]), 125, "use a smaller --max-entries"),
        (with(&["--duration", "1"]), 2, "cannot be used with"),
        (with(&["--frobnicate"]), 2, "--frobnicate"),
    ] {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert!(output.stdout.is_empty(), "it has run: {stderr}");
        assert_eq!(errors(&stderr).len(), 1, "{stderr}");
    }
}

#[test]
fn it_has_all_that_its_caller_has_and_nothing_of_the_programs() {
    let _machine = share_machine();
    let dir = open_folder();
    let input = dir.path().join("input");
    fs::write(&input, "what it reads\n").expect("ours");
    let script = r#"pwd; env | grep ^WORD=; cat; readlink /proc/$$/ns/mnt; echo to stderr >&2"#;
    for tracefs in [Tracefs::Mounted, Tracefs::Absent] {
        let mut command = by_shell(tracefs, true, &["sh", "-c", script]);
        command.current_dir(dir.path()).env("WORD", "of its caller");
        command.stdin(File::open(&input).expect("ours"));
        let output = command.output().expect("the shell starts");
        let [stdout, stderr] =
            [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
        let lines: Vec<_> = stdout.lines().collect();
        let (namespace, here) = (lines[0], text(dir.path()));
        let expected = [namespace, here, "WORD=of its caller", "what it reads", namespace];
        assert_eq!(lines, expected, "{tracefs:?}: {stderr}");
        assert!(stderr.contains("\nto stderr\n"), "{stderr}");
        assert!(events_of(&stderr).iter().any(|event| event["event"] == "exit"), "{stderr}");
    }
}

#[test]
fn it_has_no_file_open_that_the_program_has() {
    let _machine = share_machine();
    for tracefs in [Tracefs::Mounted, Tracefs::Absent] {
        let [followed, direct] = followed_and_direct(tracefs, &["ls", "-l", "/proc/self/fd"]);
        assert!(!followed.contains("anon_inode"), "{followed}");
        let files = |listing: &str| listing.lines().filter(|line| line.starts_with('l')).count();
        assert!(files(&followed) >= 4, "{followed}");
        assert_eq!(files(&followed), files(&direct), "{followed}{direct}");
    }
}

#[test]
fn a_daemon_that_it_leaves_is_listed_and_goes_on() {
    let _machine = share_machine();
    let mut following = Following::start_part(&[], &["leave", "wait", "exit", "0"]);
    let stdin = following.process().child.stdin.take();
    let (run, truth) = following.end_of_part();
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    let [daemon] = truth.left[..] else { panic!("{}", run.stdout) };
    let status = fs::read_to_string(format!("/proc/{daemon}/status")).expect("it is alive");
    assert!(!status.contains("State:\tZ"), "{status}");
    assert_eq!(end_of(&run)["running"], json!([daemon]));
    let listed = format!("\n  still running: 1: {daemon} [actor]\n");
    assert!(run.stderr.contains(&listed), "{}", run.stderr);
    drop(stdin);
}

#[test]
fn a_reader_of_stderr_that_goes_away_does_not_end_the_command() {
    let _machine = share_machine();
    let command = ["sh", "-c", "read line; echo whole; exit 7"];
    let mut command = with_command(&[], &command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Running::start(&mut command);
    let mut stderr = BufReader::new(process.child.stderr.take().expect("a pipe"));
    assert!(stderr.read_line(&mut String::new()).expect("text") > 0);
    drop(stderr);
    let (status, stdout) = output_of(process);
    assert_eq!((status.code(), &*stdout), (Some(7), "whole\n"));
}

#[test]
fn a_full_disk_does_not_end_the_command_and_is_one_error() {
    let _machine = share_machine();
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("report");
    let full = || File::options().write(true).open("/dev/full").expect("/dev/full");
    let script = r#""$0" storm 300 2; echo whole; exit 7"#;
    for to in [Some("/dev/full"), Some(text(&file)), None] {
        let options: &[&str] = if let Some(to) = &to { &["--to", to] } else { &[] };
        let mut command = with_command(options, &["sh", "-c", script, text(actor())]);
        let small_disk = dir.path().to_owned();
        // SAFETY: the closure makes system calls only; it allocates nothing.
        unsafe {
            command.pre_exec(move || {
                let (kind, size) = (Some("tmpfs"), Some("size=64k"));
                Ok(mount(None::<&str>, &small_disk, kind, MsFlags::empty(), size)?)
            });
        }
        if to.is_none() {
            command.stderr(full());
        }
        let output = command.output().expect("the program starts");
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|it| String::from_utf8(it).expect("text"));
        assert_eq!((output.status.code(), &*stdout), (Some(125), "whole\n"), "{stderr}");
        if let Some(to) = to {
            let [error] = errors(&stderr)[..] else { panic!("{stderr}") };
            assert!(error.contains(to) && error.contains("No space left"), "{error}");
            assert!(stderr.contains("captured but not written: "), "{stderr}");
        }
    }
}
