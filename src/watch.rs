//! A watch: what user space keeps from one read of the map to the next. It ties the rooms
//! together: records from [`kernel`](crate::kernel) go through the tracker to the reports.

use std::cell::LazyCell;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::kernel::loss_counters::{LossCounters, counters};
use crate::kernel::setup::Twins;
use crate::kernel::skel::KernelAndUserMapSkel;
use crate::kernel::wakeup::Wakeup;
use crate::options::Options;
use crate::process::loss::Loss;
use crate::process::record::{Kind, ProcessId, Record};
use crate::process::redaction::Redaction;
use crate::process::schedule::{Next, Schedule};
use crate::process::tracker::{SETTLE_NS, Tracker};
use crate::report::closing_account::ClosingAccount;
use crate::report::sink::WRITE;
use crate::reporter::Reporter;
use crate::system::clock::boot_now;
use crate::system::proc;
use crate::system::stop::Stop;

/// From the records of one read to the reports, with the account of what was lost.
#[derive(Debug)]
pub struct Watch {
    schedule: Schedule,
    wakeup: Wakeup,
    tracker: Tracker,
    loss: LossCounters,
    reporter: Reporter,
    redaction: Redaction,
    unseen: Unseen,
}

/// After a loss: processes that have ended unseen.
#[derive(Debug)]
struct Unseen {
    /// Whether `/proc` shows the pids that the records have, without privileges.
    has_proc: LazyCell<bool>,
    /// Those that `/proc` no longer has, and when it was asked. Unless their exits come with
    /// the next read, those are among the lost.
    gone: Vec<ProcessId>,
    gone_at: u64,
}

impl Watch {
    /// Begins with the processes that are running now. To be called after attaching, so
    /// that none falls between. `twins`: those that are attached.
    ///
    /// # Errors
    ///
    /// When the kernel's wake-up can't be received.
    pub fn begin(
        options: &Options,
        reporter: Reporter,
        skel: &KernelAndUserMapSkel<'_>,
        twins: Twins,
    ) -> Result<Self> {
        let schedule = Schedule::new(options.period, options.max_entries, options.duration);
        let redaction = options.redaction();
        let mut tracker = Tracker::default();
        if proc::is_usable() {
            tracker.add_running(proc::running(), |program| redaction.apply(program));
        }
        Ok(Self {
            schedule,
            wakeup: Wakeup::new(skel)?,
            tracker,
            loss: LossCounters::new(twins),
            reporter,
            redaction,
            unseen: Unseen {
                has_proc: LazyCell::new(proc::is_usable),
                gone: Vec::new(),
                gone_at: 0,
            },
        })
    }

    /// What to tell a person when the watch begins.
    pub fn greeting(&self) -> &str {
        self.reporter.greeting()
    }

    /// Sleeps until the map should be read, and tells so; or until the program should end.
    ///
    /// # Errors
    ///
    /// When the system refuses to wait.
    pub fn sleep(&mut self, skel: &mut KernelAndUserMapSkel<'_>, stop: &Stop) -> Result<bool> {
        loop {
            let next = self.schedule.next(counters(skel).inserted, Instant::now());
            self.wakeup.set(skel, self.schedule.wake_at())?;
            // Also before a read: in a storm, nothing else asks whether to stop.
            let time = if let Next::Sleep(time) = next { time } else { Duration::ZERO };
            let asked_to_stop = stop.wait(self.wakeup.as_fd(), time)?;
            if asked_to_stop || next == Next::Stop {
                return Ok(false);
            }
            if next == Next::Read {
                return Ok(true);
            }
        }
    }

    /// Takes in the records of one read that began at `read_at` (boot-clock nanoseconds), and
    /// reports all but the newest: a record that is not in the map yet may be older.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to, or the kernel does not tell about its programs.
    pub fn report(
        &mut self,
        records: Vec<Record>,
        read_at: u64,
        skel: &KernelAndUserMapSkel<'_>,
    ) -> Result<()> {
        // Nothing is lost where nothing happens, and a quiet machine shall cost nothing.
        let is_quiet = records.is_empty();
        self.report_before(read_at - SETTLE_NS, records)?;
        if !is_quiet {
            self.report_loss(read_at - SETTLE_NS, skel)?;
        }
        self.end_of_read()
    }

    /// The same with the records of the last read: reports all.
    ///
    /// # Errors
    ///
    /// As for [`Self::report`].
    pub fn report_last(
        &mut self,
        records: Vec<Record>,
        skel: &KernelAndUserMapSkel<'_>,
    ) -> Result<()> {
        self.report_before(u64::MAX, records)?;
        self.report_loss(u64::MAX, skel)?;
        self.end_of_read()?;
        self.reporter.end().context(WRITE)
    }

    /// Reports the events before a time, and the processes that have ended unseen.
    fn report_before(&mut self, before: u64, mut records: Vec<Record>) -> Result<()> {
        let Self { tracker, reporter, unseen, .. } = self;
        self.schedule.taken(records.len(), Instant::now());
        for record in &mut records {
            complete(record, &unseen.has_proc, &self.redaction);
        }
        tracker.add(records);
        tracker.events_before(before, |event| reporter.event(event)).context(WRITE)?;
        if before > unseen.gone_at {
            for process in unseen.gone.drain(..) {
                // All that is older is reported, so what is noticed here gets this time.
                let now = before.min(boot_now());
                tracker.exit_unseen(process, now, |event| reporter.event(event)).context(WRITE)?;
            }
        }
        Ok(())
    }

    fn report_loss(&mut self, before: u64, skel: &KernelAndUserMapSkel<'_>) -> Result<()> {
        let Self { tracker, unseen, .. } = self;
        let lost = self.loss.update(skel)?;
        self.reporter.loss(&lost, before.min(boot_now())).context(WRITE)?;
        if lost.any_exits() && unseen.gone.is_empty() && *unseen.has_proc {
            let live = tracker.live().map(|(process, _)| process);
            unseen.gone_at = boot_now();
            unseen.gone = live.filter(|&process| proc::is_gone(process)).collect();
        }
        Ok(())
    }

    fn end_of_read(&mut self) -> Result<()> {
        self.reporter.period(self.tracker.live()).context(WRITE)?;
        self.reporter.flush().context(WRITE)
    }

    /// All that was lost so far.
    pub fn loss(&self) -> Loss {
        self.loss.total()
    }

    /// The closing account.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell about its programs.
    pub fn closing_account(&mut self, skel: &KernelAndUserMapSkel<'_>) -> Result<ClosingAccount> {
        self.loss.update(skel)?;
        let reported = self.reporter.reported();
        let captured = counters(skel).inserted - self.tracker.duplicates();
        let accounted = reported.execs + reported.exits + self.reporter.hidden();
        Ok(ClosingAccount {
            run_time: self.schedule.elapsed(),
            reported,
            hidden: self.reporter.hidden(),
            unwritten: captured.saturating_sub(accounted),
            loss: self.loss(),
            fullest: self.schedule.fullest(),
            capacity: self.schedule.capacity(),
        })
    }
}

/// Completes a command line that was too long for its record, while its process lives, and
/// hides what is to be hidden.
fn complete(record: &mut Record, has_proc: &LazyCell<bool>, redaction: &Redaction) {
    let Kind::Exec(program) = &mut record.kind else { return };
    if program.args_truncated() && **has_proc {
        if let Some(argv) = proc::argv_of(record.process) {
            program.complete(argv);
        }
    }
    redaction.apply(program);
}
