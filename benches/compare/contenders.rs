//! The programs that are compared.

use std::env;
use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::floor::{INSERT, NOTHING};
use crate::machine::program;

/// One way to see every exec and every exit: one program, or two that share the work.
pub struct Contender {
    pub name: &'static str,
    pub commands: Vec<Vec<String>>,
    pub extent: Extent,
}

impl Contender {
    /// Its commands, with the versions of their programs: a line each.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for words in &self.commands {
            let name = words[0].rsplit('/').next().unwrap_or_default();
            let version = match name {
                US => concat!("version ", env!("CARGO_PKG_VERSION")).into(),
                "lesson" => "examples/lesson".into(),
                _ if name.starts_with("compare-") => "this benchmark: floor.bpf.c".into(),
                "bpftrace" => first_line("bpftrace", &["--version"]),
                _ => package_version(name),
            };
            let quote = |word: &String| {
                if word.contains(' ') { format!("'{word}'") } else { word.clone() }
            };
            let options: Vec<_> = words[1..].iter().map(quote).collect();
            let name = if name.starts_with("compare-") { "compare" } else { name };
            let command = [vec![name.to_owned()], options].concat().join(" ");
            let _ = writeln!(text, "- `{command}` ({version})");
        }
        text
    }
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
    let commands = one(&[&[program().as_str()], options].concat());
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
    let (this, demo) = (this.display().to_string(), release.join("lesson"));
    let demo = one(&[&demo.display().to_string()]);
    Ok(vec![
        Contender {
            name: JSON,
            commands: one(&[&program(), "-o", "json"]),
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

/// The first line that a command prints, or `unknown`.
pub fn first_line(command: &str, args: &[&str]) -> String {
    let output = Command::new(command).args(args).output();
    let text =
        output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).into());
    text.lines().next().unwrap_or("version unknown").to_owned()
}

/// The package that a program is from, with its version.
fn package_version(program: &str) -> String {
    let script = "path=$(command -v \"$0\") && package=$(dpkg-query -S \"$path\" 2>/dev/null) && \
        dpkg-query -W \"${package%%:*}\" || rpm -qf \"$path\" || pacman -Qo \"$path\"";
    first_line("sh", &["-c", script, program]).replace('\t', " ")
}
