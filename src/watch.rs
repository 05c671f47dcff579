//! What user space keeps from one read of the map to the next.

use std::cell::LazyCell;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use regex::bytes::{NoExpand, Regex};

use crate::bell::Bell;
use crate::clock::boot_now;
use crate::join::Join;
use crate::loss::{Account, Loss, counters};
use crate::options::Options;
use crate::output::{Output, WRITE};
use crate::proc;
use crate::record::{Kind, ProcessId, Program, Record};
use crate::schedule::{Next, Schedule};
use crate::skel::KernelAndUserMapSkel;
use crate::stop::Stop;
use crate::summary::Summary;

/// Why a sleep is over.
#[derive(Debug, PartialEq, Eq)]
pub enum Wake {
    Read,
    Stop,
}

/// From the records of one read to the output, with the account of what was lost.
#[derive(Debug)]
pub struct Watch {
    schedule: Schedule,
    bell: Bell,
    join: Join,
    account: Account,
    output: Output,
    redact: Vec<Regex>,
    /// Whether `/proc` shows the pids that the records have, without privileges.
    has_proc: LazyCell<bool>,
    /// After a loss: processes that `/proc` no longer has, and when it was asked. Unless
    /// their exits come with the next read, those are among the lost.
    gone: Vec<ProcessId>,
    gone_at: u64,
}

impl Watch {
    /// Begins with the processes that are running now. To be called after attaching, so
    /// that none falls between. `with_tp`: whether the tp/ programs are attached, too.
    ///
    /// # Errors
    ///
    /// When the kernel's bell can't be heard.
    pub fn new(
        options: &Options,
        output: Output,
        skel: &KernelAndUserMapSkel<'_>,
        with_tp: bool,
    ) -> Result<Self> {
        let mut watch = Self {
            schedule: Schedule::new(options.period, options.max_entries, options.duration),
            bell: Bell::new(skel)?,
            join: Join::default(),
            account: Account::new(with_tp),
            output,
            redact: options.redact.clone(),
            has_proc: LazyCell::new(proc::is_usable),
            gone: Vec::new(),
            gone_at: 0,
        };
        if proc::is_usable() {
            watch.join.add_running(proc::running(), |program| redact(&watch.redact, program));
        }
        Ok(watch)
    }

    /// What to tell a person when the watch begins.
    pub fn greeting(&self) -> String {
        self.output.greeting()
    }

    /// Sleeps until the map should be read, or the program should end.
    ///
    /// # Errors
    ///
    /// When the system refuses to wait.
    pub fn sleep(&mut self, skel: &mut KernelAndUserMapSkel<'_>, stop: &Stop) -> Result<Wake> {
        loop {
            let next = self.schedule.next(counters(skel).inserted, Instant::now());
            self.bell.wind(skel, self.schedule.wake_at())?;
            // Also before a read: in a storm, nothing else asks whether to stop.
            let time = if let Next::Sleep(time) = next { time } else { Duration::ZERO };
            let asked = stop.wait(self.bell.as_fd(), time)?;
            match next {
                Next::Sleep(_) if !asked => {}
                Next::Read if !asked => return Ok(Wake::Read),
                _ => return Ok(Wake::Stop),
            }
        }
    }

    /// Takes in the records of one read, and prints the events older than `before`
    /// (boot-clock nanoseconds), and what was lost.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to, or the kernel does not tell about its programs.
    pub fn print(
        &mut self,
        mut records: Vec<Record>,
        before: u64,
        skel: &KernelAndUserMapSkel<'_>,
    ) -> Result<()> {
        self.schedule.taken(records.len(), Instant::now());
        // Nothing is lost where nothing happens, and a quiet machine shall cost nothing.
        let quiet = records.is_empty() && before != u64::MAX;
        self.improve(&mut records);
        self.join.add(records);
        self.join.release(before, |event| self.output.event(event)).context(WRITE)?;
        // All that is older is printed now, so what is noticed here gets this time.
        let now = before.min(boot_now());
        if before > self.gone_at {
            for process in self.gone.drain(..) {
                self.join.lost(process, now, |event| self.output.event(event)).context(WRITE)?;
            }
        }
        if !quiet {
            let lost = self.account.update(skel)?;
            self.output.loss(&lost, now).context(WRITE)?;
            if lost.any_exits() && self.gone.is_empty() && *self.has_proc {
                let live = self.join.live().map(|(process, _)| process);
                self.gone_at = boot_now();
                self.gone = live.filter(|&process| proc::is_gone(process)).collect();
            }
        }
        self.output.processes(self.join.live()).context(WRITE)?;
        self.output.flush().context(WRITE)
    }

    /// Completes command lines that were too long for their record, while their processes
    /// live, and hides what is to be hidden.
    fn improve(&self, records: &mut [Record]) {
        for Record { process, kind, .. } in records {
            let Kind::Exec(program) = kind else { continue };
            if program.args_truncated()
                && *self.has_proc
                && let Some(argv) = proc::argv_of(*process)
            {
                program.complete(argv);
            }
            redact(&self.redact, program);
        }
    }

    /// With `--summary`, prints the commands that ran.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn print_commands(&mut self) -> Result<()> {
        self.output.commands().context(WRITE)
    }

    /// All that was lost so far.
    pub fn loss(&self) -> Loss {
        self.account.total()
    }

    /// The closing account.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell about its programs.
    pub fn summary(&mut self, skel: &KernelAndUserMapSkel<'_>) -> Result<Summary> {
        self.account.update(skel)?;
        let reported = self.output.reported();
        let captured = counters(skel).inserted - self.join.duplicates();
        let accounted = reported.execs + reported.exits + self.output.hidden();
        Ok(Summary {
            run_time: self.schedule.elapsed(),
            reported,
            hidden: self.output.hidden(),
            unwritten: captured.saturating_sub(accounted),
            loss: self.loss(),
            fullest: self.schedule.fullest(),
            capacity: self.schedule.capacity(),
        })
    }
}

/// Puts `***` in place of all that matches in any argument.
fn redact(patterns: &[Regex], program: &mut Program) {
    if patterns.iter().any(|pattern| program.args().any(|arg| pattern.is_match(arg))) {
        program.map_args(|arg| {
            let hide = |arg: Vec<u8>, pattern: &Regex| {
                pattern.replace_all(&arg, NoExpand(b"***")).into_owned()
            };
            patterns.iter().fold(arg.to_vec(), hide)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_in_an_argument_is_hidden() {
        let patterns = ["secret", "(?i)token=[^ ]*"].map(|text| Regex::new(text).expect("a regex"));
        let argv = b"run\0--password=secret1\0TOKEN=$1 rest\0".to_vec();
        let size = argv.len();
        let mut program = Program::new(None, argv, size);
        redact(&patterns, &mut program);
        let args: Vec<_> = program.args().collect();
        assert_eq!(args, [&b"run"[..], b"--password=***1", b"*** rest"]);
        assert!(!program.args_truncated());
    }
}
