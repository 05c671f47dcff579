//! Where events go: stdout, as a table or as JSON Lines.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, anyhow};

use crate::cgroups::{Cgroups, container_id};
use crate::clock::{Clock, boot_now};
use crate::filter::Filter;
use crate::join::{Event, EventKind, Live};
use crate::json;
use crate::loss::Loss;
use crate::options::{Format, Options, View};
use crate::proc;
use crate::record::ProcessId;
use crate::table::{Table, Terminal};
use crate::tally::Tally;
use crate::users::Users;

/// What every failure to print is called.
pub const WRITE: &str = "could not write to stdout";

/// Events that have left the program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reported {
    pub execs: u64,
    pub exits: u64,
    /// Processes that ended unseen, noticed later. Their exits count as dropped or missed.
    pub lost_exits: u64,
}

/// What the system knows about an event beside its record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    pub user: Option<&'a str>,
    /// Path in the cgroup v2 hierarchy.
    pub cgroup: Option<&'a str>,
}

impl<'a> Facts<'a> {
    pub fn container_id(&self) -> Option<&'a str> {
        self.cgroup.and_then(container_id)
    }
}

/// A line of `--view processes`.
#[derive(Debug)]
pub struct Row<'a> {
    /// The process, as an event of now.
    pub event: Event<'a>,
    pub age_ns: u64,
    pub cpu_ns: Option<u64>,
}

/// Prints the events that the filter lets pass, and counts them once they are written.
#[derive(Debug)]
pub struct Output {
    out: BufWriter<File>,
    form: Form,
    view: View,
    all: bool,
    filter: Filter,
    tally: Option<Tally>,
    clock: Clock,
    users: Users,
    cgroups: Cgroups,
    printed: Reported,
    written: Reported,
    hidden: u64,
}

#[derive(Debug)]
enum Form {
    Table(Table),
    Json,
}

impl Output {
    /// Prints to stdout, beginning with the table's header.
    ///
    /// # Errors
    ///
    /// When stdout is closed, or can't be written to.
    pub fn to_stdout(options: &Options) -> Result<Self> {
        let stdout = io::stdout();
        if STDOUT_WAS_CLOSED.load(Ordering::Relaxed) {
            return Err(anyhow!("stdout is closed: events would go nowhere"));
        }
        let mut output = Self {
            // Not `Stdout` itself, which looks for the end of each line.
            out: BufWriter::with_capacity(
                64 * 1024,
                File::from(stdout.as_fd().try_clone_to_owned()?),
            ),
            form: match options.output {
                Format::Table => {
                    let terminal = Terminal::of(&stdout, stdout.is_terminal(), options.color);
                    Form::Table(Table::new(terminal, options.time))
                }
                Format::Json => Form::Json,
            },
            view: options.view,
            all: options.all,
            filter: Filter::new(options),
            tally: options.summary.then(Tally::default),
            clock: Clock::new(),
            users: Users::default(),
            cgroups: Cgroups::new(),
            printed: Reported::default(),
            written: Reported::default(),
            hidden: 0,
        };
        if let (Form::Table(table), View::Events) = (&mut output.form, output.view) {
            table.header(&mut output.out).context(WRITE)?;
        }
        output.flush().context(WRITE)?;
        Ok(output)
    }

