//! The figures as docs/benchmarks.md, and the most telling ones as docs/benchmarks.svg.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::build::Builds;
use crate::chart::{Panel, chart};
use crate::contenders::{Contender, DEMO, EMPTY, INSERTS, JSON, US, first_line};
use crate::floor::Loading;
use crate::machine::{cpus, meminfo_kib};
use crate::more::{Growth, Idle, List, Lost};
use crate::pipeline::Pipeline;
use crate::rounds::Samples;
use crate::targets::Targets;
use crate::watcher::Memory;
use crate::{ROUNDS, median, progress, to_tenths};

/// What is measured of every contender. Less is better in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    KernelNs,
    UserUs,
    SlowdownPercent,
    PeakMib,
    /// What of it are pages of files.
    FileMib,
    MapMib,
    FirstEventMs,
    /// From Ctrl-C to the account, which the others have not; from there to the end; and both.
    AccountMs,
    RestMs,
    EndMs,
    LostPercent,
}

impl Metric {
    const ALL: [Self; 11] = [
        Self::KernelNs,
        Self::UserUs,
        Self::SlowdownPercent,
        Self::PeakMib,
        Self::FileMib,
        Self::MapMib,
        Self::FirstEventMs,
        Self::AccountMs,
        Self::RestMs,
        Self::EndMs,
        Self::LostPercent,
    ];

    /// What it is, its unit, and digits after the point.
    fn describe(self) -> (&'static str, &'static str, usize) {
        match self {
            Self::KernelNs => ("kernel time in BPF programs per process", "ns", 0),
            Self::UserUs => ("CPU time of the watcher per process", "µs", 1),
            Self::SlowdownPercent => ("slowdown of the storm", "%", 1),
            Self::PeakMib => ("peak memory of the watcher", "MiB", 1),
            Self::FileMib => ("pages of files in it", "MiB", 1),
            Self::MapMib => ("kernel memory of its maps", "MiB", 1),
            Self::FirstEventMs => ("start to first event on a terminal", "ms", 0),
            Self::AccountMs => ("Ctrl-C to the account", "ms", 0),
            Self::RestMs => ("the account to the end of the program", "ms", 0),
            Self::EndMs => ("Ctrl-C to the end of the program", "ms", 0),
            Self::LostPercent => ("events lost in a parallel storm", "%", 2),
        }
    }
}

pub struct Report {
    machine: String,
    contenders: Vec<(&'static str, String)>,
    missing: Vec<String>,
    table: String,
    spread: String,
    targets: Targets,
    more: String,
    chart: String,
}

impl Report {
    pub fn new() -> Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
        let virtual_machine =
            if cpuinfo.contains(" hypervisor") { ", a virtual machine" } else { "" };
        let gib = meminfo_kib("MemTotal:")? as f64 / f64::from(1 << 20);
        let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let machine = format!(
            "{} CPUs ({model}){virtual_machine}, {gib:.0} GiB; Linux {}; {}; {}",
            cpus(),
            fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
            system.unwrap_or("unknown").trim_matches('"'),
            first_line("rustc", &["--version"]),
        );
        Ok(Self {
            machine,
            contenders: Vec::new(),
            missing: Vec::new(),
            table: String::new(),
            spread: String::new(),
            targets: Targets::default(),
            more: String::new(),
            chart: String::new(),
        })
    }

    pub fn left_out(&mut self, name: &str, why: &anyhow::Error) {
        progress(&format!("without {name}: {why:#}"));
        self.missing.push(format!("{name}: {why:#}"));
    }

    pub fn contender(&mut self, contender: &Contender) {
        self.contenders.push((contender.name, contender.describe()));
    }

    /// `reading`: microseconds that it takes to read what a process has.
    pub fn samples(&mut self, samples: &Samples, reading: f64, loading: &Loading) {
        let figure = |name, metric| {
            let median = samples.get(&(name, metric)).map(|figures| median(figures))?;
            Some(if metric == Metric::SlowdownPercent { to_tenths(median) } else { median })
        };
        let names: Vec<_> = self.contenders.iter().map(|(name, _)| *name).collect();
        let is_peer = |name: &str| ![US, JSON, DEMO, INSERTS, EMPTY].contains(&name);
        self.table += "| |";
        for &name in &names {
            let _ = write!(self.table, " {name} |{}", if is_peer(name) { " ratio |" } else { "" });
        }
        self.table += "\n|---|";
        for &name in &names {
            self.table += if is_peer(name) { "---:|---:|" } else { "---:|" };
        }
        self.table.push('\n');

        for metric in Metric::ALL {
            let (what, unit, digits) = metric.describe();
            let _ = write!(self.table, "| {what} |");
            for &name in &names {
                let _ = match figure(name, metric) {
                    Some(figure) => write!(self.table, " {figure:.digits$} {unit} |"),
                    None => write!(self.table, " – |"),
                };
                let ratio = figure(name, metric).zip(figure(US, metric));
                // Of differences and of nothing, a ratio says nothing.
                let is_ratio = !matches!(metric, Metric::SlowdownPercent | Metric::LostPercent);
                let _ = match ratio.filter(|_| is_ratio) {
                    _ if !is_peer(name) => Ok(()),
                    Some((theirs, ours)) => write!(self.table, " {:.1} |", theirs / ours),
                    None => write!(self.table, " – |"),
                };
            }
            self.table.push('\n');
            let Some(all) = samples.get(&(US, metric)) else { continue };
            let least = all.iter().copied().fold(f64::INFINITY, f64::min);
            let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let _ =
                writeln!(self.spread, "| {what} | {least:.digits$} to {most:.digits$} {unit} |");
        }
        self.targets.side_by_side(&figure, reading, loading);
        let charted = [Metric::KernelNs, Metric::UserUs, Metric::PeakMib, Metric::FirstEventMs];
        let names: Vec<_> = names.into_iter().filter(|&name| name == US || is_peer(name)).collect();
        self.chart = chart(
            &names,
            &charted.map(|metric| {
                let (title, unit, digits) = metric.describe();
                let figures = names.iter().map(|&name| figure(name, metric).unwrap_or(0.0));
                Panel { title, unit, digits, figures: figures.collect() }
            }),
        );
    }

