//! The processes of a watch as a tree: each below the one that started it.

use std::collections::HashMap;
use std::rc::Rc;

use super::comm::Comm;
use super::event::{Event, EventKind, Names};
use super::record::{ProcessId, Program, RECORD_MAX, Usage, is_same_start};
use super::wait_status::Outcome;

/// Up to so many bytes of all command lines together, long ones are kept, too.
const LONG_MAX: usize = 32 << 20;

/// So many programs of one process are kept: the first ones, and the last.
const MOST_RUNS: usize = 100;
const FIRST_RUNS: usize = 10;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its start time is 0 where only its children told of it, and exact to a clock tick only
    /// where it was running before.
    pub process: ProcessId,
    /// The process that started it, as an index of [`Tree::nodes`].
    pub parent: Option<usize>,
    /// Those that it started, in the order of their starts.
    pub children: Vec<usize>,
    /// The programs that ran in it, in their order. There is at least one.
    pub runs: Vec<Run>,
    /// When it exited, in boot-clock nanoseconds. `None`: it goes on.
    pub end: Option<u64>,
    /// `None` where it goes on, or its exit was lost.
    pub outcome: Option<Outcome>,
    /// `None` where it goes on, or its exit was lost.
    pub usage: Option<Usage>,
    /// Nanoseconds on a CPU, its own; of one that goes on, by now. `None` where nobody knows.
    pub cpu_ns: Option<u64>,
    /// The same with all of its descendants.
    pub subtree_cpu_ns: u64,
}

/// One program that ran in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Boot-clock nanoseconds: its exec, or the start of a process that called none.
    pub begin: u64,
    /// Whether its process called no exec: then it ran the program of its parent.
    pub forked: bool,
    pub comm: Comm,
    /// `None` where it is not known, and for a kernel thread.
    pub program: Option<Rc<Program>>,
    pub uid: u32,
    pub user: Option<Rc<str>>,
}

impl Node {
    /// When it was created, in boot-clock nanoseconds.
    pub fn start(&self) -> u64 {
        self.process.start_time
    }

    /// The program that ran last, which is what it ended as.
    pub fn last_run(&self) -> Option<&Run> {
        self.runs.last()
    }

    /// Whether it ended other than with code 0.
    pub fn has_failed(&self) -> bool {
        self.outcome.is_some_and(|outcome| outcome != Outcome::Exited(0))
    }
}

/// A process as the tree has it while it grows.
#[derive(Debug)]
struct Growing {
    node: Node,
    /// The process before it that had the same pid.
    same_pid: Option<usize>,
    /// The start of the first child that told of it, where nothing else has.
    only_child_since: Option<u64>,
    /// Whether its start time is exact to a clock tick only.
    is_from_proc: bool,
}

/// Collects events, in the order of their times.
#[derive(Debug)]
pub struct TreeBuilder {
    /// Whether the kernel tells who started a process. Else it is the parent.
    follows: bool,
    /// So many processes are kept, and at most a quarter more.
    most: usize,
    nodes: Vec<Growing>,
    newest: HashMap<u32, usize>,
    /// Of all programs.
    bytes: usize,
    forgotten: u64,
    /// How many there may be before the next are forgotten.
    room: usize,
}

impl TreeBuilder {
    /// `follows`: whether the kernel tells who started each process. `most`: so many processes
    /// are kept, the newest.
    pub fn new(follows: bool, most: usize) -> Self {
        let (nodes, newest, room) = (Vec::new(), HashMap::new(), with_a_quarter(most));
        Self { follows, most, nodes, newest, bytes: 0, forgotten: 0, room }
    }

    /// Takes in a process that was running before, as an exec of now, unless it is known.
    pub fn add_running(&mut self, event: &Event<'_>, names: &Names) {
        let index = self.index_of(event);
        if !self.nodes[index].node.runs.is_empty() {
            return;
        }
        self.add(event, names);
        let growing = &mut self.nodes[index];
        growing.is_from_proc = true;
        growing.node.runs.iter_mut().for_each(|run| run.begin = event.process.start_time);
    }

