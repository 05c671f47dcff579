//! A watch: what user space keeps from one read of the map to the next. It ties the rooms
//! together: records from [`kernel`](crate::kernel) go through the tracker to the reports.

mod screen;

use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::follow::{any_lives, running_before, still_running};
use crate::kernel::loss_counters::{LossCounters, counters};
use crate::kernel::setup::Twins;
use crate::kernel::skel::KernelAndUserMapSkel;
use crate::kernel::wakeup::Wakeup;
use crate::kernel::wanted::Wanted;
use crate::kernel::watch_time;
use crate::kernel::{self, long_args};
use crate::look::Look;
use crate::options::{LOSS_STATUS, Options};
use crate::process::event::StillRunning;
use crate::process::record::{Kind, Record};
use crate::process::redaction::Redaction;
use crate::process::schedule::{Next, Schedule};
use crate::process::tracker::{SETTLE_NS, Tracker};
use crate::report::closing_account::ClosingAccount;
use crate::report::sink::is_broken_pipe;
use crate::reporter::Reporter;
use crate::system::clock::boot_now;
use crate::system::hangup::Hangup;
use crate::system::stderr;
use crate::system::stop::Stop;
use crate::system::terminal::Screen;

/// So long the watch looks at what was running before, before it says that it watches.
const FIRST_LOOK: Duration = Duration::from_millis(500);

/// So often it is looked whether any of the followed still lives.
const LAST_ENDS: Duration = Duration::from_millis(200);

/// From the records of one read to the reports, with the account of what was lost.
#[derive(Debug)]
pub struct Watch {
    /// Boot-clock nanoseconds: what happens from `begin` on, and before `end`, is watched.
    begin: u64,
    end: Option<u64>,
    /// Records that are from before or after.
    outside: u64,
    /// Whether the stream has told all that was lost.
    is_complete: bool,
    /// Whether only some processes are followed, and whether the watch ends with the last of them.
    follows: bool,
    ends_with_last: bool,
    /// Whether files are saved at the end.
    saves: bool,
    /// When the processes alive were shown last.
    shown_at: Option<Instant>,
    schedule: Schedule,
    wakeup: Wakeup,
    tracker: Tracker,
    loss: LossCounters,
    wanted: Wanted,
    reporter: Reporter,
    /// Where reports go to a file.
    hangup: Option<Hangup>,
    /// Of the live view, as long as there is one.
    screen: Option<Screen>,
    redaction: Redaction,
    look: Look,
    /// Of the followed, those that live at the end.
    running: Vec<StillRunning>,
}

impl Watch {
    /// Begins to watch, and says so. To be called when all is attached. `twins`: those that are attached.
    ///
    /// # Errors
    ///
    /// When the kernel's wake-up can't be received, or a report can't be written.
    pub fn begin(
        options: &Options,
        skel: &mut KernelAndUserMapSkel<'_>,
        twins: Twins,
    ) -> Result<Self> {
        let loss = LossCounters::begin(skel, twins)?;
        let begin = watch_time::begin(skel);
        let wanted = options.wanted();
        wanted.begin(skel, begin);
        if options.follows() {
            long_args::clear(skel)?; // of what came before, which nobody asks for
        }
        let mut watch = Self {
            begin,
            end: None,
            outside: 0,
            is_complete: false,
            follows: options.follows(),
            ends_with_last: !options.follow.is_empty(),
            saves: !options.save.is_empty(),
            shown_at: None,
            schedule: Schedule::new(options.period, options.max_entries, options.duration),
            wakeup: Wakeup::new(skel)?,
            tracker: Tracker::new(options.ancestors),
            loss,
            wanted,
            reporter: Reporter::new(options, begin)?,
            hangup: options.to.as_ref().map(|_| Hangup::new()).transpose()?,
            screen: None,
            redaction: options.redaction(),
            look: Look::begin(begin, running_before(options, skel)?.as_ref()),
            running: Vec::new(),
        };
        // What was running before: on most machines, that is all of it.
        let begun = Instant::now();
        let is_calm = |watch: &Self| counters(skel).inserted < watch.schedule.wake_at();
        while !watch.look.is_done() && begun.elapsed() < FIRST_LOOK && is_calm(&watch) {
            watch.look.step(&mut watch.tracker, &watch.redaction);
        }
        if watch.ends_with_last {
            watch.show_followed(begin, skel)?;
        }
        stderr::print(format_args!("kernel_and_user_map: {}\n", watch.reporter.greeting()));
        watch.reporter.begin()?; // a header, which stands above the events
        Ok(watch)
    }

