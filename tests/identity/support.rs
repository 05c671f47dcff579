//! Processes that become somebody, looked at from outside.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process;

use anyhow::Result;
use kernel_and_user_map::system::identity::{Identity, become_user};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, Uid, chown, dup2_stderr, fork, pipe};

pub const ALICE: u32 = 1000;
pub const BOB: u32 = 1001;
pub const DEVELOPERS: u32 = 2000;

/// A forked process that has become somebody, and now does nothing. It ends with this.
pub struct Child {
    pub pid: Pid,
    /// What it said: on stderr, too.
    pub said: String,
    _lives: File,
}

impl Child {
    /// Forks: this process has one thread.
    pub fn that(act: impl FnOnce() -> Result<String>) -> Self {
        let (report, reported) = pipe().expect("descriptors");
        let (ended, lives) = pipe().expect("descriptors");
        // SAFETY: the process has one thread.
        match unsafe { fork() }.expect("there is room") {
            ForkResult::Parent { child } => {
                drop((reported, ended));
                let mut said = Vec::new();
                // Until the child closes it.
                File::from(report).read_to_end(&mut said).expect("a pipe");
                let said = String::from_utf8(said).expect("words");
                Self { pid: child, said, _lives: lives.into() }
            }
            ForkResult::Child => {
                drop((report, lives));
                let mut reported = File::from(reported);
                dup2_stderr(&reported).expect("a descriptor");
                let said = catch_unwind(AssertUnwindSafe(act));
                let said = said.unwrap_or_else(|_| Ok("panicked".into()));
                let said = said.unwrap_or_else(|error| format!("error: {error:#}"));
                let _ = reported.write_all(said.as_bytes());
                drop(reported);
                let _ = dup2_stderr(&ended);
                let _ = File::from(ended).read(&mut [0]);
                process::exit(0)
            }
        }
    }

    /// A field of /proc/PID/status, its words with one blank between them.
    pub fn status(&self, field: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.expect("a field").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Asserts what holds whoever the program goes on as.
    pub fn assert_has_no_privileges(&self) {
        const CAP_BPF: u64 = 1 << 39; // before Linux 5.19
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            let left = u64::from_str_radix(&self.status(set), 16).expect("a set");
            assert_eq!(left & !CAP_BPF, 0, "{set} {left:x}");
        }
        assert_eq!(self.status("NoNewPrivs"), "1");
        // The files of a process that is not dumpable are root's.
        let owner = fs::metadata(format!("/proc/{}/environ", self.pid)).expect("it lives").uid();
        assert_eq!(owner, 0, "it is dumpable");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = waitpid(self.pid, None);
    }
}

pub fn user(name: &str) -> Identity {
    Identity::of_user(name).expect("a user of ours")
}

/// A command of a user, to be signalled.
pub fn command_of(name: &str) -> Child {
    let user = user(name);
    Child::that(|| become_user(Some(&user)).map(|()| String::new()))
}

/// What comes of a call: "ok", or the error.
pub fn outcome<E: ToString>(result: Result<impl Sized, E>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "ok".into())
}

/// A folder of a user, that nobody else can write.
pub fn folder_of(uid: u32, mode: u32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    chown(dir.path(), Some(Uid::from_raw(uid)), None).expect("as root");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).expect("as root");
    dir
}

/// Writes a file as the program does: a new one beside it, which takes its name.
pub fn replace(file: &Path) -> io::Result<()> {
    let new = file.with_extension("new");
    File::options().write(true).create_new(true).open(&new)?.write_all(b"new\n")?;
    fs::rename(new, file)
}
