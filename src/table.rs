//! Events as aligned columns, for people.

use std::borrow::Cow;
use std::env;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::os::fd::AsFd;

use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use os_display::Quoted;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::clock::{Clock, boot_now};
use crate::join::{Event, EventKind};
use crate::loss::Loss;
use crate::options::TimeStyle;
use crate::output::{Facts, Row};
use crate::tally::Command;
use crate::wait_status::{Outcome, signal_name};

const TIME: &str = "TIME          ";
const HEADER: &str = "EVENT     PID    PPID USER       DURATION  RESULT    COMMAND";
const PROCESSES: &str = "    PID    PPID USER            AGE      CPU  COMMAND";

/// The narrowest COMMAND: a terminal that is narrower still wraps the line.
const COMMAND_MIN: usize = 13;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();

/// What stdout can show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terminal {
    /// Columns and lines; `None` where nothing is to be cut, since stdout is no terminal.
    pub size: Option<(usize, usize)>,
    pub colour: bool,
}

impl Terminal {
    /// Looks at the window, and at the wish for no colours (<https://no-color.org>).
    pub fn of(stdout: &impl AsFd, is_terminal: bool, colour: ColorChoice) -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            size: if is_terminal { size_of(stdout) } else { None },
            colour: match colour {
                ColorChoice::Always => true,
                ColorChoice::Auto => is_terminal && !unwanted,
                ColorChoice::Never => false,
            },
        }
    }
}

fn size_of(stdout: &impl AsFd) -> Option<(usize, usize)> {
    let (columns, lines) = terminal_size::terminal_size_of(stdout)?;
    Some((columns.0.into(), lines.0.into()))
}

/// Prints the table.
#[derive(Debug)]
pub struct Table {
    terminal: Terminal,
    time: TimeStyle,
    zone: TimeZone,
    /// Boot-clock nanoseconds.
    started: u64,
    /// A line and its command, kept for their memory.
    line: String,
    command: String,
    /// The wall clock's last second that was printed, and how.
    second: (i64, String),
}

impl Table {
    pub fn new(terminal: Terminal, time: TimeStyle) -> Self {
        let zone = if time == TimeStyle::Local { TimeZone::system() } else { TimeZone::UTC };
        Self {
            terminal,
            time,
            zone,
            started: boot_now(),
            line: String::new(),
            command: String::new(),
            second: (i64::MIN, String::new()),
        }
    }

    /// Takes notice of a window that has changed its size.
    pub fn follow_window(&mut self) {
        if self.terminal.size.is_some() {
            self.terminal.size = size_of(&io::stdout()).or(self.terminal.size);
        }
    }

    /// How times are to be understood, such as `CET` or `seconds since the start`.
    pub fn zone_name(&self) -> String {
        match self.time {
            TimeStyle::Relative => "seconds since the start".into(),
            _ => Timestamp::now().to_zoned(self.zone.clone()).strftime("%Z").to_string(),
        }
    }

    /// How many processes fit into the window below their header.
    pub fn height(&self) -> usize {
        self.terminal.size.map_or(usize::MAX, |(_, lines)| lines.saturating_sub(2).max(1))
    }

    pub fn header(&self, out: &mut impl Write) -> io::Result<()> {
        let bold = self.style(BOLD);
        let time = if self.time == TimeStyle::None { "" } else { TIME };
        writeln!(out, "{bold}{time}{HEADER}{bold:#}")
    }

    pub fn event(
        &mut self,
        out: &mut impl Write,
        event: &Event<'_>,
        clock: &Clock,
        facts: &Facts<'_>,
    ) -> io::Result<()> {
        let (name, duration, result, style) = match event.kind {
            EventKind::Exec => ("exec", None, None, Style::new()),
            EventKind::Exit { outcome, duration, .. } => {
                let style = match outcome {
                    Some(Outcome::Exited(0)) => DIM,
                    _ => RED,
                };
                ("exit", duration, Some(outcome), style)
            }
        };
        let before = if self.time == TimeStyle::None { 0 } else { TIME.len() };
        self.set_command(event, facts, before + HEADER.len() - "COMMAND".len());
        let style = self.style(style);
        let time = self.time(clock, event.time);
        self.line.clear();
        // Writing to a String does not fail; one that pads does not write byte by byte.
        let _ = writeln!(
            self.line,
            "{style}{time}{name:<5}{:>8}{:>8} {:<10} {:>8}  {:<9} {}{style:#}",
            event.process.pid,
            event.ppid,
            user_column(facts.user, event.uid),
            duration.map_or("-".into(), format_duration),
            result.map_or("-".into(), format_outcome),
            self.command,
        );
        out.write_all(self.line.as_bytes())
    }

