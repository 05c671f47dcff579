//! Builds real projects, each step below strace and strace below the program, and compares what
//! the two have seen: each process, who started it, what ran in it, and how it ended. Needs root,
//! and on the first run the network; without them, the test fails.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

mod process;
#[path = "../support/program.rs"]
mod program;
mod strace;
mod stream;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

const PROJECTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/builds/projects");

/// What is built, here and below what was downloaded.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/builds");

/// One after the other: they share what is downloaded.
#[test]
fn strace_and_the_program_see_the_same_of_real_builds() {
    assert!(nix::unistd::geteuid().is_root(), "only root may load BPF programs: use sudo");
    build("zlib");
    // Its configure takes most of the time.
    if program::is_soak() {
        build("gzip");
    }
}

fn build(project: &str) {
    let unpacked = Command::new(PROJECTS).args(["unpack", project, FOLDER]).status();
    assert!(unpacked.expect("a shell").success(), "{project} can't be had, see above");
    let steps = Command::new(PROJECTS).args(["steps", project]).output().expect("a shell").stdout;
    let steps = String::from_utf8(steps).expect("text");
    assert!(!steps.is_empty(), "{project} is not in the list");
    for step in steps.lines() {
        let (log, stream) = run(project, step);
        compare(&format!("{project}: {step}"), &log, &stream);
    }
    // Built by root; whoever owns the repository must be able to clean up.
    let mut chown = Command::new("chown");
    chown.args(["-R", concat!("--reference=", env!("CARGO_MANIFEST_DIR")), FOLDER]);
    assert!(chown.status().expect("chown").success());
}

/// Runs one step of a build; what strace and the program have written.
fn run(project: &str, step: &str) -> (String, String) {
    let folder = Path::new(FOLDER).join(project);
    let [log, output, said] =
        ["strace.log", "stream.jsonl", "said.log"].map(|name| folder.with_extension(name));
    let writer = |path| File::create(path).expect("a folder to write to");
    let (said_out, _) = (writer(&said), writer(&output));
    let mut command = Command::new(program::program());
    command
        .args(["--view", "tree", "-o", "json", "--to"])
        .arg(&output)
        .args(["--", "strace", "-f", "-xx"]);
    // The kernel takes no longer arguments than these 2 MiB, mostly only 128 KiB.
    command.args(["-e", "trace=process", "-s", "2097152", "-o"]).arg(&log);
    command.args(step.split(' ')).current_dir(&folder).stdin(Stdio::null());
    // Nothing of `make test` goes into this make, nor is it built as the one who called sudo.
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    command.stdout(said_out.try_clone().expect("a descriptor")).stderr(said_out);
    let status = command.status().expect("the program starts");
    assert!(status.success(), "{step}: {status}; see {}", said.display());

    let text = |path| fs::read_to_string(path).expect("it was written");
    (text(log), text(output))
}

fn compare(step: &str, log: &str, stream: &str) {
    let (mut ours, account) = stream::read(stream);
    let is_tracer = |lives: &Vec<process::Process>| lives[0].started_by.is_none();
    let (&tracer, _) = ours.iter().find(|(_, lives)| is_tracer(lives)).expect("strace");
    let theirs = strace::read(log, tracer);
    // Before the command, strace starts processes of its own, to see what the kernel can do. Their
    // pids may be used again.
    for lives in ours.values_mut() {
        lives.retain(|life| life.started_by != Some(tracer) || !life.programs.is_empty());
    }
    ours.retain(|&pid, lives| pid != tracer && !lives.is_empty());

    let (mut compared, mut programs, mut cut, mut unknown) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    for pid in ours.keys().chain(theirs.keys().filter(|pid| !ours.contains_key(pid))) {
        let [ours, theirs] = [&ours, &theirs].map(|seen| seen.get(pid).map_or(&[][..], |all| all));
        if ours.len() != theirs.len() {
            let (ours, theirs) = (ours.len(), theirs.len());
            wrong.push(format!("{pid}: {ours} processes had this pid, not {theirs}"));
        }
        for (ours, theirs) in ours.iter().zip(theirs) {
            wrong.extend(ours.difference(theirs).map(|difference| format!("{pid}: {difference}")));
            compared += 1;
            programs += ours.programs.len();
            cut += ours.programs.iter().filter(|program| program.are_args_cut).count();
            unknown += usize::from(ours.ended_as.is_none());
        }
    }
    assert!(wrong.is_empty(), "{step}:\n{}\n{account}", wrong.join("\n"));
    assert_eq!(unknown, 0, "{step}: the tree knows what each ran");
    assert!(compared > 20, "{step}: {compared} processes are no build");
    // Not captured by the test harness: the count is a part of the result.
    let _ = writeln!(
        io::stderr(),
        "{step}: compared {compared} processes, and {programs} programs that ran in them \
         ({cut} command lines were cut)"
    );
}
