//! Gives events to the reports: those that the filter lets pass, with their names.

use std::io;
use std::rc::Rc;

use anyhow::{Context as _, Result};

use crate::options::Options;
use crate::process::event::{Alive, Event, EventKind};
use crate::process::live::Live;
use crate::process::loss::Loss;
use crate::process::record::ProcessId;
use crate::process::wall_clock::WallClock;
use crate::report::closing_account::{ClosingAccount, Reported};
use crate::report::filter::Filter;
use crate::report::sink::{Sink, WRITE};
use crate::report::{self, Begin, Choice, Format, Report, TimeStyle, columns};
use crate::system::clock;
use crate::system::names::NameLookup;
use crate::system::{host, proc};

/// Reports events, and counts them once they are written.
#[derive(Debug)]
pub struct Reporter {
    filter: Filter,
    names: NameLookup,
    clock: WallClock,
    reports: Vec<Box<dyn Report>>,
    sink: Sink,
    /// Whether the processes that were running before are reported, too.
    all: bool,
    greeting: String,
    printed: Reported,
    written: Reported,
    hidden: u64,
}

impl Reporter {
    /// Begins with what comes before the first event of a watch that began at `time`
    /// (boot-clock nanoseconds).
    ///
    /// # Errors
    ///
    /// When `sink` can't be written to.
    pub fn begin(options: &Options, sink: Sink, time: u64) -> Result<Self> {
        let zone = if options.output == Format::Table && options.time != TimeStyle::None {
            format!("times are {}; ", columns::zone_name(options.time))
        } else {
            String::new()
        };
        let mut reporter = Self {
            filter: options.filter(),
            names: NameLookup::default(),
            clock: clock::wall_clock(),
            reports: report::chosen(Choice {
                format: options.output,
                view: options.view,
                totals: options.summary,
                time: options.time,
                colour: sink.wants_colour(options.color),
                started: time,
            }),
            sink,
            all: options.all,
            greeting: format!("watching execs and exits; {zone}Ctrl-C ends it"),
            printed: Reported::default(),
            written: Reported::default(),
            hidden: 0,
        };
        let (host_name, kernel_release) = host::name_and_release();
        let filter = reporter.filter.clone();
        let begin = Begin { time, host_name, boot_id: host::boot_id(), kernel_release, filter };
        let Self { reports, sink, clock, .. } = &mut reporter;
        reports
            .iter_mut()
            .try_for_each(|report| report.begin(&mut sink.output(*clock), &begin))
            .context(WRITE)?;
        reporter.flush().context(WRITE)?;
        Ok(reporter)
    }

    /// What to tell a person when the watch begins.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Reports an event, unless the filter hides it. It may stay in memory until
    /// [`Self::flush`].
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        let origin = self.cgroup_asked_for(event);
        let mut is_printed = false;
        if self.filter.passes(event, origin.as_deref()) {
            let names = self.names.names_of(event.common, event.process.pid);
            for report in &mut self.reports {
                is_printed |= report.event(&mut self.sink.output(self.clock), event, &names)?;
            }
        }
        let count = match event.kind {
            // It is no event of the kernel: its exit counts as dropped or missed.
            EventKind::Exit { outcome: None, .. } if !is_printed => return Ok(()),
            EventKind::Exit { outcome: None, .. } => &mut self.printed.lost_exits,
            _ if !is_printed => &mut self.hidden,
            EventKind::Exec => &mut self.printed.execs,
            EventKind::Exit { .. } => &mut self.printed.exits,
        };
        *count += 1;
        Ok(())
    }

    /// The path of the cgroup that the filter asks for.
    fn cgroup_asked_for(&mut self, event: &Event<'_>) -> Option<Rc<str>> {
        let asks = self.filter.asks_for_cgroup();
        asks.then(|| self.names.cgroup(event.origin, event.process.pid)).flatten()
    }

    /// Reports what was lost by `time` (boot-clock nanoseconds), if anything was.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn loss(&mut self, loss: &Loss, time: u64) -> io::Result<()> {
        if loss.is_none() {
            return Ok(());
        }
        let Self { reports, sink, clock, .. } = self;
        reports.iter_mut().try_for_each(|report| report.loss(&mut sink.output(*clock), loss, time))
    }

    /// Once a period, reports the processes alive to the reports that ask for them. `now`: in
    /// boot-clock nanoseconds.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn period<'a>(
        &mut self,
        live: impl Iterator<Item = (ProcessId, &'a Live)>,
        now: u64,
    ) -> io::Result<()> {
        let window = self.sink.window();
        let wanted = self.reports.iter().map(|report| report.processes_wanted(window)).max();
        let Some(wanted) = wanted.filter(|&wanted| wanted > 0) else { return Ok(()) };
        let (mut events, all) = (Vec::new(), self.all);
        for (process, live) in live.filter(|(_, live)| all || !live.was_running()) {
            let event = live.event(process.pid, now, EventKind::Exec);
            let cgroup = self.cgroup_asked_for(&event);
            if self.filter.passes_process(&event, cgroup.as_deref()) {
                events.push(event);
            }
        }
        events.sort_by_key(|event| (event.process.start_time, event.process.pid));
        events.drain(..events.len().saturating_sub(wanted));
        let describe = |event: Event<'a>| Alive {
            names: self.names.names_of(event.common, event.process.pid),
            age_ns: now.saturating_sub(event.process.start_time),
            cpu_ns: proc::cpu_of(event.process),
            event,
        };
        let alive: Vec<_> = events.into_iter().map(describe).collect();
        let Self { reports, sink, clock, .. } = self;
        reports
            .iter_mut()
            .try_for_each(|report| report.period(&mut sink.output(*clock), &alive, now))
    }

    /// Lets each report end, at `time` (boot-clock nanoseconds).
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn end(&mut self, time: u64) -> io::Result<()> {
        let Self { reports, sink, clock, .. } = self;
        reports.iter_mut().try_for_each(|report| report.end(&mut sink.output(*clock), time))?;
        self.flush()
    }

    /// Gives the closing account to each report.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn account(&mut self, account: &ClosingAccount) -> io::Result<()> {
        let Self { reports, sink, clock, .. } = self;
        reports
            .iter_mut()
            .try_for_each(|report| report.account(&mut sink.output(*clock), account))?;
        self.flush()
    }

    /// Writes what is still in memory, and looks whether the clock or the window changed.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()?;
        self.written = self.printed;
        clock::follow(&mut self.clock);
        self.names.renew();
        Ok(())
    }

    /// How many events have left the program.
    pub fn reported(&self) -> Reported {
        self.written
    }

    /// How many events no report has printed.
    pub fn hidden(&self) -> u64 {
        self.hidden
    }
}
