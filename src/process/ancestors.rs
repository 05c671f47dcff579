//! Who started a process, and who started those: the chain up to init, as far as it is known.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::comm::Comm;
use super::live::{Live, LiveTable};
use super::record::{Common, Kind, ProcessId, Record};

/// So many of them are kept.
pub const ANCESTORS_MOST: usize = 64;

/// A process that started another, or one of those that started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// In the initial pid namespace.
    pub pid: u32,
    /// As it was when the next one below called exec.
    pub comm: Comm,
}

/// Whether the ancestors of a process with this parent are all known: the last one is init, or, for
/// a kernel thread, kthreadd, which nobody started.
pub fn is_whole(ppid: u32, ancestors: &[Ancestor]) -> bool {
    ancestors.last().map_or(ppid, |last| last.pid) <= 2
}

/// A process that called no exec, such as a subshell, by what its exit tells, or `/proc` while it
/// lives: it stands between what it started and what started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub ppid: u32,
    pub comm: Comm,
    /// Boot-clock nanoseconds: until then it was alive, and its parent was this one.
    pub until: u64,
}

/// A process of which only the pid is known. Times are boot-clock nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    pub pid: u32,
    /// Before that it was started, ...
    pub started_by: u64,
    /// ... and then it was alive: another may have had the pid before, or has it since.
    pub alive_at: u64,
}

/// Finds the ancestors, among the living and such links.
#[derive(Debug, Default)]
pub struct Ancestry {
    /// Those of the read.
    links: BTreeMap<ProcessId, Link>,
    /// When the pids called exec first of which that waits to be told.
    execs: HashMap<u32, u64>,
}

impl Ancestry {
    /// Takes in the records that wait. Tells of which processes it is to be found out who started
    /// them: they are ancestors of those that called exec.
    pub fn begin(&mut self, waiting: &[Record], live: &LiveTable) -> Vec<Unknown> {
        (self.links, self.execs) = Default::default();
        for Record { process, time, common, kind, .. } in waiting {
            match kind {
                Kind::Exec(_) => {
                    let first = self.execs.entry(process.pid).or_insert(*time);
                    *first = *time.min(first);
                }
                Kind::Exit { .. } => {
                    let comm = common.comm.clone();
                    let link = Link { ppid: common.ppid, comm, until: *time };
                    self.links.insert(*process, link);
                }
            }
        }
        let execs = waiting.iter().filter(|record| matches!(record.kind, Kind::Exec(_)));
        let unknown = execs.filter_map(|Record { process, time, common, .. }| {
            let started_by = process.start_time;
            self.unknown(Unknown { pid: common.ppid, started_by, alive_at: *time }, live)
        });
        let mut unknown: Vec<_> = unknown.collect();
        unknown.sort_unstable();
        unknown.dedup_by_key(|it| it.pid);
        unknown
    }

    /// Takes in what `/proc` tells of a process. Gives the next one that is to be asked for.
    pub fn add(&mut self, process: ProcessId, link: Link, live: &LiveTable) -> Option<Unknown> {
        let (started_by, alive_at) = (process.start_time, link.until);
        let parent = Unknown { pid: link.ppid, started_by, alive_at };
        self.links.insert(process, link);
        self.unknown(parent, live)
    }

    /// This process, or the first one above it of which nothing tells who started it.
    fn unknown(&self, mut it: Unknown, live: &LiveTable) -> Option<Unknown> {
        for _ in 0..ANCESTORS_MOST {
            let calls_exec = self.execs.get(&it.pid).is_some_and(|&first| first <= it.alive_at);
            if it.pid == 0 || calls_exec || living(it, live).is_some() {
                return None;
            }
            let Some((process, link)) = self.link(it) else { return Some(it) };
            let (started_by, alive_at) = (process.start_time, link.until);
            it = Unknown { pid: link.ppid, started_by, alive_at };
        }
        None
    }

    fn link(&self, it: Unknown) -> Option<(&ProcessId, &Link)> {
        let youngest = ProcessId { pid: it.pid, start_time: it.started_by };
        let link = self.links.range(..=youngest).next_back();
        link.filter(|(process, link)| process.pid == it.pid && link.until >= it.alive_at)
    }

    /// The ancestors of a process at a time (boot-clock nanoseconds), its parent first. Those above
    /// the parent are as they were when it called exec itself, so they may have ended since.
    pub fn find(
        &self,
        process: ProcessId,
        common: &Common,
        time: u64,
        live: &LiveTable,
    ) -> Rc<[Ancestor]> {
        let mut chain: Vec<Ancestor> = Vec::new();
        let mut name = common.parent_comm.clone();
        let started_by = process.start_time;
        let mut it = Unknown { pid: common.ppid, started_by, alive_at: time };
        while it.pid != 0 && chain.len() < ANCESTORS_MOST {
            let (live, link) = (living(it, live), self.link(it));
            let name_now = || live.map(Live::comm).or(link.map(|(_, link)| link.comm.clone()));
            let Some(comm) = name.or_else(name_now) else { break };
            chain.push(Ancestor { pid: it.pid, comm });
            if let Some(Live { start_time, exec_time, common, .. }) = live {
                let known = common.ancestors.as_deref().unwrap_or_default();
                if !known.is_empty() {
                    chain.extend(known.iter().take(ANCESTORS_MOST - chain.len()).cloned());
                    break;
                }
                name = common.parent_comm.clone();
                it = Unknown { pid: common.ppid, started_by: *start_time, alive_at: *exec_time };
            } else if let Some((process, link)) = link {
                name = None;
                let (started_by, alive_at) = (process.start_time, link.until);
                it = Unknown { pid: link.ppid, started_by, alive_at };
            } else {
                break;
            }
        }
        chain.into()
    }

    /// Finds those of the living of which they are not all known.
    pub fn find_missing(&self, live: &mut LiveTable) {
        let is_known = |Live { common, .. }: &Live| {
            common.ancestors.as_ref().is_some_and(|ancestors| is_whole(common.ppid, ancestors))
        };
        let unknown = live.iter().filter(|(_, it)| !is_known(it));
        let found =
            unknown.map(|(pid, it)| (pid, self.find(it.id(pid), &it.common, it.exec_time, live)));
        for (pid, ancestors) in found.collect::<Vec<_>>() {
            live.set_ancestors(pid, ancestors);
        }
    }
}

/// That process, if it is among the living. Another may have got its pid since.
fn living(it: Unknown, live: &LiveTable) -> Option<&Live> {
    live.get(it.pid).filter(|live| live.start_time <= it.started_by)
}

#[cfg(test)]
mod tests;
