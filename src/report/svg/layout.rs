//! Bars into rows: each process below the one that started it, and rows used again where they
//! are free. What is too narrow to be seen is drawn together.
//!
//! Nothing here is recursive: a command can build a tree as deep as it likes.

use super::scale::{Scale, Tenths};
use crate::process::tree::{Node, Tree};

/// Rows beyond that are not drawn. It is what a screen or two have room for, and bounds the work:
/// a search for free rows looks at each.
pub const MOST_ROWS: usize = 200;

/// No bar is narrower.
const LEAST_WIDTH: u32 = 10;

/// How many times wider than narrow a bar of several processes may become. So it still tells when.
const MOST_TOGETHER: u32 = 8;

/// One process, or several that are too narrow to be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// The uppermost is 0.
    pub row: usize,
    pub from: Tenths,
    pub to: Tenths,
    /// The process, or the longest of them, as an index of [`Tree::nodes`].
    pub index: usize,
    /// How many processes it stands for.
    pub count: usize,
    pub failures: usize,
    /// One that failed.
    pub failed: Option<usize>,
}

/// Where everything is.
#[derive(Debug, Default)]
pub struct Layout {
    /// From above to below, and from left to right.
    pub bars: Vec<Bar>,
    pub rows: usize,
    /// How many processes are in none of the bars, for want of rows.
    pub hidden: usize,
}

/// A process with its descendants.
#[derive(Debug, Clone, Copy, Default)]
struct Subtree {
    from: Tenths,
    to: Tenths,
    count: usize,
    failures: usize,
    failed: Option<usize>,
}

/// A bar and all below it, as its parent places it.
#[derive(Debug)]
struct Block {
    parent: Option<usize>,
    /// Its row is counted from the parent's.
    bar: Bar,
    /// When its rows are free again.
    to: Tenths,
    height: usize,
    is_narrow: bool,
}

/// Places the bars. What takes less than `narrow`, with all its descendants, is drawn together
/// with what is beside it.
pub fn lay_out(tree: &Tree, scale: &Scale, narrow: Tenths) -> Layout {
    let narrow = narrow.max(Tenths(LEAST_WIDTH));
    let subtrees = subtrees(tree, scale);
    let is_narrow: Vec<bool> =
        subtrees.iter().map(|subtree| subtree.to.0 - subtree.from.0 < narrow.0).collect();
    let depths = depths(&tree.nodes);
    let mut heights = vec![1; tree.nodes.len()];
    let mut blocks: Vec<Block> = Vec::new();
    // Children come behind their parents, so each is finished before its parent asks how high
    // it is. What is in a narrow bar needs no place of its own.
    let parents = (0..tree.nodes.len()).rev().filter(|&index| !is_narrow[index]).map(Some);
    for parent in parents.chain([None]) {
        let (children, depth) = match parent {
            Some(parent) => (tree.nodes[parent].children.clone(), depths[parent]),
            None => (tree.roots().collect(), 0),
        };
        let block = |index| Block {
            parent,
            bar: bar(tree, scale, index, &subtrees[index], is_narrow[index]),
            to: subtrees[index].to,
            height: heights[index],
            is_narrow: is_narrow[index],
        };
        let mut below: Vec<Block> = children.into_iter().map(block).collect();
        // They are in the order of their starts, but for one whose start is not known.
        below.sort_by_key(|block| block.bar.from);
        let mut below = draw_together(below, narrow);
        let rows = place(&mut below, MOST_ROWS.saturating_sub(depth));
        if let Some(parent) = parent {
            heights[parent] = 1 + rows;
        }
        blocks.append(&mut below);
    }
    finish(tree.nodes.len(), blocks)
}

fn subtrees(tree: &Tree, scale: &Scale) -> Vec<Subtree> {
    let mut subtrees = vec![Subtree::default(); tree.nodes.len()];
    for (index, node) in tree.nodes.iter().enumerate().rev() {
        let (from, to) = tree.span(node);
        let subtree = &mut subtrees[index];
        subtree.from = scale.x(from);
        subtree.to = subtree.to.max(scale.x(to));
        subtree.count += 1;
        if node.has_failed() {
            subtree.failures += 1;
            subtree.failed = Some(index);
        }
        let subtree = *subtree;
        if let Some(parent) = node.parent {
            let above = &mut subtrees[parent];
            above.to = above.to.max(subtree.to);
            above.count += subtree.count;
            above.failures += subtree.failures;
            above.failed = subtree.failed.or(above.failed);
        }
    }
    subtrees
}

