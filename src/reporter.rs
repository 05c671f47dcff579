//! Gives events to the reports: those that the filter lets pass, with their names.

use std::io::{self, IsTerminal as _};
use std::rc::Rc;

use anyhow::{Error, Result};

use crate::greeting;
use crate::options::Options;
use crate::process::event::{Alive, Event, EventKind};
use crate::process::live::Live;
use crate::process::loss::Loss;
use crate::process::record::ProcessId;
use crate::process::tree::TreeBuilder;
use crate::process::wall_clock::WallClock;
use crate::report::charset::Charset;
use crate::report::closing_account::{ClosingAccount, Reported};
use crate::report::filter::Filter;
use crate::report::outlet::Outlet;
use crate::report::sink::Sink;
use crate::report::{self, Begin, Choice, Format, Output, Report, View, Watched};
use crate::system::clock;
use crate::system::names::NameLookup;
use crate::system::{host, proc, stderr};

/// So many processes are kept for a picture, where there is no command: a watch has no end then.
const KEPT: usize = 100_000;

/// Reports events, and counts them once they are written.
#[derive(Debug)]
pub struct Reporter {
    filter: Filter,
    names: NameLookup,
    clock: WallClock,
    /// The first one counts; the others are files that are saved.
    outlets: Vec<Outlet>,
    /// Where a tree is reported.
    tree: Option<TreeBuilder>,
    begin: Begin,
    /// Whether the processes that were running before are reported, too.
    all: bool,
    /// Of what a person reads.
    charset: Charset,
    greeting: String,
    is_live: bool,
    printed: Reported,
    written: Reported,
    hidden: u64,
}

impl Reporter {
    /// For a watch that began at `time` (boot-clock nanoseconds).
    ///
    /// # Errors
    ///
    /// When a file can't be opened.
    pub fn new(options: &Options, time: u64) -> Result<Self> {
        let (host_name, kernel_release) = host::name_and_release();
        let filter = options.filter();
        let boot_id = host::boot_id();
        let begin = Begin { time, host_name, boot_id, kernel_release, filter: filter.clone() };
        let charset = Charset::of_environment();
        let (outlets, is_live) = outlets(options, time, charset)?;
        let follows = options.follows();
        let kept = if options.command.is_empty() { KEPT } else { usize::MAX };
        let has_tree = outlets.iter().any(Outlet::has_tree);
        Ok(Self {
            filter,
            names: NameLookup::default(),
            clock: clock::wall_clock(),
            outlets,
            tree: has_tree.then(|| TreeBuilder::new(follows, kept)),
            begin,
            all: options.all,
            charset,
            greeting: greeting::of(options),
            is_live,
            printed: Reported::default(),
            written: Reported::default(),
            hidden: 0,
        })
    }

