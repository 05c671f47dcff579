//! Which columns a table has, and how wide each is: one description, for headers and lines.
//!
//! A window has the columns that there is room for, the command always being the last, and never a
//! line that is wider. What is no terminal gets all columns, whatever their width.

use unicode_width::UnicodeWidthStr as _;

use super::Window;
use super::columns::{TimeColumn, cut, cut_from};

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Time,
    Event,
    Pid,
    Ppid,
    User,
    Duration,
    Result,
    Age,
    Cpu,
    Parent,
    /// All that is known of who started it, in place of the parent.
    Ancestors,
}

/// A column other than that of the command.
#[derive(Debug)]
pub struct Column {
    field: Field,
    heading: &'static str,
    align: Align,
    /// Its width where there is no window, or 0 if it is not there; and the spaces behind it.
    full: (usize, usize),
    /// From so many columns of a window on, its width. Up to [`WIDE`], one space stands behind it.
    in_windows: &'static [(usize, usize)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}
use Align::{Left, Right};

const COMMAND: &str = "COMMAND";

/// Times are described as those of a day; others leave more or less room to the other columns.
const SHORT: usize = TimeColumn::WIDTHS[0];
const LONG: usize = TimeColumn::WIDTHS[1];

/// From so many columns on, a window looks as spacious as a file.
const WIDE: usize = 100;

/// Fewer columns than 20 show the kind of an event, and the beginning of a command. With a pid of
/// seven digits the command has 38 of 80 columns.
pub const EVENTS: &[Column] = &[
    column(Field::Time, "TIME", Left, (LONG, 2), &[(46, SHORT), (100, LONG)]),
    // With the result, where that has no column of its own.
    column(Field::Event, "EVENT", Left, (5, 1), &[(0, 8), (132, 5)]),
    column(Field::Pid, "PID", Right, (7, 1), &[(38, 7)]),
    column(Field::Ppid, "PPID", Right, (7, 1), &[(90, 7)]),
    column(Field::User, "USER", Left, (10, 1), &[(72, 6), (100, 10)]),
    column(Field::Duration, "DURATION", Right, (8, 2), &[(60, 8)]),
    column(Field::Result, "RESULT", Left, (9, 1), &[(132, 9)]),
    column(Field::Parent, "PARENT", Left, (0, 0), &[(120, 15)]),
    column(Field::Ancestors, "ANCESTORS", Left, (24, 1), &[(80, 14), (120, 24), (140, 32)]),
];

pub const PROCESSES: &[Column] = &[
    column(Field::Pid, "PID", Right, (7, 1), &[(28, 7)]),
    column(Field::Ppid, "PPID", Right, (7, 1), &[(80, 7)]),
    column(Field::User, "USER", Left, (10, 1), &[(60, 6), (100, 10)]),
    column(Field::Age, "AGE", Right, (8, 1), &[(36, 8)]),
    column(Field::Cpu, "CPU", Right, (8, 2), &[(50, 8)]),
    column(Field::Parent, "PARENT", Left, (0, 0), &[(120, 15)]),
    column(Field::Ancestors, "ANCESTORS", Left, (24, 1), &[(80, 14), (120, 24), (140, 32)]),
];

const fn column(
    field: Field,
    heading: &'static str,
    align: Align,
    full: (usize, usize),
    in_windows: &'static [(usize, usize)],
) -> Column {
    Column { field, heading, align, full, in_windows }
}

/// A column of a line.
#[derive(Debug, Clone, Copy)]
struct Placed {
    column: &'static Column,
    width: usize,
    spaces: usize,
}

/// The columns of a table in a window, or in a file.
#[derive(Debug)]
pub struct Layout {
    columns: &'static [Column],
    /// Short and long ones.
    time_widths: [usize; 2],
    /// That of the two which is not shown.
    unwanted: Field,
    /// `None`: nothing is placed yet.
    window: Option<Option<Window>>,
    placed: Vec<Placed>,
}

impl Layout {
    /// `time_widths`: those of short and of long times. `ancestors`: they stand in place of the
    /// parent.
    pub fn new(columns: &'static [Column], time_widths: [usize; 2], ancestors: bool) -> Self {
        let unwanted = if ancestors { Field::Parent } else { Field::Ancestors };
        Self { columns, time_widths, unwanted, window: None, placed: Vec::new() }
    }

