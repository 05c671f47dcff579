//! A terminal as a person has it: what it shows can be looked at, and keys be typed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{FlowArg, Termios, tcflow, tcgetattr};
use nix::unistd::setsid;

use super::processes::wait_until;
use super::program::program;
use super::terminal::terminal;
use super::watcher::{Tracefs, Watcher, in_namespace, watcher_command};

/// A terminal, and the program on it.
pub struct Console {
    keyboard: File,
    /// As the program has it.
    theirs: File,
    screen: Arc<Mutex<vt100::Parser>>,
    modes: Termios,
    /// When this goes, nobody looks at it any more.
    _power: UnixStream,
}

impl Console {
    /// A terminal of this size, on which nothing runs.
    pub fn open(columns: u16, lines: u16) -> Self {
        let (ours, theirs) = terminal();
        let (keyboard, theirs) = (File::from(ours), File::from(theirs));
        let screen = Arc::new(Mutex::new(vt100::Parser::new(lines, columns, 0)));
        let (mut shown, parser) = (keyboard.try_clone().expect("a descriptor"), screen.clone());
        let (power, until) = UnixStream::pair().expect("a pair of sockets");
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let for_input = |file| PollFd::new(file, PollFlags::POLLIN);
                let mut files = [for_input(shown.as_fd()), for_input(until.as_fd())];
                poll(&mut files, PollTimeout::NONE).expect("it waits");
                let is_off = files[1].any() == Some(true);
                // A read fails when nobody has the other end open any more.
                let Ok(count @ 1..) = (if is_off { Ok(0) } else { shown.read(&mut bytes) }) else {
                    return;
                };
                parser.lock().expect("no panic").process(&bytes[..count]);
            }
        });
        let modes = tcgetattr(&theirs).expect("a terminal");
        let console = Self { keyboard, theirs, screen, modes, _power: power };
        console.resize(columns, lines);
        console
    }

    /// Gives it to a command as stdin and stdout, in a session of its own.
    pub fn attach(&self, command: &mut Command) {
        command
            .stdin(self.output())
            .stdout(self.output())
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8");
        command.env_remove("NO_COLOR");
        let begin_session = || {
            setsid()?;
            // SAFETY: takes a number, and stdout is a terminal.
            match unsafe { libc::ioctl(1, libc::TIOCSCTTY, 0) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        };
        // SAFETY: the closure makes system calls only; it allocates nothing.
        unsafe { command.pre_exec(begin_session) };
    }

    /// For a command to print to.
    pub fn output(&self) -> Stdio {
        self.theirs.try_clone().expect("a descriptor").into()
    }

    /// Starts the program on it, and waits until it has the screen.
    pub fn start(&self, options: &[&str]) -> Watcher {
        let mut command = watcher_command(Tracefs::Mounted, options);
        self.attach(&mut command);
        self.run(command)
    }

    /// The same with a command that begins with [`Self::attach`].
    pub fn run(&self, command: Command) -> Watcher {
        let watcher = self.spawn(command);
        self.wait_for("the live view", |screen| screen.alternate_screen());
        self.wait_for("a status", |screen| screen.contents().contains("showing"));
        watcher
    }

    /// The same without waiting.
    pub fn spawn(&self, command: Command) -> Watcher {
        Watcher::spawn_into(self.theirs.try_clone().expect("a descriptor"), command)
    }

    /// The program as a job of a shell, which a line lets go on when it is stopped.
    pub fn start_below_shell(&self, options: &[&str]) -> Watcher {
        let mut command = Command::new("sh");
        let script = r#"set -m; "$0" "$@"; echo stopped; read line; fg; echo ended"#;
        command.args(["-c", script]).arg(program()).args(options);
        self.attach(&mut command);
        // SAFETY: the closure makes system calls only; it allocates nothing.
        unsafe { command.pre_exec(|| in_namespace(Tracefs::Mounted)) };
        self.run(command)
    }

    pub fn press(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).expect("a terminal");
    }

    pub fn resize(&self, columns: u16, lines: u16) {
        self.screen.lock().expect("no panic").set_size(lines, columns);
        let size = libc::winsize { ws_col: columns, ws_row: lines, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the pointer is valid for the call.
        let status =
            unsafe { libc::ioctl(self.keyboard.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
    }

    /// Whether all that was typed has been read.
    pub fn is_all_read(&self) -> bool {
        let mut left: libc::c_int = -1;
        // SAFETY: the pointer is valid for the call.
        let status = unsafe { libc::ioctl(self.theirs.as_raw_fd(), libc::FIONREAD, &raw mut left) };
        assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
        left == 0
    }

    /// Takes nothing any more, or goes on: what is written waits.
    pub fn hold(&self, holds: bool) {
        tcflow(&self.theirs, if holds { FlowArg::TCOOFF } else { FlowArg::TCOON })
            .expect("a terminal");
    }

    pub fn lines(&self) -> Vec<String> {
        let parser = self.screen.lock().expect("no panic");
        let (_, columns) = parser.screen().size();
        parser.screen().rows(0, columns).map(|line| line.trim_end().to_owned()).collect()
    }

    #[track_caller]
    pub fn wait_for(&self, what: &str, mut shown: impl FnMut(&vt100::Screen) -> bool) {
        let is_shown = wait_until(|| shown(self.screen.lock().expect("no panic").screen()));
        assert!(is_shown, "{what} is never shown: {:#?}", self.lines());
    }

    #[track_caller]
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(text, |screen| screen.contents().contains(text));
    }

    /// Waits until it is as it was before the program had it.
    #[track_caller]
    pub fn assert_left_whole(&self) {
        // All of it, since what the program has written may still be on its way.
        self.wait_for("a screen as it was", |screen| {
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && screen.fgcolor() == vt100::Color::Default
                && !screen.bold()
                && !screen.inverse()
        });
        self.assert_modes();
    }

    /// Its modes are what they were.
    #[track_caller]
    pub fn assert_modes(&self) {
        assert_eq!(tcgetattr(&self.theirs).expect("a terminal"), self.modes);
    }
}