    pub fn loss(
        &mut self,
        out: &mut impl Write,
        loss: &Loss,
        time: u64,
        clock: &Clock,
    ) -> io::Result<()> {
        let red = self.style(RED.bold());
        let advice =
            if loss.any_dropped() { "; the map was full: use a larger --max-entries" } else { "" };
        writeln!(out, "{red}{}LOSS  {loss}{advice}{red:#}", self.time(clock, time))
    }

    /// Begins the list of the processes alive. A window is written over; elsewhere each
    /// list begins with its time.
    pub fn processes_header(
        &mut self,
        out: &mut impl Write,
        time: u64,
        clock: &Clock,
    ) -> io::Result<()> {
        let bold = self.style(BOLD);
        if self.terminal.size.is_some() {
            // To the top left corner; each line then clears what is left of the old one.
            write!(out, "\x1b[H{bold}{PROCESSES}{bold:#}\x1b[K\r\n")
        } else {
            writeln!(out, "{}\n{bold}{PROCESSES}{bold:#}", self.time(clock, time).trim_end())
        }
    }

    pub fn process(
        &mut self,
        out: &mut impl Write,
        row: &Row<'_>,
        facts: &Facts<'_>,
    ) -> io::Result<()> {
        self.set_command(&row.event, facts, PROCESSES.len() - "COMMAND".len());
        let end = if self.terminal.size.is_some() { "\x1b[K\r\n" } else { "\n" };
        write!(
            out,
            "{:>7} {:>7} {:<10} {:>8} {:>8}  {}{end}",
            row.event.process.pid,
            row.event.ppid,
            user_column(facts.user, row.event.uid),
            format_duration(row.age_ns),
            row.cpu_ns.map_or("-".into(), format_duration),
            self.command,
        )
    }

    /// Ends the list: what was below it in the window goes away.
    pub fn processes_end(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(if self.terminal.size.is_some() { b"\x1b[J" } else { b"\n" })
    }

    /// Prints the commands that ran, in at most 80 columns.
    pub fn commands(&self, out: &mut impl Write, commands: &[&Command]) -> io::Result<()> {
        let bold = self.style(BOLD);
        writeln!(
            out,
            "\n{bold}{:<24} {:>7} {:>7} {:>8} {:>8} {:>8} {:>9}{bold:#}",
            "COMMAND", "COUNT", "FAILED", "TOTAL", "LONGEST", "CPU", "MEMORY"
        )?;
        for command in commands {
            let mut name = Quoted::unix_raw(&command.comm).force(false).to_string();
            cut(&mut name, 24);
            let pad = 24_usize.saturating_sub(name.width());
            writeln!(
                out,
                "{name}{:pad$} {:>7} {:>7} {:>8} {:>8} {:>8} {:>9}",
                "",
                command.count,
                command.failures,
                format_duration(command.total_duration),
                format_duration(command.longest_duration),
                format_duration(command.cpu_ns),
                command.max_rss_kib.map_or("-".into(), format_memory),
            )?;
        }
        Ok(())
    }

    fn style(&self, style: Style) -> Style {
        if self.terminal.colour { style } else { Style::new() }
    }

    /// The first column, with the space behind it.
    fn time(&mut self, clock: &Clock, boot_ns: u64) -> String {
        match self.time {
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

    /// The command line as a shell would take it, so that no argument can forge a line or
    /// drive the terminal; `[comm]` where it is not known; before it the container, as
    /// `@` and the first 12 digits of its id. In a window it ends where the window does.
    fn set_command(&mut self, event: &Event<'_>, facts: &Facts<'_>, columns_before: usize) {
        self.command.clear();
        let command = &mut self.command;
        if let Some(id) = facts.container_id() {
            command.push('@');
            command.push_str(&id[..12]);
            command.push(' ');
        }
        let known = event.program.filter(|program| program.args().next().is_some());
        // Writing to a String does not fail.
        let _ = match known {
            Some(program) => write_args(command, program.args(), program.args_truncated()),
            None => write!(command, "[{}]", Quoted::unix_raw(event.comm).force(false)),
        };
        if let Some((columns, _)) = self.terminal.size {
            cut(command, columns.saturating_sub(columns_before).max(COMMAND_MIN));
        }
    }
}

fn write_args<'a>(
    command: &mut String,
    args: impl Iterator<Item = &'a [u8]>,
    truncated: bool,
) -> fmt::Result {
    for (i, arg) in args.enumerate() {
        let space = if i == 0 { "" } else { " " };
        write!(command, "{space}{}", Quoted::unix_raw(arg).force(false))?;
    }
    command.write_str(if truncated { "…" } else { "" })
}

/// Cuts text to a number of terminal columns; `…` takes the place of the rest.
fn cut(text: &mut String, columns: usize) {
    let mut used = 0;
    let mut end = 0; // where to cut if there is more than fits
    for (at, c) in text.char_indices() {
        let width = c.width().unwrap_or(0);
        if used + width > columns {
            text.truncate(end);
            text.push('…');
            return;
        }
        used += width;
        if used < columns {
            end = at + c.len_utf8();
        }
    }
}

/// A user's name in ten columns; a longer one ends in `+`.
fn user_column(user: Option<&str>, uid: u32) -> Cow<'_, str> {
    match user {
        Some(name) if name.chars().count() > 10 => {
            name.chars().take(9).chain(['+']).collect::<String>().into()
        }
        Some(name) => name.into(),
        None => uid.to_string().into(),
    }
}