    /// Goes on for a window, and tells whether the columns have changed.
    pub fn follow(&mut self, window: Option<Window>) -> bool {
        if self.window == Some(window) {
            return false;
        }
        let is_first = self.window.is_none();
        self.window = Some(window);
        let placed: Vec<Placed> = self.columns.iter().filter_map(|it| self.place(it)).collect();
        let widths = |placed: &[Placed]| {
            placed.iter().map(|it| (it.column.field, it.width, it.spaces)).collect::<Vec<_>>()
        };
        let has_changed = is_first || widths(&placed) != widths(&self.placed);
        self.placed = placed;
        has_changed
    }

    fn place(&self, column: &'static Column) -> Option<Placed> {
        let [short, long] = self.time_widths;
        let (width, spaces) = match self.window() {
            None => column.full,
            Some(window) => {
                let used = if short == 0 { 0 } else { short + 1 };
                let columns = (window.columns + SHORT + 1).saturating_sub(used);
                let fitting = column.in_windows.iter().rev().find(|(from, _)| *from <= columns);
                let spaces = if columns < WIDE { 1 } else { column.full.1.max(1) };
                (fitting?.1, spaces)
            }
        };
        let width = match (column.field, width) {
            (Field::Time, SHORT) => short,
            (Field::Time, _) => long,
            _ => width,
        };
        let is_there = width > 0 && column.field != self.unwanted;
        is_there.then_some(Placed { column, width, spaces })
    }

    fn window(&self) -> Option<Window> {
        self.window.flatten()
    }

    pub fn has(&self, field: Field) -> bool {
        self.placed.iter().any(|placed| placed.column.field == field)
    }

    /// Columns for the command, at least one; `None` where it has all that it takes.
    pub fn command_columns(&self) -> Option<usize> {
        let before: usize = self.placed.iter().map(|placed| placed.width + placed.spaces).sum();
        self.window().map(|window| window.columns.saturating_sub(before).max(1))
    }

    /// The headings.
    pub fn header(&self) -> String {
        let mut line = String::new();
        let heading = |placed: &Placed, line: &mut String| line.push_str(placed.column.heading);
        self.push_all(&mut line, heading);
        line.push_str(COMMAND);
        if let Some(window) = self.window() {
            cut(&mut line, window.columns);
        }
        line
    }

    /// Adds the columns before the command to a line. `text` adds what stands in one: it may use
    /// so many columns, if that is limited.
    pub fn push(&self, line: &mut String, mut text: impl FnMut(Field, Option<usize>, &mut String)) {
        let is_limited = self.window().is_some();
        self.push_all(line, |placed, line| {
            text(placed.column.field, is_limited.then_some(placed.width), line);
        });
    }

    fn push_all(&self, line: &mut String, mut text: impl FnMut(&Placed, &mut String)) {
        for placed in &self.placed {
            let begin = line.len();
            text(placed, line);
            let mut used = width_of(&line[begin..]);
            if used > placed.width && self.window().is_some() {
                cut_from(line, begin, placed.width);
                used = line[begin..].width();
            }
            let missing = placed.width.saturating_sub(used);
            let (before, behind) = match placed.column.align {
                Left => (0, missing),
                Right => (missing, 0),
            };
            if before > 0 {
                line.insert_str(begin, spaces(before));
            }
            line.push_str(spaces(behind + placed.spaces));
        }
    }
}

/// So many spaces. No column is wider than all.
fn spaces(count: usize) -> &'static str {
    const SPACES: &str = "                                                                ";
    &SPACES[..count.min(SPACES.len())]
}

/// Nearly all that is measured here is ASCII, but for the `µs` of a duration.
fn width_of(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    let is_narrow = |c: char| c.is_ascii() || c == 'µ';
    if text.chars().all(is_narrow) { text.chars().count() } else { text.width() }
}

#[cfg(test)]
mod tests;
