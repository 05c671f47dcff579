//! A process of a build, as one of the two has seen it.

use std::collections::BTreeMap;
use std::fmt;
use std::slice;

/// So many bytes of a command line are known at least, also where it was cut (docs/json.md).
const KNOWN: usize = 8192;

/// One program that was started in a process.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// As given to exec.
    pub filename: Vec<u8>,
    pub args: Vec<Vec<u8>>,
    /// Whether more could not be known.
    pub is_filename_cut: bool,
    pub are_args_cut: bool,
}

#[derive(Debug, Default)]
pub struct Process {
    pub started_by: Option<u32>,
    /// Those that were started in it, in their order.
    pub programs: Vec<Program>,
    /// What it ended as: without an exec of its own, the program of its parent. `None`: that is
    /// not known.
    pub ended_as: Option<Program>,
    /// `exited with 1`, `killed by SIGTERM`.
    pub end: Option<String>,
}

/// All that had a pid, one after the other.
pub type Processes = BTreeMap<u32, Vec<Process>>;

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", String::from_utf8_lossy(&self.filename))?;
        self.args.iter().try_for_each(|arg| write!(f, " {:?}", String::from_utf8_lossy(arg)))
    }
}

impl Program {
    /// Whether this, from the kernel's memory, is what a process has asked for.
    fn is(&self, asked: &Self) -> bool {
        let is_file = match self.is_filename_cut {
            true => asked.filename.starts_with(&self.filename),
            false => asked.filename == self.filename,
        };
        is_file && (self.has_args(&asked.args) || self.is_script(asked))
    }

    fn has_args(&self, args: &[Vec<u8>]) -> bool {
        let Some((last, whole)) = self.args.split_last() else { return args.is_empty() };
        if !self.are_args_cut {
            return self.args == args;
        }
        let bytes: usize = self.args.iter().map(|arg| arg.len() + 1).sum();
        bytes >= KNOWN
            && args.starts_with(whole)
            && args.get(whole.len()).is_some_and(|arg| arg.starts_with(last))
    }

    /// The kernel puts what `#!` says (an interpreter, and maybe an argument) and the file in
    /// place of the name that a script was called by.
    fn is_script(&self, asked: &Self) -> bool {
        let rest = asked.args.get(1..).unwrap_or_default();
        (1..=2).any(|words| {
            let Some(interpreter) = self.args.get(..words) else { return false };
            let args = [interpreter, slice::from_ref(&asked.filename), rest].concat();
            interpreter[0].starts_with(b"/") && self.has_args(&args)
        })
    }
}

impl Process {
    /// What is different here from what strace has seen.
    pub fn difference(&self, strace: &Self) -> Option<String> {
        if self.started_by != strace.started_by {
            return Some(format!("started by {:?}, not {:?}", self.started_by, strace.started_by));
        }
        if self.end != strace.end {
            return Some(format!("{:?}, not {:?}", self.end, strace.end));
        }
        if self.programs.len() != strace.programs.len() {
            let (ours, theirs) = (self.programs.len(), strace.programs.len());
            return Some(format!("{ours} programs ran in it, not {theirs}"));
        }
        let ours = self.programs.iter().chain(&self.ended_as);
        let theirs = strace.programs.iter().chain(&strace.ended_as);
        let (wrong, right) = ours.zip(theirs).find(|(ours, theirs)| !ours.is(theirs))?;
        Some(format!("it ran\n    {wrong}, not\n    {right}"))
    }
}