    /// Takes in an exec or an exit.
    pub fn add(&mut self, event: &Event<'_>, names: &Names) {
        let index = self.index_of(event);
        let is_first = self.nodes[index].node.runs.is_empty();
        let mut run = Run {
            begin: event.time,
            forked: false,
            comm: event.common.comm.clone(),
            program: None,
            uid: event.common.uid,
            user: names.user.clone(),
        };
        match event.kind {
            EventKind::Exec => {
                run.program = self.keep(event.program);
                let runs = &mut self.nodes[index].node.runs;
                runs.push(run);
                // A program may call exec for ever.
                if runs.len() > MOST_RUNS {
                    let program = runs.remove(FIRST_RUNS).program;
                    self.bytes -= program.as_deref().map_or(0, Program::bytes);
                }
            }
            EventKind::Exit { outcome, usage, .. } => {
                if is_first {
                    run.begin = event.process.start_time;
                    run.forked = event.forked;
                    run.program = self.keep(event.program);
                    self.nodes[index].node.runs.push(run);
                }
                let node = &mut self.nodes[index].node;
                node.end = Some(event.time);
                node.outcome = outcome;
                node.usage = usage;
                node.cpu_ns = usage.map(|usage| usage.cpu_ns);
            }
        }
        if self.nodes.len() > self.room {
            self.forget_oldest();
            // Those that live are not forgotten, and may be more.
            self.room = with_a_quarter(self.most.max(self.nodes.len()));
        }
    }

    /// Takes in a process that goes on and has called no exec: all that is known of it is who
    /// started it (a pid, or 0).
    pub fn add_fork(&mut self, process: ProcessId, started_by: u32) {
        self.find_or_add(process, started_by, None);
    }

    /// The tree, of a watch from `begin` to `end` (boot-clock nanoseconds). `cpu_of`: the
    /// nanoseconds on a CPU by now of one that goes on.
    pub fn finish(self, begin: u64, end: u64, cpu_of: impl Fn(ProcessId) -> Option<u64>) -> Tree {
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        let since = |index: &usize| {
            let Growing { node, only_child_since, .. } = &self.nodes[*index];
            (only_child_since.unwrap_or(node.start()), only_child_since.is_none(), node.process.pid)
        };
        order.sort_by_key(since);
        let mut place = vec![0; order.len()];
        for (to, &from) in order.iter().enumerate() {
            place[from] = to;
        }
        let mut nodes: Vec<Option<Node>> =
            self.nodes.into_iter().map(|growing| Some(growing.node)).collect();
        let mut nodes: Vec<Node> = order.iter().filter_map(|&from| nodes[from].take()).collect();
        for index in 0..nodes.len() {
            // One that starts first is placed first, so a parent is, too.
            let parent = nodes[index].parent.map(|parent| place[parent]);
            let parent = parent.filter(|&parent| parent < index);
            nodes[index].parent = parent;
            if let Some(parent) = parent {
                nodes[parent].children.push(index);
            }
            if let Some(run) = run_of_fork(&nodes, index) {
                nodes[index].runs = vec![run];
            }
            let node = &mut nodes[index];
            if node.end.is_none() && node.start() > 0 {
                node.cpu_ns = cpu_of(node.process);
            }
        }
        for index in (0..nodes.len()).rev() {
            let sum = nodes[index].subtree_cpu_ns + nodes[index].cpu_ns.unwrap_or(0);
            nodes[index].subtree_cpu_ns = sum;
            if let Some(parent) = nodes[index].parent {
                nodes[parent].subtree_cpu_ns += sum;
            }
        }
        Tree { nodes, begin, end, forgotten: self.forgotten }
    }

    fn index_of(&mut self, event: &Event<'_>) -> usize {
        let started_by = if self.follows { event.common.started_by } else { event.common.ppid };
        self.find_or_add(event.process, started_by, event.parent)
    }

    fn find_or_add(&mut self, process: ProcessId, started_by: u32, name: Option<&[u8]>) -> usize {
        let known = self.find(process);
        let index = known.unwrap_or_else(|| self.push(process, None, None));
        let growing = &mut self.nodes[index];
        // What only its children told of has not told by whom it was started.
        let is_new = known.is_none() || growing.only_child_since.take().is_some();
        if is_new && started_by != 0 {
            let parent = self.starter(started_by, process.start_time, name);
            self.nodes[index].node.parent = Some(parent);
        }
        index
    }

