//! Starts the program with a command, and tells what both have printed.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;

use super::processes::{Running, actor, wait_until};
use super::program::program;
use super::truth::{Truth, args};
use super::watcher::{
    Run, Tracefs, in_namespace, parse, print_if_failed, text, text_of, watcher_command,
};

/// A running `kernel_and_user_map -- COMMAND`.
pub struct Following {
    process: Running,
    command: Vec<String>,
    /// The command's.
    stdout: File,
    /// The program's, and what the command prints there.
    stderr: File,
}

/// The program with a command, not yet started. It reports to stderr, as JSON.
pub fn with_command(options: &[&str], command: &[&str]) -> Command {
    let options = [&["-o", "json", "--period", "0.05"], options, &["--"], command].concat();
    watcher_command(Tracefs::Mounted, &options)
}

/// A command that plays one part of the actor.
pub fn actor_part<'a>(part: &[&'a str]) -> Vec<&'a str> {
    [&[text(actor())], part].concat()
}

/// Follows a command to its end.
pub fn follow(options: &[&str], command: &[&str]) -> Run {
    Following::start(with_command(options, command)).end()
}

/// Follows a part of the actor to its end.
pub fn follow_part(options: &[&str], part: &[&str]) -> (Run, Truth) {
    Following::start_part(options, part).end_of_part()
}

impl Following {
    pub fn start(mut command: Command) -> Self {
        let [stdout, stderr] = [(); 2].map(|()| tempfile::tempfile().expect("a temporary file"));
        let [own_stdout, own_stderr] =
            [&stdout, &stderr].map(|file| file.try_clone().expect("a descriptor"));
        let args = command.get_args().map(|arg| arg.to_str().expect("text").to_owned());
        let args = args.skip_while(|arg| arg != "--").skip(1).collect();
        let process = Running::start(command.stdout(own_stdout).stderr(own_stderr));
        Self { process, command: args, stdout, stderr }
    }

    /// Starts it with a part of the actor that waits for the end of its stdin, if for anything.
    pub fn start_part(options: &[&str], part: &[&str]) -> Self {
        let mut command = with_command(options, &actor_part(part));
        command.env("TELL", "5").stdin(Stdio::piped());
        Self::start(command)
    }

    /// The program.
    pub fn process(&mut self) -> &mut Running {
        &mut self.process
    }

    /// What the command has printed so far.
    pub fn stdout(&self) -> String {
        text_of(&self.stdout)
    }

    /// For what is printed when the program has ended.
    pub fn stdout_file(&self) -> File {
        self.stdout.try_clone().expect("a descriptor")
    }

    pub fn stderr(&self) -> String {
        text_of(&self.stderr)
    }

    /// Waits until the command has printed this.
    #[track_caller]
    pub fn wait_until_printed(&self, words: &str) {
        let printed = wait_until(|| self.stdout().contains(words));
        assert!(printed, "no {words:?} in {:?}; {}", self.stdout(), self.stderr());
    }

    /// Waits until an event is reported that `wanted` accepts, and gives it.
    #[track_caller]
    pub fn wait_for(&self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut found = None;
        let reported = wait_until(|| {
            found = events_of(&self.stderr()).into_iter().find(&mut wanted);
            found.is_some()
        });
        assert!(reported, "it is never reported: {}", self.stderr());
        found.expect("it is")
    }

    /// Ends the stdin, unless it has ended already, and waits for the end of the program.
    pub fn end(mut self) -> Run {
        let status = self.wait();
        let (stdout, stderr) = (self.stdout(), self.stderr());
        Run { status, events: events_of(&stderr), stdout, stderr }
    }

    fn wait(&mut self) -> ExitStatus {
        drop(self.process.child.stdin.take());
        let mut status = None;
        let ended = wait_until(|| {
            status = self.process.child.try_wait().expect("it is ours");
            status.is_some()
        });
        assert!(ended, "it does not end: {}", self.stderr());
        status.expect("it ended")
    }

    /// The same with the truth about the part of the actor.
    pub fn end_of_part(self) -> (Run, Truth) {
        let (watcher, command) = (self.process.pid(), self.command.clone());
        let run = self.end();
        let first = run.events.iter().find(|event| event["event"] == "exec");
        let pid = first.unwrap_or_else(|| panic!("nothing is reported: {}", run.stderr));
        let pid = pid["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a pid");
        let mut truth = Truth::new(pid, watcher, command, run.status);
        truth.read(&run.stdout);
        (run, truth)
    }
}

/// As a [`crate::support::watcher::Watcher`] does.
impl Drop for Following {
    fn drop(&mut self) {
        print_if_failed("a program with a command", || (self.stdout(), self.stderr()));
    }
}

/// The objects among other lines; a last line that is still being written is left out.
pub fn events_of(stderr: &str) -> Vec<Value> {
    let whole = stderr.rfind('\n').map_or("", |end| &stderr[..=end]);
    let lines = whole.lines().filter(|line| line.starts_with('{'));
    parse(&lines.flat_map(|line| [line, "\n"]).collect::<String>())
}

/// The line that ends a whole stream.
#[track_caller]
pub fn end_of(run: &Run) -> &Value {
    let last = run.events.last().unwrap_or_else(|| panic!("no events: {}", run.stderr));
    assert_eq!(last["event"], "end", "{}", run.stderr);
    last
}

/// The argv of a part that the actor itself starts.
pub fn actor_args(part: &[&str]) -> Vec<String> {
    args(&[&["actor"], part].concat())
}

/// The command, started by a shell with or without the program in between.
pub fn by_shell(tracefs: Tracefs, is_followed: bool, command: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"readlink /proc/$$/ns/mnt; exec "$@""#, "sh"]);
    if is_followed {
        shell.arg(program()).args(["-o", "json", "--"]);
    }
    shell.args(command).stdin(Stdio::null());
    // SAFETY: the closure makes system calls only; it allocates nothing.
    unsafe { shell.pre_exec(move || in_namespace(tracefs)) };
    shell
}

/// What the command prints if the program starts it, and if the caller does.
pub fn followed_and_direct(tracefs: Tracefs, command: &[&str]) -> [String; 2] {
    [true, false].map(|is_followed| {
        let mut command = by_shell(tracefs, is_followed, command);
        let output = command.output().expect("the shell starts");
        String::from_utf8(output.stdout).expect("text")
    })
}