    /// Prints an event, unless the filter or the view hides it. It may stay in memory until
    /// [`Self::flush`].
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        let origin = match self.filter.asks_for_cgroup() {
            true => self.cgroups.path(event.origin.cgroup_id),
            false => None,
        };
        if !self.filter.passes(event, origin.as_deref()) {
            self.hidden += 1;
            return Ok(());
        }
        if let Some(tally) = &mut self.tally {
            tally.add(event);
        }
        if self.view == View::Processes {
            self.hidden += 1;
            return Ok(());
        }
        match event.kind {
            EventKind::Exec => self.printed.execs += 1,
            EventKind::Exit { outcome: Some(_), .. } => self.printed.exits += 1,
            EventKind::Exit { outcome: None, .. } => self.printed.lost_exits += 1,
        }
        let cgroup = self.cgroups.path(event.cgroup_id);
        let facts = Facts { user: self.users.name(event.uid), cgroup: cgroup.as_deref() };
        match &mut self.form {
            Form::Table(table) => table.event(&mut self.out, event, &self.clock, &facts),
            Form::Json => json::event(&mut self.out, event, &self.clock, &facts),
        }
    }

    /// With `--view processes`, prints those that are alive, the newest last.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn processes<'a>(
        &mut self,
        live: impl Iterator<Item = (ProcessId, &'a Live)>,
    ) -> io::Result<()> {
        if self.view != View::Processes {
            return Ok(());
        }
        let now = boot_now();
        let mut rows = Vec::new();
        for (process, live) in live.filter(|(_, live)| self.all || !live.was_running()) {
            let event = live.event(process.pid, now, EventKind::Exec);
            let cgroup = self.cgroups.path(event.cgroup_id);
            if self.filter.passes_process(&event, cgroup.as_deref()) {
                let age_ns = now.saturating_sub(process.start_time);
                rows.push((Row { event, age_ns, cpu_ns: None }, cgroup));
            }
        }
        rows.sort_by_key(|(row, _)| (row.event.process.start_time, row.event.process.pid));
        if let Form::Table(table) = &mut self.form {
            let hidden = rows.len().saturating_sub(table.height());
            rows.drain(..hidden);
            table.processes_header(&mut self.out, now, &self.clock)?;
        } else {
            json::processes_begin(&mut self.out, now, &self.clock)?;
        }
        for (i, (row, cgroup)) in rows.iter_mut().enumerate() {
            row.cpu_ns = proc::cpu_of(row.event.process);
            let facts = Facts { user: self.users.name(row.event.uid), cgroup: cgroup.as_deref() };
            match &mut self.form {
                Form::Table(table) => table.process(&mut self.out, row, &facts)?,
                Form::Json => json::process(&mut self.out, i == 0, row, &self.clock, &facts)?,
            }
        }
        match &mut self.form {
            Form::Table(table) => table.processes_end(&mut self.out),
            Form::Json => json::processes_end(&mut self.out),
        }
    }

    /// Prints what was lost by `time` (boot-clock nanoseconds), if anything was.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn loss(&mut self, loss: &Loss, time: u64) -> io::Result<()> {
        if loss.is_none() {
            return Ok(());
        }
        match &mut self.form {
            Form::Table(table) => table.loss(&mut self.out, loss, time, &self.clock),
            Form::Json => json::loss(&mut self.out, loss, time, &self.clock),
        }
    }

    /// With `--summary`, prints the commands that ran.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn commands(&mut self) -> io::Result<()> {
        let Some(tally) = &self.tally else { return Ok(()) };
        match &self.form {
            Form::Table(table) => table.commands(&mut self.out, &tally.sorted())?,
            Form::Json => json::commands(&mut self.out, &tally.sorted(), &self.clock)?,
        }
        self.out.flush()
    }

    /// Writes what is still in memory, and looks whether the clock or the window changed.
    ///
    /// # Errors
    ///
    /// When stdout can't be written to.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.written = self.printed;
        self.clock.follow();
        if let Form::Table(table) = &mut self.form {
            table.follow_window();
        }
        Ok(())
    }

    /// How many events have left the program.
    pub fn reported(&self) -> Reported {
        self.written
    }

    /// How many events the filter or the view has hidden.
    pub fn hidden(&self) -> u64 {
        self.hidden
    }

    /// What to tell a person when the watch begins.
    pub fn greeting(&self) -> String {
        let zone = match &self.form {
            Form::Table(table) => format!("times are {}; ", table.zone_name()),
            Form::Json => String::new(),
        };
        format!("kernel_and_user_map: watching execs and exits; {zone}Ctrl-C ends it")
    }
}

/// Whether file descriptor 1 was closed when the program was started.
static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before Rust's runtime, which opens /dev/null in place of a closed stdout: all
/// events would be reported, and nobody would have seen them.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_AT_STDOUT: extern "C" fn() = {
    extern "C" fn look() {
        // SAFETY: asks about a number; nothing is touched.
        let closed = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1;
        STDOUT_WAS_CLOSED.store(closed, Ordering::Relaxed);
    }
    look
};
