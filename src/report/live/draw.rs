//! What the screen looks like.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

use super::columns::{Column, Page, columns, rate};
use super::commands;
use super::help::HELP;
use super::processes::{Placed, Process, placed};
use super::{Live, Now};
use crate::report::charset::Charset;
use crate::report::columns::{cut, push_command};
use crate::report::commands::name_of;

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);
const RED: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const YELLOW: Style = Style::new().fg(Color::Yellow);
const GREEN: Style = Style::new().fg(Color::Green);

/// A part of a line.
type Part = (String, Style);

impl Live {
    /// Draws all of it on a buffer of any size.
    pub(super) fn draw_on(&mut self, buffer: &mut Buffer) {
        let Rect { width, height, .. } = buffer.area;
        // How many lines of the status there are, and whether one of the keys.
        let (status, keys) = match height {
            0 | 1 => (0, 0),
            2..6 => (1, 0),
            6..9 => (2, 0),
            9.. => (2, 1),
        };
        let keys = if self.state.filter.typing { height.min(1) } else { keys };
        let header = status.min(1); // without a status there is one line, for a row
        let body = Rect {
            x: 0,
            y: status + header,
            width,
            height: height.saturating_sub(status + header + keys),
        };
        let rows = if self.state.help {
            self.draw_help(buffer, body)
        } else {
            self.draw_rows(buffer, body)
        };
        if status > 0 {
            self.draw_line(buffer, 0, &self.counts(width));
        }
        if status > 1 {
            self.draw_line(buffer, 1, &self.how(width, rows));
        }
        if keys > 0 {
            self.draw_keys(buffer, height - 1);
        }
        if !self.colour {
            for cell in &mut buffer.content {
                (cell.fg, cell.bg) = (Color::Reset, Color::Reset);
            }
        }
    }

    /// Draws the parts of a line that fit, two columns apart. A part that is left out leaves room
    /// for those behind it.
    fn draw_line(&self, buffer: &mut Buffer, y: u16, parts: &[Part]) {
        let width = buffer.area.width;
        let mut x = 0;
        for (text, style) in parts.iter().filter(|(text, _)| !text.is_empty()) {
            let gap = if x == 0 {
                0
            } else if width < 80 {
                1
            } else {
                2
            };
            if x == 0 || x + gap + text.width() as u16 <= width {
                (x, _) = buffer.set_stringn(x + gap, y, text, usize::from(width), *style);
            }
        }
    }

    /// The first line: the clock, and what goes on.
    fn counts(&self, width: u16) -> Vec<Part> {
        let Now { clock, period, .. } = &self.now;
        let of = |short: &'static str, long: &'static str| if width < 60 { short } else { long };
        let a_second = |count| rate(period.a_second(count));
        let failures = if period.failures > 0 { YELLOW } else { PLAIN };
        let lost = self.loss.events_at_most();
        vec![
            // What was lost comes before all that may be left out.
            (if lost > 0 { format!("LOST {lost}") } else { String::new() }, RED),
            (clock.clone(), BOLD),
            (format!("{} {}", period.running, of("run", "running")), PLAIN),
            (format!("{} {}", a_second(period.starts), of("start/s", "starts/s")), PLAIN),
            (format!("{} {}", a_second(period.failures), of("fail/s", "failures/s")), failures),
        ]
    }

    /// The second line: how it is shown, of all rows that there are.
    fn how(&self, width: u16, (shown, of): (usize, usize)) -> Vec<Part> {
        let state = &self.state;
        let filter = &state.filter;
        let mut text = filter.text.clone();
        cut(&mut text, usize::from(width / 3));
        let what = match state.page {
            _ if state.help => "lines",
            Page::Processes => "processes",
            Page::Commands => "commands",
        };
        let is_tree = state.tree && state.page == Page::Processes;
        let is_filtered = !filter.text.is_empty() && !filter.typing;
        vec![
            (if state.paused { "PAUSED".into() } else { String::new() }, REVERSED),
            (format!("showing {shown} of {of} {what}"), PLAIN),
            (if is_filtered { format!("filter: {text}") } else { String::new() }, BOLD),
            (if is_tree { "tree" } else { "" }.into(), PLAIN),
            (if self.has_keys { "" } else { "no keys: Ctrl-C ends it" }.into(), PLAIN),
        ]
    }

    fn draw_keys(&self, buffer: &mut Buffer, y: u16) {
        let filter = &self.state.filter;
        let width = usize::from(buffer.area.width);
        if filter.typing {
            // Its end is what matters.
            let mut text = format!("/{}", filter.text);
            while text.width() + 1 > width && text.pop().is_some() {
                let from = filter.text.chars().count().saturating_sub(text.chars().count());
                text = filter.text.chars().skip(from + 1).collect();
            }
            let (x, _) = buffer.set_stringn(0, y, &text, width, BOLD);
            buffer.set_stringn(x, y, " ", 1, REVERSED);
            return;
        }
        let other = match self.state.page {
            Page::Processes => "Tab commands",
            Page::Commands => "Tab processes",
        };
        let sort = match self.state.page {
            Page::Processes => "t tree  sort: c a m p",
            Page::Commands => "sort: c r s f 5 9 n",
        };
        let parts = ["? help", "q quit", "/ filter", "space pause", other, sort];
        let parts = if self.has_keys { &parts[..] } else { &[] };
        let parts: Vec<Part> = parts.iter().map(|text| ((*text).into(), DIM)).collect();
        self.draw_line(buffer, y, &parts);
    }