    fn next(&mut self, skel: &KernelAndUserMapSkel<'_>) -> Next {
        self.schedule.next(counters(skel).inserted, Instant::now())
    }

    /// Sleeps until the map should be read, and tells so; or until the program should end.
    ///
    /// # Errors
    ///
    /// When the system refuses to wait.
    pub fn sleep(&mut self, skel: &mut KernelAndUserMapSkel<'_>, stop: &Stop) -> Result<bool> {
        loop {
            let next = self.next(skel);
            self.wakeup.set(skel, self.schedule.wake_at())?;
            let time = match next {
                Next::Sleep(time) if self.look.is_done() && self.ends_with_last => {
                    time.min(LAST_ENDS)
                }
                Next::Sleep(time) if self.look.is_done() => time,
                // Also before a read: in a storm, nothing else asks whether to stop.
                _ => Duration::ZERO,
            };
            let patience = self.screen.as_ref().and_then(Screen::patience);
            let time = time.min(patience.unwrap_or(time));
            let hangup = self.hangup.iter().map(|it| it.as_fd());
            let others = self.screen.iter().flat_map(Screen::files).chain(hangup);
            let asked_to_stop =
                match stop.wait([self.wakeup.as_fd()].into_iter().chain(others), time) {
                    // Nobody reads it any more, but there are files to save.
                    Err(error) if self.saves && is_broken_pipe(&error) => true,
                    asked => asked?,
                };
            if self.hangup.as_ref().is_some_and(Hangup::has_come) {
                self.reporter.reopen()?;
            }
            let is_last_gone =
                self.ends_with_last && !any_lives(skel, |process| self.look.is_gone(process))?;
            if asked_to_stop || next == Next::Stop || is_last_gone || self.follow_screen()? {
                return Ok(false);
            }
            if next == Next::Read {
                self.wanted.look(skel);
                if counters(skel).inserted != self.schedule.taken_so_far() {
                    return Ok(true);
                }
                // To look into an empty map takes the kernel a look at each of its places.
                self.report(Vec::new(), boot_now(), skel)?;
                continue;
            }
            self.look.step(&mut self.tracker, &self.redaction);
        }
    }

    /// Ends to watch, as far as the kernel is concerned. When this returns, all that happened
    /// until then is in the map. To be called before anything is detached.
    pub fn end(&mut self, skel: &mut KernelAndUserMapSkel<'_>) {
        self.end.get_or_insert_with(|| watch_time::end(skel, self.begin));
        // Where nothing lives that is followed, nothing is under way: a command shall not wait.
        if !self.follows || kernel::follow::any(skel).is_ok_and(|any| any.is_some()) {
            watch_time::wait_for_hooks(skel);
        }
    }

    /// Takes in the records of one read that began at `read_at` (boot-clock nanoseconds), and
    /// reports all but the newest: a record that is not in the map yet may be older.
    ///
    /// # Errors
    ///
    /// When a report can't be written, or the kernel does not tell about its programs.
    pub fn report(
        &mut self,
        records: Vec<Record>,
        read_at: u64,
        skel: &KernelAndUserMapSkel<'_>,
    ) -> Result<()> {
        // Nothing is lost where nothing happens, and a quiet machine shall cost nothing.
        let is_quiet = records.is_empty();
        let settled = read_at.saturating_sub(SETTLE_NS);
        self.report_before(settled, records, skel)?;
        if !is_quiet {
            self.report_loss(settled, skel)?;
        }
        // At the end they are shown once more anyway.
        let period = self.schedule.nearly_period();
        if self.end.is_none() && self.shown_at.is_none_or(|at| at.elapsed() >= period) {
            self.shown_at = Some(Instant::now());
            self.show_processes()?;
        }
        self.reporter.flush()
    }

    /// The same with the records of the last read: reports all, and the closing account.
    ///
    /// # Errors
    ///
    /// As for [`Self::report`].
    pub fn report_last(
        &mut self,
        records: Vec<Record>,
        skel: &mut KernelAndUserMapSkel<'_>,
    ) -> Result<()> {
        self.report_before(u64::MAX, records, skel)?;
        self.report_loss(u64::MAX, skel)?;
        self.is_complete = true;
        self.leave_screen();
        self.show_processes()?;
        self.reporter.end(self.not_after_end(u64::MAX))?;
        if self.follows {
            self.running = self.show_followed(self.not_after_end(u64::MAX), skel)?;
        }
        let account = self.closing_account(skel)?;
        self.reporter.account(&account)
    }

