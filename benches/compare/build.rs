//! Real builds: alone, and while each of the programs watches them that tell what ran in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::contenders::{first_line, us};
use crate::machine::{cpus, program};
use crate::processes::count_bpf_runs;
use crate::watcher::Watcher;
use crate::{median, progress, to_tenths};

/// Of the list in tests/builds/projects, and how often it is built in a row, for some 6 to 9 s in all.
/// The others are measured with the first only.
const MEASURED: [(&str, usize); 2] = [("bash", 1), ("lua5.4", 2)];
const PROJECTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/builds/projects");
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/builds");
/// Where scripts/install-bench-peers puts it.
const TRACEXEC: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../peers/bin/tracexec");

const ALONE: &str = "alone";
/// What a difference means where nothing differs.
const AGAIN: &str = "alone, once more";
const BELOW: &str = "kernel_and_user_map -- …";
const BESIDE: &str = "kernel_and_user_map, of the whole machine";

/// More rounds of it would take too long.
const SLOW: (&str, usize) = ("strace", 1);

/// What the build runs below, and how that program tells its version.
const PEERS: [(&str, &[&str], &[&str]); 2] = [
    (
        "strace",
        &["strace", "-f", "-e", "trace=process", "-o", "/dev/null"],
        &["strace", "--version"],
    ),
    ("tracexec", &[TRACEXEC, "log", "-o", "/dev/null", "--"], &[TRACEXEC, "--version"]),
];

/// Seconds that the build of a project took, a figure a round.
pub struct Builds {
    project: &'static str,
    /// In a row.
    times: usize,
    steps: Vec<String>,
    rows: Vec<(&'static str, Vec<f64>)>,
    versions: BTreeMap<&'static str, String>,
    /// What watching the whole machine took of the CPU time, in percent.
    cpu_percent: f64,
    /// What could not be measured, and why.
    pub left_out: Vec<(&'static str, anyhow::Error)>,
}

/// In each round the build runs below (or beside) each program in turn.
///
/// # Errors
///
/// Where a project can't be had or built.
pub fn builds(rounds: usize) -> Result<Vec<Builds>> {
    let mut all = Vec::new();
    for (project, times) in MEASURED {
        let mut builds = Builds::prepare(project, times)?;
        if all.is_empty() {
            builds.add_peers();
        }
        builds.run(rounds)?;
        all.push(builds);
    }
    Ok(all)
}

impl Builds {
    fn prepare(project: &'static str, times: usize) -> Result<Self> {
        progress(&format!("configuring {project}"));
        let unpacked = Command::new(PROJECTS).args(["unpack", project, FOLDER]).status()?;
        ensure!(unpacked.success(), "tests/builds/projects can't get {project}");
        let steps = Command::new(PROJECTS).args(["steps", project]).output()?.stdout;
        let steps: Vec<String> = String::from_utf8(steps)?.lines().map(str::to_owned).collect();
        let rows = [ALONE, AGAIN, BELOW, BESIDE].map(|name| (name, Vec::new())).into();
        let (versions, left_out) = (BTreeMap::new(), Vec::new());
        let cpu_percent = f64::NAN;
        let builds = Self { project, times, steps, rows, versions, cpu_percent, left_out };
        let (last, first) = builds.steps.split_last().context("there are steps")?;
        for step in first {
            run(project, &[], step)?;
        }
        // The first build reads its files from storage; it is not counted.
        build(project, ALONE, last)?;
        Ok(builds)
    }

    fn add_peers(&mut self) {
        for (name, _, version) in PEERS {
            match run_below(self.project, name, "true") {
                Ok(_) => {
                    self.rows.push((name, Vec::new()));
                    let line = first_line(version[0], &version[1..]);
                    let version = line.rsplit(' ').next().unwrap_or_default();
                    self.versions.insert(name, version.to_owned());
                }
                Err(error) => self.left_out.push((name, error)),
            }
        }
    }

    fn run(&mut self, rounds: usize) -> Result<()> {
        let step = self.steps.last().context("there are steps")?;
        for round in 0..rounds {
            for place in 0..self.rows.len() {
                let place = (place + round) % self.rows.len();
                let (name, seconds) = &mut self.rows[place];
                if *name == SLOW.0 && round >= SLOW.1 {
                    continue;
                }
                let project = self.project;
                progress(&format!("round {} of {rounds}: {step} of {project}, {name}", round + 1));
                let builds = (0..self.times).map(|_| build(project, name, step));
                seconds.push(builds.sum::<Result<f64>>()?);
            }
        }
        progress(&format!("the CPU time of watching {step} of {}", self.project));
        self.cpu_percent = cpu_percent(self.project, step)?;
        Ok(())
    }
}

/// What watching the whole machine takes of the CPU time in a build: the program's own, and in BPF
/// programs. The times of these are taken meanwhile, so it is not one of those that are timed.
fn cpu_percent(project: &str, step: &str) -> Result<f64> {
    run(project, &[], "make clean")?;
    let watcher = Watcher::start(&us(&[]))?;
    let counting = count_bpf_runs();
    let sum = || Ok::<_, anyhow::Error>(watcher.cpu_ns()? + watcher.kernel_ns()?);
    let before = sum()?;
    let seconds = run(project, &[], step)?;
    watcher.settle();
    let took = Duration::from_nanos(sum()? - before);
    drop(counting);
    watcher.stop()?;
    Ok(took.as_secs_f64() / (seconds * cpus() as f64) * 100.0)
}

/// Builds anew; the seconds that it took.
fn build(project: &str, name: &str, step: &str) -> Result<f64> {
    run(project, &[], "make clean")?;
    if name != BESIDE {
        return run_below(project, name, step);
    }
    let watcher = Watcher::start(&us(&[]))?;
    let seconds = run(project, &[], step);
    watcher.stop()?;
    seconds
}

fn run_below(project: &str, name: &str, step: &str) -> Result<f64> {
    let program = program();
    let ours = [program.as_str(), "--"];
    let peer = PEERS.iter().find(|(peer, ..)| *peer == name);
    run(project, peer.map_or(if name == BELOW { &ours[..] } else { &[] }, |peer| peer.1), step)
}

/// Runs a command, given as words, in the project; the seconds from its start to its end.
fn run(project: &str, below: &[&str], command: &str) -> Result<f64> {
    let words: Vec<_> = below.iter().copied().chain(command.split(' ')).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(Path::new(FOLDER).join(project));
    // Nothing of `make bench` goes into this make, nor is it built as the one who called sudo.
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let name = words[0].rsplit('/').next().unwrap_or_default();
    let status = command.status().with_context(|| format!("{name} is not here"))?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "{name} {}: {status}", words[1..].join(" "));
    Ok(seconds)
}

impl Builds {
    /// By how many percent the build was slower in each round than alone.
    fn slowdowns(&self, name: &str) -> Vec<f64> {
        let of = |name| self.rows.iter().find(|row| row.0 == name).map_or(&[][..], |row| &row.1);
        of(name).iter().zip(of(ALONE)).map(|(with, alone)| (with / alone - 1.0) * 100.0).collect()
    }

