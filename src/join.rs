//! Records become events: in time order, each once, every exit with its exec.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::proc::{Running, is_same_start};
use crate::record::{Kind, ProcessId, Program, Record, Usage};
use crate::wait_status::Outcome;

/// How long a BPF program may take from its timestamp to its record in the map, in
/// nanoseconds. It takes about a microsecond, but it can be interrupted or preempted,
/// and a virtual machine's CPU can be taken away under it.
pub const SETTLE_NS: u64 = 20_000_000;

/// How long an ended process is remembered at least, in nanoseconds, and at most twice as
/// long. A second hook that was held up, and a second thread that also believes to be the
/// last, insert the same event again at most this much later.
const REMEMBER_NS: u64 = 1_000_000_000;

/// What there is to print.
#[derive(Debug, PartialEq, Eq)]
pub struct Event<'a> {
    pub kind: EventKind,
    /// Boot-clock nanoseconds.
    pub time: u64,
    pub process: ProcessId,
    /// At the last exec that was seen; else at the exit, when it may be the reaper.
    pub ppid: u32,
    /// The parent's name at that time, if it is known.
    pub parent: Option<&'a [u8]>,
    pub uid: u32,
    pub gid: u32,
    pub cgroup_id: u64,
    pub exec_id: u32,
    pub comm: &'a [u8],
    /// `None` where it is not known: a kernel thread, or a fork that called no exec.
    pub program: Option<&'a Program>,
    /// Whose program it is. The same for an exec and the exit that belongs to it, also when
    /// the process changed its user, cgroup or name in between.
    pub origin: Origin<'a>,
}

/// What does not change between the exec and the exit of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    pub uid: u32,
    pub cgroup_id: u64,
    pub comm: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Exec,
    Exit {
        /// `None` where the exit itself was lost, and noticed later.
        outcome: Option<Outcome>,
        /// From the start of the process to its exit, in nanoseconds.
        duration: Option<u64>,
        usage: Option<Usage>,
    },
}

/// The exit of a process that ended unseen.
const LOST_EXIT: EventKind = EventKind::Exit { outcome: None, duration: None, usage: None };

/// The processes alive, as far as records tell, and the records not yet due.
#[derive(Debug, Default)]
pub struct Join {
    waiting: Vec<Record>,
    live: HashMap<u32, Live>,
    /// Those of the current span of time and of the one before, and when the current began.
    ended: [HashSet<ProcessId>; 2],
    ended_since: u64,
    duplicates: u64,
}

/// A process that is alive.
#[derive(Debug)]
pub struct Live {
    /// Exact to a clock tick only, where it comes from `/proc`.
    start_time: u64,
    /// `None` where it comes from `/proc`: it was running before.
    exec_id: Option<u32>,
    ppid: u32,
    parent: Option<Rc<[u8]>>,
    uid: u32,
    gid: u32,
    cgroup_id: u64,
    comm: Rc<[u8]>,
    program: Option<Program>,
}

impl Join {
    /// Takes in what one read of the map has found, in any order.
    pub fn add(&mut self, records: impl IntoIterator<Item = Record>) {
        self.waiting.extend(records);
    }