    /// Reports what comes before the first event.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn begin(&mut self) -> Result<()> {
        let Self { outlets, clock, begin, .. } = self;
        for outlet in outlets {
            outlet.begin(*clock, begin)?;
        }
        self.flush()
    }

    /// In which characters a person is told something.
    pub fn charset(&self) -> Charset {
        self.charset
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
    /// When it can't be written.
    pub fn event(&mut self, event: &Event<'_>) -> Result<()> {
        let origin = self.cgroup_asked_for(event);
        let mut is_printed = false;
        let passes = self.filter.passes(event, origin.as_deref());
        // A tree is whole, whatever is printed of the events.
        if passes || self.tree.is_some() {
            let names = self.names.names_of(event.common, event.process.pid);
            if let Some(tree) = &mut self.tree {
                tree.add(event, &names);
            }
            for (i, outlet) in self.outlets.iter_mut().enumerate() {
                let mut print = |report: &mut dyn Report, out: &mut Output<'_>| {
                    if passes { report.event(out, event, &names) } else { Ok(false) }
                };
                is_printed |= (outlet.each(self.clock, &mut print)? || outlet.has_tree()) && i == 0;
            }
        }
        if passes && self.main_has_failed() {
            return Ok(()); // captured, but not written
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

    fn main_has_failed(&self) -> bool {
        self.outlets.first().is_some_and(Outlet::has_failed)
    }

    /// The path of the cgroup that the filter asks for.
    fn cgroup_asked_for(&mut self, event: &Event<'_>) -> Option<Rc<str>> {
        let asks = self.filter.asks_for_cgroup();
        asks.then(|| self.names.cgroup(event.origin, event.process.pid)).flatten()
    }

    /// Takes a process into the tree that goes on, as far as it is known: who started it (a pid,
    /// or 0), and, if it was running before, what it was then.
    pub fn goes_on(&mut self, process: ProcessId, started_by: u32, before: Option<&Live>) {
        let Some(tree) = &mut self.tree else { return };
        tree.add_fork(process, started_by);
        if let Some(live) = before.filter(|live| live.was_running()) {
            let event = live.event(process.pid, self.begin.time, EventKind::Exec);
            tree.add_running(&event, &self.names.names_of(event.common, process.pid));
        }
    }

    /// Reports what was lost by `time` (boot-clock nanoseconds), if anything was.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn loss(&mut self, loss: &Loss, time: u64) -> Result<()> {
        for outlet in self.outlets.iter_mut().filter(|_| !loss.is_none()) {
            outlet.each(self.clock, |report, out| report.loss(out, loss, time).map(|()| true))?;
        }
        Ok(())
    }

    /// Once a period, reports the processes alive to the reports that ask for them. `now`: in
    /// boot-clock nanoseconds. `is_seen`: not to a live view that nobody sees.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn period<'a>(
        &mut self,
        live: impl Iterator<Item = (ProcessId, &'a Live)>,
        now: u64,
        is_seen: bool,
    ) -> Result<()> {
        let first = usize::from(self.is_live && !is_seen);
        let outlets = &mut self.outlets[first..];
        let wanted = outlets.iter().map(Outlet::processes_wanted).max().unwrap_or(0);
        if wanted == 0 {
            return Ok(());
        }
        let (mut events, all) = (Vec::new(), self.all);
        for (process, live) in live.filter(|(_, live)| all || !live.was_running()) {
            let event = live.event(process.pid, now, EventKind::Exec);
            let asks = self.filter.asks_for_cgroup();
            let cgroup = asks.then(|| self.names.cgroup(event.origin, process.pid)).flatten();
            if self.filter.passes_process(&event, cgroup.as_deref()) {
                events.push(event);
            }
        }
        events.sort_by_key(|event| (event.process.start_time, event.process.pid));
        events.drain(..events.len().saturating_sub(wanted));
        let describe = |event: Event<'a>| {
            let asks = |any, outlet: &mut Outlet| outlet.wants_usage(event.process) || any;
            let is_wanted = outlets.iter_mut().fold(false, asks);
            let usage = is_wanted.then(|| proc::usage_of(event.process)).flatten();
            Alive {
                names: self.names.names_of(event.common, event.process.pid),
                age_ns: now.saturating_sub(event.process.start_time),
                cpu_ns: usage.map(|(cpu_ns, _)| cpu_ns),
                rss_kib: usage.map(|(_, rss_kib)| rss_kib),
                event,
            }
        };
        let alive: Vec<_> = events.into_iter().map(describe).collect();
        for outlet in outlets {
            let newest = alive.len().saturating_sub(outlet.processes_wanted());
            let newest = &alive[newest..];
            outlet
                .each(self.clock, |report, out| report.period(out, newest, now).map(|()| true))?;
        }
        Ok(())
    }

    /// Gives what was typed on the terminal to the reports; nothing: they are to be drawn anew.
    /// Tells whether the watch is to end.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn typed(&mut self, bytes: &[u8]) -> Result<bool> {
        self.flush()?; // which looks at the window
        let mut ends = false;
        for outlet in &mut self.outlets {
            ends |= outlet.each(self.clock, |report, out| report.typed(out, bytes))?;
        }
        Ok(ends)
    }

    /// Whether there is a live view.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// Lets each report end, at `time` (boot-clock nanoseconds).
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn end(&mut self, time: u64) -> Result<()> {
        for outlet in &mut self.outlets {
            outlet.each(self.clock, |report, out| report.end(out, time).map(|()| true))?;
        }
        self.flush()
    }

    /// Reports the tree, and the closing account to each report. Files get their names.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn account(&mut self, account: &ClosingAccount) -> Result<()> {
        let tree = self.tree.take();
        let tree = tree.map(|tree| tree.finish(account.begin, account.end, proc::cpu_of));
        let watched = Watched { begin: &self.begin, account, cpus: host::cpus() };
        for outlet in &mut self.outlets {
            if let Some(tree) = &tree {
                outlet.tree(self.clock, |report, out| report.write(out, tree, &watched))?;
            }
            outlet.each(self.clock, |report, out| report.account(out, account).map(|()| true))?;
        }
        self.flush()
    }

    /// What has gone wrong where others went on. To be called when all is reported.
    pub fn failures(&mut self) -> Vec<Error> {
        self.outlets.iter_mut().filter_map(Outlet::finish).collect()
    }

    /// Writes what is still in memory, and looks whether the clock or the window changed.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn flush(&mut self) -> Result<()> {
        clock::follow(&mut self.clock); // first: what comes after what is printed has its new time
        self.outlets.iter_mut().try_for_each(|outlet| outlet.flush().map(|_| ()))?;
        if !self.main_has_failed() {
            self.written = self.printed;
        }
        self.names.renew();
        Ok(())
    }

    /// Lets the main report go on in a new file, where the old one has got another name. Where none
    /// can be opened, a person is told, and the old one goes on.
    ///
    /// # Errors
    ///
    /// When the old one can't be written.
    pub fn reopen(&mut self) -> Result<()> {
        self.flush()?;
        if let Some(Err(error)) = self.outlets.first_mut().map(Outlet::reopen) {
            stderr::print(format_args!(
                "kernel_and_user_map: {error:#}; going on in the old file\n"
            ));
        }
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

/// The main one first, and whether it has a live view.
fn outlets(options: &Options, started: u64, charset: Charset) -> Result<(Vec<Outlet>, bool)> {
    let has_command = !options.command.is_empty();
    let sink = match &options.to {
        Some(path) => Sink::appending(path)?,
        None if has_command => Sink::stderr()?,
        None => Sink::stdout()?,
    };
    // A command has the terminal for itself.
    let is_live = options.output == Format::Table
        && matches!(options.view, View::Processes | View::Commands)
        && sink.is_screen()
        && options.to.is_none()
        && !has_command;
    let live = is_live.then(|| io::stdin().is_terminal());
    let choice = Choice {
        format: options.output,
        view: options.view,
        totals: options.summary,
        all: options.all,
        time: options.time,
        colour: sink.wants_colour(options.color),
        charset,
        live,
        started,
        ancestors: options.ancestors,
        host_fields: options.host_fields,
    };
    // A command goes on to its end, so its watch does, too; and files are to be saved.
    let may_fail = has_command || !options.save.is_empty();
    let main = Outlet::new(sink, report::chosen(choice), may_fail);
    let saved = options.save.iter().map(|saved| {
        let chosen = report::of_picture(saved.picture, choice);
        Outlet::file(&saved.path, chosen)
    });
    let outlets: Result<_> = [Ok(main)].into_iter().chain(saved).collect();
    Ok((outlets?, is_live))
}