    /// What the build was slowed by, in percent, below this program and beside it.
    pub fn ours(&self) -> [(String, f64); 2] {
        let step = self.steps.last().map_or("", String::as_str);
        [(BELOW, "below"), (BESIDE, "beside")].map(|(name, place)| {
            let what = format!("slowdown of `{step}` of {}, {place} it", self.project);
            (what, median(&self.slowdowns(name)))
        })
    }

    /// What can't be told from it: by how much the build alone differs from itself, and what
    /// watching can have taken at least.
    pub fn floor(&self) -> String {
        let again = self.slowdowns(AGAIN);
        let [least, most] = range(&again);
        let median = median(&again);
        format!(
            "{AGAIN}: {median:.1} % ({least:.1} to {most:.1}); all that it takes is {:.2} % of the CPU time",
            self.cpu_percent
        )
    }

    pub fn section(&self) -> String {
        let rounds = self.rows.first().map_or(0, |row| row.1.len());
        let last = self.steps.last().map_or("", String::as_str);
        let first = self.steps[..self.steps.len() - 1].join(" && ");
        let after = if first.is_empty() { first } else { format!(", after `{first}`") };
        let mut text = format!(
            "## A build: {project}\n\n\
             `{last}`{after}{times}, from the start of the command to its end. The\n\
             medians of {rounds} rounds; in a round each had its turn, and is compared with the build\n\
             alone.{slow}\n\n\
             | | seconds | slower | least to most |\n|---|---:|---:|---:|\n",
            project = self.project,
            slow = match self.rows.iter().any(|(name, _)| *name == SLOW.0) {
                true => format!(" (Rounds of {}: {}.)", SLOW.0, SLOW.1),
                false => String::new(),
            },
            times = if self.times > 1 { format!(", {} times", self.times) } else { String::new() },
        );
        for (name, seconds) in &self.rows {
            let seconds = median(seconds);
            let words = PEERS.iter().find(|(peer, ..)| peer == name).map(|(_, words, _)| words);
            let what = match (words, self.versions.get(name)) {
                (Some(words), Some(version)) => {
                    format!("`{name} {} …` ({name} {version})", words[1..].join(" "))
                }
                _ if *name == BELOW => format!("`{name}`"),
                _ => (*name).to_owned(),
            };
            let _ = write!(text, "| {what} | {seconds:.2} | ");
            if *name == ALONE {
                text += "| |\n";
                continue;
            }
            let slowdowns = self.slowdowns(name);
            let [least, most] = range(&slowdowns);
            let slower = to_tenths(median(&slowdowns));
            let _ = writeln!(text, "{slower:.1} % | {least:.1} to {most:.1} % |");
        }
        let _ = writeln!(
            text,
            "\nIn one more build beside it, the program and its BPF programs took {:.2} % of the CPU time.\n",
            self.cpu_percent
        );
        text
    }
}

/// The least and the most.
fn range(figures: &[f64]) -> [f64; 2] {
    let fold = |first, choose: fn(f64, f64) -> f64| figures.iter().copied().fold(first, choose);
    [fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max)]
}
