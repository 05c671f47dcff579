//! One shell, as a reader has it, in a mount namespace of its own.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, setsid};

/// No block takes this long unless it hangs; the first one may compile all dependencies.
const PATIENCE: Duration = Duration::from_secs(900);

/// In the copy: the commands of a block, and what they write to stderr.
const BLOCK: &str = "target/block";
const ERRORS: &str = "target/block.err";

/// Where root's programs are, also if the caller's PATH is a user's.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin";

pub struct Shell {
    child: Child,
    stdin: ChildStdin,
    output: Receiver<Vec<u8>>,
    folder: PathBuf,
    number: usize,
}

impl Shell {
    /// In a folder. `first`: where programs are looked for before all others.
    pub fn start(folder: &Path, first: &Path, variables: &[(&str, &Path)]) -> Self {
        let mut command = Command::new("sh");
        // Cargo's variables and the runner's are about the test; a build in the copy must not see them.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let is_of_test = ["LD_LIBRARY_PATH", "RUSTC_BOOTSTRAP"].contains(&&*text);
            if text.starts_with("CARGO") && text != "CARGO_HOME" || is_of_test {
                command.env_remove(name);
            }
        }
        if let (None, Some(home)) = (env::var_os("CARGO_HOME"), option_env!("CARGO_HOME")) {
            command.env("CARGO_HOME", home); // sudo has dropped it
        }
        command
            .current_dir(folder)
            .env("PATH", path(first))
            .envs(variables.iter().copied())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // SAFETY: the closure makes system calls only; it allocates nothing.
        unsafe { command.pre_exec(isolate) };
        let mut child = command.spawn().expect("the shell starts");
        let mut stdout = child.stdout.take().expect("a pipe");
        let (send, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(size @ 1..) = stdout.read(&mut buffer) {
                if send.send(buffer[..size].to_vec()).is_err() {
                    break;
                }
            }
        });
        let stdin = child.stdin.take().expect("a pipe");
        Self { child, stdin, output, folder: folder.to_owned(), number: 0 }
    }

    /// Runs the commands, and tells what they have printed, and the status of the last one.
    /// What goes to stderr, such as the shell's words on killed jobs, is kept for [`Self::errors`].
    pub fn run(&mut self, commands: &str, place: &str) -> (String, i32) {
        fs::create_dir_all(self.folder.join("target")).expect("a folder");
        fs::write(self.folder.join(BLOCK), commands).expect("a file for the block");
        self.number += 1;
        let end = format!("end-of-block-{}", self.number);
        // No command may read what the shell is told next.
        let line = format!(". ./{BLOCK} </dev/null 2>{ERRORS}; echo; echo {end} $?");
        writeln!(self.stdin, "{line}").expect("the shell runs");

        let begun = Instant::now();
        let mut printed = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&printed);
            let found = text.rsplit_once(&format!("\n{end} "));
            if let Some((text, status)) = found.filter(|(_, status)| status.ends_with('\n')) {
                return (text.to_owned(), status.trim().parse().expect("a status"));
            }
            let why = match self.output.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(bytes) => {
                    printed.extend(bytes);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => "it hangs",
                Err(RecvTimeoutError::Disconnected) => "the shell has ended",
            };
            panic!("{place}: {why}; so far:\n{text}{}", self.errors());
        }
    }

    /// What the last block has written to stderr.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.folder.join(ERRORS)).unwrap_or_default()
    }
}

/// Whatever became of the test, nothing of it runs on.
impl Drop for Shell {
    fn drop(&mut self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// A session of its own, so that all of it can be killed; and mounts that end with it.
fn isolate() -> io::Result<()> {
    const NONE: Option<&str> = None;
    setsid()?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    // For pinned maps: an earlier run may have left one behind.
    mount(NONE, "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), NONE)?;
    Ok(())
}

/// First the test's own programs; then the cargo that built the test, which sudo may not find.
fn path(first: &Path) -> OsString {
    let cargo = Path::new(env!("CARGO")).parent().expect("a folder");
    let mut path = first.as_os_str().to_owned();
    for more in [cargo.as_os_str(), &env::var_os("PATH").unwrap_or_default(), SYSTEM_PATH.as_ref()]
    {
        path.push(":");
        path.push(more);
    }
    path
}

/// The full path of a program.
pub fn find(name: &str) -> Option<PathBuf> {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":");
    path.push(SYSTEM_PATH);
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
