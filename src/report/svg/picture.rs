//! The whole picture: heading, strips, axis and bars, one below the other.

use std::fmt::Write as _;

use super::bars::{Bars, ROW};
use super::layout::lay_out;
use super::palette::{Palette, rules};
use super::scale::{LEFT, Scale, Tenths, WIDTH};
use super::strips::Strip;
use super::text::Escaped;
use crate::process::tree::Tree;
use crate::report::Watched;

mod heading;

/// How wide the picture is, in units: its times, and the same margin on both sides.
const PICTURE_WIDTH: usize = (WIDTH.0 + 2 * LEFT.0) as usize / 10;
const RIGHT: usize = ((LEFT.0 + WIDTH.0) / 10) as usize;
const X: usize = LEFT.0 as usize / 10;

/// How wide a letter is at most, in tenths of a unit: of the fonts with letters of one width,
/// which are below, none is wider than 0.61 of its height.
pub const COLUMN: u32 = 80;
const COLUMNS: usize = (WIDTH.0 / COLUMN) as usize;

/// Where the picture has more rows, the times stand below them, too.
const ROWS_OF_A_SCREEN: usize = 40;
const STRIP_HEIGHT: usize = 32;

const STYLE: &str = "\
text{font-size:13px;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace}\
text{stroke:none}g text{pointer-events:none}\
.h{font-size:16px;font-weight:bold}\
.m{text-anchor:middle}\
.l,.o,.x{fill:none}.a{stroke-width:.5}\
.o{stroke-width:2}\
.x{stroke-width:3}";
const LIGHT: &str = "\
.b{fill:#fff}.a{stroke:#fff}text{fill:#1f2328}.d{fill:#59636e}.w{fill:#b3001b}\
.l{stroke:#e4e8ec}.s{fill:#b6c2cf}.o,.x{stroke:#b3001b}.u{fill:#b3001b}";
const DARK: &str = "\
.b{fill:#0d1117}.a{stroke:#0d1117}text{fill:#f0f6fc}.d{fill:#9198a1}.w{fill:#ff8f87}\
.l{stroke:#252b33}.s{fill:#4a5563}.o,.x{stroke:#ff8f87}.u{fill:#ff8f87}";

/// How much of the tree is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Detail {
    /// What is narrower is drawn together.
    narrow: Tenths,
    /// Of a command line, so many columns are told in a title.
    pub columns: usize,
}

impl Detail {
    /// Less at each level, from 0 on: the picture must not become too large.
    pub fn at(level: u16) -> Self {
        const COLUMNS: [usize; 4] = [usize::MAX, 800, 300, 120];
        let columns = COLUMNS.get(usize::from(level)).copied().unwrap_or(80);
        // A unit, and a tenth more at each of the later levels.
        let narrow = 10.0 * 1.1_f64.powi(i32::from(level.saturating_sub(3)));
        Self { narrow: Tenths(narrow as u32), columns }
    }
}

/// What is drawn, whatever the detail.
#[derive(Debug)]
pub struct Picture<'a> {
    tree: &'a Tree,
    watched: &'a Watched<'a>,
    scale: Scale,
    palette: Palette<'a>,
    processes: Strip,
    cpus: Strip,
}

impl<'a> Picture<'a> {
    pub fn new(tree: &'a Tree, watched: &'a Watched<'a>) -> Self {
        let scale = Scale::new(tree);
        Self {
            tree,
            watched,
            scale,
            palette: Palette::new(tree),
            processes: Strip::of_processes(tree, &scale),
            cpus: Strip::of_cpus(tree, &scale, watched.cpus),
        }
    }

    /// The picture, unless it would take more bytes than `most`.
    pub fn draw(&self, detail: Detail, most: usize) -> Option<String> {
        let layout = lay_out(self.tree, &self.scale, detail.narrow);
        let mut body = String::new();
        let top = self.write_heading(&mut body, &layout);
        let top = self.write_strips(&mut body, top);
        let bottom = top + layout.rows * ROW;
        let height = self.write_axis(&mut body, top, bottom, layout.rows > ROWS_OF_A_SCREEN);
        body.push_str(r#"<g class="a">"#);
        let mut bars = Bars {
            tree: self.tree,
            scale: self.scale,
            palette: &self.palette,
            detail,
            top,
            text: body,
            outlines: String::new(),
            lines: String::new(),
            crosses: String::new(),
            last_cross: None,
        };
        for bar in &layout.bars {
            bars.draw(bar);
            if bars.bytes() > most {
                return None;
            }
        }
        Some(format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{PICTURE_WIDTH}" height="{height}" viewBox="0 0 {PICTURE_WIDTH} {height}">
<title>{}</title>
<style>{STYLE}{LIGHT}{}@media(prefers-color-scheme:dark){{{DARK}{}}}</style>
<path class="b" d="M0 0h{PICTURE_WIDTH}v{height}H0z"/>
{}</g><path class="u" d="{}"/><path class="o" d="{}"/><path class="x" d="{}"/>
</svg>
"#,
            Escaped(&self.name()),
            rules(false),
            rules(true),
            bars.text,
            bars.lines,
            bars.outlines,
            bars.crosses,
        ))
    }

    /// Returns where they end.
    fn write_strips(&self, body: &mut String, top: usize) -> usize {
        let busiest = self.processes.highest().max(1.0);
        let strips = [
            (
                &self.processes,
                busiest,
                format!("busy processes, up to {:.0}", busiest.ceil()),
                "Processes that were there and had no child",
            ),
            (
                &self.cpus,
                self.watched.cpus.max(1) as f64,
                format!("busy CPUs, of {}", self.watched.cpus),
                "The CPU time of each process, spread evenly over its life: when it took it is not known",
            ),
        ];
        let mut y = top + 4;
        for (strip, most, text, title) in strips {
            let base = y + 24 + STRIP_HEIGHT;
            let _ = writeln!(
                body,
                r#"<g><title>{title}</title><text class="d" x="{X}" y="{}">{text}</text><path class="l" d="M{X} {}H{RIGHT}M{X} {base}H{RIGHT}"/><path class="s" d="{}"/></g>"#,
                y + 20,
                base - STRIP_HEIGHT,
                strip.outline(base, STRIP_HEIGHT, most),
            );
            y = base;
        }
        y + 30
    }

    /// The times above the bars. Returns how high the picture is.
    fn write_axis(&self, body: &mut String, top: usize, bottom: usize, is_long: bool) -> usize {
        let mut lines = String::new();
        for (x, text) in self.scale.ticks() {
            let _ = write!(lines, "M{x} {top}V{bottom}");
            let mut write_text = |y| {
                let _ = write!(body, r#"<text class="d m" x="{x}" y="{y}">{text}</text>"#);
            };
            write_text(top - 8);
            if is_long {
                write_text(bottom + 18);
            }
        }
        let _ = writeln!(body, r#"<path class="l" d="{lines}"/>"#);
        bottom + if is_long { 34 } else { 20 }
    }
}
