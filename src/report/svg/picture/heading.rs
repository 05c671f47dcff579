//! The heading: what it is a picture of, what came of it, and what the colours mean.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::{COLUMN, COLUMNS, Picture, RIGHT, X};
use crate::report::svg::layout::{Layout, MOST_ROWS};
use crate::report::svg::text::{Escaped, command, counted};
use crate::report::tree_summary::TreeSummary;
use crate::report::units::format_duration;
use crate::report::word::Word;

impl Picture<'_> {
    /// What it is a picture of: the command, if there is one.
    pub fn name(&self) -> String {
        let mut roots = self.tree.roots();
        let run = roots.next().and_then(|root| self.tree.nodes[root].runs.first());
        match (run, roots.count()) {
            (Some(run), 0) => command(run, COLUMNS * 3 / 4),
            (_, others) => {
                let host = Word::new(self.watched.begin.host_name.as_bytes());
                format!("{} on {host}", counted(others + 1, "tree", "trees of processes"))
            }
        }
    }

    /// Returns where it ends.
    pub fn write_heading(&self, body: &mut String, layout: &Layout) -> usize {
        let tree = self.tree;
        let summary = TreeSummary::of(tree);
        let (failures, go_on) = (summary.failed, summary.going_on.len());
        let parallel = summary.parallelism().unwrap_or(0.0);
        let mut facts = format!(
            "{}, CPU {} ({parallel:.1} of {}), {}",
            format_duration(summary.wall_ns()),
            format_duration(summary.cpu_ns),
            counted(self.watched.cpus, "CPU", "CPUs"),
            counted(tree.nodes.len(), "process", "processes"),
        );
        if go_on > 0 {
            let _ = write!(facts, ", {go_on} still running");
        }
        let mut y = 30;
        let _ =
            writeln!(body, r#"<text class="h" x="{X}" y="{y}">{}</text>"#, Escaped(&self.name()));
        y += 22;
        let _ = write!(body, r#"<text x="{X}" y="{y}">{facts}, "#);
        let class = if failures > 0 { "w" } else { "" };
        let _ = writeln!(body, r#"<tspan class="{class}">{failures} failed</tspan></text>"#);
        for warning in self.warnings(layout) {
            y += 18;
            let _ =
                writeln!(body, r#"<text class="w" x="{X}" y="{y}">{}</text>"#, Escaped(&warning));
        }
        y += 26;
        self.write_legend(body, y);
        y
    }

    /// What is not in the picture.
    fn warnings(&self, layout: &Layout) -> Vec<String> {
        let mut warnings = Vec::new();
        let loss = self.watched.account.loss;
        if !loss.is_none() {
            warnings.push(format!("Events were lost: {loss}"));
        }
        if self.tree.forgotten > 0 {
            warnings.push(format!("Not kept: the {} oldest processes", self.tree.forgotten));
        }
        if layout.hidden > 0 {
            let hidden = counted(layout.hidden, "process", "processes");
            warnings
                .push(format!("Not shown: {hidden}, for which {MOST_ROWS} rows do not suffice"));
        }
        warnings
    }

    /// The programs that took the most CPU time, as many as have room.
    fn write_legend(&self, body: &mut String, y: usize) {
        let heading = "CPU time:";
        let _ = write!(body, r#"<text class="d" x="{X}" y="{y}">{heading}</text>"#);
        let mut x = X + units(heading.len() + 1);
        for (name, total, class) in self.palette.programs() {
            let name = Word::new(name).to_string();
            let text = format!("{name} {}", format_duration(total.cpu_ns));
            let width = 17 + units(text.width());
            if x + width > RIGHT {
                break;
            }
            let _ = write!(
                body,
                r#"<g><title>CPU time of {} that ended as {}</title><path class="c{class}" d="M{x} {}h12v12h-12z"/><text class="d" x="{}" y="{y}">{}</text></g>"#,
                counted(total.count, "process", "processes"),
                Escaped(&name),
                y - 11,
                x + 17,
                Escaped(&text),
            );
            x += width + units(2);
        }
        body.push('\n');
    }
}

/// How wide a text is at most.
fn units(columns: usize) -> usize {
    columns * COLUMN as usize / 10
}
