//! What keys change: which table is shown, and how.

use regex::bytes::{Regex, RegexBuilder};

use super::columns::{Column, Page};
use super::keys::Key;

/// A filter has at most so many characters.
const LONGEST_FILTER: usize = 200;

#[derive(Debug)]
pub struct State {
    pub page: Page,
    pub tree: bool,
    pub paused: bool,
    pub help: bool,
    pub filter: Filter,
    /// Of each table.
    processes: Shown,
    commands: Shown,
    /// The first line of the help that is shown.
    pub help_from: usize,
}

/// How a table is shown.
#[derive(Debug)]
pub struct Shown {
    pub sort: Column,
    /// Whether the order is turned round.
    pub reversed: bool,
    /// The first row on the screen.
    pub from: usize,
    /// So many rows fit on the screen.
    pub fit: usize,
}

/// What is looked for in names and command lines.
#[derive(Debug, Default)]
pub struct Filter {
    pub text: String,
    pub regex: Option<Regex>,
    /// Whether it is being typed.
    pub typing: bool,
}

impl State {
    pub fn new(page: Page) -> Self {
        let shown = || Shown { sort: Column::Cpu, reversed: false, from: 0, fit: 0 };
        Self {
            page,
            tree: false,
            paused: false,
            help: false,
            filter: Filter::default(),
            processes: shown(),
            commands: shown(),
            help_from: 0,
        }
    }

    pub fn shown(&mut self) -> &mut Shown {
        match self.page {
            Page::Processes => &mut self.processes,
            Page::Commands => &mut self.commands,
        }
    }

    /// Does what a key asks for. Tells whether that is to quit.
    pub fn press(&mut self, key: Key) -> bool {
        if self.help {
            let from = &mut self.help_from;
            match key {
                Key::Char('q') => return true,
                Key::Down => *from += 1,
                Key::Up => *from = from.saturating_sub(1),
                _ => self.help = false,
            }
            return false;
        }
        if self.filter.typing && self.filter.press(key) {
            self.shown().from = 0;
            return false;
        }
        let Shown { from, fit, .. } = self.shown();
        match key {
            Key::Up | Key::Char('k') => *from = from.saturating_sub(1),
            Key::Down | Key::Char('j') => *from += 1,
            Key::PageUp => *from = from.saturating_sub(*fit),
            Key::PageDown => *from += *fit,
            Key::Home => *from = 0,
            Key::End => *from = usize::MAX, // as far as there are rows
            Key::Tab => {
                self.page = match self.page {
                    Page::Processes => Page::Commands,
                    Page::Commands => Page::Processes,
                };
            }
            Key::Esc => self.filter = Filter::default(),
            Key::Char('q') => return true,
            Key::Char('/') => self.filter.typing = true,
            Key::Char(' ') => self.paused = !self.paused,
            Key::Char('t') => self.tree = !self.tree,
            Key::Char('?' | 'h') => (self.help, self.help_from) = (true, 0),
            Key::Char(key) => self.sort_by(key),
            Key::Enter | Key::Backspace | Key::Redraw => {}
        }
        false
    }

    fn sort_by(&mut self, key: char) {
        let Some(sort) = Column::of_key(self.page, key) else { return };
        let shown = self.shown();
        shown.reversed = shown.sort == sort && !shown.reversed;
        (shown.sort, shown.from) = (sort, 0);
    }
}

impl Shown {
    /// Whether the smallest comes first.
    pub fn is_ascending(&self) -> bool {
        self.sort.is_ascending() != self.reversed
    }
}

impl Filter {
    /// Takes a key while it is being typed. Tells whether that was for the filter.
    fn press(&mut self, key: Key) -> bool {
        match key {
            Key::Char(c) if self.text.chars().count() < LONGEST_FILTER => self.text.push(c),
            Key::Char(_) => {}
            Key::Backspace if self.text.is_empty() => self.typing = false,
            Key::Backspace => drop(self.text.pop()),
            Key::Enter => self.typing = false,
            Key::Esc => *self = Self::default(),
            _ => return false,
        }
        self.regex = (!self.text.is_empty()).then(|| regex_of(&self.text)).flatten();
        true
    }
}

/// A regular expression; what is none is looked for as it is. Capitals are told apart if there
/// are any.
fn regex_of(text: &str) -> Option<Regex> {
    let ignores_case = !text.contains(char::is_uppercase);
    let build = |pattern: &str| {
        let mut builder = RegexBuilder::new(pattern);
        builder.case_insensitive(ignores_case).size_limit(1 << 20).dfa_size_limit(1 << 18).build()
    };
    build(text).or_else(|_| build(&regex::escape(text))).ok()
}