    fn draw_help(&mut self, buffer: &mut Buffer, body: Rect) -> (usize, usize) {
        let most = HELP.len().saturating_sub(body.height.into());
        let from = self.state.help_from.min(most);
        self.state.help_from = from;
        for (y, line) in body.rows().map(|row| row.y).zip(&HELP[from..]) {
            buffer.set_stringn(0, y, line, body.width.into(), PLAIN);
        }
        let y = body.y.saturating_sub(1);
        buffer.set_style(Rect { y, height: 1, ..body }.intersection(buffer.area), REVERSED);
        buffer.set_stringn(0, y, "HELP: any key closes it", body.width.into(), REVERSED);
        (usize::from(body.height).min(HELP.len()), HELP.len())
    }

    /// Draws the table and its header. Tells how many rows of how many.
    fn draw_rows(&mut self, buffer: &mut Buffer, body: Rect) -> (usize, usize) {
        let Self { now, state, activity, .. } = self;
        let (page, tree) = (state.page, state.tree);
        let filter = state.filter.regex.clone();
        let shown = state.shown();
        let order = (shown.sort, shown.is_ascending());
        let rows = match page {
            Page::Processes => {
                Rows::Processes(placed(&now.processes, filter.as_ref(), order, tree))
            }
            Page::Commands => {
                Rows::Commands(commands::placed(&now.period.commands, filter.as_ref(), order))
            }
        };
        let (count, fit) = (rows.len(), usize::from(body.height));
        shown.fit = fit;
        shown.from = shown.from.min(count.saturating_sub(fit));
        let visible = shown.from..count.min(shown.from + fit);
        let columns = columns(page, body.width, order.0);
        if body.y > 0 {
            draw_header(buffer, body.y - 1, &columns, order);
        }
        for (y, at) in body.rows().map(|row| row.y).zip(visible.clone()) {
            match &rows {
                Rows::Processes(placed) => {
                    let Placed { index, branches } = &placed[at];
                    let process = &now.processes[*index];
                    // It was started in the period that is shown.
                    let is_new = process.age_ns < now.period.span_ns;
                    let x =
                        draw_columns(buffer, y, &columns, |it| it.of_process(process, now.charset));
                    let style = if is_new { GREEN } else { PLAIN };
                    let (x, _) = buffer.set_stringn(x, y, branches, body.width.into(), DIM);
                    draw_command(buffer, x, y, command_of(process, now.charset), style);
                }
                Rows::Commands(order) => {
                    let row = &now.period.commands[order[at]];
                    let x = draw_columns(buffer, y, &columns, |it| it.of_command(row, &now.period));
                    let style = if row.failures > 0 {
                        YELLOW
                    } else if row.is_active() {
                        PLAIN
                    } else {
                        DIM
                    };
                    draw_command(buffer, x, y, name_of(row, now.charset), style);
                }
            }
        }
        if let Rows::Processes(placed) = &rows {
            let on_screen = placed[visible.clone()].iter();
            activity.usages.show(on_screen.map(|placed| now.processes[placed.index].id));
        }
        if count == 0 && fit > 1 {
            let hint = match filter {
                Some(_) => "nothing matches; Esc clears the filter",
                None => "nothing started yet; see also --all",
            };
            buffer.set_stringn(1, body.y + 1, hint, body.width.saturating_sub(1).into(), DIM);
        }
        (visible.len(), count)
    }
}

/// What is in the table.
enum Rows {
    Processes(Vec<Placed>),
    Commands(Vec<usize>),
}

impl Rows {
    fn len(&self) -> usize {
        match self {
            Self::Processes(rows) => rows.len(),
            Self::Commands(rows) => rows.len(),
        }
    }
}

fn draw_header(buffer: &mut Buffer, y: u16, columns: &[Column], (sort, ascending): (Column, bool)) {
    let width = buffer.area.width;
    buffer.set_style(Rect { x: 0, y, width, height: 1 }, REVERSED);
    let text = |column: Column| {
        let mark = if ascending { "▲" } else { "▼" };
        format!("{}{}", column.heading(), if column == sort { mark } else { "" })
    };
    let x = draw_columns(buffer, y, columns, text);
    let width = usize::from(width);
    buffer.set_stringn(x, y, text(Column::Name), width, PLAIN);
}

/// Draws the columns before the command, and tells where that begins.
fn draw_columns(
    buffer: &mut Buffer,
    y: u16,
    columns: &[Column],
    text: impl Fn(Column) -> String,
) -> u16 {
    let mut x = 0;
    for &column in columns {
        let text = text(column);
        let width = column.width();
        let before =
            if column == Column::User { 0 } else { width.saturating_sub(text.width() as u16) };
        if x + before < buffer.area.width {
            buffer.set_stringn(x + before, y, &text, width.into(), PLAIN);
        }
        x += width + 1;
    }
    // Two columns apart from a number.
    if columns.is_empty() { 0 } else { x + 1 }
}

fn draw_command(buffer: &mut Buffer, x: u16, y: u16, mut command: String, style: Style) {
    let room = buffer.area.width.saturating_sub(x);
    if room > 0 {
        cut(&mut command, room.into());
        buffer.set_stringn(x, y, &command, room.into(), style);
    }
}

fn command_of(process: &Process, charset: Charset) -> String {
    let mut command = String::new();
    if let Some(id) = process.names.container_id() {
        command.push('@');
        command.push_str(&id[..12]);
        command.push(' ');
    }
    push_command(&mut command, process.program.as_ref(), &process.comm, false, charset);
    command
}
