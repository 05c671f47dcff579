//! Columns that several tables have, and what they look like.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthChar as _;

use super::word::{CUT, Word};
use super::{Output, TimeStyle, Window};
use crate::process::event::{Event, Names};
use crate::process::loss::Loss;
use crate::process::record::Program;
use crate::process::wall_clock::WallClock;

pub const BOLD: Style = Style::new().bold();
pub const RED: Style = AnsiColor::Red.on_default();
pub const DIM: Style = Style::new().dimmed();

/// The narrowest COMMAND, what 80 columns leave behind the longest name of a signal: a terminal
/// that is narrower still wraps the line.
const COMMAND_MIN: usize = 11;

/// A style, if there are colours.
pub fn style(style: Style, colour: bool) -> Style {
    if colour { style } else { Style::new() }
}

/// The first column of a table: when it happened.
#[derive(Debug)]
pub struct TimeColumn {
    style: TimeStyle,
    zone: TimeZone,
    /// Boot-clock nanoseconds.
    started: u64,
    /// The wall clock's last second that was printed, and how.
    second: (i64, String),
}

impl TimeColumn {
    /// `started` (boot-clock nanoseconds) is what relative times count from.
    pub fn new(style: TimeStyle, started: u64) -> Self {
        Self { style, zone: zone_of(style), started, second: (i64::MIN, String::new()) }
    }

    /// Its heading, with the space behind it.
    pub fn heading(&self) -> &'static str {
        if self.style == TimeStyle::None { "" } else { "TIME          " }
    }

    /// A boot-clock time, with the space behind it.
    pub fn text(&mut self, clock: &WallClock, boot_ns: u64) -> String {
        match self.style {
            TimeStyle::Local | TimeStyle::Utc => {
                let time = clock.utc(boot_ns);
                if self.second.0 != time.as_second() {
                    let text = time.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string();
                    self.second = (time.as_second(), text);
                }
                format!("{}.{:03}  ", self.second.1, time.subsec_millisecond())
            }
            TimeStyle::Relative => {
                let ms = boot_ns.saturating_sub(self.started) / 1_000_000;
                format!("{:>8}.{:03}  ", ms / 1000, ms % 1000)
            }
            TimeStyle::None => String::new(),
        }
    }
}

fn zone_of(style: TimeStyle) -> TimeZone {
    if style == TimeStyle::Local { TimeZone::system() } else { TimeZone::UTC }
}

/// How times are to be understood, such as `CET` or `seconds since the start`.
pub fn zone_name(style: TimeStyle) -> String {
    match style {
        TimeStyle::Relative => "seconds since the start".into(),
        _ => Timestamp::now().to_zoned(zone_of(style)).strftime("%Z").to_string(),
    }
}

/// A user's name in ten columns; a longer one ends in `+`.
pub fn user_column(user: Option<&str>, uid: u32) -> Cow<'_, str> {
    match user {
        Some(name) if name.chars().count() > 10 => {
            name.chars().take(9).chain(['+']).collect::<String>().into()
        }
        Some(name) => name.into(),
        None => uid.to_string().into(),
    }
}

/// Puts the last column into `command`: the command line as a shell would take it, so that no
/// argument can forge a line or drive the terminal; `[comm]` where it is not known. Before it
/// stands the container, as `@` and the first 12 digits of its id, and `(fork)` where it is that
/// of the parent: a shell's quotes keep an argument from looking so. In a window it ends where
/// the window does.
pub fn set_command(
    command: &mut String,
    event: &Event<'_>,
    names: &Names,
    window: Option<Window>,
    columns_before: usize,
) {
    command.clear();
    if let Some(id) = names.container_id() {
        command.push('@');
        command.push_str(&id[..12]);
        command.push(' ');
    }
    push_command(command, event.program, &event.common.comm, event.forked);
    if let Some(window) = window {
        cut(command, window.columns.saturating_sub(columns_before).max(COMMAND_MIN));
    }
}

/// Adds a command line as a shell would take it, or `[comm]` where it is not known.
pub fn push_command(command: &mut String, program: Option<&Program>, comm: &[u8], forked: bool) {
    if forked {
        command.push_str("(fork) ");
    }
    let known = program.filter(|program| program.args().next().is_some());
    // Writing to a String does not fail.
    let _ = match known {
        Some(program) => write_args(command, program.args(), program.args_truncated()),
        None => write!(command, "[{}]", Word::new(comm)),
    };
}

fn write_args<'a>(
    command: &mut String,
    args: impl Iterator<Item = &'a [u8]>,
    truncated: bool,
) -> fmt::Result {
    for (i, arg) in args.enumerate() {
        match i {
            0 => write!(command, "{}", Word::first(arg))?,
            _ => write!(command, " {}", Word::new(arg))?,
        }
    }
    if truncated { command.write_char(CUT) } else { Ok(()) }
}

/// Cuts text to a number of terminal columns; `…` takes the place of the rest.
pub fn cut(text: &mut String, columns: usize) {
    let mut used = 0;
    let mut end = 0; // where to cut if there is more than fits
    for (at, c) in text.char_indices() {
        let width = c.width().unwrap_or(0);
        if used + width > columns {
            text.truncate(end);
            text.push(CUT);
            return;
        }
        used += width;
        if used < columns {
            end = at + c.len_utf8();
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

    #[test]
    fn long_user_names_keep_the_columns() {
        assert_eq!(user_column(Some("systemd-network"), 1), "systemd-n+");
        assert_eq!(user_column(Some("alice"), 1000), "alice");
        assert_eq!(user_column(None, 1000), "1000");
    }

    #[test]
    fn times_are_relative_or_left_out_as_asked() {
        let mut relative = TimeColumn::new(TimeStyle::Relative, 0);
        assert_eq!(relative.text(&WallClock::default(), 12_345_678_901), "      12.345  ");
        let mut utc = TimeColumn::new(TimeStyle::Utc, 0);
        assert_eq!(utc.text(&WallClock::default(), 12_345_678_901), "00:00:12.345  ");
        let mut none = TimeColumn::new(TimeStyle::None, 0);
        assert_eq!(none.text(&WallClock::default(), 1), "");
        for column in [relative, utc, none] {
            assert_eq!(
                column.heading().len(),
                if column.style == TimeStyle::None { 0 } else { 14 }
            );
        }
    }
}
