//! Long rows of children, each in one line.
//!
//! Nothing is folded that has failed, or has started what failed.

use std::collections::{HashMap, HashSet};

use crate::process::tree::{Node, Tree};
use crate::report::tree_summary::name_of;

/// So many children that are alike stand in lines of their own.
const ALIKE_MOST: usize = 8;

/// Likewise small ones that follow each other and are not alike: a `configure` starts thousands.
const MIXED_MOST: usize = 24;

/// Of those that are folded, the first ones are shown.
const SHOWN: usize = 3;

/// A child with all of its descendants is small up to so many processes, such as a shell that
/// starts a compiler of three, ...
const SMALL: usize = 4;

/// ... unless it took more than this part of the watch.
const SMALL_PART: u64 = 20;

/// One line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Process(usize),
    /// These, and all of their descendants.
    Folded(Vec<usize>),
}

/// What can be folded.
#[derive(Debug)]
pub struct Folding<'a> {
    tree: &'a Tree,
    all: bool,
    /// The same number: the same program with the same result, which has started the like.
    /// `None`: failed, or has a descendant that has.
    alike: Vec<Option<usize>>,
    /// How many processes each is, with all of its descendants.
    pub sizes: Vec<usize>,
}

/// What makes processes alike: the program, how it ended, and what it started.
type Likeness<'a> = (&'a [u8], Ending, Vec<usize>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Ending {
    Succeeded,
    GoesOn,
    Unknown,
}

impl<'a> Folding<'a> {
    /// `all`: nothing is folded.
    pub fn new(tree: &'a Tree, all: bool) -> Self {
        let nodes = &tree.nodes;
        let mut numbers: HashMap<Likeness<'a>, usize> = HashMap::new();
        let (mut alike, mut sizes) = (vec![None; nodes.len()], vec![1; nodes.len()]);
        // A child comes after its parent.
        for (index, node) in nodes.iter().enumerate().rev() {
            sizes[index] += node.children.iter().map(|&child| sizes[child]).sum::<usize>();
            let children: Option<Vec<usize>> =
                node.children.iter().map(|&child| alike[child]).collect();
            let Some(mut children) = children.filter(|_| !node.has_failed()) else { continue };
            children.sort_unstable();
            children.dedup();
            let next = numbers.len();
            let likeness = (name_of(node), Ending::of(node), children);
            alike[index] = Some(*numbers.entry(likeness).or_insert(next));
        }
        Self { tree, all, alike, sizes }
    }

    /// The lines for some processes with the same parent, in their order.
    pub fn items(&self, processes: &[usize]) -> Vec<Item> {
        let hidden = if self.all { HashSet::new() } else { self.hidden(processes) };
        let rows = processes.chunk_by(|a, b| hidden.contains(a) && hidden.contains(b));
        let item = |row: &[usize]| match row {
            [one] => Item::Process(*one),
            _ => Item::Folded(row.to_vec()),
        };
        rows.map(item).collect()
    }

    /// Those that have no line of their own. What can't be folded may stand between them.
    fn hidden(&self, processes: &[usize]) -> HashSet<usize> {
        let can_fold = |index: &usize| self.alike[*index].is_some();
        let processes: Vec<usize> = processes.iter().copied().filter(can_fold).collect();
        let mut hidden = HashSet::new();
        for row in processes.chunk_by(|a, b| self.alike[*a] == self.alike[*b]) {
            if row.len() > ALIKE_MOST {
                hidden.extend(&row[SHOWN..]);
            }
        }
        for row in processes.chunk_by(|a, b| self.is_small(*a) && self.is_small(*b)) {
            let lines = row.iter().filter(|&index| !hidden.contains(index)).count();
            if lines > MIXED_MOST {
                hidden.extend(&row[SHOWN..]);
            }
        }
        hidden
    }

    fn is_small(&self, index: usize) -> bool {
        let long = (self.tree.end - self.tree.begin) / SMALL_PART;
        let (start, end) = self.tree.span(&self.tree.nodes[index]);
        self.sizes[index] <= SMALL && end - start <= long
    }
}

