//! What the project holds itself to, measured against what runs beside it in the same run.

use std::fmt::Write as _;

use crate::build::Builds;
use crate::contenders::{DEMO, JSON, PEER, US};
use crate::more::{Growth, Idle};
use crate::pipeline::Pipeline;
use crate::report::Metric;

struct Target {
    what: String,
    measured: String,
    target: String,
    met: bool,
}

#[derive(Default)]
pub struct Targets(Vec<Target>);

impl Targets {
    fn add(&mut self, what: &str, measured: String, target: &str, met: bool) {
        self.0.push(Target { what: what.into(), measured, target: target.into(), met });
    }

    /// At most so many times what another takes: 1.8, or a sixth.
    fn against(
        &mut self,
        what: &str,
        ours: f64,
        (name, theirs): (&str, f64),
        unit: &str,
        most: f64,
    ) {
        let part = |ratio: f64| match ratio {
            ratio if ratio < 1.0 => format!("1/{:.1}", 1.0 / ratio),
            ratio => format!("{ratio:.2}"),
        };
        let ratio = ours / theirs;
        let measured = format!("{ours:.1} against {theirs:.1} {unit}: {}", part(ratio));
        self.add(what, measured, &format!("≤ {} of {name}", part(most)), ratio <= most);
    }

    fn at_most(&mut self, what: &str, ours: f64, unit: &str, most: f64) {
        let measured = format!("{ours:.1} {unit}");
        self.add(what, measured, &format!("≤ {most} {unit}"), ours <= most);
    }

    /// `figure`: the median of a contender, if it was measured.
    pub fn side_by_side(&mut self, figure: &impl Fn(&'static str, Metric) -> Option<f64>) {
        let mut against = |what, (name, other), metric, unit, most| {
            if let Some((ours, theirs)) = figure(name, metric).zip(figure(other, metric)) {
                self.against(what, ours, (other, theirs), unit, most);
            }
        };
        let kernel = "kernel time a process, exec and exit, twins and argv included";
        against(kernel, (US, DEMO), Metric::KernelNs, "ns", 1.8);
        let cpu = "own CPU time a process, table into a file";
        against(cpu, (US, PEER), Metric::UserUs, "µs", 1.0 / 6.0);
        let cpu = "own CPU time a process, JSON into a file";
        against(cpu, (JSON, PEER), Metric::UserUs, "µs", 1.0 / 5.0);
        let slowdowns =
            figure(US, Metric::SlowdownPercent).zip(figure(DEMO, Metric::SlowdownPercent));
        if let Some((ours, theirs)) = slowdowns {
            let measured = format!("{ours:.1} against {theirs:.1} %");
            let target = format!("≤ {DEMO}'s and 1 %");
            self.add("slowdown of a storm", measured, &target, ours <= theirs + 1.0);
        }
        let mut at_most = |what, metric, unit, most| {
            if let Some(ours) = figure(US, metric) {
                self.at_most(what, ours, unit, most);
            }
        };
        at_most("start to first event on a terminal", Metric::FirstEventMs, "ms", 60.0);
        at_most("Ctrl-C to the account", Metric::AccountMs, "ms", 30.0);
        at_most("the account to the end of the program", Metric::RestMs, "ms", 100.0);
        at_most("peak memory, table, storm", Metric::PeakMib, "MiB", 4.5);
        at_most("events lost in a parallel storm", Metric::LostPercent, "%", 0.0);
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
        );
    }

    pub fn builds(&mut self, builds: &Builds) {
        for (what, percent) in builds.ours() {
            self.at_most(&what, percent, "%", 0.5);
        }
    }

    pub fn following(&mut self, ns: f64) {
        self.at_most("a process that is not followed, while a command is", ns, "ns", 200.0);
    }

    pub fn growth(&mut self, rows: &[Growth]) {
        let (Some(none), Some(many)) = (rows.first(), rows.last()) else { return };
        let kernel = (many.kernel_ns / none.kernel_ns - 1.0) * 100.0;
        let user = (many.user_us / none.user_us - 1.0) * 100.0;
        self.add(
            &format!("growth from 0 to {} processes alive", many.alive),
            format!("{kernel:+.0} % kernel, {user:+.0} % watcher"),
            "≤ 10 %",
            kernel <= 10.0 && user <= 10.0,
        );
        let what = format!("events lost, {} processes alive, full storm", many.alive);
        self.at_most(&what, many.lost_percent, "%", 0.0);
    }

    pub fn idle(&mut self, idle: &Idle) {
        let cpu = format!("{:.3} %", idle.cpu_percent);
        self.add("idle: CPU", cpu, "< 0.02 %", idle.cpu_percent < 0.02);
        self.add(
            "idle: BPF programs run",
            idle.bpf_runs.to_string(),
            "0 times",
            idle.bpf_runs == 0,
        );
    }

    pub fn section(&self) -> String {
        let mut text = "## Targets\n\n| | measured | target | |\n|---|---:|---:|---|\n".to_owned();
        for Target { what, measured, target, met } in &self.0 {
            let met = if *met { "met" } else { "**not met**" };
            let _ = writeln!(text, "| {what} | {measured} | {target} | {met} |");
        }
        text
    }
}
