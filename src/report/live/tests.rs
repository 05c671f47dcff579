//! The screen, as a terminal shows it.

mod keys;
mod screen;

use self::screen::{ROWS, Row, Screen, screen, start};
use super::*;
use crate::process::record::Common;
use crate::process::wall_clock::WallClock;
use crate::report::TimeStyle;
use crate::report::charset::Charset;

#[test]
fn at_80_columns_all_lines_up() {
    let mut screen = screen(80, 24);
    let lines = screen.lines();
    assert_eq!(lines[0], "00:00:03  6 running  0.0 starts/s  0.0 failures/s");
    assert_eq!(lines[1], "showing 6 of 6 processes");
    assert_eq!(
        lines[2..9],
        [
            "    PID USER       CPU%▼    MEM      AGE  COMMAND",
            "    201 alice       95.0   146M    2.9 s  cc1 -O2 main.c",
            "    202 alice       90.0   137M    2.9 s  cc1 -O2 other.c",
            "    200 alice        2.0   2.9M    2.9 s  make all",
            "    100 alice        1.0   8.8M    2.9 s  sshd: alice",
            "    300 alice        0.0   500K    2.9 s  idle --for ever",
            "      1 alice        0.0  11.7M    3.0 s  /sbin/init",
        ]
    );
    assert!(lines[23].starts_with("? help  q quit  / filter"), "{lines:?}");
    screen.assert_whole();
}

#[test]
fn at_40_columns_the_command_and_what_is_sorted_by_are_left() {
    let mut screen = screen(40, 10);
    assert_eq!(
        screen.lines(),
        [
            "00:00:03 6 run 0.0 start/s 0.0 fail/s",
            "showing 6 of 6 processes",
            "    PID CPU%▼  COMMAND",
            "    201  95.0  cc1 -O2 main.c",
            "    202  90.0  cc1 -O2 other.c",
            "    200   2.0  make all",
            "    100   1.0  sshd: alice",
            "    300   0.0  idle --for ever",
            "      1   0.0  /sbin/init",
            "? help q quit / filter space pause",
        ]
    );
    screen.press("m");
    assert_eq!(screen.lines()[2..4], ["    PID   MEM▼  COMMAND", "    201   146M  cc1 -O2 main.c"]);
    screen.assert_whole();
}

#[test]
fn no_window_is_too_small_and_none_too_large() {
    let mut screen = screen(80, 24);
    for keys in ["", "?", "x/c", "\x1bt", "\t", "\x1b[F"] {
        screen.press(keys);
        for columns in [1, 2, 7, 10, 23, 24, 40, 59, 60, 100] {
            for lines in [1, 2, 3, 5, 8, 9, 30] {
                screen.resize(columns, lines);
                screen.periods(1, ROWS);
                screen.assert_whole();
            }
        }
    }
    let mut screen = self::screen(10, 3);
    assert_eq!(screen.lines(), ["00:00:03", "COMMAND", "cc1 -O2 m…"]);
    // What is larger than a program can have in memory is not filled.
    screen.window = Window { columns: 65_535, lines: 65_535 };
    screen.with(|live, out| live.typed(out, b""));
    screen.window = Window { columns: 0, lines: 0 };
    screen.with(|live, out| live.typed(out, b"/x"));
}

#[test]
fn tab_shows_the_commands() {
    let mut screen = screen(80, 24);
    let common = Common { comm: b"late"[..].into(), ..Common::default() };
    start(&mut screen, &common);
    screen.periods(1, ROWS);
    screen.press("\t");
    let lines = screen.lines();
    assert_eq!(lines[0], "00:00:04  6 running  1.0 starts/s  0.0 failures/s");
    assert_eq!(lines[1], "showing 6 of 6 commands");
    assert_eq!(
        lines[2..5],
        [
            "  RUN  START/S  FAIL/S CPU%▼      P50      P99  COMMAND",
            "    2      0.0     0.0 185.0        -        -  cc1",
            "    1      0.0     0.0   2.0        -        -  make",
        ]
    );
    screen.press("s");
    assert_eq!(screen.lines()[3], "    0      1.0     0.0   0.0    1.5 s    1.5 s  late");
    screen.press("n/^[ms]");
    assert_eq!(
        screen.lines()[3..5].iter().map(|line| &line[48..]).collect::<Vec<_>>(),
        ["make", "sshd"]
    );
    screen.press("\r\t");
    assert_eq!(screen.lines()[1], "showing 2 of 2 processes  filter: ^[ms]");
    screen.assert_whole();
}

