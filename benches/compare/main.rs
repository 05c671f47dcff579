//! Measures the program side by side with the least that does the job, and with what people use
//! instead.
//!
//! `make bench` takes a quarter of an hour, and writes docs/benchmarks.md and docs/benchmarks.svg. With `-- --short` it measures only the program, and fails when
//! counts that do not depend on the machine have grown (see `short.rs`). With `-- --build 2` it
//! prints what builds cost, of 2 rounds (see `build.rs`).

mod build;
mod chart;
mod contenders;
mod floor;
mod machine;
mod more;
mod pipeline;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/support/processes.rs"]
mod processes;
#[path = "../../tests/support/program.rs"]
mod program;
mod report;
mod rounds;
mod short;
mod targets;
mod watcher;

use std::env;
use std::time::Instant;

use anyhow::Result;
use contenders::{least, peers, us};
use machine::Settings;
use report::Report;
use watcher::Watcher;

/// How often all contenders are measured, one after the other.
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let words: Vec<_> = env::args().collect();
    if let Some(kind) =
        words.iter().find(|word| [floor::NOTHING, floor::INSERT].contains(&&***word))
    {
        return floor::hold(kind);
    }
    let _settings = Settings::prepare()?;
    if words.iter().any(|word| word == "--short") {
        return short::run();
    }
    match words.iter().position(|word| word == "--build") {
        Some(place) => {
            let rounds = words.get(place + 1).and_then(|word| word.parse().ok());
            for builds in build::builds(rounds.unwrap_or(ROUNDS))? {
                print!("{}", builds.section());
            }
            Ok(())
        }
        None => run(),
    }
}

fn progress(what: &str) {
    eprintln!("bench: {what}");
}

fn run() -> Result<()> {
    let begun = Instant::now();
    let mut report = Report::new()?;
    let mut contenders = vec![us(&[])];
    for contender in least()?.into_iter().chain(peers()) {
        match Watcher::start(&contender).and_then(Watcher::stop) {
            Ok(_) => contenders.push(contender),
            Err(error) => report.left_out(contender.name, &error),
        }
    }
    let samples = rounds::side_by_side(&contenders)?;
    for contender in &contenders {
        report.contender(contender);
    }
    report.samples(&samples, floor::reading()?, &floor::loading()?);
    match pipeline::pipeline() {
        Ok(pipeline) => report.pipeline(&pipeline),
        Err(error) => report.left_out("events a second without a kernel", &error),
    }
    match build::builds(ROUNDS) {
        Ok(builds) => report.builds(&builds),
        Err(error) => report.left_out("real builds", &error),
    }
    progress("beside what is not followed");
    report.following(more::following()?);
    progress("growth with processes alive");
    report.growth(&more::growth()?);
    progress("idle");
    report.idle(more::idle()?);
    progress("storms against losses");
    report.losses(&more::losses()?);
    progress("--view processes");
    report.lists(&more::lists()?);
    report.write(begun.elapsed())?;
    progress(&format!("wrote docs/benchmarks.md and .svg in {:.0?}", begun.elapsed()));
    Ok(())
}

fn ratio(count: u64, by: u64) -> f64 {
    count as f64 / by as f64
}

pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Rounded: a difference may be just below nothing, which looks like "-0.0".
fn to_tenths(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0 + 0.0
}
