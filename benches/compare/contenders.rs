//! The programs that are compared.

use std::env;

use anyhow::{Context as _, Result};

use crate::floor::{INSERT, NOTHING};
use crate::machine::program;

/// One way to see every exec and every exit: one program, or two that share the work.
pub struct Contender {
    pub name: &'static str,
    pub commands: Vec<Vec<String>>,
    pub extent: Extent,
}

/// What is measured of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    All,
    /// The program in user space only: in the kernel it is another one's like.
    UserSpace,
    /// What it does to the machine only: it prints nothing, or not what is asked for.
    Hooks,
}

pub const US: &str = "kernel_and_user_map";
pub const JSON: &str = "kernel_and_user_map -o json";
pub const DEMO: &str = "the lesson's demo";
pub const INSERTS: &str = "two inserts alone";
pub const EMPTY: &str = "empty programs";
pub const PEER: &str = "execsnoop + exitsnoop";

const BPFTRACE: &str = "tracepoint:sched:sched_process_exec \
    { printf(\"exec %d %s\\n\", pid, str(args->filename)); } \
    tracepoint:sched:sched_process_exit { printf(\"exit %d %s\\n\", pid, comm); }";

fn one(words: &[&str]) -> Vec<Vec<String>> {
    vec![words.iter().map(|&word| word.to_owned()).collect()]
}

/// The program, with a table.
pub fn us(options: &[&str]) -> Contender {
    let commands = one(&[&[program()], options].concat());
    Contender { name: US, commands, extent: Extent::All }
}

/// What does the job at all: the least of the programs that print, and nothing.
///
/// # Errors
///
/// When this program's own path is unknown.
pub fn least() -> Result<Vec<Contender>> {
    let this = env::current_exe()?;
    let release = this.ancestors().nth(2).context("cargo's folder")?;
    let (this, demo) = (this.display().to_string(), release.join("examples/lesson"));
    let demo = one(&[&demo.display().to_string()]);
    Ok(vec![
        Contender {
            name: JSON,
            commands: one(&[program(), "-o", "json"]),
            extent: Extent::UserSpace,
        },
        Contender { name: DEMO, commands: demo, extent: Extent::Hooks },
        Contender { name: INSERTS, commands: one(&[&this, INSERT]), extent: Extent::Hooks },
        Contender { name: EMPTY, commands: one(&[&this, NOTHING]), extent: Extent::Hooks },
    ])
}

/// What people use instead. The names of the programs are Debian's; elsewhere bcc's have
/// no suffix.
pub fn peers() -> Vec<Contender> {
    let two = |a: &str, b: &str| [one(&[a]), one(&[b])].concat();
    let peers = [
        (PEER, two("execsnoop", "exitsnoop")),
        ("bpftrace", one(&["bpftrace", "-e", BPFTRACE])),
        ("execsnoop + exitsnoop (bcc)", two("execsnoop-bpfcc", "exitsnoop-bpfcc")),
    ];
    peers.map(|(name, commands)| Contender { name, commands, extent: Extent::All }).into()
}