    pub fn pipeline(&mut self, pipeline: &Pipeline) {
        self.targets.pipeline(pipeline);
    }

    pub fn following(&mut self, ns: f64) {
        self.targets.following(ns);
    }

    pub fn growth(&mut self, rows: &[Growth]) {
        self.more += "## Cost and processes alive\n\nThe others were started while it watched, so it knows of each. What was lost is\nof a storm of several at a time among them, in the worst round.\n\n\
            | other processes alive | kernel, per process | watcher, per process | events lost | two inserts alone |\n|---:|---:|---:|---:|---:|\n";
        for row in rows {
            let _ = writeln!(
                self.more,
                "| {} | {:.0} ns | {:.1} µs | {:.2} % | {:.0} ns |",
                row.alive, row.kernel_ns, row.user_us, row.lost_percent, row.inserts_ns
            );
        }
        self.more.push('\n');
        self.targets.growth(rows);
    }

    pub fn idle(&mut self, idle: Idle) {
        self.targets.idle(&idle);
        let mib = |kib: u64| kib as f64 / 1024.0;
        let Memory { peak_kib, file_kib, anonymous_kib } = idle.memory;
        let _ = write!(
            self.more,
            "## What it takes to be there\n\n\
             - **CPU, idle**: {:.3} %. A loop that only sleeps, and wakes up once a second, takes {:.3} %.\n\
             - **Memory, idle**: {:.1} MiB are pages of files (the program and its libraries), {:.1} MiB\n  \
             its own; loading the BPF programs, for which libbpf reads the kernel's type information,\n  \
             took it to {:.1} MiB before anything was recorded.\n\n",
            idle.cpu_percent,
            idle.sleeper_percent,
            mib(file_kib),
            mib(anonymous_kib),
            mib(peak_kib),
        );
    }

    pub fn builds(&mut self, all: &[Builds]) {
        for builds in all {
            for (name, why) in &builds.left_out {
                self.left_out(name, why);
            }
            self.more += &builds.section();
            self.targets.builds(builds);
        }
    }

    pub fn losses(&mut self, rows: &[Lost]) {
        self.more += "## Storms and losses\n\n| `--period` | at a time | processes a second | events lost |\n|---:|---:|---:|---:|\n";
        for row in rows {
            let _ = writeln!(
                self.more,
                "| {} s | {} | {:.0} | {:.2} % |",
                row.period, row.jobs, row.rate, row.percent
            );
        }
        self.more.push('\n');
    }

    pub fn lists(&mut self, rows: &[List]) {
        self.more += "## A list of the processes alive\n\nCPU time to print it once, with 1,000 processes alive.\n\n| | CPU time | ratio |\n|---|---:|---:|\n";
        for row in rows {
            let ratio = row.cpu_ms / rows[0].cpu_ms;
            let _ = writeln!(self.more, "| `{}` | {:.2} ms | {ratio:.1} |", row.name, row.cpu_ms);
        }
        self.more.push('\n');
    }

    pub fn write(&self, took: Duration) -> Result<()> {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        fs::create_dir_all(&docs)?;
        fs::write(docs.join("benchmarks.svg"), &self.chart)?;
        fs::write(docs.join("benchmarks.md"), self.markdown(took))?;
        Ok(())
    }

    fn markdown(&self, took: Duration) -> String {
        let mut text = format!(
            "# Benchmarks\n\n\
             Written by `make bench`, which needs root, took {} minutes here, and does all of this again\n\
             ([how](../benches/compare/main.rs)).\n\n\
             {}.\n\n\
             A storm is a program of nine bytes of code, started again and again. Each figure is the\n\
             median of {ROUNDS} rounds; in a round everything is measured in turn. All output goes into\n\
             files, but for the time to the first event. A ratio above 1 is in our favour.\n\n\
             ![Bars: kernel time, CPU time, memory, time to the first event](benchmarks.svg)\n\n\
             ## Side by side\n\n{}\n\
             Memory of perf buffers is in neither of the two memory figures.\n\n",
            took.as_secs().div_ceil(60),
            self.machine,
            self.table,
        );
        text += &self.targets.section();
        let _ = write!(
            text,
            "\n{}## Spread of our figures\n\n| | least to most |\n|---|---:|\n{}",
            self.more, self.spread
        );
        text += "\n## What was compared\n\n";
        for (_, contender) in &self.contenders {
            text += contender;
        }
        for missing in &self.missing {
            let _ = writeln!(text, "- Left out: {missing}");
        }
        text
    }
}
