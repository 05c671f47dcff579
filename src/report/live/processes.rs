//! The rows of processes: what is kept of each, and in which order they are shown.

use std::collections::HashMap;

use regex::bytes::Regex;

use super::columns::Column;
use crate::process::comm::Comm;
use crate::process::event::{Alive, Names};
use crate::process::record::{ProcessId, Program};
use crate::report::usages::Usages;

/// So many bytes of a command line are kept, to show and to search it.
const KEPT: usize = 2048;

/// Deeper branches of the tree are shown at this depth.
const DEEPEST: usize = 12;

/// A process alive.
#[derive(Debug)]
pub struct Process {
    pub id: ProcessId,
    exec_id: u32,
    pub ppid: u32,
    pub uid: u32,
    pub comm: Comm,
    pub names: Names,
    pub program: Option<Program>,
    pub age_ns: u64,
    /// What it has of the CPUs, and its memory, where it has been looked at.
    pub cpus: Option<f64>,
    pub rss_kib: Option<u64>,
}

/// Brings the rows up to date. Both they and the processes are in the order of their starts.
pub fn update(rows: &mut Vec<Process>, alive: &[Alive<'_>], usages: &Usages) {
    let mut before = std::mem::take(rows).into_iter().peekable();
    rows.reserve(alive.len());
    for Alive { event, names, age_ns, .. } in alive {
        let order = |id: ProcessId| (id.start_time, id.pid);
        while before.next_if(|row| order(row.id) < order(event.process)).is_some() {}
        let same = before.next_if(|row| {
            row.id == event.process && row.exec_id == event.exec_id && row.comm == event.common.comm
        });
        let program = match same {
            Some(row) => row.program,
            None => event.program.cloned().map(|mut program| {
                program.cut(KEPT);
                program
            }),
        };
        rows.push(Process {
            id: event.process,
            exec_id: event.exec_id,
            ppid: event.common.ppid,
            uid: event.common.uid,
            comm: event.common.comm.clone(),
            names: names.clone(),
            program,
            age_ns: *age_ns,
            cpus: usages.share(event.process),
            rss_kib: usages.rss_kib(event.process),
        });
    }
}

impl Process {
    /// Whether the filter finds its name or its command line. `line`: kept for its memory.
    fn is_found(&self, filter: &Regex, line: &mut Vec<u8>) -> bool {
        line.clear();
        for arg in self.program.iter().flat_map(Program::args) {
            line.extend_from_slice(arg);
            line.push(b' ');
        }
        filter.is_match(line.trim_ascii_end()) || filter.is_match(&self.comm)
    }
}

/// A row to be shown.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Which one it is.
    pub index: usize,
    /// The branches of the tree before its command.
    pub branches: String,
}

/// Which rows are shown, and in which order.
pub fn placed(
    rows: &[Process],
    filter: Option<&Regex>,
    (sort, ascending): (Column, bool),
    tree: bool,
) -> Vec<Placed> {
    let mut line = Vec::new();
    let mut found: Vec<usize> = (0..rows.len()).collect();
    if let Some(filter) = filter {
        found.retain(|&index| rows[index].is_found(filter, &mut line));
    }
    found.sort_by(|&a, &b| {
        let order = sort.compare_processes(&rows[a], &rows[b]);
        let order = if ascending { order } else { order.reverse() };
        order.then(b.cmp(&a)) // of those that are alike, the newest first
    });
    if tree {
        return as_tree(rows, &found);
    }
    found.into_iter().map(|index| Placed { index, branches: String::new() }).collect()
}

/// Each below its parent, where that is among them.
fn as_tree(rows: &[Process], found: &[usize]) -> Vec<Placed> {
    let by_pid: HashMap<u32, usize> =
        found.iter().map(|&index| (rows[index].id.pid, index)).collect();
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for &index in found {
        // A parent is older: a pid that was given anew makes no circle.
        match by_pid.get(&rows[index].ppid).filter(|&&parent| parent < index) {
            Some(&parent) => children.entry(parent).or_default().push(index),
            None => roots.push(index),
        }
    }
    let mut placed = Vec::with_capacity(found.len());
    // What is still to be placed, the next one last: which row, the branches of its parent's
    // children, and whether it is the last of those. A root has none.
    let mut next: Vec<(usize, Option<(String, bool)>)> =
        roots.into_iter().rev().map(|index| (index, None)).collect();
    while let Some((index, place)) = next.pop() {
        let (own, below) = match place {
            None => (String::new(), String::new()),
            Some((above, is_last)) => {
                let own = format!("{above}{}", if is_last { "└─ " } else { "├─ " });
                let deeper = if is_last { "   " } else { "│  " };
                let is_deepest = above.chars().count() >= 3 * DEEPEST;
                (own, if is_deepest { above } else { format!("{above}{deeper}") })
            }
        };
        placed.push(Placed { index, branches: own });
        let children = children.remove(&index).unwrap_or_default();
        let last = children.last().copied();
        for child in children.into_iter().rev() {
            next.push((child, Some((below.clone(), Some(child) == last))));
        }
    }
    placed
}