/// How many rows are above each process at least: one for each ancestor.
fn depths(nodes: &[Node]) -> Vec<usize> {
    let mut depths = vec![1; nodes.len()];
    for index in 0..nodes.len() {
        if let Some(parent) = nodes[index].parent {
            depths[index] = depths[parent] + 1;
        }
    }
    depths
}

fn bar(tree: &Tree, scale: &Scale, index: usize, subtree: &Subtree, is_narrow: bool) -> Bar {
    let node = &tree.nodes[index];
    let (_, to) = tree.span(node);
    let Subtree { from, count, failures, failed, .. } = *subtree;
    if is_narrow {
        return Bar { row: 0, from, to: subtree.to, index, count, failures, failed };
    }
    let failed = node.has_failed().then_some(index);
    let failures = usize::from(failed.is_some());
    Bar { row: 0, from, to: scale.x(to), index, count: 1, failures, failed }
}

/// Joins narrow blocks that are less than `narrow` apart.
fn draw_together(blocks: Vec<Block>, narrow: Tenths) -> Vec<Block> {
    let mut joined: Vec<Block> = Vec::new();
    let mut open: Option<usize> = None; // the last narrow one
    let mut longest = 0;
    for block in blocks {
        let width = block.bar.to.0 - block.bar.from.0;
        let to_join = open.filter(|_| block.is_narrow);
        if let Some(last) = to_join.map(|open| &mut joined[open]) {
            let Bar { from, to, .. } = last.bar;
            let is_near = block.bar.from.0 < to.0 + narrow.0;
            let end = to.max(block.bar.to);
            if is_near && end.0 - from.0 <= MOST_TOGETHER * narrow.0 {
                if width > longest {
                    longest = width;
                    last.bar.index = block.bar.index;
                }
                last.bar.to = end;
                last.bar.count += block.bar.count;
                last.bar.failures += block.bar.failures;
                last.bar.failed = last.bar.failed.or(block.bar.failed);
                continue;
            }
            // Where processes overlap, one bar ends as the next begins: they need one row.
            last.bar.to = to.min(block.bar.from);
        }
        if block.is_narrow {
            open = Some(joined.len());
            longest = width;
        }
        joined.push(block);
    }
    for Block { bar, to, .. } in &mut joined {
        bar.to = bar.to.max(Tenths(bar.from.0 + LEAST_WIDTH));
        *to = bar.to.max(*to);
    }
    joined
}

/// Gives each block the first rows below its parent that are free, and tells how many rows all
/// of them take. What would need more than `most` is left out.
fn place(blocks: &mut Vec<Block>, most: usize) -> usize {
    let mut free_from: Vec<Tenths> = Vec::new();
    blocks.retain_mut(|block| {
        let mut row = 0; // the first of those in a row that are free
        for (at, &free) in free_from.iter().enumerate() {
            if at - row == block.height {
                break;
            }
            if free > block.bar.from {
                row = at + 1;
            }
        }
        if row + block.height > most {
            return false;
        }
        free_from.resize(free_from.len().max(row + block.height), Tenths(0));
        free_from[row..row + block.height].fill(block.to);
        block.bar.row = row;
        true
    });
    free_from.len()
}

/// Counts rows from above.
fn finish(processes: usize, blocks: Vec<Block>) -> Layout {
    let mut first_below: Vec<Option<usize>> = vec![None; processes];
    let mut layout = Layout::default();
    // Those of a parent were placed behind its own parent's.
    for Block { parent, mut bar, is_narrow, .. } in blocks.into_iter().rev() {
        let above = parent.map_or(Some(0), |parent| first_below[parent]);
        let Some(row) = above.map(|above| above + bar.row).filter(|&row| row < MOST_ROWS) else {
            continue;
        };
        bar.row = row;
        if !is_narrow {
            first_below[bar.index] = Some(row + 1);
        }
        layout.rows = layout.rows.max(row + 1);
        layout.bars.push(bar);
    }
    let shown: usize = layout.bars.iter().map(|bar| bar.count).sum();
    layout.hidden = processes - shown;
    layout.bars.sort_unstable_by_key(|bar| (bar.row, bar.from));
    layout
}

#[cfg(test)]
mod tests;