    /// The node of a process, which learns its start time by that if need be.
    fn find(&mut self, process: ProcessId) -> Option<usize> {
        let mut next = self.newest.get(&process.pid).copied();
        while let Some(index) = next {
            let growing = &mut self.nodes[index];
            let known = growing.node.start();
            if known == process.start_time {
                return Some(index);
            }
            let is_child_younger =
                growing.only_child_since.is_some_and(|since| process.start_time <= since);
            let is_same = growing.is_from_proc && is_same_start(process.start_time, known);
            if is_same || is_child_younger {
                growing.node.process = process;
                growing.is_from_proc = false;
                return Some(index);
            }
            next = growing.same_pid;
        }
        None
    }

    /// The process that had a pid at a time, when it started a child.
    fn starter(&mut self, pid: u32, time: u64, name: Option<&[u8]>) -> usize {
        let mut next = self.newest.get(&pid).copied();
        while let Some(index) = next {
            let Growing { node, same_pid, .. } = &self.nodes[index];
            if node.start() <= time && node.end.is_none_or(|end| end >= time) {
                return index;
            }
            next = *same_pid;
        }
        let index = self.push(ProcessId { pid, start_time: 0 }, None, Some(time));
        // Its own exec or exit may come, and tell more.
        if let Some(comm) = name.filter(|_| !self.follows) {
            let (comm, program) = (comm.into(), None);
            let run = Run { begin: 0, forked: false, comm, program, uid: 0, user: None };
            self.nodes[index].node.runs.push(run);
        }
        index
    }

    fn push(
        &mut self,
        process: ProcessId,
        parent: Option<usize>,
        only_child_since: Option<u64>,
    ) -> usize {
        let index = self.nodes.len();
        let same_pid = self.newest.insert(process.pid, index);
        let node = Node {
            process,
            parent,
            children: Vec::new(),
            runs: Vec::new(),
            end: None,
            outcome: None,
            usage: None,
            cpu_ns: None,
            subtree_cpu_ns: 0,
        };
        let is_from_proc = false;
        self.nodes.push(Growing { node, same_pid, only_child_since, is_from_proc });
        index
    }

    fn keep(&mut self, program: Option<&Program>) -> Option<Rc<Program>> {
        let mut program = program.cloned()?;
        if self.bytes > LONG_MAX {
            program.cut(RECORD_MAX);
        }
        self.bytes += program.bytes();
        Some(program.into())
    }

    /// Forgets the oldest, but for those that go on.
    fn forget_oldest(&mut self) {
        let mut surplus = self.nodes.len().saturating_sub(self.most);
        let mut place = vec![None; self.nodes.len()];
        let mut kept = Vec::with_capacity(self.nodes.len());
        for (index, growing) in std::mem::take(&mut self.nodes).into_iter().enumerate() {
            if surplus > 0 && growing.node.end.is_some() {
                surplus -= 1;
                self.forgotten += 1;
                let programs = growing.node.runs.iter().filter_map(|run| run.program.as_deref());
                self.bytes -= programs.map(Program::bytes).sum::<usize>();
                continue;
            }
            place[index] = Some(kept.len());
            kept.push(growing);
        }
        for growing in &mut kept {
            growing.node.parent = growing.node.parent.and_then(|parent| place[parent]);
            growing.same_pid = growing.same_pid.and_then(|index| place[index]);
        }
        self.newest = HashMap::with_capacity(kept.len());
        for (index, growing) in kept.iter().enumerate() {
            self.newest.insert(growing.node.process.pid, index);
        }
        self.nodes = kept;
    }
}

fn with_a_quarter(most: usize) -> usize {
    most.saturating_add(most / 4)
}

/// What ran in a process at a time: before its first exec, what its parent ran when it started it.
fn running_at(nodes: &[Node], mut index: usize, mut time: u64) -> Option<&Run> {
    loop {
        let node = &nodes[index];
        if let Some(run) = node.runs.iter().rev().find(|run| run.begin <= time) {
            return Some(run);
        }
        (index, time) = (node.parent?, node.start());
    }
}

