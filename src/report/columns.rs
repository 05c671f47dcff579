//! Columns that several tables have, and what they look like.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthChar as _;

use super::charset::Charset;
use super::word::{CUT, Word};
use super::{Output, TimeStyle};
use crate::process::event::{Event, Names};
use crate::process::loss::Loss;
use crate::process::record::Program;
use crate::process::wall_clock::WallClock;

pub const BOLD: Style = Style::new().bold();
pub const RED: Style = AnsiColor::Red.on_default();
pub const DIM: Style = Style::new().dimmed();

/// A style, if there are colours.
pub fn style(style: Style, colour: bool) -> Style {
    if colour { style } else { Style::new() }
}

/// When something happened, as the first column of a table tells it.
#[derive(Debug)]
pub struct TimeColumn {
    style: TimeStyle,
    zone: TimeZone,
    /// Boot-clock nanoseconds.
    started: u64,
    /// The wall clock's last second that was printed: what stands before its fraction and behind.
    second: (i64, [String; 2]),
}

impl TimeColumn {
    /// `started` (boot-clock nanoseconds) is what relative times count from.
    pub fn new(style: TimeStyle, started: u64) -> Self {
        Self {
            style,
            zone: zone_of(style),
            started,
            second: (i64::MIN, [const { String::new() }; 2]),
        }
    }

    /// The widths of a time of day.
    pub const WIDTHS: [usize; 2] = [8, 12];

    /// How wide it is where there is little room, and where there is enough; 0 without times.
    pub fn widths(&self) -> [usize; 2] {
        match self.style {
            TimeStyle::Local | TimeStyle::Utc | TimeStyle::Relative => Self::WIDTHS,
            TimeStyle::Date => [19, 29],
            TimeStyle::None => [0, 0],
        }
    }

    /// A boot-clock time, with the space behind it.
    pub fn text(&mut self, clock: &WallClock, boot_ns: u64) -> String {
        let mut text = String::new();
        self.push(&mut text, clock, boot_ns, usize::MAX);
        if !text.is_empty() {
            text.push_str("  ");
        }
        text
    }

    /// Adds a boot-clock time, in so many columns.
    pub fn push(&mut self, line: &mut String, clock: &WallClock, boot_ns: u64, columns: usize) {
        let is_long = columns >= self.widths()[1];
        // Writing to a String does not fail.
        let _ = match self.style {
            TimeStyle::Local | TimeStyle::Utc | TimeStyle::Date => {
                let time = clock.utc(boot_ns);
                if self.second.0 != time.as_second() {
                    self.second = (time.as_second(), self.second_of(time));
                }
                let (_, [second, zone]) = &self.second;
                line.push_str(second);
                if is_long {
                    // A digit before them keeps their zeros.
                    let mut digits = itoa::Buffer::new();
                    let fraction = &digits.format(1_000 + time.subsec_millisecond())[1..];
                    line.extend([".", fraction, zone]);
                }
                Ok(())
            }
            TimeStyle::Relative => {
                let ms = boot_ns.saturating_sub(self.started) / 1_000_000;
                match is_long {
                    true => write!(line, "{:>8}.{:03}", ms / 1000, ms % 1000),
                    false => write!(line, "{:>6}.{}", ms / 1000, ms / 100 % 10),
                }
            }
            TimeStyle::None => Ok(()),
        };
    }

    fn second_of(&self, time: Timestamp) -> [String; 2] {
        let time = time.to_zoned(self.zone.clone());
        match self.style {
            TimeStyle::Date => ["%Y-%m-%d %H:%M:%S", "%:z"],
            _ => ["%H:%M:%S", ""],
        }
        .map(|format| time.strftime(format).to_string())
    }
}

fn zone_of(style: TimeStyle) -> TimeZone {
    match style {
        TimeStyle::Local | TimeStyle::Date => TimeZone::system(),
        TimeStyle::Utc | TimeStyle::Relative | TimeStyle::None => TimeZone::UTC,
    }
}

/// How times are to be understood, such as `CET` or `seconds since the start`.
pub fn zone_name(style: TimeStyle) -> String {
    match style {
        TimeStyle::Relative => "seconds since the start".into(),
        _ => Timestamp::now().to_zoned(zone_of(style)).strftime("%Z").to_string(),
    }
}