/// An amount of memory in at most nine columns: `812 KiB`, `64.0 MiB`, `1.5 GiB`.
fn format_memory(kib: u64) -> String {
    match kib {
        0..1024 => format!("{kib} KiB"),
        1024..1_048_576 => format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024),
        _ => format!("{}.{} GiB", kib / 1_048_576, kib % 1_048_576 * 10 / 1_048_576),
    }
}

/// A duration in at most eight columns, with its unit: `812 µs`, `2.1 ms`, `3.0 s`, `1m 05s`,
/// `2h 05m`, `3d 04h`.
fn format_duration(ns: u64) -> String {
    let (us, ms, s) = (ns / 1_000, ns / 1_000_000, ns / 1_000_000_000);
    let (m, h, d) = (s / 60, s / 3600, s / 86_400);
    match ns {
        0..1_000_000 => format!("{us} µs"),
        1_000_000..10_000_000 => format!("{ms}.{} ms", us / 100 % 10),
        10_000_000..1_000_000_000 => format!("{ms} ms"),
        1_000_000_000..60_000_000_000 => format!("{s}.{} s", ms / 100 % 10),
        _ if h == 0 => format!("{m}m {:02}s", s % 60),
        _ if d == 0 => format!("{h}h {:02}m", m % 60),
        _ => format!("{d}d {:02}h", h % 24),
    }
}