/// What runs in a process of which no exec is known: the program that its parent ran then.
/// Another name tells that an exec was lost.
fn run_of_fork(nodes: &[Node], index: usize) -> Option<Run> {
    let node = &nodes[index];
    let begin = node.start();
    let own = match node.runs.as_slice() {
        [] => None,
        [run] if run.program.is_none() => Some(run),
        _ => return None,
    };
    match (own, node.parent.and_then(|parent| running_at(nodes, parent, begin))) {
        (Some(own), Some(run)) if own.comm == run.comm => {
            let program = run.program.clone();
            Some(Run { begin, forked: true, program, ..own.clone() })
        }
        (Some(_), _) => None,
        (None, Some(run)) => Some(Run { begin, forked: true, ..run.clone() }),
        (None, None) => {
            let (comm, program) = (b"?".as_slice().into(), None);
            Some(Run { begin, forked: false, comm, program, uid: 0, user: None })
        }
    }
}

/// The processes of a watch.
#[derive(Debug, Default)]
pub struct Tree {
    /// In the order of their starts, so a parent comes before its children.
    pub nodes: Vec<Node>,
    /// Of the watch, in boot-clock nanoseconds.
    pub begin: u64,
    pub end: u64,
    /// How many older processes are not in it any more.
    pub forgotten: u64,
}

/// From a time on, so many processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// Boot-clock nanoseconds.
    pub since: u64,
    /// Processes alive.
    pub alive: usize,
    /// Of those, the ones that have no child alive. (The others mostly wait for theirs.)
    pub busy: usize,
}

impl Tree {
    /// Those without a parent, in the order of their starts.
    pub fn roots(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|&index| self.nodes[index].parent.is_none())
    }

    /// When a process was started (boot-clock nanoseconds; 0 where that is not known). A command is
    /// there a moment before, and waits for the watch to begin.
    pub fn started(&self, node: &Node) -> u64 {
        let begins = |run: &Run| run.begin >= self.begin && !run.forked;
        let waited =
            (1..self.begin).contains(&node.start()) && node.runs.first().is_some_and(begins);
        if waited { self.begin } else { node.start() }
    }

    /// When a process began and ended to be there, within the watch.
    pub fn span(&self, node: &Node) -> (u64, u64) {
        let start = node.start().clamp(self.begin, self.end);
        (start, node.end.unwrap_or(self.end).clamp(start, self.end.max(start)))
    }

    /// How many processes were there, over the time: each entry counts until the next.
    pub fn activity(&self) -> Vec<Activity> {
        // (time, whether it is an end, index): at one time, starts come first.
        let mut changes = Vec::with_capacity(self.nodes.len() * 2);
        for (index, node) in self.nodes.iter().enumerate() {
            let (from, to) = self.span(node);
            changes.push((from, false, index));
            if node.end.is_some() {
                changes.push((to, true, index));
            }
        }
        changes.sort_unstable();
        let mut living_children = vec![0_usize; self.nodes.len()];
        let mut is_alive = vec![false; self.nodes.len()];
        let (mut alive, mut busy) = (0_usize, 0_usize);
        let mut steps: Vec<Activity> = Vec::new();
        for (since, is_end, index) in changes {
            let parent = self.nodes[index].parent;
            if is_end {
                is_alive[index] = false;
                alive -= 1;
                busy -= usize::from(living_children[index] == 0);
                if let Some(parent) = parent {
                    living_children[parent] -= 1;
                    busy += usize::from(is_alive[parent] && living_children[parent] == 0);
                }
            } else {
                is_alive[index] = true;
                alive += 1;
                busy += usize::from(living_children[index] == 0);
                if let Some(parent) = parent {
                    busy -= usize::from(is_alive[parent] && living_children[parent] == 0);
                    living_children[parent] += 1;
                }
            }
            match steps.last_mut() {
                Some(last) if last.since == since => *last = Activity { since, alive, busy },
                _ => steps.push(Activity { since, alive, busy }),
            }
        }
        steps
    }

    /// The longest stretch in which one process alone was busy, as two boot-clock times.
    pub fn longest_alone(&self) -> Option<(u64, u64)> {
        let steps = self.activity();
        let mut longest: Option<(u64, u64)> = None;
        let mut since = None;
        let ends = steps.iter().skip(1).map(|step| step.since).chain([self.end]);
        for (step, end) in steps.iter().zip(ends) {
            if step.busy != 1 {
                since = None;
                continue;
            }
            let from = *since.get_or_insert(step.since);
            if longest.is_none_or(|(a, b)| end - from > b - a) {
                longest = Some((from, end));
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests;
