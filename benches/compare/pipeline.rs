//! Events a second through user space without a kernel, now and at an earlier commit: the bench
//! `pipeline` of both, in turn.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{ROUNDS, median, progress};

/// Where scripts/install-bench-peers puts the earlier one.
const EARLIER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../peers/bin/pipeline-5c80bca");

/// Events a second from the bytes of the map to /dev/null, on one core.
pub struct Pipeline {
    pub now: f64,
    pub earlier: f64,
}

/// # Errors
///
/// Where one of both is not built.
pub fn pipeline() -> Result<Pipeline> {
    let this = this_bench()?;
    let (mut now, mut earlier) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        progress(&format!("round {round} of {ROUNDS}: user space without a kernel"));
        now.push(events_a_second(&this, "decode_track_and_print_json")?);
        earlier.push(events_a_second(Path::new(EARLIER), "decode_join_and_print_json")?);
    }
    Ok(Pipeline { now: median(&now), earlier: median(&earlier) })
}

/// The newest that cargo has built beside this one.
fn this_bench() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let beside = this.parent().context("cargo's folder")?.read_dir()?.filter_map(Result::ok);
    let benches = beside.filter(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name.starts_with("pipeline-") && !name.contains('.')
    });
    let newest = benches.max_by_key(|file| file.metadata().and_then(|it| it.modified()).ok());
    Ok(newest.context("cargo bench --bench pipeline has not run")?.path())
}

/// The median that divan prints, in items a second.
fn events_a_second(program: &Path, bench: &str) -> Result<f64> {
    let output = Command::new(program).args(["--bench", bench]).output();
    let output = output.with_context(|| format!("{} is not here", program.display()))?;
    ensure!(output.status.success(), "{bench}: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let rates = text.lines().find(|line| line.contains("item/s")).context("divan's table")?;
    // Fastest, slowest, median, mean, after the tree's branch.
    let median = rates.split('│').nth(2).context("divan's median")?.trim();
    let (number, unit) = median.split_once(' ').context("a number and a unit")?;
    let factor = match unit {
        "item/s" => 1.0,
        "Kitem/s" => 1e3,
        "Mitem/s" => 1e6,
        _ => f64::NAN,
    };
    Ok(number.parse::<f64>()? * factor)
}
