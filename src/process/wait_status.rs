//! How a process ended, out of its wait status.

use std::borrow::Cow;

use nix::sys::signal::Signal;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It called exit (or returned from main) with this code, 0 to 255.
    Exited(i32),
    /// A signal ended it.
    Signaled { signal: i32, core_dumped: bool },
}

impl Outcome {
    /// Decodes a wait status, as `wait(2)` and `signal_struct::group_exit_code` have it.
    pub fn from_wait_status(status: i32) -> Self {
        if libc::WIFEXITED(status) {
            Self::Exited(libc::WEXITSTATUS(status))
        } else {
            Self::Signaled { signal: libc::WTERMSIG(status), core_dumped: libc::WCOREDUMP(status) }
        }
    }
}

/// The name of a signal: `SIGKILL`, `SIGRTMIN+3`.
pub fn signal_name(signal: i32) -> Cow<'static, str> {
    if let Ok(named) = Signal::try_from(signal) {
        return named.as_str().into();
    }
    match signal - libc::SIGRTMIN() {
        0 => "SIGRTMIN".into(),
        above @ 1.. if signal <= libc::SIGRTMAX() => format!("SIGRTMIN+{above}").into(),
        // 32 and 33 belong to the C library.
        _ => format!("SIG{signal}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_signals_and_cores_are_told_apart() {
        assert_eq!(Outcome::from_wait_status(0), Outcome::Exited(0));
        assert_eq!(Outcome::from_wait_status(3 << 8), Outcome::Exited(3));
        assert_eq!(Outcome::from_wait_status(255 << 8), Outcome::Exited(255));
        let killed = Outcome::Signaled { signal: 9, core_dumped: false };
        assert_eq!(Outcome::from_wait_status(9), killed);
        let dumped = Outcome::Signaled { signal: 11, core_dumped: true };
        assert_eq!(Outcome::from_wait_status(11 | 0x80), dumped);
    }

    #[test]
    fn every_signal_has_a_name() {
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(11), "SIGSEGV");
        assert_eq!(signal_name(libc::SIGRTMIN()), "SIGRTMIN");
        assert_eq!(signal_name(libc::SIGRTMIN() + 3), "SIGRTMIN+3");
        assert_eq!(signal_name(33), "SIG33");
    }
}
