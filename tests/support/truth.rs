//! The truth about a process comes from its parent, which has it from waitpid, and from the
//! process itself; the watcher must say the same.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};

use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::processes::Running;
use super::watcher::{Run, output_of};

/// What a run of the actor has printed, and how it ended.
pub struct Truth {
    pub pid: u32,
    /// Who started it.
    pub ppid: u32,
    pub args: Vec<String>,
    pub status: ExitStatus,
    pub ended: Vec<Ended>,
    pub told: Vec<Told>,
    /// The file descriptors that it gave to exec.
    pub fds: Vec<u32>,
    /// Daemons that go on.
    pub left: Vec<u32>,
}

/// What a parent is told of its child.
pub struct Ended {
    pub name: String,
    pub pid: u32,
    pub status: ExitStatus,
}

/// What a process knows of itself.
pub struct Told {
    pub pid: u32,
    pub pid_in_proc: u32,
    pub uid: u32,
    pub euid: u32,
    pub gid: u32,
    pub comm: String,
    pub args: Vec<String>,
}

impl Truth {
    /// Runs a part of the actor, with a code for `tell`.
    pub fn of(command: &mut Command) -> Self {
        let command = command.env("TELL", "5").stdin(Stdio::null()).stdout(Stdio::piped());
        let process = Running::start(command);
        Self::at_end_of(process, args_of(command))
    }

    pub fn at_end_of(process: Running, args: Vec<String>) -> Self {
        let pid = process.pid();
        let (status, output) = output_of(process);
        let mut truth = Self::new(pid, std::process::id(), args, status);
        truth.read(&output);
        truth
    }

    pub fn new(pid: u32, ppid: u32, args: Vec<String>, status: ExitStatus) -> Self {
        let (ended, told, fds, left) = Default::default();
        Self { pid, ppid, args, status, ended, told, fds, left }
    }

    /// Takes in what the actor has printed.
    pub fn read(&mut self, output: &str) {
        for line in output.lines() {
            let (kind, rest) = line.split_once(' ').expect("a kind of line");
            match kind {
                "ended" => self.ended.push(Ended::parse(rest)),
                "told" => self.told.push(Told::parse(rest)),
                "fd" => self.fds.push(rest.parse().expect("a number")),
                "left" => self.left.push(rest.parse().expect("a pid")),
                other => panic!("the actor prints {other}"),
            }
        }
    }

    /// The one child of that name.
    pub fn ended(&self, name: &str) -> &Ended {
        let mut named = self.ended.iter().filter(|ended| ended.name == name);
        named.next().expect(name)
    }

    /// Checks the process that all others come from, which called exec once.
    #[track_caller]
    pub fn assert_in(&self, run: &Run) {
        self.assert_in_after(run, &[]);
    }

    /// The same, of one that called exec again.
    #[track_caller]
    pub fn assert_in_after(&self, run: &Run, more: &[Vec<String>]) {
        let execs = [std::slice::from_ref(&self.args), more].concat();
        assert_life(&run.of(self.pid), self.ppid, &execs, self.status);
    }
}

impl Ended {
    pub fn parse(line: &str) -> Self {
        let [name, pid, status] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        Self {
            name: name.into(),
            pid: pid.parse().expect("a pid"),
            status: ExitStatus::from_raw(status.parse().expect("a wait status")),
        }
    }
}

impl Told {
    pub fn parse(line: &str) -> Self {
        let mut texts = line.strip_suffix('\0').expect("whole").split('\0');
        let head: Vec<_> = texts.next().expect("a head").splitn(7, ' ').collect();
        let number = |at: usize| head[at].parse().expect("a number");
        Self {
            pid: number(0),
            pid_in_proc: number(1),
            uid: number(3),
            euid: number(4),
            gid: number(5),
            comm: head[6].into(),
            args: texts.map(Into::into).collect(),
        }
    }
}

pub fn args_of(command: &Command) -> Vec<String> {
    let args = std::iter::once(command.get_program()).chain(command.get_args());
    args.map(|arg| arg.to_str().expect("text").to_owned()).collect()
}

pub fn args(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.into()).collect()
}

/// How a process ended, as the fields of an exit.
pub fn outcome(status: ExitStatus) -> Value {
    let name = |signal: i32| match Signal::try_from(signal) {
        Ok(named) => named.as_str().into(),
        Err(_) if signal < libc::SIGRTMIN() => format!("SIG{signal}"),
        Err(_) if signal == libc::SIGRTMIN() => "SIGRTMIN".into(),
        Err(_) => format!("SIGRTMIN+{}", signal - libc::SIGRTMIN()),
    };
    json!([status.code(), status.signal().map(name), status.core_dumped()])
}

/// Checks all events of one process: these execs, then one exit that belongs to the last.
#[track_caller]
pub fn assert_life(events: &[&Value], ppid: u32, execs: &[Vec<String>], status: ExitStatus) {
    let kinds: Vec<_> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    let mut expected = vec!["exec"; execs.len()];
    expected.push("exit");
    assert_eq!(kinds, expected, "{events:#?}\nof {execs:?}, {status}");

    let (exit, before) = events.split_last().expect("an exit at least");
    for (exec, args) in before.iter().zip(execs) {
        assert_eq!(exec["args"], json!(args));
        assert_eq!(exec["args_truncated"], false);
    }
    for event in events {
        assert_eq!(event["ppid"], ppid, "{event}");
        assert_eq!(event["start_time"], exit["start_time"], "{event}");
    }
    let ids: Vec<_> = before.iter().filter_map(|exec| exec["exec_id"].as_u64()).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{events:#?}");
    match before.last() {
        Some(exec) => {
            for field in ["exec_id", "filename", "args"] {
                assert_eq!(exit[field], exec[field], "{events:#?}");
            }
            assert_eq!(exit["forked"], false, "{exit}");
        }
        // It ran the program of its parent, which is not known if that is a fork, too.
        None => assert_eq!(exit["forked"], !exit["args"].is_null(), "{exit}"),
    }
    assert_outcome(exit, status);
}

#[track_caller]
pub fn assert_outcome(exit: &Value, status: ExitStatus) {
    let reported = json!([exit["exit_code"], exit["signal"], exit["core_dumped"]]);
    assert_eq!(reported, outcome(status), "{exit}");
    let lived = time(&exit["time"]).duration_since(time(&exit["start_time"]));
    assert_eq!(exit["duration_ns"].as_i64().map(i128::from), Some(lived.as_nanos()), "{exit}");
}

pub fn time(text: &Value) -> Timestamp {
    text.as_str().expect("text").parse().expect("a time")
}