    /// Takes what is followed and lives at a time into the tree.
    fn show_followed(
        &mut self,
        time: u64,
        skel: &KernelAndUserMapSkel<'_>,
    ) -> Result<Vec<StillRunning>> {
        let running = still_running(&self.tracker, &self.look, time, skel)?;
        for StillRunning { process, started_by, .. } in &running {
            self.reporter.goes_on(*process, *started_by, self.tracker.live_as(*process));
        }
        Ok(running)
    }

    /// The exit status, where a command has ended with `command_status` (or 0 without one). To be
    /// called at the end.
    ///
    /// # Errors
    ///
    /// When a report has failed, and others went on without it.
    pub fn exit_status(&mut self, command_status: u8, fail_on_loss: bool) -> Result<ExitCode> {
        let mut failures = self.reporter.failures();
        // Who does not read what is told of a command does not change how that ends.
        failures.retain(|failure| !is_broken_pipe(failure));
        if let Some(last) = failures.pop() {
            if command_status != 0 {
                let text = format!("kernel_and_user_map: the command's status: {command_status}\n");
                stderr::print(text);
            }
            for failure in failures {
                stderr::print(format_args!("kernel_and_user_map: error: {failure:#}\n"));
            }
            return Err(last);
        }
        let is_lossy = fail_on_loss && command_status == 0 && !self.loss.total().is_none();
        Ok(ExitCode::from(if is_lossy { LOSS_STATUS } else { command_status }))
    }

    /// Reports the events before a time, and the processes that have ended unseen.
    fn report_before(
        &mut self,
        before: u64,
        records: Vec<Record>,
        skel: &KernelAndUserMapSkel<'_>,
    ) -> Result<()> {
        let now = self.not_after_end(before);
        let Self { tracker, reporter, look, .. } = self;
        self.schedule.taken(records.len(), Instant::now());
        look.begin_read();
        for mut record in records {
            if record.time < self.begin || self.end.is_some_and(|end| record.time >= end) {
                self.outside += 1;
                continue;
            }
            if self.follows {
                long_args::take(skel, &mut record)?;
            }
            if tracker.takes_long_args() {
                look.complete(&mut record);
            }
            if let Kind::Exec(program) = &mut record.kind {
                self.redaction.apply(program);
            }
            tracker.add(record);
        }
        look.link(tracker);
        tracker.events_before(before, |event| reporter.event(event))?;
        for process in look.gone_before(before) {
            // All that is older is reported, so what is noticed here gets this time.
            tracker.exit_unseen(process, now, |event| reporter.event(event))?;
        }
        Ok(())
    }

    fn report_loss(&mut self, before: u64, skel: &KernelAndUserMapSkel<'_>) -> Result<()> {
        let lost = self.loss.update(skel)?;
        if lost.any_exits() {
            self.look.exits_were_lost();
        }
        if lost.dropped_execs > 0 || lost.dropped_exits > 0 {
            self.schedule.was_full();
        }
        if self.follows && lost.any_dropped() {
            long_args::clear(skel)?;
        }
        self.reporter.loss(&lost, self.not_after_end(before))
    }

    /// A time that has come, and is not after the end of the watch.
    fn not_after_end(&self, time: u64) -> u64 {
        time.min(self.end.unwrap_or_else(boot_now))
    }

    fn show_processes(&mut self) -> Result<()> {
        let (now, is_seen) = (self.not_after_end(u64::MAX), self.is_seen());
        self.reporter.period(self.tracker.live(), now, is_seen)
    }

    /// The closing account. It ends the watch, if that has not ended yet.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell about its programs.
    pub fn closing_account(
        &mut self,
        skel: &mut KernelAndUserMapSkel<'_>,
    ) -> Result<ClosingAccount> {
        if !self.is_complete {
            // An error has cut the stream, so the account alone tells what was lost since.
            self.end(skel);
            self.loss.update(skel)?;
        }
        let reported = self.reporter.reported();
        // A hook counts after it inserts, so one that is held up may not have counted yet.
        let told_of = self.outside + self.tracker.duplicates();
        let captured = counters(skel).inserted.saturating_sub(told_of);
        let accounted = reported.execs + reported.exits + self.reporter.hidden();
        Ok(ClosingAccount {
            begin: self.begin,
            end: self.not_after_end(u64::MAX),
            reported,
            hidden: self.reporter.hidden(),
            unwritten: captured.saturating_sub(accounted),
            loss: self.loss.total(),
            running: self.running.clone(),
            fullest: self.schedule.fullest(),
            capacity: self.schedule.capacity(),
            charset: self.reporter.charset(),
        })
    }
}
