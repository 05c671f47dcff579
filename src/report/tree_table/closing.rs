//! The last lines: what the whole took, and where the time went.

use std::io::{self, Write as _};

use super::text;
use crate::process::tree::Tree;
use crate::report::charset::Charset;
use crate::report::columns::{BOLD, RED, style};
use crate::report::tree_summary::{Alone, TreeSummary, name_of};
use crate::report::units::format_duration;
use crate::report::word::Word;
use crate::report::{Output, Watched};

/// So many programs are listed, those with the most CPU time.
const PROGRAMS: usize = 5;

/// So many processes that go on are named.
const GOING_ON: usize = 5;

/// So many programs are named that were busy while no other was.
const ALONE: usize = 3;

/// Columns for the name of a program among others.
const NAME: usize = 24;

pub fn write(
    out: &mut Output<'_>,
    tree: &Tree,
    summary: &TreeSummary<'_>,
    watched: &Watched<'_>,
    colour: bool,
) -> io::Result<()> {
    let (bold, red) = (style(BOLD, colour), style(RED.bold(), colour));
    let wall = format_duration(summary.wall_ns());
    writeln!(out, "\n{bold}Wall time{bold:#}  {wall}")?;
    write!(out, "{bold}CPU time{bold:#}   {}", format_duration(summary.cpu_ns))?;
    match summary.parallelism() {
        Some(cpus) => writeln!(out, ", {cpus:.1} of {} CPUs on average", watched.cpus)?,
        None => writeln!(out)?,
    }
    writeln!(out, "{bold}Processes{bold:#}  {}", processes(tree, summary, out.charset))?;
    if let Some(alone) = &summary.alone {
        writeln!(
            out,
            "{bold}Serial{bold:#}     {}",
            alone_text(alone, summary.begin, out.charset)
        )?;
    }
    let with_time = summary.programs.iter().filter(|total| total.cpu_ns > 0);
    let mut label = "Most CPU";
    for total in with_time.take(PROGRAMS) {
        let cpu = format_duration(total.cpu_ns);
        let count = format!("×{}", total.count);
        writeln!(
            out,
            "{bold}{label:<9}{bold:#}  {cpu:>7}  {count:>6}  {}",
            name(total.name, out.charset)
        )?;
        label = "";
    }
    if tree.forgotten > 0 {
        writeln!(out, "{red}NOT WHOLE  {} older processes are not kept{red:#}", tree.forgotten)?;
    }
    let loss = &watched.account.loss;
    if !loss.is_none() {
        let advice = if loss.any_dropped() { "; use a larger --max-entries" } else { "" };
        writeln!(out, "{red}NOT WHOLE  events were lost: {loss}{advice}{red:#}")?;
    }
    Ok(())
}

fn processes(tree: &Tree, summary: &TreeSummary<'_>, charset: Charset) -> String {
    let mut text = tree.nodes.len().to_string();
    if summary.failed > 0 {
        text += &format!(", {} failed", summary.failed);
    }
    if summary.before > 0 {
        text += &format!(", {} running before (not in the CPU time)", summary.before);
    }
    let count = summary.going_on.len();
    if count > 0 {
        text += &format!(", {count} still running:");
    }
    for (i, &index) in summary.going_on.iter().take(GOING_ON).enumerate() {
        let node = &tree.nodes[index];
        text += if i == 0 { " " } else { ", " };
        text += &format!("{} (pid {})", name(name_of(node), charset), node.process.pid);
    }
    text + if count > GOING_ON { ", …" } else { "" }
}

/// From when on, and which programs were.
fn alone_text(alone: &Alone<'_>, begin: u64, charset: Charset) -> String {
    let ns = alone.end - alone.begin;
    let from = match alone.begin.saturating_sub(begin) {
        0 => "from the start".into(),
        later => format!("from {} on", format_duration(later)),
    };
    let mut text = format!("for {} at a stretch, {from}:", format_duration(ns));
    for (i, (program, busy)) in alone.programs.iter().take(ALONE).enumerate() {
        let percent = (*busy as f64 / ns.max(1) as f64 * 100.0).round();
        text += if i == 0 { " " } else { ", " };
        text += &format!("{} {percent} %", name(program, charset));
    }
    text + if alone.programs.len() > ALONE { ", …" } else { "" }
}

fn name(name: &[u8], charset: Charset) -> String {
    let mut column = String::new();
    text::push(&mut column, Word::new(name).in_charset(charset).to_string(), Some(NAME));
    column
}
