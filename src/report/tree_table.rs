//! `--view tree`: a line for each process, below the one that started it, for people.
//!
//! The numbers come first, and the command last: so they line up however long it is. Each column
//! is as wide as it must be, which leaves the most to the command.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

use self::branches::Branches;
use self::fold::{Folding, Item};
use super::charset::Charset;
use super::columns::{BOLD, DIM, RED, style};
use super::tree_summary::{TreeSummary, duration_of, goes_on, name_of};
use super::units::{format_duration, format_memory, format_outcome};
use super::word::{CUT, Word};
use super::{Output, TreeReport, Watched};
use crate::process::tree::{Node, Tree};

mod branches;
mod closing;
mod failures;
mod fold;
mod text;

const HEADINGS: [&str; 5] = ["TIME", "OWN CPU", "TREE CPU", "MEMORY", "RESULT"];

/// The least that lines and command have together: 80 columns leave so much behind the widest
/// numbers. A terminal that is narrower still wraps the line.
const ROOM_MIN: usize = 28;

/// Of that, the lines leave so much to the command.
const COMMAND_MIN: usize = 20;

const FAILED_MARK: &str = " ← failed";

/// So many names tell what was folded.
const NAMES_MOST: usize = 4;

/// Prints a tree, what failed in it, and its figures.
#[derive(Debug)]
pub struct TreeTable {
    colour: bool,
    all: bool,
}

impl TreeTable {
    /// `all`: nothing is folded, and no failure left out.
    pub fn new(colour: bool, all: bool) -> Self {
        Self { colour, all }
    }
}

/// One line, before its texts are made.
struct Row {
    item: Item,
    /// Levels below its root.
    depth: usize,
    /// Whether another child of the same parent follows.
    more: bool,
}

impl TreeReport for TreeTable {
    fn write(&self, out: &mut Output<'_>, tree: &Tree, watched: &Watched<'_>) -> io::Result<()> {
        let folding = Folding::new(tree, self.all);
        let rows = rows(tree, &folding);
        let mut widths = HEADINGS.map(str::len);
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(cells(tree, &row.item)) {
                *width = (*width).max(cell.width());
            }
        }
        let before = widths.iter().map(|width| width + 1).sum::<usize>() + 1;
        let room = out.window.map(|window| window.columns.saturating_sub(before).max(ROOM_MIN));
        let deepest = rows.iter().map(|row| row.depth).max().unwrap_or(0);
        let branches = Branches::new(deepest, room.map(|room| room - COMMAND_MIN));

        let bold = style(BOLD, self.colour);
        let headings = numbers(HEADINGS.map(String::from), widths);
        writeln!(out, "{bold}{headings}COMMAND{bold:#}")?;
        let mut more = Vec::new();
        for Row { item, depth, more: more_here } in &rows {
            more.truncate(depth.saturating_sub(1));
            more.extend((*depth > 0).then_some(*more_here));
            let mut line = String::new();
            branches.push(&mut line, &more);
            let (look, mark) = look_of(tree, item);
            let room = room.map(|room| room - line.width() - mark.width());
            match item {
                Item::Process(index) => {
                    text::push_command(&mut line, &tree.nodes[*index], room, out.charset);
                }
                Item::Folded(indexes) => {
                    text::push(&mut line, folded(tree, &folding, indexes, out.charset), room);
                }
            }
            let style = style(look, self.colour);
            let numbers = numbers(cells(tree, item), widths);
            writeln!(out, "{style}{numbers}{line}{mark}{style:#}")?;
        }
        failures::write(out, tree, self.colour, self.all)?;
        closing::write(out, tree, &TreeSummary::of(tree), watched, self.colour)
    }
}

/// How a line looks, and what stands behind its command.
fn look_of(tree: &Tree, item: &Item) -> (Style, &'static str) {
    match item {
        Item::Process(index) if tree.nodes[*index].has_failed() => (RED, FAILED_MARK),
        Item::Process(_) => (Style::new(), ""),
        Item::Folded(_) => (DIM, ""),
    }
}

/// The lines in their order. The tree may be as deep as it has processes, so nothing calls
/// itself.
fn rows(tree: &Tree, folding: &Folding<'_>) -> Vec<Row> {
    let roots: Vec<usize> = tree.roots().collect();
    let items = |processes: &[usize]| folding.items(processes).into_iter().peekable();
    let mut levels = vec![items(&roots)];
    let mut rows = Vec::new();
    while let Some(level) = levels.last_mut() {
        let Some(item) = level.next() else {
            levels.pop();
            continue;
        };
        let more = level.peek().is_some();
        let depth = levels.len() - 1;
        if let Item::Process(index) = item {
            levels.push(items(&tree.nodes[index].children));
        }
        rows.push(Row { item, depth, more });
    }
    rows
}

/// The columns before the command.
fn cells(tree: &Tree, item: &Item) -> [String; 5] {
    let nodes = || item.processes().iter().map(|&index| &tree.nodes[index]);
    let sum = |of: &dyn Fn(&Node) -> Option<u64>| nodes().filter_map(of).reduce(|a, b| a + b);
    let text = |ns: Option<u64>| ns.map_or("-".into(), format_duration);
    let has_children = nodes().any(|node| !node.children.is_empty());
    let memory = |node: &Node| node.usage.and_then(|usage| usage.max_rss_kib);
    let result = nodes().next().map_or("-".into(), result_of);
    let is_same = nodes().all(|node| result_of(node) == result);
    [
        text(sum(&|node| duration_of(tree, node))),
        text(sum(&|node| node.cpu_ns)),
        // Without children it is the same, and would only be in the way of the eye.
        if has_children { text(sum(&|node| Some(node.subtree_cpu_ns))) } else { String::new() },
        nodes().filter_map(memory).max().map_or("-".into(), format_memory),
        if is_same { result } else { "-".into() },
    ]
}

fn numbers([time, own, all, memory, result]: [String; 5], widths: [usize; 5]) -> String {
    let [w_time, w_own, w_all, w_memory, w_result] = widths;
    format!("{time:>w_time$} {own:>w_own$} {all:>w_all$} {memory:>w_memory$}  {result:<w_result$} ")
}

fn result_of(node: &Node) -> String {
    match node.end {
        Some(_) => format_outcome(node.outcome),
        None if goes_on(node) => "running".into(),
        None => "-".into(),
    }
}

/// What a line says in place of many: how many more, of which programs, and how many processes
/// that are with those that they started.
fn folded(tree: &Tree, folding: &Folding<'_>, indexes: &[usize], charset: Charset) -> String {
    let word = |name| Word::new(name).in_charset(charset);
    let mut counts: HashMap<&[u8], usize> = HashMap::new();
    for &index in indexes {
        *counts.entry(name_of(&tree.nodes[index])).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(name_a, a), (name_b, b)| b.cmp(a).then_with(|| name_a.cmp(name_b)));
    let mut text = format!("{CUT} ×{} more", indexes.len());
    // Writing to a String does not fail.
    let _ = match &counts[..] {
        [(name, _)] => write!(text, " {}", word(name)),
        _ => counts.iter().take(NAMES_MOST).enumerate().try_for_each(|(i, (name, count))| {
            write!(text, "{} {count} {}", if i == 0 { ":" } else { "," }, word(name))
        }),
    };
    if counts.len() > NAMES_MOST {
        text.push_str(", ");
        text.push(CUT);
    }
    let size: usize = indexes.iter().map(|&index| folding.sizes[index]).sum();
    if size > indexes.len() {
        let _ = write!(text, " ({size} processes)");
    }
    text
}

#[cfg(test)]
mod tests;
