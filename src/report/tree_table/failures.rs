//! What failed, once more at the end: with its whole command line, and who started it.

use std::io::{self, Write as _};

use super::text::{push_beginning, push_command};
use crate::process::tree::{Node, Tree};
use crate::process::wait_status::Outcome;
use crate::report::Output;
use crate::report::charset::Charset;
use crate::report::columns::{BOLD, RED, cut, style};
use crate::report::units::format_outcome;
use crate::report::word::CUT;

/// So many failures are listed.
const MOST: usize = 20;

/// Columns that each ancestor has.
const ANCESTOR: usize = 16;

/// So many ancestors are named beside the first one, the nearest.
const NEAREST: usize = 3;

/// What stands before the ancestors.
const IN: &str = "   in: ";

/// `all`: none is left out.
pub fn write(out: &mut Output<'_>, tree: &Tree, colour: bool, all: bool) -> io::Result<()> {
    let failures = listed(tree, if all { usize::MAX } else { MOST });
    if failures.is_empty() {
        return Ok(());
    }
    let (bold, red) = (style(BOLD, colour), style(RED, colour));
    writeln!(out, "\n{bold}FAILED, in the order of their ends{bold:#}")?;
    let roots = roots_of(tree);
    for node in &failures {
        let core = match node.outcome {
            Some(Outcome::Signaled { core_dumped: true, .. }) => " (core dumped)",
            _ => "",
        };
        let mut command = String::new();
        push_command(&mut command, node, None, out.charset);
        let result = format_outcome(node.outcome);
        writeln!(out, "{red}{result}{core}  pid {}  {command}{red:#}", node.process.pid)?;
        if let Some(parent) = node.parent {
            let mut ancestors = ancestors(tree, parent, roots[parent], out.charset);
            if let Some(window) = out.window {
                cut(&mut ancestors, window.columns.saturating_sub(IN.len()));
            }
            writeln!(out, "{IN}{ancestors}")?;
        }
    }
    match tree.nodes.iter().filter(|node| node.has_failed()).count() - failures.len() {
        0 => Ok(()),
        more => writeln!(out, "… and {more} more (--all)"),
    }
}

/// At most so many failures, in the order of their ends: a cause comes before what it made fail.
/// Those come first into the list that made all of their ancestors fail: a `configure` tries
/// hundreds of things that fail, and goes on.
fn listed(tree: &Tree, most: usize) -> Vec<&Node> {
    let mut is_fatal = vec![false; tree.nodes.len()];
    let mut failures = Vec::new();
    for (index, node) in tree.nodes.iter().enumerate().filter(|(_, node)| node.has_failed()) {
        // A parent comes before its children.
        is_fatal[index] = node.parent.is_none_or(|parent| is_fatal[parent]);
        failures.push((!is_fatal[index], node.end, node));
    }
    failures.sort_by_key(|&(is_harmless, end, _)| (is_harmless, end));
    failures.truncate(most);
    failures.sort_by_key(|&(_, end, _)| end);
    failures.into_iter().map(|(.., node)| node).collect()
}

/// The root of each process.
fn roots_of(tree: &Tree) -> Vec<usize> {
    let mut roots: Vec<usize> = (0..tree.nodes.len()).collect();
    for (index, node) in tree.nodes.iter().enumerate() {
        // A parent comes before its children.
        roots[index] = node.parent.map_or(index, |parent| roots[parent]);
    }
    roots
}

/// The first one, and the nearest ones.
fn ancestors(tree: &Tree, parent: usize, root: usize, charset: Charset) -> String {
    let chain = std::iter::successors(Some(parent), |&index| tree.nodes[index].parent);
    let mut nearest: Vec<usize> = chain.take(NEAREST).collect();
    nearest.reverse();
    let mut text = String::new();
    if !nearest.contains(&root) {
        push_beginning(&mut text, &tree.nodes[root], ANCESTOR, charset);
        text.push_str(" > ");
        if tree.nodes[nearest[0]].parent != Some(root) {
            text.extend([CUT, ' ', '>', ' ']);
        }
    }
    for (i, &index) in nearest.iter().enumerate() {
        text.push_str(if i == 0 { "" } else { " > " });
        push_beginning(&mut text, &tree.nodes[index], ANCESTOR, charset);
    }
    text
}
