//! The figures of a whole tree, with which its table and its JSON close.

use std::collections::HashMap;

use crate::process::tree::{Node, Run, Tree};

/// What became of all processes together. Times are boot-clock nanoseconds.
#[derive(Debug)]
pub struct TreeSummary<'a> {
    /// From the first start to the last end, within the watch.
    pub begin: u64,
    pub end: u64,
    /// Nanoseconds on a CPU, of the processes that began in the watch.
    pub cpu_ns: u64,
    pub failed: usize,
    /// Indexes of the processes that go on.
    pub going_on: Vec<usize>,
    /// How many were running before the watch: what they used up is not of its time.
    pub before: usize,
    pub alone: Option<Alone<'a>>,
    /// The programs of what began in the watch, that with the most CPU time first.
    pub programs: Vec<ProgramTotal<'a>>,
}

/// The longest time in which one process alone was busy: mostly not the same one all along.
#[derive(Debug, PartialEq, Eq)]
pub struct Alone<'a> {
    pub begin: u64,
    pub end: u64,
    /// The programs that were, and for how many nanoseconds, the longest first.
    pub programs: Vec<(&'a [u8], u64)>,
}

/// What the processes of one program used up themselves.
#[derive(Debug, PartialEq, Eq)]
pub struct ProgramTotal<'a> {
    pub name: &'a [u8],
    pub count: usize,
    pub cpu_ns: u64,
}

/// The name of a program: the last part of its `argv[0]`, or the name of its process.
pub fn program_name(run: &Run) -> &[u8] {
    let path = run.program.as_ref().and_then(|program| program.args().next()).unwrap_or_default();
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if name.is_empty() { &run.comm } else { name }
}

/// The name of what a process ran last.
pub fn name_of(node: &Node) -> &[u8] {
    node.last_run().map_or(b"?", program_name)
}

/// Whether a process is known to run still. Of some it is only known that they had children.
pub fn goes_on(node: &Node) -> bool {
    node.end.is_none() && node.start() > 0
}

/// Nanoseconds that a process has lived. `None` where its start or its end is not known.
pub fn duration_of(tree: &Tree, node: &Node) -> Option<u64> {
    let end = match (node.end, node.outcome) {
        (Some(_), None) => None,
        (end, _) => Some(end.unwrap_or(tree.end)),
    };
    let started = tree.started(node);
    end.filter(|_| started > 0).map(|end| end.saturating_sub(started))
}

impl<'a> TreeSummary<'a> {
    pub fn of(tree: &'a Tree) -> Self {
        let spans = || tree.nodes.iter().map(|node| tree.span(node));
        let began = |node: &&Node| node.runs.first().is_some_and(|run| run.begin >= tree.begin);
        let new: Vec<&Node> = tree.nodes.iter().filter(began).collect();
        Self {
            begin: spans().map(|(start, _)| start).min().unwrap_or(tree.begin),
            end: spans().map(|(_, end)| end).max().unwrap_or(tree.end),
            cpu_ns: new.iter().filter_map(|node| node.cpu_ns).sum(),
            failed: tree.nodes.iter().filter(|node| node.has_failed()).count(),
            going_on: (0..tree.nodes.len()).filter(|&i| goes_on(&tree.nodes[i])).collect(),
            before: tree.nodes.len() - new.len(),
            alone: tree.longest_alone().map(|(begin, end)| Alone::of(tree, begin, end)),
            programs: totals(&new),
        }
    }

    pub fn wall_ns(&self) -> u64 {
        self.end - self.begin
    }

    /// How many CPUs were busy on average. `None` where no time passed.
    pub fn parallelism(&self) -> Option<f64> {
        (self.wall_ns() > 0).then(|| self.cpu_ns as f64 / self.wall_ns() as f64)
    }
}

fn totals<'a>(nodes: &[&'a Node]) -> Vec<ProgramTotal<'a>> {
    let mut totals: HashMap<&[u8], ProgramTotal<'a>> = HashMap::new();
    for node in nodes {
        let name = name_of(node);
        let total = totals.entry(name).or_insert(ProgramTotal { name, count: 0, cpu_ns: 0 });
        total.count += 1;
        total.cpu_ns += node.cpu_ns.unwrap_or(0);
    }
    let mut totals: Vec<_> = totals.into_values().collect();
    totals.sort_by(|a, b| b.cpu_ns.cmp(&a.cpu_ns).then_with(|| a.name.cmp(b.name)));
    totals
}