/// An exit code, the name of a signal, or `?` for an exit that was lost.
fn format_outcome(outcome: Option<Outcome>) -> String {
    match outcome {
        Some(Outcome::Exited(code)) => code.to_string(),
        Some(Outcome::Signaled { signal, .. }) => signal_name(signal).into_owned(),
        None => "?".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::Origin;
    use crate::record::{ProcessId, Program};

    fn line(terminal: Terminal, kind: EventKind, argv: Option<&[u8]>, truncated: bool) -> String {
        let facts = Facts { user: Some("root"), cgroup: None };
        line_with(Table::new(terminal, TimeStyle::Local), kind, argv, truncated, &facts)
    }

    fn line_with(
        mut table: Table,
        kind: EventKind,
        argv: Option<&[u8]>,
        truncated: bool,
        facts: &Facts<'_>,
    ) -> String {
        let program =
            argv.map(|argv| Program::new(None, argv.to_vec(), argv.len() + usize::from(truncated)));
        let event = Event {
            kind,
            time: 0,
            process: ProcessId { pid: 48213, start_time: 0 },
            ppid: 48102,
            parent: None,
            uid: 0,
            gid: 0,
            cgroup_id: 0,
            exec_id: 1,
            comm: b"a\x1bz",
            program: program.as_ref(),
            origin: Origin { uid: 0, cgroup_id: 0, comm: b"" },
        };
        let mut out = Vec::new();
        table.event(&mut out, &event, &Clock::new(), facts).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    const FILE: Terminal = Terminal { size: None, colour: false };
    const COMMAND_AT: usize = 67;

    fn exit(status: i32, duration: u64) -> EventKind {
        EventKind::Exit {
            outcome: Some(Outcome::from_wait_status(status)),
            duration: Some(duration),
            usage: None,
        }
    }

    #[test]
    fn columns_stand_under_their_headings() {
        let header = format!("{TIME}{HEADER}");
        let exec = line(FILE, EventKind::Exec, Some(b"ls\0-la\0/\0"), false);
        assert_eq!(
            &exec[12..],
            "  exec    48213   48102 root              -  -         ls -la /\n"
        );
        let exit = line(FILE, exit(9, 2_150_000), Some(b"ls\0"), false);
        assert_eq!(&exit[12..], "  exit    48213   48102 root         2.1 ms  SIGKILL   ls\n");
        assert_eq!(header.find("COMMAND"), Some(COMMAND_AT));
        assert_eq!(exit.find("ls\n"), Some(COMMAND_AT));
        // Numbers end where their headings end.
        assert_eq!(header.find("PID").map(|at| at + 3), exit.find("48213").map(|at| at + 5));
        assert_eq!(header.find("PPID").map(|at| at + 4), exit.find("48102").map(|at| at + 5));
    }

    #[test]
    fn no_argument_can_forge_a_line_or_drive_the_terminal() {
        let evil =
            line(FILE, EventKind::Exec, Some(b"a\nb\0\x1b[2J\0\xff\0\xc2\x9b[m\0c d\0"), false);
        assert_eq!(&evil[COMMAND_AT..], "$'a\\nb' $'\\x1B[2J' $'\\xFF' $'\\xC2\\x9B[m' 'c d'\n");
        let unknown = line(FILE, EventKind::Exec, None, false);
        assert_eq!(&unknown[COMMAND_AT..], "[$'a\\x1Bz']\n");
    }

    #[test]
    fn a_cut_argv_ends_in_an_ellipsis() {
        let cut = line(FILE, EventKind::Exec, Some(b"ls\0-l"), true);
        assert_eq!(&cut[COMMAND_AT..], "ls -l…\n");
    }

    #[test]
    fn a_terminal_gets_lines_that_fit_and_a_file_gets_all() {
        let argv = vec![b'x'; 200];
        let at_80 = Terminal { size: Some((80, 24)), colour: false };
        let cut = line(at_80, EventKind::Exec, Some(&argv), false);
        assert_eq!(cut.trim_end().chars().count(), 80);
        assert!(cut.ends_with("x…\n"));
        assert!(line(FILE, EventKind::Exec, Some(&argv), false).contains(&"x".repeat(200)));
        let fits = line(at_80, EventKind::Exec, Some(&[b'x'; 13]), false);
        assert!(fits.ends_with("xxx\n"));
    }

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
    fn colours_are_for_terminals_only() {
        let colour = Terminal { size: Some((80, 24)), colour: true };
        assert!(line(colour, exit(3 << 8, 0), None, false).contains("\x1b[31m"));
        assert!(!line(FILE, exit(3 << 8, 0), None, false).contains('\x1b'));
    }

    #[test]
    fn durations_have_a_unit_and_fit_their_column() {
        for (ns, text) in [
            (0, "0 µs"),
            (812_345, "812 µs"),
            (2_150_000, "2.1 ms"),
            (21_500_000, "21 ms"),
            (3_049_000_000, "3.0 s"),
            (59_999_999_999, "59.9 s"),
            (65_000_000_000, "1m 05s"),
            (7_500_000_000_000, "2h 05m"),
            (273_600_000_000_000, "3d 04h"),
        ] {
            assert_eq!(format_duration(ns), text);
            assert!(text.chars().count() <= 8);
        }
    }

    #[test]
    fn long_user_names_keep_the_columns() {
        assert_eq!(user_column(Some("systemd-network"), 1), "systemd-n+");
        assert_eq!(user_column(Some("alice"), 1000), "alice");
        assert_eq!(user_column(None, 1000), "1000");
    }

    #[test]
    fn a_container_stands_before_its_command() {
        let id = "0123456789abcdef".repeat(4);
        let cgroup = format!("/system.slice/docker-{id}.scope");
        let facts = Facts { user: None, cgroup: Some(&cgroup) };
        let table = Table::new(FILE, TimeStyle::Local);
        let line = line_with(table, EventKind::Exec, Some(b"ls\0"), false, &facts);
        assert_eq!(&line[COMMAND_AT..], "@0123456789ab ls\n");
    }

    #[test]
    fn times_are_relative_or_left_out_as_asked() {
        let facts = Facts::default();
        let mut relative = Table::new(FILE, TimeStyle::Relative);
        relative.started = 0;
        assert_eq!(relative.time(&Clock::new(), 12_345_678_901), "      12.345  ");
        let none = Table::new(FILE, TimeStyle::None);
        let line = line_with(none, EventKind::Exec, Some(b"ls\0"), false, &facts);
        assert!(line.starts_with("exec    48213"), "{line}");
    }

    #[test]
    fn the_summary_of_commands_fits_80_columns() {
        let command = Command {
            comm: vec![b'x'; 15],
            count: 9_999_999,
            failures: 9_999_999,
            total_duration: 359_999_999_999_999,
            longest_duration: 59_999_999_999,
            cpu_ns: 999_999_999,
            max_rss_kib: Some(1_048_575),
        };
        let mut out = Vec::new();
        Table::new(FILE, TimeStyle::Local).commands(&mut out, &[&command]).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
        assert!(lines[2].ends_with("1023.9 MiB"), "{text}");
    }

    #[test]
    fn memory_has_a_unit() {
        assert_eq!(format_memory(812), "812 KiB");
        assert_eq!(format_memory(65_536), "64.0 MiB");
        assert_eq!(format_memory(1_572_864), "1.5 GiB");
    }
}
