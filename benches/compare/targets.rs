//! What the project holds itself to, measured against what runs beside it in the same run.

use std::fmt::Write as _;

use crate::build::Builds;
use crate::contenders::{DEMO, EMPTY, INSERTS, JSON, PEER, US};
use crate::floor::Loading;
use crate::more::{Growth, Idle};
use crate::pipeline::Pipeline;
use crate::report::Metric;
use crate::to_tenths;

struct Target {
    what: String,
    measured: String,
    target: String,
    met: bool,
    /// What can't be saved of it, where that is known.
    floor: String,
}

#[derive(Default)]
pub struct Targets {
    list: Vec<Target>,
    empty_pair_ns: Option<f64>,
}

impl Targets {
    fn add(&mut self, what: &str, measured: String, target: &str, met: bool, floor: &str) {
        let (what, target, floor) = (what.into(), target.into(), floor.into());
        self.list.push(Target { what, measured, target, met, floor });
    }

    fn at_most(&mut self, what: &str, ours: f64, unit: &str, most: f64, floor: &str) {
        let measured = format!("{:.1} {unit}", to_tenths(ours));
        self.add(what, measured, &format!("≤ {most} {unit}"), ours <= most, floor);
    }

    /// `figure`: the median of a contender, if it was measured. `reading`: microseconds that it
    /// takes to read what a process has. `loading`: what that takes alone.
    pub fn side_by_side(
        &mut self,
        figure: &impl Fn(&'static str, Metric) -> Option<f64>,
        reading: f64,
        loading: &Loading,
    ) {
        let floor_of = |name, metric, unit: &str| {
            figure(name, metric).map_or_else(String::new, |it| format!("{name}: {it:.1} {unit}"))
        };
        let inserts = floor_of(INSERTS, Metric::KernelNs, "ns");
        let reads = format!("`keys()`, `lookup()`, delete: {reading:.1} µs");
        let kernel = "kernel time a process, exec and exit, twins and argv included";
        for (what, (name, other), metric, unit, most, floor) in [
            (kernel, (US, DEMO), Metric::KernelNs, "ns", 1.8, &inserts),
            ("own CPU time a process, table", (US, PEER), Metric::UserUs, "µs", 1.0 / 6.0, &reads),
            ("own CPU time a process, JSON", (JSON, PEER), Metric::UserUs, "µs", 1.0 / 5.0, &reads),
        ] {
            let Some((ours, theirs)) = figure(name, metric).zip(figure(other, metric)) else {
                continue;
            };
            let ratio = ours / theirs;
            let measured = format!("{ours:.1} against {theirs:.1} {unit}: {}", part(ratio));
            let target = format!("≤ {} of {other}", part(most));
            self.add(what, measured, &target, ratio <= most, floor);
        }
        let slowdown = |name| figure(name, Metric::SlowdownPercent);
        if let Some((ours, theirs)) = slowdown(US).zip(slowdown(DEMO)) {
            let measured = format!("{ours:.1} against {theirs:.1} %");
            let floor = floor_of(INSERTS, Metric::SlowdownPercent, "%");
            let target = format!("≤ {DEMO} and 1 %");
            self.add("slowdown of a storm", measured, &target, ours <= theirs + 1.0, &floor);
        }
        let end = floor_of(DEMO, Metric::EndMs, "ms");
        let of_files = |name| figure(name, Metric::FileMib).unwrap_or(f64::NAN);
        let memory = format!(
            "pages of files: {:.1} MiB; {}, of which pages of files {:.1}",
            of_files(US),
            floor_of(DEMO, Metric::PeakMib, "MiB"),
            of_files(DEMO)
        );
        let Loading { empty_ms, ours_ms } = loading;
        let start = format!(
            "to load and attach empty programs: {empty_ms:.0} ms, those of {US}: {ours_ms:.0} ms; a record waits 20 ms"
        );
        for (what, metric, unit, most, floor) in [
            (
                "start to first event on a terminal",
                Metric::FirstEventMs,
                "ms",
                60.0,
                start.as_str(),
            ),
            ("Ctrl-C to the account", Metric::AccountMs, "ms", 30.0, ""),
            ("the account to the end of the program", Metric::RestMs, "ms", 100.0, &end),
            ("peak memory, table, storm", Metric::PeakMib, "MiB", 4.5, &memory),
            ("events lost in a parallel storm", Metric::LostPercent, "%", 0.0, ""),
        ] {
            if let Some(ours) = figure(US, metric) {
                self.at_most(what, ours, unit, most, floor);
            }
        }
        self.empty_pair_ns = figure(EMPTY, Metric::KernelNs);
    }

    pub fn pipeline(&mut self, pipeline: &Pipeline) {
        const LEAST: f64 = 2.5;
        let Pipeline { now, earlier } = pipeline;
        let measured =
            format!("{now:.0} against {earlier:.0} events/s: {:.2} times", now / earlier);
        self.add(
            "decode, track and print: JSON into /dev/null, one core",
            measured,
            &format!("≥ {LEAST} times commit 5c80bca"),
            now / earlier >= LEAST,
            "",
        );
    }

    pub fn builds(&mut self, builds: &Builds) {
        for (what, percent) in builds.ours() {
            self.at_most(&what, percent, "%", 0.5, &builds.floor());
        }
    }

    pub fn following(&mut self, ns: f64) {
        // At its fork, its exec and its exit.
        let floor =
            self.empty_pair_ns.map(|ns| format!("three empty programs: {:.0} ns", ns * 1.5));
        let what = "a process that is not followed, while a command is";
        self.at_most(what, ns, "ns", 200.0, &floor.unwrap_or_default());
    }

    pub fn growth(&mut self, rows: &[Growth]) {
        let (Some(none), Some(many)) = (rows.first(), rows.last()) else { return };
        let kernel = (many.kernel_ns / none.kernel_ns - 1.0) * 100.0;
        let user = (many.user_us / none.user_us - 1.0) * 100.0;
        let inserts = (many.inserts_ns / none.inserts_ns - 1.0) * 100.0;
        self.add(
            &format!("growth from 0 to {} processes alive", many.alive),
            format!("{kernel:+.0} % kernel, {user:+.0} % watcher"),
            "≤ 10 %",
            kernel <= 10.0 && user <= 10.0,
            &format!("{INSERTS}: {inserts:+.0} %"),
        );
        let what = format!("events lost, {} processes alive, full storm", many.alive);
        self.at_most(&what, many.lost_percent, "%", 0.0, "");
    }

    pub fn idle(&mut self, idle: &Idle) {
        let cpu = format!("{:.3} %", idle.cpu_percent);
        self.add("idle: CPU", cpu, "< 0.02 %", idle.cpu_percent < 0.02, "");
        self.add(
            "idle: BPF programs run",
            idle.bpf_runs.to_string(),
            "0 times",
            idle.bpf_runs == 0,
            "",
        );
    }

    pub fn section(&self) -> String {
        let mut text = "## Targets\n\n| | measured | target | | what can't be saved |\n\
            |---|---:|---:|---|---|\n"
            .to_owned();
        for Target { what, measured, target, met, floor } in &self.list {
            let met = if *met { "met" } else { "**not met**" };
            let _ = writeln!(text, "| {what} | {measured} | {target} | {met} | {floor} |");
        }
        text
    }
}

/// A ratio as people say it: 1.8, or 1/6.
fn part(ratio: f64) -> String {
    if ratio < 1.0 { format!("1/{:.1}", 1.0 / ratio) } else { format!("{ratio:.2}") }
}
