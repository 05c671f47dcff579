//! The closing account of a run.

use std::fmt;
use std::time::Duration;

use super::charset::Charset;
use super::word::Word;
use crate::process::event::StillRunning;
use crate::process::loss::Loss;

/// So many of the processes that go on are named.
const NAMED: usize = 10;

/// Events that have left the program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reported {
    pub execs: u64,
    pub exits: u64,
    /// Processes that ended unseen, noticed later. Their exits count as dropped or missed.
    pub lost_exits: u64,
}

/// What a run has seen, and what it has not.
#[derive(Debug, Default)]
pub struct ClosingAccount {
    /// Boot-clock nanoseconds: what happens from `begin` on, and before `end`, is accounted for.
    pub begin: u64,
    pub end: u64,
    /// Events that have left the program.
    pub reported: Reported,
    /// Events that the filter or the view has hidden.
    pub hidden: u64,
    /// Events that it had captured but could not write.
    pub unwritten: u64,
    pub loss: Loss,
    /// What is followed and goes on.
    pub running: Vec<StillRunning>,
    /// The most records seen in the map at once.
    pub fullest: u64,
    pub capacity: u64,
    /// In which it is told to a person.
    pub charset: Charset,
}

impl ClosingAccount {
    pub fn run_time(&self) -> Duration {
        Duration::from_nanos(self.end.saturating_sub(self.begin))
    }
}

impl fmt::Display for ClosingAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reported, unwritten, fullest, capacity, .. } = self;
        let Reported { execs, exits, lost_exits } = reported;
        let seconds = self.run_time().as_secs_f64();
        writeln!(f, "kernel_and_user_map: {seconds:.1} s: reported {execs} execs, {exits} exits")?;
        writeln!(f, "  {}", self.loss)?;
        if self.hidden > 0 {
            writeln!(f, "  not shown: {} events", self.hidden)?;
        }
        if *unwritten > 0 {
            writeln!(f, "  captured but not written: {unwritten} events")?;
        }
        if *lost_exits > 0 {
            writeln!(f, "  processes that ended unseen: {lost_exits}")?;
        }
        write_running(f, &self.running, self.charset)?;
        writeln!(f, "  the map was at its fullest with {fullest} of {capacity} records")
    }
}

fn write_running(
    f: &mut fmt::Formatter<'_>,
    running: &[StillRunning],
    charset: Charset,
) -> fmt::Result {
    if running.is_empty() {
        return Ok(());
    }
    write!(f, "  still running: {}:", running.len())?;
    for (i, StillRunning { process, name, .. }) in running.iter().take(NAMED).enumerate() {
        let name = name.as_deref().unwrap_or(b"?");
        let name = Word::new(name).in_charset(charset);
        write!(f, "{} {} [{name}]", if i == 0 { "" } else { "," }, process.pid)?;
    }
    if running.len() > NAMED {
        write!(f, " {}", charset.cut())?;
    }
    writeln!(f)
}
