//! The wish to end: Ctrl-C and its relatives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// A second signal within this time is the first one again: timeout(1) and sudo signal
/// the process and its group. A person who presses Ctrl-C twice takes longer.
const SAME_REQUEST: Duration = Duration::from_millis(300);

/// 128 + SIGINT, as a shell reports a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Whether the program has been asked to end. It belongs to the thread that makes it.
#[derive(Debug, Clone)]
pub struct Stop {
    wanted: Arc<AtomicBool>,
    waiter: Thread,
}

impl Stop {
    pub fn new() -> Self {
        Self { wanted: Arc::default(), waiter: thread::current() }
    }

    /// Sleeps for so long or less, at most until the program is asked to end; whether it was.
    /// A channel would do, but its receiver spins before it sleeps.
    pub fn wait(&self, time: Duration) -> bool {
        if !self.is_wanted() {
            thread::park_timeout(time);
        }
        self.is_wanted()
    }

    /// Asks the program to end.
    pub fn ask(&self) {
        self.wanted.store(true, Ordering::Release);
        self.waiter.unpark();
    }

    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// What SIGINT, SIGTERM or SIGHUP ask. A later signal ends the program at once, since then it
/// is stuck, say in writing to a pipe that nobody reads.
///
/// # Errors
///
/// When the system has no room for a signal handler.
pub fn on_signals() -> Result<Stop> {
    let stop = Stop::new();
    let asked = stop.clone();
    let first = OnceLock::new();
    ctrlc::set_handler(move || {
        let begun = *first.get_or_init(Instant::now);
        if begun.elapsed() > SAME_REQUEST {
            // SAFETY: always sound. The kernel removes programs and maps with the process.
            unsafe { libc::_exit(INTERRUPTED) };
        }
        asked.ask();
    })
    .context("could not install the handler for Ctrl-C")?;
    Ok(stop)
}