impl<'a> Alone<'a> {
    fn of(tree: &'a Tree, begin: u64, end: u64) -> Self {
        let mut busy: HashMap<&[u8], u64> = HashMap::new();
        for node in &tree.nodes {
            let ns = busy_ns(tree, node, begin, end);
            if ns > 0 {
                *busy.entry(name_of(node)).or_default() += ns;
            }
        }
        let mut programs: Vec<_> = busy.into_iter().collect();
        programs.sort_by(|(name_a, a), (name_b, b)| b.cmp(a).then_with(|| name_a.cmp(name_b)));
        Self { begin, end, programs }
    }
}

/// How long a process was alive between two times, and none of its children was.
fn busy_ns(tree: &Tree, node: &Node, begin: u64, end: u64) -> u64 {
    let (start, exit) = tree.span(node);
    let (mut since, exit) = (start.max(begin), exit.min(end));
    let mut busy = 0;
    for &child in &node.children {
        let (start, end) = tree.span(&tree.nodes[child]);
        busy += start.min(exit).saturating_sub(since);
        since = since.max(end);
    }
    busy + exit.saturating_sub(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tree_sample::{Sample, build};

    #[test]
    fn the_figures_of_a_build_add_up() {
        let tree = build();
        let summary = TreeSummary::of(&tree);
        let all: u64 = tree.nodes.iter().filter_map(|node| node.cpu_ns).sum();
        assert_eq!(summary.cpu_ns, all);
        assert_eq!((summary.failed, summary.before, summary.going_on.len()), (2, 0, 1));
        let count: usize = summary.programs.iter().map(|total| total.count).sum();
        assert_eq!(count, tree.nodes.len());
        let cpu: u64 = summary.programs.iter().map(|total| total.cpu_ns).sum();
        assert_eq!(cpu, summary.cpu_ns);
        assert!(summary.programs.is_sorted_by(|a, b| a.cpu_ns >= b.cpu_ns));
    }

    #[test]
    fn what_ran_alone_is_named_with_how_long() {
        let mut sample = Sample::new();
        sample.exec(1, 0, 0, "make");
        sample.exec(2, 1, 100, "cc a.c");
        sample.exec(3, 1, 100, "cc b.c");
        sample.exit(2, 200, 0, 90);
        sample.exit(3, 300, 0, 90);
        sample.exec(4, 1, 310, "/usr/bin/ld -o a");
        sample.exit(4, 900, 0, 500);
        sample.exit(1, 910, 0, 1);
        let tree = sample.finish();
        let alone = TreeSummary::of(&tree).alone.expect("a time alone");
        let ms = |ns: u64| ns / 1_000_000;
        assert_eq!((ms(alone.begin - tree.begin), ms(alone.end - alone.begin)), (200, 710));
        let programs: Vec<_> = alone.programs.iter().map(|(name, ns)| (*name, ms(*ns))).collect();
        assert_eq!(programs, [(&b"ld"[..], 590), (b"cc", 100), (b"make", 20)]);
    }

    #[test]
    fn what_ran_before_the_watch_is_not_of_its_time() {
        let mut sample = Sample::new();
        sample.running(1, "init");
        sample.exec(2, 1, 100, "cc");
        sample.exit(2, 200, 0, 50);
        sample.exit(1, 200, 0, 1_000_000);
        let tree = sample.finish();
        let summary = TreeSummary::of(&tree);
        assert_eq!((summary.before, summary.cpu_ns), (1, 50_000_000));
        assert_eq!(summary.programs.len(), 1);
        assert_eq!(summary.parallelism(), Some(0.25));
    }

    #[test]
    fn a_tree_of_nothing_has_figures_too() {
        let tree = Tree::default();
        let summary = TreeSummary::of(&tree);
        assert_eq!((summary.wall_ns(), summary.cpu_ns, summary.failed), (0, 0, 0));
        assert!(summary.parallelism().is_none() && summary.alone.is_none());
    }
}