impl Item {
    pub fn processes(&self) -> &[usize] {
        match self {
            Self::Process(index) => std::slice::from_ref(index),
            Self::Folded(indexes) => indexes,
        }
    }
}

impl Ending {
    fn of(node: &Node) -> Self {
        match (node.end, node.outcome) {
            (None, _) => Self::GoesOn,
            (Some(_), None) => Self::Unknown,
            (Some(_), Some(_)) => Self::Succeeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tree_sample::Sample;

    /// The children of a process, and what their lines hold: a pid, or how many.
    fn lines(sample: Sample) -> Vec<String> {
        let tree = sample.finish();
        let items = Folding::new(&tree, false).items(&tree.nodes[0].children);
        let text = |item: &Item| match item {
            Item::Process(index) => tree.nodes[*index].process.pid.to_string(),
            Item::Folded(indexes) => format!("x{}", indexes.len()),
        };
        items.iter().map(text).collect()
    }

    fn with_children(names: impl IntoIterator<Item = (&'static str, i32)>) -> Sample {
        let mut sample = Sample::new();
        sample.exec(1, 0, 0, "make");
        for (pid, (name, status)) in (10..).zip(names) {
            sample.exec(pid, 1, u64::from(pid), name);
            sample.exit(pid, u64::from(pid) + 1, status, 1);
        }
        sample.exec(1, 0, 10_000, "make");
        sample
    }

    #[test]
    fn a_row_of_the_like_is_three_lines_and_one() {
        let row = |count| std::iter::repeat_n(("cc", 0), count);
        assert_eq!(lines(with_children(row(8))).len(), 8);
        assert_eq!(lines(with_children(row(9))), ["10", "11", "12", "x6"]);
        let and_more = row(200).chain([("ld", 0), ("strip", 0)]);
        assert_eq!(lines(with_children(and_more)), ["10", "11", "12", "x197", "210", "211"]);
    }

    #[test]
    fn a_failure_is_never_folded_away() {
        let row = (0..30).map(|i| ("cc", if i == 15 { 1 << 8 } else { 0 }));
        assert_eq!(lines(with_children(row)), ["10", "11", "12", "x12", "25", "x14"]);
        assert_eq!(lines(with_children((0..30).map(|_| ("cc", 9)))).len(), 30);

        let mut sample = Sample::new();
        sample.exec(1, 0, 0, "make");
        for pid in 10..40 {
            sample.exec(pid, 1, 20_000, "sh");
            sample.exec(pid + 100, pid, 20_000, "cc");
            sample.exit(pid + 100, 20_001, if pid == 30 { 1 << 8 } else { 0 }, 1);
            sample.exit(pid, 20_002, 0, 1);
        }
        assert_eq!(lines(sample), ["10", "11", "12", "x17", "30", "x9"], "nor what started it");
    }

    #[test]
    fn those_that_started_something_else_are_not_alike() {
        let mut sample = Sample::new();
        sample.exec(1, 0, 0, "make");
        for pid in 10..22 {
            sample.exec(pid, 1, 10, "sh");
            sample.exec(pid + 100, pid, 20, if pid % 2 == 0 { "cc" } else { "ar" });
        }
        assert_eq!(lines(sample).len(), 12);
    }

    #[test]
    fn a_long_row_of_small_ones_is_folded_though_they_differ() {
        let row = || (0..100).map(|i| (["sed", "cat", "rm"][i % 3], 0));
        assert_eq!(lines(with_children(row())), ["10", "11", "12", "x97"]);
        assert_eq!(lines(with_children(row().take(24))).len(), 24);
        // What took long stands for itself.
        let mut sample = with_children(row());
        sample.exec(500, 1, 9_000, "ld");
        sample.exit(500, 9_900, 0, 1);
        assert_eq!(lines(sample), ["10", "11", "12", "x97", "500"]);
    }
}
