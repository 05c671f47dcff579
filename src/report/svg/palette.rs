//! A colour for each program, the same in every picture where it can be.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Write as _;

use crate::process::tree::{Run, Tree};

/// On light and on dark ground: of one lightness each (0.84 and 0.43 in OKLCH), so that the text
/// on them can be read. There is no red: that is for failures. Those beside each other differ.
const COLOURS: [[&str; 2]; 12] = [
    ["#f9bb99", "#744021"],
    ["#8dddc7", "#005f4d"],
    ["#d3befa", "#574477"],
    ["#bed598", "#45581e"],
    ["#a0cfff", "#27527c"],
    ["#ebc38c", "#6b480c"],
    ["#84dce0", "#005d62"],
    ["#e7b8e9", "#673e69"],
    ["#a3dbad", "#285d36"],
    ["#bac7ff", "#424b7e"],
    ["#d7cc8b", "#5b5009"],
    ["#8cd7f4", "#005973"],
];

/// Which program has which colour.
#[derive(Debug)]
pub struct Palette<'a> {
    colours: HashMap<&'a [u8], usize>,
    programs: Vec<(&'a [u8], Total)>,
}

/// Of the processes that a program ran in last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Total {
    /// Nanoseconds.
    pub cpu_ns: u64,
    pub count: usize,
}

impl<'a> Palette<'a> {
    pub fn new(tree: &'a Tree) -> Self {
        let mut totals: HashMap<&[u8], Total> = HashMap::new();
        for node in &tree.nodes {
            for run in &node.runs {
                totals.entry(&run.comm).or_default();
            }
            // What was used up before the watch is not of its time.
            let is_new = node.runs.first().is_some_and(|run| run.begin >= tree.begin);
            let last = node.last_run().filter(|_| is_new);
            if let Some(total) = last.and_then(|run| totals.get_mut(&*run.comm)) {
                total.cpu_ns = total.cpu_ns.saturating_add(node.cpu_ns.unwrap_or(0));
                total.count += 1;
            }
        }
        let mut programs: Vec<_> = totals.into_iter().collect();
        programs.sort_unstable_by_key(|&(name, total)| (Reverse(total), name));
        // Its name says which; where another has it already, it takes the next that is free.
        let mut is_taken = [false; COLOURS.len()];
        let colours = programs.iter().map(|&(name, _)| {
            let wanted = hash(name) % COLOURS.len();
            let from_there = (wanted..COLOURS.len()).chain(0..wanted);
            let colour = from_there.into_iter().find(|&colour| !is_taken[colour]).unwrap_or(wanted);
            is_taken[colour] = true;
            (name, colour)
        });
        Self { colours: colours.collect(), programs }
    }

    /// The class of what runs.
    pub fn class(&self, run: &Run) -> usize {
        self.colours.get(&*run.comm).copied().unwrap_or(0)
    }

    /// The programs, those first that took the most CPU time; each with its class.
    pub fn programs(&self) -> impl Iterator<Item = (&'a [u8], Total, usize)> {
        self.programs.iter().map(|&(name, total)| (name, total, self.colours[name]))
    }
}

/// The rules for all classes, on dark ground or not.
pub fn rules(is_dark: bool) -> String {
    let mut rules = String::new();
    for (class, colours) in COLOURS.iter().enumerate() {
        // Writing to a String does not fail.
        let _ = write!(rules, ".c{class}{{fill:{}}}", colours[usize::from(is_dark)]);
    }
    rules
}

/// FNV-1a: the standard library's may change from one version to the next.
fn hash(name: &[u8]) -> usize {
    let hash = name
        .iter()
        .fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash as usize
}
