//! What the page tells of a slice: its name, and a list of names and values.

use std::fmt::Write as _;

use super::messages::{DebugAnnotation, InternedName, Value};
use crate::process::tree::{Node, Run, Tree};
use crate::process::wait_status::Outcome;
use crate::report::units::{format_duration, format_outcome};
use crate::report::word::{CUT, Word};

/// The names, as JSON has them where it has them. Each has its place here as its number.
const NAMES: [&str; 12] = [
    "command",
    "pid",
    "ppid",
    "user",
    "began",
    "status",
    "cpu_ns",
    "subtree_cpu_ns",
    "max_rss_kib",
    "major_faults",
    "read_bytes",
    "write_bytes",
];

/// The names with their numbers, which stand in the file once.
pub fn names() -> Vec<InternedName> {
    let interned = |(iid, name): (u64, &str)| InternedName { iid, name: name.into() };
    (1..).zip(NAMES).map(interned).collect() // 0 is no number of a name
}

/// All that is known of a program that ran in a process.
pub fn arguments(tree: &Tree, node: &Node, run: &Run) -> Vec<DebugAnnotation> {
    let count = |value: Option<u64>| value.map(Value::Count);
    let text = |text: String| Some(Value::Text(text));
    let parent = node.parent.map(|parent| tree.nodes[parent].process.pid);
    // What is known of the process as a whole belongs to what it ended as.
    let is_last = node.last_run().is_some_and(|last| std::ptr::eq(last, run));
    let whole = is_last.then_some(node);
    let usage = whole.and_then(|node| node.usage);
    let values: [Option<Value>; NAMES.len()] = [
        text(command_of(run)),
        count(Some(node.process.pid.into())),
        count(parent.map(u64::from)),
        user_of(run).and_then(text),
        began_before(tree, node).and_then(text),
        text(whole.map_or("exec".into(), status_of)),
        count(whole.and_then(|node| node.cpu_ns)),
        count(whole.filter(|node| !node.children.is_empty()).map(|node| node.subtree_cpu_ns)),
        count(usage.and_then(|usage| usage.max_rss_kib)),
        count(usage.map(|usage| usage.major_faults)),
        count(usage.and_then(|usage| usage.read_bytes)),
        count(usage.and_then(|usage| usage.write_bytes)),
    ];
    let known = |(name_iid, value): (u64, Option<Value>)| {
        value.map(|value| DebugAnnotation { name_iid, value: Some(value) })
    };
    (1..).zip(values).filter_map(known).collect()
}

fn user_of(run: &Run) -> Option<String> {
    match &run.user {
        Some(name) => Some(Word::new(name.as_bytes()).to_string()),
        // 0 is also what stands where nothing is known but a name.
        None if run.uid == 0 && run.program.is_none() => None,
        None => Some(run.uid.to_string()),
    }
}

/// Why a slice begins with the watch, if its process does not.
fn began_before(tree: &Tree, node: &Node) -> Option<String> {
    match tree.started(node) {
        0 => Some("unseen".into()), // only what it started told of it
        start if start < tree.begin => {
            Some(format!("{} before the watch", format_duration(tree.begin - start)))
        }
        _ => None,
    }
}

/// How a process ended: `0`, `SIGSEGV (core dumped)`, `running`; `?` where nobody knows.
fn status_of(node: &Node) -> String {
    match (node.end, node.outcome) {
        (None, _) if node.start() > 0 => "running".into(),
        (_, Some(Outcome::Signaled { core_dumped: true, .. })) => {
            format!("{} (core dumped)", format_outcome(node.outcome))
        }
        _ => format_outcome(node.outcome),
    }
}

/// What a slice is called: the program and, at the end of a process that failed, how. The page
/// gives the same colour to the same name.
pub fn slice_name(node: &Node, run: &Run, is_last: bool) -> String {
    let mut name = fork_mark(run).to_owned();
    // Writing to a String does not fail.
    let _ = write!(name, "{}", Word::new(&run.comm));
    if is_last && node.has_failed() {
        let _ = write!(name, " ✗ {}", format_outcome(node.outcome));
    }
    name
}

/// A command line as a shell would take it; `[comm]` where it is not known.
pub fn command_of(run: &Run) -> String {
    let mut command = fork_mark(run).to_owned();
    let known = run.program.as_ref().filter(|program| program.args().next().is_some());
    let Some(program) = known else {
        let _ = write!(command, "[{}]", Word::new(&run.comm));
        return command;
    };
    for (i, arg) in program.args().enumerate() {
        let space = if i == 0 { "" } else { " " };
        let _ = write!(command, "{space}{}", Word::new(arg));
    }
    if program.args_truncated() {
        command.push(CUT);
    }
    command
}

/// What runs the program of its parent has this before it. No word looks so.
fn fork_mark(run: &Run) -> &'static str {
    if run.forked { "(fork) " } else { "" }
}
