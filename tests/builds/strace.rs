//! What `strace -f -xx -e trace=process` has written.

use std::collections::{HashMap, HashSet};

use crate::process::{Process, Processes, Program};

/// A process: a pid, and how many had it by then, which are more than one where it is used again.
type Life = (u32, usize);

#[derive(Default)]
struct Log {
    /// Threads, too, at first: the lines of one may come before the one that tells that it is one.
    processes: Processes,
    threads: HashSet<Life>,
    /// Who has started each, and after how many execs of its own.
    starts: HashMap<Life, (Life, usize)>,
    /// System calls that had not returned when a line of another process came, by pid.
    unfinished: HashMap<u32, String>,
}

/// Reads a log whose first process was started by strace, which is `tracer`.
pub fn read(log: &str, tracer: u32) -> Processes {
    let mut this = Log::default();
    for line in log.lines() {
        this.line(line).unwrap_or_else(|| panic!("a line of strace that is not known: {line}"));
    }
    let first = log.split(' ').next().and_then(|pid| pid.parse().ok()).expect("a pid");
    this.life(first).started_by.get_or_insert(tracer);
    this.finish()
}

impl Log {
    /// `None` where the line is not understood.
    fn line(&mut self, line: &str) -> Option<()> {
        let (pid, text) = line.split_once(' ')?;
        let (pid, text) = (pid.parse().ok()?, text.trim_start());
        if let Some(end) = text.strip_prefix("+++ ") {
            let end = end.strip_suffix(" +++")?;
            assert!(!end.starts_with("superseded"), "an exec of a thread is not understood here");
            self.life(pid).end = Some(end.to_owned());
            self.unfinished.remove(&pid);
        } else if let Some(begun) = text.strip_suffix("<unfinished ...>") {
            self.unfinished.insert(pid, begun.to_owned());
        } else if let Some(resumed) = text.strip_prefix("<... ") {
            let begun = self.unfinished.remove(&pid)?;
            self.call(pid, &(begun + resumed.split_once(" resumed>")?.1))?;
        } else if !text.starts_with("--- ") {
            // Not a signal that came.
            self.call(pid, text)?;
        }
        Some(())
    }

    fn call(&mut self, pid: u32, text: &str) -> Option<()> {
        let (name, args) = text.split_once('(')?;
        let (args, result) = args.rsplit_once(" = ")?;
        let life = self.life(pid);
        match name {
            "execve" if result == "0" => life.programs.push(program(args)?),
            "clone" | "clone3" | "fork" | "vfork" => {
                let execs = life.programs.len();
                // Else it has failed, or is tried again after a signal.
                if let Ok(child) = result.parse() {
                    self.life(child).started_by = Some(pid);
                    let [parent, child] = [pid, child].map(|pid| (pid, self.processes[&pid].len()));
                    self.starts.insert(child, (parent, execs));
                    if args.contains("CLONE_THREAD") {
                        self.threads.insert(child);
                    }
                }
            }
            "execveat" if result == "0" => return None,
            _ => {} // waits, exits and signals
        }
        Some(())
    }

    /// The process that has a pid now. A line of its own may come before its parent's.
    fn life(&mut self, pid: u32) -> &mut Process {
        let lives = self.processes.entry(pid).or_default();
        if lives.last().is_none_or(|process| process.end.is_some() && process.started_by.is_some())
        {
            lives.push(Process::default());
        }
        lives.last_mut().expect("it was added if need be")
    }

    fn finish(self) -> Processes {
        let mut finished = Processes::new();
        for (&pid, lives) in &self.processes {
            for (number, process) in (1..).zip(lives) {
                let life = (pid, number);
                if self.threads.contains(&life) {
                    continue;
                }
                let programs = process.programs.clone();
                finished.entry(pid).or_default().push(Process {
                    started_by: process.started_by.map(|by| self.starter(life).unwrap_or(by)),
                    ended_as: self.program_after(life, programs.len()).cloned(),
                    programs,
                    end: process.end.clone(),
                });
            }
        }
        finished
    }

    /// The process that has started another, where one of its threads did it.
    fn starter(&self, life: Life) -> Option<u32> {
        let (by, _) = self.starts.get(&life)?;
        if self.threads.contains(by) { self.starter(*by) } else { Some(by.0) }
    }

    /// What ran in a process after so many execs; before the first, what it was started from.
    fn program_after(&self, life: Life, execs: usize) -> Option<&Program> {
        match execs.checked_sub(1) {
            Some(last) => self.processes[&life.0][life.1 - 1].programs.get(last),
            None => self.starts.get(&life).and_then(|&(by, execs)| self.program_after(by, execs)),
        }
    }
}

/// `"\x2f…", ["\x2f…", …], 0x… /* 39 vars */)`: nothing but quotes is within quotes.
fn program(args: &str) -> Option<Program> {
    let (filename, rest) = args.split_once(", [")?;
    let (args, _environment) = rest.split_once(']')?;
    let args =
        if args.is_empty() { Some(Vec::new()) } else { args.split(", ").map(bytes).collect() };
    Some(Program { filename: bytes(filename)?, args: args?, ..Program::default() })
}

/// `"\x2f\x62"`. Cut ones have three dots behind, and are not understood.
fn bytes(quoted: &str) -> Option<Vec<u8>> {
    let digits = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let bytes = digits.split("\\x").skip(1).map(|digits| u8::from_str_radix(digits, 16).ok());
    bytes.collect()
}
