//! The bars, each with its title, its text and, where it failed, its mark.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::layout::Bar;
use super::palette::Palette;
use super::picture::{COLUMN, Detail};
use super::scale::{Scale, Tenths};
use super::text::{Escaped, about, command, counted, fitting, status};
use crate::process::tree::{Node, Run, Tree};
use crate::report::units::format_duration;

/// From one row to the next, in units.
pub const ROW: usize = 18;
const HEIGHT: usize = 16;

/// From the edge of a bar to its text, and to the text behind a mark.
const MARGIN: u32 = 40;
const MARK: u32 = 170;

/// From one cross to the next, at least: more of them would be a red line.
const BETWEEN_CROSSES: u32 = 140;

/// A narrower slice of a bar can't be told from what is beside it.
const NARROWEST_SLICE: u32 = 10;

/// Draws bars, from above to below and from left to right.
#[derive(Debug)]
pub struct Bars<'a> {
    pub tree: &'a Tree,
    pub scale: Scale,
    pub palette: &'a Palette<'a>,
    pub detail: Detail,
    /// Where the first row is, in units.
    pub top: usize,
    pub text: String,
    /// What marks failures, as paths: it is drawn above all bars.
    pub outlines: String,
    pub lines: String,
    pub crosses: String,
    /// The row and the left edge of the last cross.
    pub last_cross: Option<(usize, u32)>,
}

impl Bars<'_> {
    /// Draws a bar.
    pub fn draw(&mut self, bar: &Bar) {
        let node = &self.tree.nodes[bar.index];
        let y = self.top + bar.row * ROW;
        // Writing to a String does not fail.
        let _ = if bar.count == 1 {
            let title = about(self.tree, &self.scale, node, self.detail.columns);
            write!(self.text, r#"<g data-pid="{}"><title>{}"#, node.process.pid, Escaped(&title))
        } else {
            let title = self.about_several(bar, node);
            write!(self.text, r#"<g data-count="{}"><title>{}"#, bar.count, Escaped(&title))
        };
        self.text.push_str("</title>");
        let slices = if bar.count == 1 { self.slices(bar, node) } else { Vec::new() };
        if let (true, Some(run)) = (slices.is_empty(), node.last_run()) {
            self.rectangle(run, (bar.from, bar.to), y);
        }
        for &(run, from, to) in &slices {
            self.rectangle(run, (from, to), y);
        }
        let first = bar.from.0 + if bar.failures > 0 && has_room(bar) { MARK } else { MARGIN };
        for (run, from, to) in slices {
            self.label(run, first.max(from.0 + MARGIN), to.0, y);
        }
        self.text.push_str("</g>");
        if bar.failures > 0 {
            self.mark(bar, y);
        }
    }

    fn about_several(&self, bar: &Bar, node: &Node) -> String {
        let columns = self.detail.columns;
        let mut title = counted(bar.count, "process", "processes");
        let (from, _) = self.tree.span(node);
        let start = format_duration(self.scale.since_begin(from));
        let _ = write!(title, ", about {start} after the start");
        if let Some(run) = node.last_run() {
            let _ = write!(title, "\nthe longest: {}", command(run, columns));
        }
        if let Some(failed) = bar.failed.map(|index| &self.tree.nodes[index]) {
            let _ = write!(title, "\n{} failed", bar.failures);
            if let Some(run) = failed.last_run() {
                let _ = write!(title, "; {}: {}", command(run, columns), status(failed));
            }
        }
        title
    }

    /// The programs that ran in a process one after the other, where each can be seen.
    fn slices<'n>(&self, bar: &Bar, node: &'n Node) -> Vec<(&'n Run, Tenths, Tenths)> {
        let mut slices = Vec::new();
        let mut from = bar.from;
        for (at, run) in node.runs.iter().enumerate() {
            let next = node.runs.get(at + 1);
            let to = next.map_or(bar.to, |next| self.scale.x(next.begin).min(bar.to));
            if to.0 >= from.0 + NARROWEST_SLICE || (next.is_none() && to > from) {
                slices.push((run, from, to));
                from = to;
            }
        }
        slices
    }

    fn rectangle(&mut self, run: &Run, (from, to): (Tenths, Tenths), y: usize) {
        let (class, width) = (self.palette.class(run), Tenths(to.0 - from.0));
        let _ = write!(
            self.text,
            r#"<path class="c{class}" d="M{from} {y}h{width}v{HEIGHT}h-{width}z"/>"#
        );
    }

    /// Text that ends before its bar does.
    fn label(&mut self, run: &Run, from: u32, to: u32, y: usize) {
        let room = to.saturating_sub(from + MARGIN);
        let Some(label) = fitting(run, (room / COLUMN) as usize) else { return };
        let _ = write!(self.text, r#"<text x="{}" y="{}""#, Tenths(from), y + 12);
        if !label.is_ascii() {
            // A letter of another font may be wider than two columns.
            let width = u32::try_from(label.width()).map_or(room, |columns| columns * COLUMN);
            let width = Tenths(width.min(room));
            let _ = write!(self.text, r#" textLength="{width}" lengthAdjust="spacingAndGlyphs""#);
        }
        let _ = write!(self.text, ">{}</text>", Escaped(&label));
    }

    /// An outline with a cross in it, or where there is no room, a line and a cross upon it: all
    /// can be seen without colours.
    fn mark(&mut self, bar: &Bar, y: usize) {
        let (from, width) = (bar.from.0, bar.to.0 - bar.from.0);
        let x = if has_room(bar) {
            let (x, width) = (Tenths(from + 10), Tenths(width - 20));
            let (y, height) = (y + 1, HEIGHT - 2);
            let _ = write!(self.outlines, "M{x} {y}h{width}v{height}h-{width}z");
            from + 50
        } else {
            let (x, width) = (bar.from, Tenths(width));
            let _ = write!(self.lines, "M{x} {}h{width}v3h-{width}z", y + HEIGHT - 3);
            (from + width.0 / 2).saturating_sub(40)
        };
        let last = self.last_cross.filter(|&(row, _)| row == bar.row);
        if last.is_none_or(|(_, last)| x >= last + BETWEEN_CROSSES) {
            self.last_cross = Some((bar.row, x));
            let _ = write!(self.crosses, "M{} {}l8 8m0-8l-8 8", Tenths(x), y + 4);
        }
    }

    pub fn bytes(&self) -> usize {
        self.text.len() + self.outlines.len() + self.lines.len() + self.crosses.len()
    }
}

/// Whether a cross fits into a bar, with some of it to be seen on both sides.
fn has_room(bar: &Bar) -> bool {
    bar.count == 1 && bar.to.0 - bar.from.0 >= MARK
}