#[test]
fn what_was_lost_comes_first_and_in_red() {
    let mut screen = screen(40, 10);
    let loss = Loss { dropped_execs: 70, missed_exits_at_most: 7, ..Loss::default() };
    for _ in 0..2 {
        screen.with(|live, out| live.loss(out, &loss, 0));
    }
    screen.periods(1, ROWS);
    assert!(screen.lines()[0].starts_with("LOST 154 00:00:04 6 run"), "{:?}", screen.lines());
    let cell = screen.terminal.screen().cell(0, 0).expect("a cell");
    assert_eq!(cell.fgcolor(), vt100::Color::Idx(1));
}

#[test]
fn without_colours_there_are_none_and_without_keys_it_says_so() {
    let time = TimeColumn::new(TimeStyle::None, 0);
    let mut screen =
        Screen { live: Live::new(View::Commands, time, false, false), ..Screen::new(80, 24) };
    screen.with(|live, out| live.loss(out, &Loss { dropped_execs: 1, ..Loss::default() }, 0));
    screen.periods(2, ROWS);
    let lines = screen.lines();
    assert_eq!(lines[0], "LOST 1  6 running  0.0 starts/s  0.0 failures/s");
    assert_eq!(lines[1], "showing 5 of 5 commands  no keys: Ctrl-C ends it");
    assert_eq!(lines[23], "");
    let shown = screen.terminal.screen();
    let cells = (0..24).flat_map(|y| (0..80).filter_map(move |x| shown.cell(y, x)));
    assert!(cells.clone().all(|cell| cell.fgcolor() == vt100::Color::Default));
    assert_eq!(cells.filter(|cell| cell.inverse()).count(), 80, "the header");
}

#[test]
fn the_help_fits_40_columns_and_scrolls() {
    let mut screen = screen(40, 10);
    screen.press("?");
    assert!(screen.lines()[3].starts_with("Tab  "), "{:?}", screen.lines());
    assert!(help::HELP.iter().all(|line| line.len() <= 40));
    screen.press(&"\x1b[B".repeat(100));
    assert_eq!(screen.lines()[8], *help::HELP.last().expect("lines"));
    screen.press("\x1b[A");
    assert_ne!(screen.lines()[8], *help::HELP.last().expect("lines"));
    assert!(!screen.press("x"));
    assert_eq!(screen.lines()[3], "    201  95.0  cc1 -O2 main.c");
    assert!(screen.press("?q"), "q quits from here, too");
}

#[test]
fn no_text_of_a_process_drives_the_terminal() {
    let hostile: &[Row] = &[
        (1, 0, "\x1b[2J", "\x1b[31m\x1b]0;title\x07 \u{202e}evil\u{200f} \r\n\x08", 0, 1),
        (2, 0, "日本語", "日本語日本語日本語日本語日本語日本語日本語日本語", 0, 1),
        (3, 0, "e\u{301}", "e\u{301}\u{301}\u{301} 👍🏽 \u{9b}2J", 0, 1),
        (4, 0, "plain", "plain", 0, 1),
    ];
    for columns in [30, 40, 41, 60, 80, 81] {
        let mut screen = Screen::new(columns, 12);
        let mut bytes = Vec::new();
        screen.periods(2, hostile);
        let window = Some(screen.window);
        let mut out =
            Output { to: &mut bytes, clock: WallClock::default(), window, charset: Charset::Utf8 };
        screen.live.typed(&mut out, b"p").expect("memory");
        screen.live.typed(&mut out, b"").expect("memory");
        screen.terminal.process(&bytes);
        let text = String::from_utf8(bytes).expect("UTF-8");
        // Of all controls, only the beginnings of our own sequences.
        for (at, c) in text.char_indices().filter(|(_, c)| c.is_control()) {
            let sequence: String = text[at + 1..].chars().skip(1).collect();
            let end = sequence.find(|c: char| c.is_ascii_alphabetic()).expect("an end");
            let last = &sequence[end..=end];
            let parameters = &sequence[..end];
            assert!(c == '\x1b' && text[at + 1..].starts_with('['), "{:?}", &text[at..]);
            assert!(matches!(last, "m" | "H" | "J"), "{last}");
            assert!(parameters.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'));
        }
        assert!(!text.contains(['\u{202e}', '\u{200f}']));
        screen.press("p\t");
        screen.periods(1, hostile);
        screen.assert_whole();
        assert!(screen.lines().iter().any(|line| line.contains("plain")));
    }
}
