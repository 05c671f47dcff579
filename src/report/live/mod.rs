//! `--view processes` and `--view commands` on a terminal: one live screen, which keys change.
//!
//! It is pure: the terminal is given what [`Output`] takes, and gives bytes. How it is entered and
//! left, and how keys come, is `system::terminal`'s.

mod columns;
mod commands;
mod draw;
mod help;
mod keys;
mod processes;
mod state;

use std::io::{self, Write as _};

use ratatui::backend::{Backend as _, TermionBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::columns::Page;
use self::keys::{Key, keys};
use self::processes::Process;
use self::state::State;
use super::activity::{Activity, Period};
use super::charset::Charset;
use super::columns::TimeColumn;
use super::{Begin, Output, Report, View, Window};
use crate::process::event::{Alive, Event, Names};
use crate::process::loss::Loss;
use crate::process::record::ProcessId;

/// A window that is larger is not filled: a cell takes 56 bytes, twice.
const LARGEST: (usize, usize) = (500, 200);

/// Where the terminal does not tell its size.
const USUAL: Window = Window { columns: 80, lines: 24 };

#[derive(Debug)]
pub struct Live {
    colour: bool,
    /// Whether it is told what is typed.
    has_keys: bool,
    time: TimeColumn,
    activity: Activity,
    /// Since the watch began.
    loss: Loss,
    now: Now,
    state: State,
    /// What the terminal shows.
    screen: Buffer,
}

/// What is shown: how it was at the end of a period.
#[derive(Debug, Default)]
struct Now {
    clock: String,
    charset: Charset,
    period: Period,
    processes: Vec<Process>,
}

impl Live {
    /// `view`: the one that is shown first.
    pub fn new(view: View, time: TimeColumn, colour: bool, has_keys: bool) -> Self {
        let page = if view == View::Commands { Page::Commands } else { Page::Processes };
        Self {
            colour,
            has_keys,
            time,
            activity: Activity::default(),
            loss: Loss::default(),
            now: Now::default(),
            state: State::new(page),
            screen: Buffer::default(),
        }
    }

    /// Draws what has changed. `anew`: all.
    fn draw(&mut self, out: &mut Output<'_>, anew: bool) -> io::Result<()> {
        let Window { columns, lines } = out.window.unwrap_or(USUAL);
        let (columns, lines) = (columns.min(LARGEST.0) as u16, lines.min(LARGEST.1) as u16);
        self.now.charset = out.charset;
        let mut next = Buffer::empty(Rect::new(0, 0, columns, lines));
        self.draw_on(&mut next);
        if anew || next.area != self.screen.area {
            out.write_all(b"\x1b[0m\x1b[H\x1b[2J")?;
            self.screen = Buffer::empty(next.area);
        }
        let changes = self.screen.diff(&next);
        if !changes.is_empty() {
            TermionBackend::new(&mut *out).draw(changes.into_iter())?;
        }
        self.screen = next;
        // Nothing may be left in memory for when the terminal has been given back.
        out.flush()
    }
}

impl Report for Live {
    fn begin(&mut self, _: &mut Output<'_>, begin: &Begin) -> io::Result<()> {
        self.activity.begin(begin.time);
        Ok(())
    }

    fn event(&mut self, _: &mut Output<'_>, event: &Event<'_>, _: &Names) -> io::Result<bool> {
        self.activity.event(event);
        Ok(false)
    }

    fn loss(&mut self, _: &mut Output<'_>, loss: &Loss, _: u64) -> io::Result<()> {
        self.loss = self.loss.plus(*loss);
        Ok(())
    }

    fn processes_wanted(&self, _window: Option<Window>) -> usize {
        usize::MAX
    }

    fn wants_usage(&mut self, process: ProcessId) -> bool {
        !self.state.paused && self.activity.usages.wants(process)
    }

    fn period(
        &mut self,
        out: &mut Output<'_>,
        processes: &[Alive<'_>],
        time: u64,
    ) -> io::Result<()> {
        if !self.state.paused {
            let clock = self.time.text(&out.clock, time);
            let seconds = clock.split('.').next().unwrap_or_default();
            self.now.clock = seconds.trim().to_owned();
            self.now.period = self.activity.period(processes, time);
            processes::update(&mut self.now.processes, processes, &self.activity.usages);
        }
        self.draw(out, false)
    }

    fn typed(&mut self, out: &mut Output<'_>, bytes: &[u8]) -> io::Result<bool> {
        let keys = keys(bytes);
        let mut quits = false;
        for &key in &keys {
            quits |= self.state.press(key);
        }
        let anew = bytes.is_empty() || keys.contains(&Key::Redraw);
        self.draw(out, anew)?;
        Ok(quits)
    }
}

#[cfg(test)]
mod tests;
