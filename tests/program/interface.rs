//! Options, signals, pipes and errors: what a user does to the program.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;

use crate::support::processes::{Running, play, wait_until};
use crate::support::program::program;
use crate::support::terminal::terminal;
use crate::support::watcher::{
    Tracefs, Watcher, parse, run_to_end, share_machine, short, text_of, watcher_command,
};

#[test]
fn signals_end_it_soon_whatever_the_period() {
    let _machine = share_machine();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let watcher = Watcher::start(&["--period", "3600"]);
        let (pid, _) = run_to_end(&mut Command::new("true"));
        watcher.signal(signal);
        let run = watcher.wait();
        assert_eq!(run.status.code(), Some(0), "{signal}");
        assert_eq!(run.of(pid).len(), 2, "{signal}");
        assert!(run.stderr.contains("reported"), "{}", run.stderr);
    }
}

#[test]
fn a_duration_ends_it_without_a_signal() {
    let _machine = share_machine();
    let watcher = Watcher::start(&["--duration", "0.3"]);
    assert_eq!(watcher.wait().status.code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let _machine = share_machine();
    let mut command = watcher_command(Tracefs::Mounted, &["--period", "0.05"]);
    let mut watcher = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut lines = BufReader::new(watcher.child.stdout.take().expect("a pipe")).lines();
    let header = lines.next().expect("a header").expect("text");
    assert!(header.starts_with("TIME          EVENT     PID    PPID USER"), "{header}");
    drop(lines);
    let mut status = None;
    let noticed = wait_until(|| {
        run_to_end(&mut Command::new("true")); // something to print
        status = watcher.child.try_wait().expect("the child is ours");
        status.is_some()
    });
    assert!(noticed, "it does not notice");
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    let mut stderr = String::new();
    watcher.child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("text");
    assert_eq!(stderr.lines().count(), 1, "only the greeting: {stderr}");
}

#[test]
fn a_reader_that_goes_away_is_noticed_although_nothing_is_printed() {
    let _machine = share_machine();
    let (pipe_end, pipe) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    let (socket_end, socket) = UnixStream::pair().expect("a pair of sockets");
    let (screen, terminal) = terminal();
    for (reader, stdout) in
        [(pipe_end, pipe), (socket_end.into(), socket.into()), (screen, terminal)]
    {
        let options = ["--period", "3600", "-n", "NEVER"];
        let watcher =
            Watcher::spawn_into(stdout.into(), watcher_command(Tracefs::Mounted, &options));
        drop(reader);
        let (status, stderr) = watcher.end();
        assert_eq!(status.code(), Some(0), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "only the greeting: {stderr}");
    }
}

#[test]
fn a_file_that_has_no_reader_is_no_reader_that_went_away() {
    let _machine = share_machine();
    let null = File::options().write(true).open("/dev/null").expect("/dev/null");
    for stdout in [tempfile::tempfile().expect("a temporary file"), null] {
        let options = ["--duration", "0.3", "-n", "NEVER"];
        let watcher = Watcher::spawn_into(stdout, watcher_command(Tracefs::Mounted, &options));
        let (status, stderr) = watcher.end();
        assert_eq!(status.code(), Some(0), "{stderr}");
        assert!(stderr.contains("reported"), "{stderr}");
    }
}

/// A file that takes nothing, as on a full disk.
fn full() -> File {
    File::options().write(true).open("/dev/full").expect("/dev/full")
}

#[test]
fn a_stderr_that_fails_changes_neither_the_data_nor_the_status() {
    let _machine = share_machine();
    let options = ["-v", "--period", "0.05", "-o", "json"];
    let stdout = tempfile::tempfile().expect("a temporary file");
    let mut command = watcher_command(Tracefs::Mounted, &options);
    command.stdout(stdout.try_clone().expect("a descriptor")).stderr(full());
    let mut watcher = Running::start(&mut command);
    let mut pid = 0;
    let printed = wait_until(|| {
        (pid, _) = run_to_end(&mut play(&["exit", "3"]));
        text_of(&stdout).contains(r#""event":"exit""#)
    });
    assert!(printed, "it prints nothing");
    watcher.signal(Signal::SIGINT);
    assert_eq!(watcher.child.wait().expect("it is ours").code(), Some(0));
    let mut events = parse(&text_of(&stdout)).into_iter().filter(|event| event["pid"] == pid);
    assert_eq!(events.next_back().as_ref().map(short).as_deref(), Some("exit 3"));

    let mut refused = watcher_command(Tracefs::Mounted, &["--max-entries", "4294967295"]);
    assert_eq!(run_to_end(refused.stderr(full())).1.code(), Some(1));
}

#[test]
fn a_second_ctrl_c_ends_it_when_nobody_reads() {
    let _machine = share_machine();
    let mut command = watcher_command(Tracefs::Mounted, &["-o", "json", "--period", "0.01"]);
    let mut watcher = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::null()));
    // Until the pipe is full and the program hangs in write(2).
    let file = format!("/proc/{}/syscall", watcher.pid());
    let mut asleep_in_write = 0;
    let hangs = wait_until(|| {
        for _ in 0..200 {
            run_to_end(&mut Command::new("true"));
        }
        let syscall = std::fs::read_to_string(&file).unwrap_or_default();
        let number = syscall.split(' ').next().and_then(|number| number.parse().ok());
        let in_write = number == Some(libc::SYS_write);
        asleep_in_write = if in_write { asleep_in_write + 1 } else { 0 };
        asleep_in_write == 3
    });
    assert!(hangs, "the pipe never fills");
    watcher.signal(Signal::SIGINT);
    thread::sleep(Duration::from_millis(500));
    let ended = watcher.child.try_wait().expect("ours");
    assert!(ended.is_none(), "the first Ctrl-C waits for the pipe");
    watcher.signal(Signal::SIGINT);
    let ended = wait_until(|| watcher.child.try_wait().expect("ours").is_some());
    assert!(ended, "the second Ctrl-C does not end it");
}

#[test]
fn the_table_has_no_colours_in_a_pipe_and_escapes_what_could_forge_a_line() {
    let _machine = share_machine();
    let watcher = Watcher::spawn(watcher_command(Tracefs::Mounted, &[]));
    run_to_end(Command::new("true").arg("one\n12:00:00.000  exit\x1b[2J"));
    let run = watcher.finish();
    assert!(!run.stdout.contains('\x1b'), "{}", run.stdout);
    assert!(run.stdout.contains(r"true $'one\n12:00:00.000  exit\x1B[2J'"), "{}", run.stdout);
}

#[test]
fn verbose_tells_what_the_program_does_and_twice_what_libbpf_says() {
    let _machine = share_machine();
    let told = |verbose: &[&str]| {
        let options = [&["--duration", "0.1"], verbose].concat();
        let watcher = Watcher::spawn(watcher_command(Tracefs::Mounted, &options));
        let stderr = watcher.wait().stderr.clone();
        ["privileges given up", "libbpf: "].map(|words| stderr.contains(words))
    };
    assert_eq!(told(&[]), [false, false]);
    assert_eq!(told(&["-v"]), [true, false]);
    assert_eq!(told(&["-vv"]), [true, true]);
}

#[test]
fn a_closed_stdout_is_an_error() {
    let output = Command::new("sh")
        .args(["-c", "exec \"$0\" >&-"])
        .arg(program())
        .output()
        .expect("the shell starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stdout is closed"));
}
