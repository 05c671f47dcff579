//! What is asked of `/proc` beside the records. There may be thousands of such questions, so
//! they are asked a few at a time, while no read of the map is due.

use std::collections::HashSet;

use crate::process::record::{Kind, ProcessId, Record};
use crate::process::redaction::Redaction;
use crate::process::tracker::Tracker;
use crate::system::clock::boot_now;
use crate::system::proc;

/// Processes that are looked at in one step: some 1 ms, as each takes five small files.
const STEP: usize = 8;

/// So many command lines are completed in one read at most, at two small files each. These can't
/// wait, since the process may end at any time, but the map fills up meanwhile.
const COMPLETED_A_READ: usize = 256;

/// So many links between a process and its known ancestors are asked for in one read at most, at
/// two small files each. They can't wait either.
const LINKED_A_READ: usize = 256;

/// The questions that are still to be asked.
#[derive(Debug)]
pub struct Look {
    /// Whether `/proc` shows the pids that the records have.
    has_proc: bool,
    /// When the watch began, in nanoseconds on the boot clock.
    begin: u64,
    /// The processes that were running then.
    running: Option<proc::Processes>,
    /// Whether an exit was lost, and which processes are still to be looked for since.
    exits_lost: bool,
    living: Vec<ProcessId>,
    /// Those that `/proc` no longer has, and when it was asked. Unless their exits come with
    /// a later read, those are among the lost.
    gone: Vec<(u64, ProcessId)>,
    /// Command lines that were completed in this read.
    completed: usize,
}

impl Look {
    /// To be called when privileges have been given up: some of the questions start a thread,
    /// which keeps what it begins with.
    ///
    /// `only`: the pids of those to ask for, of what was running before; `None`: all.
    pub fn begin(begin: u64, only: Option<&HashSet<u32>>) -> Self {
        let has_proc = proc::is_usable();
        Self {
            has_proc,
            begin,
            running: has_proc.then(|| proc::running(only)).flatten(),
            exits_lost: false,
            living: Vec::new(),
            gone: Vec::new(),
            completed: 0,
        }
    }

    pub fn is_done(&self) -> bool {
        self.running.is_none() && self.living.is_empty() && !self.exits_lost
    }

    /// Asks a few of the questions.
    pub fn step(&mut self, tracker: &mut Tracker, redaction: &Redaction) {
        proc::renew_patience();
        if let Some(running) = &mut self.running {
            let mut found = running.take(STEP).peekable();
            let is_last = found.peek().is_none();
            // One that was started later has its own records.
            for mut found in found.flatten().filter(|it| it.process.start_time <= self.begin) {
                found.program.iter_mut().for_each(|program| redaction.apply(program));
                tracker.add_running(found);
            }
            if is_last {
                tracker.name_parents_of_running();
                self.running = None;
            }
        } else if !self.living.is_empty() {
            let from = self.living.len().saturating_sub(STEP);
            let now = boot_now();
            let gone = self.living.drain(from..).filter(|&process| proc::is_gone(process));
            self.gone.extend(gone.map(|process| (now, process)));
        } else if self.exits_lost {
            self.exits_lost = false;
            if self.has_proc {
                self.living.extend(tracker.live().map(|(process, _)| process));
            }
        }
    }

    /// Whether the process is gone, as far as `/proc` tells.
    pub fn is_gone(&self, process: ProcessId) -> bool {
        self.has_proc && proc::is_gone(process)
    }

    /// The name of a process that still runs, where `/proc` shows it.
    pub fn name_of(&self, process: ProcessId) -> Option<Vec<u8>> {
        if self.has_proc { proc::name_of(process) } else { None }
    }

    /// Exits were lost: some of the living may have ended unseen.
    pub fn exits_were_lost(&mut self) {
        self.exits_lost = true;
    }

    /// Those that were gone before a time (boot-clock nanoseconds), each once.
    pub fn gone_before(&mut self, time: u64) -> impl Iterator<Item = ProcessId> {
        let due = self.gone.partition_point(|&(at, _)| at < time);
        self.gone.drain(..due).map(|(_, process)| process)
    }

    /// Completes a command line that was too long for its record, while its process lives.
    pub fn complete(&mut self, record: &mut Record) {
        let Kind::Exec(program) = &mut record.kind else { return };
        if program.args_truncated() && self.completed < COMPLETED_A_READ && self.has_proc {
            self.completed += 1;
            if let Some(argv) = proc::argv_of(record.process) {
                program.complete(argv);
            }
        }
    }

    /// Asks for the ancestors of those that called exec, where no record tells of one, such as of a
    /// subshell, while it lives.
    pub fn link(&self, tracker: &mut Tracker) {
        let mut unknown = tracker.unknown_ancestors();
        for _ in 0..LINKED_A_READ {
            let Some(next) = unknown.pop().filter(|_| self.has_proc) else { return };
            let link = proc::link_of(next.pid, next.started_by);
            unknown.extend(link.and_then(|(process, link)| tracker.add_link(process, link)));
        }
    }

    /// Another read begins.
    pub fn begin_read(&mut self) {
        self.completed = 0;
        proc::renew_patience();
    }
}
