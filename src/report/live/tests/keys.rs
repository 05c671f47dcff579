//! What keys do.

use super::screen::{ROWS, Row, Screen, screen, start};
use crate::process::record::Common;

#[test]
fn keys_sort_and_the_same_key_turns_the_order_round() {
    let mut screen = screen(80, 24);
    for (key, pids, mark) in [
        ("m", [201, 202, 1, 100, 200, 300], "MEM▼"),
        ("m", [300, 200, 100, 1, 202, 201], "MEM▲"),
        ("p", [1, 100, 200, 201, 202, 300], "PID▲"),
        ("p", [300, 202, 201, 200, 100, 1], "PID▼"),
        ("a", [300, 202, 201, 200, 100, 1], "AGE▲"),
        ("a", [1, 100, 200, 201, 202, 300], "AGE▼"),
        ("c", [201, 202, 200, 100, 300, 1], "CPU%▼"),
    ] {
        screen.press(key);
        assert_eq!(screen.pids(), pids, "{key}");
        assert!(screen.lines()[2].contains(mark), "{:?}", screen.lines());
        screen.assert_whole();
    }
}

#[test]
fn it_scrolls_and_says_how_many_there_are() {
    let names: Vec<Row> = (1..=80).map(|pid| (pid, 0, "sh", "sh", 0, 1)).collect();
    let mut screen = Screen::new(80, 24);
    screen.periods(2, &names);
    screen.press("p");
    assert_eq!(screen.lines()[1], "showing 20 of 80 processes");
    for (key, first) in [
        ("\x1b[B", 2),
        ("\x1b[6~", 22),
        ("\x1b[A", 21),
        ("\x1b[5~", 1),
        ("\x1b[F", 61),
        ("\x1b[B", 61),
        ("\x1b[A\x1b[A", 59),
        ("\x1b[H", 1),
        ("\x1b[A", 1),
    ] {
        screen.press(key);
        assert_eq!(screen.pids(), (first..first + 20).collect::<Vec<_>>(), "{key:?}");
    }
    // Where less is left, the last rows are shown.
    screen.press("\x1b[F");
    screen.periods(1, &names[..30]);
    assert_eq!(screen.pids(), (11..=30).collect::<Vec<_>>());
    screen.assert_whole();
}

#[test]
fn a_filter_is_a_substring_or_a_regex_and_escape_clears_it() {
    let mut screen = screen(80, 24);
    screen.press("/");
    for (typed, pids) in [
        ("C", &[][..]),
        ("\x7fc", &[201, 202, 100][..]), // sshd: alice, too
        ("c1", &[201, 202]),
        (".*oth", &[202]),
        ("(", &[]), // no regex by now
    ] {
        screen.press(typed);
        assert_eq!(screen.pids(), pids, "{typed}");
    }
    let lines = screen.lines();
    assert_eq!((&*lines[1], &*lines[23]), ("showing 0 of 0 processes", "/cc1.*oth("));
    assert!(lines[4].contains("Esc clears the filter"), "{lines:?}");
    assert!(!screen.press("\x7f\r"), "a q would be a letter");
    assert_eq!(screen.lines()[1], "showing 1 of 1 processes  filter: cc1.*oth");
    // Keys mean again what they meant.
    screen.press("\t\t");
    assert_eq!(screen.pids(), [202]);
    screen.press("\x1b");
    assert_eq!(screen.pids().len(), 6);
    screen.press(&format!("/{}", "x".repeat(1000)));
    screen.assert_whole();
    assert!(screen.lines()[23].ends_with(&"x".repeat(79)));
}

#[test]
fn the_tree_has_each_below_its_parent() {
    let mut screen = screen(80, 24);
    screen.press("tp");
    let commands: Vec<_> = screen.lines()[3..9].iter().map(|line| line[42..].to_owned()).collect();
    assert_eq!(
        commands,
        [
            "/sbin/init",
            "├─ sshd: alice",
            "│  └─ make all",
            "│     ├─ cc1 -O2 main.c",
            "│     └─ cc1 -O2 other.c",
            "└─ idle --for ever",
        ]
    );
    // The busiest child comes first.
    screen.press("cc");
    assert_eq!(screen.pids(), [1, 300, 100, 200, 202, 201]);
    // What is left by a filter hangs together as far as it can.
    screen.press("/make|main");
    assert_eq!(screen.lines()[4][42..], *"└─ cc1 -O2 main.c");
    screen.assert_whole();
}

#[test]
fn a_circle_of_parents_or_a_deep_tree_loses_nobody() {
    let circle: &[Row] = &[(1, 2, "a", "a", 0, 1), (2, 1, "b", "b", 0, 1), (3, 3, "c", "c", 0, 1)];
    let mut screen = Screen::new(80, 24);
    screen.press("t");
    screen.periods(1, circle);
    assert_eq!(screen.lines()[1], "showing 3 of 3 processes  tree");
    let deep: Vec<Row> = (1..=5000).map(|pid| (pid, pid - 1, "sh", "sh", 0, 1)).collect();
    screen.periods(1, &deep);
    screen.press("\x1b[F");
    assert_eq!(screen.lines()[1], "showing 20 of 5000 processes  tree");
    screen.assert_whole();
}

#[test]
fn paused_nothing_moves_and_nothing_is_forgotten() {
    let mut screen = screen(80, 24);
    screen.press(" ");
    assert!(screen.lines()[1].starts_with("PAUSED  showing 6 of 6"));
    let common = Common { comm: b"late"[..].into(), ..Common::default() };
    for _ in 0..8 {
        start(&mut screen, &common);
    }
    screen.periods(3, &ROWS[..2]);
    let lines = screen.lines();
    assert!(lines[0].starts_with("00:00:03  6 running"), "{lines:?}");
    assert_eq!(screen.pids().len(), 6);
    screen.press(" ");
    screen.periods(1, &ROWS[..2]);
    // Eight in the four seconds since.
    assert_eq!(screen.lines()[0], "00:00:07  2 running  2.0 starts/s  0.0 failures/s");
}

#[test]
fn q_quits_but_not_in_a_filter() {
    let mut screen = screen(80, 24);
    assert!(!screen.press("/q"));
    assert!(screen.press("\x1bq"));
}