/// Adds the last column: the command line as a shell would take it, so that no
/// argument can forge a line or drive the terminal; `[comm]` where it is not known. Before it
/// stands the container, as `@` and the first 12 digits of its id, and `(fork)` where it is that
/// of the parent: a shell's quotes keep an argument from looking so. It is cut to `columns`.
pub fn push_command_column(
    line: &mut String,
    event: &Event<'_>,
    names: &Names,
    columns: Option<usize>,
    charset: Charset,
) {
    let begin = line.len();
    if let Some(id) = names.container_id() {
        line.extend(["@", &id[..12], " "]);
    }
    push_command(line, event.program, &event.common.comm, event.forked, charset);
    if let Some(columns) = columns {
        cut_from(line, begin, columns);
    }
}

/// Adds a command line as a shell would take it, or `[comm]` where it is not known.
pub fn push_command(
    command: &mut String,
    program: Option<&Program>,
    comm: &[u8],
    forked: bool,
    charset: Charset,
) {
    if forked {
        command.push_str("(fork) ");
    }
    let known = program.filter(|program| program.has_args());
    match known {
        Some(program) => push_args(command, program, charset),
        None => {
            command.push('[');
            Word::new(comm).in_charset(charset).push_to(command);
            command.push(']');
        }
    }
}

fn push_args(command: &mut String, program: &Program, charset: Charset) {
    for (i, arg) in program.args().enumerate() {
        let word = if i == 0 { Word::first(arg) } else { Word::new(arg) };
        command.push_str(if i == 0 { "" } else { " " });
        word.in_charset(charset).push_to(command);
    }
    if program.args_truncated() {
        command.push(CUT);
    }
}

/// Cuts text to a number of terminal columns; `…` takes the place of the rest.
pub fn cut(text: &mut String, columns: usize) {
    cut_from(text, 0, columns);
}

/// The same with what begins at a byte of the text.
pub fn cut_from(text: &mut String, begin: usize, columns: usize) {
    let rest = &text[begin..];
    if rest.len() <= columns && rest.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return;
    }
    let mut used = 0;
    let mut end = begin; // where to cut if there is more than fits
    for (at, c) in rest.char_indices() {
        let width = c.width().unwrap_or(0);
        if used + width > columns {
            text.truncate(end);
            text.push(CUT);
            return;
        }
        used += width;
        if used < columns {
            end = begin + at + c.len_utf8();
        }
    }
}

/// The line that tells of a loss in any table.
pub fn write_loss(out: &mut Output<'_>, time: &str, loss: &Loss, colour: bool) -> io::Result<()> {
    let red = style(RED.bold(), colour);
    let advice =
        if loss.any_dropped() { "; the map was full: use a larger --max-entries" } else { "" };
    writeln!(out, "{red}{time}LOSS  {loss}{advice}{red:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        let mut text = "日本語".to_owned();
        cut(&mut text, 6);
        assert_eq!(text, "日本語");
        cut(&mut text, 5);
        assert_eq!(text, "日本…");
        cut(&mut text, 4);
        assert_eq!(text, "日…");
    }

    /// What is told of a time, in so many columns.
    fn time(style: TimeStyle, boot_ns: u64, columns: usize) -> String {
        let mut text = String::new();
        let mut column = TimeColumn::new(style, 0);
        column.zone = TimeZone::fixed(jiff::tz::offset(-3));
        column.push(&mut text, &WallClock::default(), boot_ns, columns);
        text
    }

    #[test]
    fn times_are_as_asked_and_as_wide_as_they_say() {
        for (style, long, short) in [
            (TimeStyle::Relative, "      12.345", "    12.3"),
            (TimeStyle::Utc, "21:00:12.345", "21:00:12"),
            (TimeStyle::Date, "1969-12-31 21:00:12.345-03:00", "1969-12-31 21:00:12"),
            (TimeStyle::None, "", ""),
        ] {
            let widths = TimeColumn::new(style, 0).widths();
            assert_eq!(widths.map(|it| time(style, 12_345_678_901, it)), [short, long]);
            assert_eq!(widths, [short.len(), long.len()]);
        }
    }

    #[test]
    fn a_date_can_be_read_back() {
        let text = time(TimeStyle::Date, 12_345_678_901, 29).replacen(' ', "T", 1);
        let time: Timestamp = text.parse().expect("RFC 3339");
        assert_eq!(time.as_millisecond(), 12_345);
    }
}