    /// Gives the events older than `before` (boot-clock nanoseconds) to `each`, in time
    /// order. Newer ones wait, since a record older than they are may still be to come.
    ///
    /// # Errors
    ///
    /// The first error of `each`. What had not been given by then is lost to the caller.
    pub fn release<E>(
        &mut self,
        before: u64,
        mut each: impl FnMut(&Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let order = |record: &Record| (record.time, matches!(record.kind, Kind::Exit { .. }));
        self.waiting.sort_by_cached_key(order); // records are large: each moves once
        let due = self.waiting.partition_point(|record| record.time < before);
        let rest = self.waiting.split_off(due);
        for record in std::mem::replace(&mut self.waiting, rest) {
            self.one(record, &mut each)?;
        }
        self.forget_ended(before);
        Ok(())
    }

    /// How many records told of an event that another had told of already.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Takes in the processes that were running before, for what they have to tell at their
    /// exit. `change` may change each program.
    pub fn add_running(
        &mut self,
        running: impl IntoIterator<Item = Running>,
        change: impl Fn(&mut Program),
    ) {
        for Running { process, ppid, uid, gid, cgroup_id, comm, argv } in running {
            let size = argv.len();
            let mut program = Program::new(None, argv, size);
            change(&mut program);
            self.live.entry(process.pid).or_insert(Live {
                start_time: process.start_time,
                exec_id: None,
                ppid,
                parent: None,
                uid,
                gid,
                cgroup_id,
                comm,
                program: (size > 0).then_some(program),
            });
        }
        let parent = |live: &Live| self.live.get(&live.ppid).map(|parent| Rc::clone(&parent.comm));
        let parents: Vec<_> = self.live.iter().map(|(&pid, live)| (pid, parent(live))).collect();
        for (pid, parent) in parents {
            self.live.entry(pid).and_modify(|live| live.parent = parent);
        }
    }

    /// The processes alive: all of which an exec was seen or [`Self::add_running`] told.
    pub fn live(&self) -> impl ExactSizeIterator<Item = (ProcessId, &Live)> {
        self.live.iter().map(|(&pid, live)| (live.id(pid), live))
    }

    /// Forgets a process whose exit was lost, and gives `each` an exit without a result,
    /// at the `time` it was noticed. Nothing happens if the exit has come after all.
    ///
    /// # Errors
    ///
    /// The error of `each`.
    pub fn lost<E>(
        &mut self,
        process: ProcessId,
        time: u64,
        mut each: impl FnMut(&Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let live = self.live.get(&process.pid);
        if live.is_none_or(|live| live.start_time != process.start_time) {
            return Ok(());
        }
        let live = self.live.remove(&process.pid);
        live.map_or(Ok(()), |live| each(&live.event(process.pid, time, LOST_EXIT)))
    }

    fn one<E>(
        &mut self,
        record: Record,
        each: &mut impl FnMut(&Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let process = record.process;
        if self.ended.iter().any(|ended| ended.contains(&process)) {
            self.duplicates += 1;
            return Ok(());
        }

        let mut known = self.live.remove(&process.pid);
        let other = known.take_if(|live| !live.is(process));
        let mut pid_is_taken = false;
        match other {
            // The pid has gone to this process, so the exit of the one before was lost.
            Some(live) if live.start_time < process.start_time => {
                each(&live.event(process.pid, record.time, LOST_EXIT))?;
            }
            // A record that took very long to come: the pid has gone to another since.
            Some(live) => {
                self.live.insert(process.pid, live);
                pid_is_taken = true;
            }
            None => {}
        }

        match record.kind {
            Kind::Exec(program) => {
                if let Some(live) = known
                    && live.exec_id.is_some_and(|exec_id| exec_id >= record.exec_id)
                {
                    self.live.insert(process.pid, live);
                    self.duplicates += 1;
                    return Ok(());
                }
                let live = Live {
                    start_time: process.start_time,
                    exec_id: Some(record.exec_id),
                    ppid: record.ppid,
                    parent: self.comm_of(record.ppid),
                    uid: record.uid,
                    gid: record.gid,
                    cgroup_id: record.cgroup_id,
                    comm: record.comm,
                    program: Some(program),
                };
                each(&live.event(process.pid, record.time, EventKind::Exec))?;
                if !pid_is_taken {
                    self.live.insert(process.pid, live);
                }
            }
            Kind::Exit { wait_status, usage } => {
                // Of a later exec that was lost, the older program says nothing.
                let same_program = known
                    .as_ref()
                    .filter(|live| live.exec_id.is_none_or(|exec_id| exec_id == record.exec_id));
                // A peak that is not above that of what ran before may be that one.
                let max_rss_kib = usage.max_rss_kib.filter(|&kib| {
                    let program = same_program.and_then(|live| live.program.as_ref());
                    program.is_none_or(|program| kib > program.max_rss_before_kib)
                });
                let parent = match &known {
                    Some(live) => live.parent.clone(),
                    None => self.comm_of(record.ppid),
                };
                each(&Event {
                    kind: EventKind::Exit {
                        outcome: Some(Outcome::from_wait_status(wait_status)),
                        duration: Some(record.time.saturating_sub(process.start_time)),
                        usage: Some(Usage { max_rss_kib, ..usage }),
                    },
                    time: record.time,
                    process,
                    ppid: known.as_ref().map_or(record.ppid, |live| live.ppid),
                    parent: parent.as_deref(),
                    uid: record.uid,
                    gid: record.gid,
                    cgroup_id: record.cgroup_id,
                    exec_id: record.exec_id,
                    comm: &record.comm,
                    program: same_program.and_then(|live| live.program.as_ref()),
                    origin: match same_program {
                        Some(live) if live.exec_id.is_some() => live.origin(),
                        _ => Origin {
                            uid: record.uid,
                            cgroup_id: record.cgroup_id,
                            comm: &record.comm,
                        },
                    },
                })?;
                self.ended[0].insert(process);
            }
        }
        Ok(())
    }

    fn comm_of(&self, pid: u32) -> Option<Rc<[u8]>> {
        self.live.get(&pid).map(|live| Rc::clone(&live.comm))
    }

    fn forget_ended(&mut self, now: u64) {
        if now.saturating_sub(self.ended_since) >= REMEMBER_NS {
            // The next span may well be like this one.
            let next = HashSet::with_capacity(self.ended[0].len());
            self.ended[1] = std::mem::replace(&mut self.ended[0], next);
            self.ended_since = now;
        }
    }
}

impl Live {
    fn id(&self, pid: u32) -> ProcessId {
        ProcessId { pid, start_time: self.start_time }
    }

    fn is(&self, process: ProcessId) -> bool {
        match self.exec_id {
            Some(_) => self.start_time == process.start_time,
            None => is_same_start(self.start_time, process.start_time),
        }
    }

    /// Whether it was running before the watch began.
    pub fn was_running(&self) -> bool {
        self.exec_id.is_none()
    }

    /// The process as an event at a time (boot-clock nanoseconds).
    pub fn event(&self, pid: u32, time: u64, kind: EventKind) -> Event<'_> {
        Event {
            kind,
            time,
            process: self.id(pid),
            ppid: self.ppid,
            parent: self.parent.as_deref(),
            uid: self.uid,
            gid: self.gid,
            cgroup_id: self.cgroup_id,
            exec_id: self.exec_id.unwrap_or(0),
            comm: &self.comm,
            program: self.program.as_ref(),
            origin: self.origin(),
        }
    }

    fn origin(&self) -> Origin<'_> {
        Origin { uid: self.uid, cgroup_id: self.cgroup_id, comm: &self.comm }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn record(pid: u32, start_time: u64, exec_id: u32, time: u64, kind: Kind) -> Record {
        Record {
            process: ProcessId { pid, start_time },
            exec_id,
            time,
            ppid: 1,
            uid: 0,
            gid: 0,
            cgroup_id: 0,
            comm: Rc::from(*b"comm"),
            kind,
        }
    }

    fn exec(pid: u32, start_time: u64, exec_id: u32, time: u64, argv: &str) -> Record {
        let program = Program::new(None, argv.as_bytes().to_vec(), argv.len());
        record(pid, start_time, exec_id, time, Kind::Exec(program))
    }

    fn exit(pid: u32, start_time: u64, exec_id: u32, time: u64, code: i32) -> Record {
        record(
            pid,
            start_time,
            exec_id,
            time,
            Kind::Exit { wait_status: code << 8, usage: Usage::default() },
        )
    }

    /// Each event in short: time, pid, "exec" or the exit code, argv[0].
    fn release(join: &mut Join, before: u64) -> Vec<String> {
        let mut lines = Vec::new();
        let shorten = |event: &Event<'_>| {
            let kind = match event.kind {
                EventKind::Exec => "exec".to_owned(),
                EventKind::Exit { outcome: Some(Outcome::Exited(code)), .. } => code.to_string(),
                EventKind::Exit { .. } => "?".to_owned(),
            };
            let argv0 = event.program.and_then(|program| program.args().next());
            let argv0 = argv0.map_or("-".into(), String::from_utf8_lossy);
            lines.push(format!("{} {} {kind} {argv0}", event.time, event.process.pid));
            Ok::<(), Infallible>(())
        };
        join.release(before, shorten).expect("infallible");
        lines
    }

    #[test]
    fn an_exit_is_joined_to_its_exec() {
        let mut join = Join::default();
        join.add([exit(7, 100, 1, 300, 4), exec(7, 100, 1, 200, "ls")]);
        assert_eq!(release(&mut join, u64::MAX), ["200 7 exec ls", "300 7 4 ls"]);
        assert_eq!(join.live().len(), 0);
    }

    #[test]
    fn events_come_in_time_order_across_reads() {
        let mut join = Join::default();
        join.add([exec(2, 20, 1, 250, "late"), exec(1, 10, 1, 100, "early")]);
        assert_eq!(release(&mut join, 200), ["100 1 exec early"]);
        join.add([exec(3, 30, 1, 220, "between")]);
        assert_eq!(release(&mut join, 300), ["220 3 exec between", "250 2 exec late"]);
    }

    #[test]
    fn the_exec_comes_before_the_exit_at_the_same_nanosecond() {
        let mut join = Join::default();
        join.add([exit(7, 100, 1, 200, 0), exec(7, 100, 1, 200, "ls")]);
        assert_eq!(release(&mut join, u64::MAX), ["200 7 exec ls", "200 7 0 ls"]);
    }

    #[test]
    fn each_exec_of_one_pid_is_an_event() {
        let mut join = Join::default();
        join.add([
            exec(7, 100, 1, 200, "sh"),
            exec(7, 100, 2, 300, "env"),
            exec(7, 100, 3, 400, "true"),
            exit(7, 100, 3, 500, 0),
        ]);
        assert_eq!(
            release(&mut join, u64::MAX),
            ["200 7 exec sh", "300 7 exec env", "400 7 exec true", "500 7 0 true"]
        );
    }

    #[test]
    fn a_record_that_comes_again_is_reported_once() {
        let mut join = Join::default();
        join.add([exec(7, 100, 1, 200, "ls")]);
        assert_eq!(release(&mut join, 1000).len(), 1);
        join.add([exec(7, 100, 1, 201, "ls"), exit(7, 100, 1, 300, 0)]);
        assert_eq!(release(&mut join, 1000), ["300 7 0 ls"]);
        join.add([exit(7, 100, 1, 301, 0), exec(7, 100, 1, 202, "ls")]);
        assert_eq!(release(&mut join, 1000), Vec::<String>::new());
        assert_eq!(join.duplicates(), 3);
    }

    #[test]
    fn a_pid_used_again_is_another_process() {
        let mut join = Join::default();
        join.add([
            exec(7, 100, 1, 110, "old"),
            exit(7, 100, 1, 120, 1),
            exec(7, 130, 1, 140, "new"),
            exit(7, 130, 1, 150, 2),
        ]);
        assert_eq!(
            release(&mut join, u64::MAX),
            ["110 7 exec old", "120 7 1 old", "140 7 exec new", "150 7 2 new"]
        );
    }

    #[test]
    fn a_lost_exit_is_noticed_when_the_pid_appears_again() {
        let mut join = Join::default();
        join.add([exec(7, 100, 1, 110, "old"), exec(7, 130, 1, 140, "new")]);
        assert_eq!(
            release(&mut join, u64::MAX),
            ["110 7 exec old", "140 7 ? old", "140 7 exec new"]
        );
    }

    #[test]
    fn a_process_that_is_gone_is_reported_unless_its_exit_has_come() {
        let mut join = Join::default();
        join.add([exec(7, 100, 1, 110, "gone"), exec(8, 100, 1, 111, "ended")]);
        release(&mut join, 200);
        join.add([exit(8, 100, 1, 210, 0)]);
        release(&mut join, 300);
        let mut lost = Vec::new();
        for (pid, start_time) in [(7, 100), (7, 100), (8, 100), (7, 99)] {
            join.lost(ProcessId { pid, start_time }, 400, |event| {
                lost.push((event.process.pid, event.time, event.kind));
                Ok::<(), Infallible>(())
            })
            .expect("infallible");
        }
        assert_eq!(lost, [(7, 400, LOST_EXIT)]);
    }

    #[test]
    fn a_very_late_record_does_not_displace_the_new_owner_of_its_pid() {
        let mut join = Join::default();
        join.add([exec(7, 130, 1, 140, "new")]);
        release(&mut join, 200);
        join.add([exec(7, 100, 1, 110, "old"), exit(7, 100, 1, 120, 0), exit(7, 130, 1, 210, 3)]);
        assert_eq!(release(&mut join, 300), ["110 7 exec old", "120 7 0 -", "210 7 3 new"]);
    }

    #[test]
    fn after_a_lost_exec_the_exit_does_not_borrow_the_program_before() {
        let mut join = Join::default();
        join.add([exec(7, 100, 1, 110, "sh"), exit(7, 100, 2, 120, 0)]);
        assert_eq!(release(&mut join, u64::MAX), ["110 7 exec sh", "120 7 0 -"]);
    }

    #[test]
    fn the_parent_at_exec_outlives_the_parent() {
        let mut join = Join::default();
        let mut orphan_exit = exit(7, 100, 1, 120, 0);
        orphan_exit.ppid = 999;
        join.add([exec(7, 100, 1, 110, "daemon"), orphan_exit]);
        join.release(u64::MAX, |event| {
            assert_eq!(event.ppid, 1);
            Ok::<(), Infallible>(())
        })
        .expect("infallible");
    }

    fn running(pid: u32, ticks: u64, ppid: u32, comm: &str) -> Running {
        Running {
            process: ProcessId { pid, start_time: ticks * 10_000_000 },
            ppid,
            uid: 0,
            gid: 0,
            cgroup_id: 0,
            comm: comm.as_bytes().into(),
            argv: comm.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_exit_of_an_older_process_has_its_command_and_parent() {
        let mut join = Join::default();
        join.add_running([running(7, 12, 3, "older"), running(3, 1, 0, "parent")], |_| ());
        join.add([exit(7, 123_456_789, 5, 200_000_000, 4)]);
        join.release(u64::MAX, |event| {
            assert_eq!(
                event.program.and_then(|program| program.args().next()),
                Some(&b"older"[..])
            );
            assert_eq!((event.ppid, event.parent), (3, Some(&b"parent"[..])));
            Ok::<(), Infallible>(())
        })
        .expect("infallible");
        assert_eq!(join.live().len(), 1);
    }

    #[test]
    fn an_older_process_that_calls_exec_is_known_by_its_new_program() {
        let mut join = Join::default();
        join.add_running([running(7, 12, 3, "older")], |_| ());
        join.add([
            exec(7, 123_456_789, 5, 200_000_000, "new"),
            exit(7, 123_456_789, 5, 300_000_000, 0),
        ]);
        assert_eq!(release(&mut join, u64::MAX), ["200000000 7 exec new", "300000000 7 0 new"]);
    }

    #[test]
    fn the_peak_of_what_ran_before_is_not_taken_for_the_programs_own() {
        for (peak, expected) in [(900, None), (1000, None), (1001, Some(1001))] {
            let mut join = Join::default();
            let mut started = exec(7, 100, 1, 110, "small");
            let Kind::Exec(program) = &mut started.kind else { panic!("an exec") };
            program.max_rss_before_kib = 1000;
            let mut ended = exit(7, 100, 1, 120, 0);
            let usage = Usage { max_rss_kib: Some(peak), ..Usage::default() };
            ended.kind = Kind::Exit { wait_status: 0, usage };
            join.add([started, ended]);
            join.release(u64::MAX, |event| {
                if let EventKind::Exit { usage, .. } = event.kind {
                    assert_eq!(usage.map(|usage| usage.max_rss_kib), Some(expected));
                }
                Ok::<(), Infallible>(())
            })
            .expect("infallible");
        }
    }

    #[test]
    fn the_parent_is_named_as_it_was_at_the_exec() {
        let mut join = Join::default();
        let mut child = exec(8, 100, 1, 120, "child");
        child.ppid = 7;
        let mut child_exit = exit(8, 100, 1, 140, 0);
        child_exit.ppid = 1;
        join.add([exec(7, 100, 1, 110, "parent"), child, exit(7, 100, 1, 130, 0), child_exit]);
        let mut parents = Vec::new();
        join.release(u64::MAX, |event| {
            parents.push((event.process.pid, event.ppid, event.parent.map(<[u8]>::to_vec)));
            Ok::<(), Infallible>(())
        })
        .expect("infallible");
        let comm = Some(b"comm".to_vec());
        assert_eq!(parents, [(7, 1, None), (8, 7, comm.clone()), (7, 1, None), (8, 7, comm)]);
    }

    #[test]
    fn the_dead_are_forgotten() {
        let mut join = Join::default();
        for pid in 0..1000 {
            join.add([exec(pid, 100, 1, 110, "x"), exit(pid, 100, 1, 120, 0)]);
        }
        release(&mut join, 200);
        for spans in 1..=3 {
            release(&mut join, 200 + spans * REMEMBER_NS);
        }
        assert_eq!((join.live().len(), join.ended.each_ref().map(HashSet::len)), (0, [0, 0]));
    }
}
