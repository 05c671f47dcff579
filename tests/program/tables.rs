//! Tables on terminals: of any width, of another locale, and when a key ends the watch.

use std::process::{Command, Stdio};

use unicode_width::UnicodeWidthStr as _;

use crate::support::processes::{Running, actor, play, wait_until};
use crate::support::terminal::{CLEAR_LINE, Terminal, run_on};
use crate::support::watcher::{Tracefs, Watcher, run_to_end, share_machine, text, watcher_command};

const LONG: &str =
    "a-table-shows-as-much-of-a-long-argument-as-its-window-has-room-for-and-no-more";

/// The program without colours.
fn command(options: &[&str]) -> Command {
    watcher_command(Tracefs::Mounted, &[&["--color", "never"], options].concat())
}

#[test]
fn each_window_has_the_columns_that_fit() {
    let _machine = share_machine();
    for (columns, heads, room) in [
        (20, "EVENT COMMAND", 11),
        (50, "TIME EVENT PID COMMAND", 24),
        (80, "TIME EVENT PID USER DURATION COMMAND", 38),
        (120, "TIME EVENT PID PPID USER DURATION PARENT COMMAND", 44),
    ] {
        let (terminal, tty) = Terminal::open(columns, 24);
        let watcher = Watcher::spawn_into(tty, command(&["-n", "as-its-window"]));
        run_to_end(&mut play(&["exit", "3", LONG, "\u{202e}日本語"]));
        run_to_end(&mut play(&["signal", &libc::SIGRTMAX().to_string(), LONG]));
        let run = watcher.finish();
        assert!(run.stderr.contains("reported 2 execs, 2 exits"), "{}", run.stderr);
        let lines = terminal.lines(&[]); // none is wider
        let heading: Vec<_> = lines[0].split_whitespace().collect();
        assert_eq!(heading.join(" "), heads);
        let at = lines[0].find("COMMAND").expect("a heading");
        assert_eq!(at + room, usize::from(columns));
        assert_eq!(lines.len(), 5, "{lines:#?}");
        for line in &lines[1..] {
            let command: String = line.chars().skip(at).collect();
            assert!(command.width() == room && command.ends_with('…'), "{line:?}");
            let (shown, actor) = (command.trim_end_matches('…'), text(actor()));
            let is_its_begin = actor.starts_with(shown) || shown.starts_with(actor);
            assert!(is_its_begin || room > 24, "{line:?}");
        }
        let named = lines.iter().any(|line| line.contains("PARENT"));
        assert_eq!(named, columns >= 120);
    }
}

#[test]
fn the_header_comes_again_when_the_window_gets_other_columns() {
    let _machine = share_machine();
    let (mut terminal, tty) = Terminal::open(80, 24);
    let mut command = command(&["-n", "resized", "--period", "0.05"]);
    let mut watcher = Running::start(command.stdout(tty).stderr(Stdio::null()));
    drop(command); // and its end of the terminal
    for (columns, head, count) in
        [(80, "DURATION COMMAND", 1), (120, "PARENT ", 1), (50, "PID COMMAND", 1)]
    {
        if columns != 80 {
            terminal.resize(columns, 24);
        }
        let has_changed = wait_until(|| {
            run_to_end(&mut play(&["exit", "0", "resized", &"x".repeat(150)]));
            terminal.text().lines().any(|line| line.starts_with("TIME") && line.contains(head))
        });
        assert!(has_changed, "{columns}: {}", terminal.text());
        let headers = terminal.text().matches(head).count();
        assert_eq!(headers, count, "{}", terminal.text());
    }
    watcher.end();
    let mut columns = 0;
    let text = String::from_utf8(terminal.all()).expect("UTF-8");
    for line in text.lines().filter(|line| !line.contains("LOSS")) {
        if line.starts_with("TIME") {
            columns = [("PARENT", 120), ("DURATION", 80)]
                .into_iter()
                .find_map(|(head, columns)| line.contains(head).then_some(columns))
                .unwrap_or(50);
        }
        assert!(line.width() <= columns, "{columns}: {line:?}");
    }
}

#[test]
fn without_utf_8_all_is_ascii() {
    let _machine = share_machine();
    let own = std::process::id().to_string();
    for (locale, is_ascii) in [("C", true), ("", true), ("en_GB.UTF-8", false)] {
        let command = |options: &[&str]| {
            let mut command = command(options);
            command.env_remove("LC_ALL").env_remove("LC_CTYPE").env("LANG", locale);
            command
        };
        for options in [&["--summary", "--ppid", &own][..], &["--all", "--view", "processes"]] {
            let watcher = Watcher::spawn(command(options));
            let _running = Running::start(&mut play(&["sleep", "日本語"]));
            run_to_end(&mut play(&["exit", "3", "naïve"]));
            let run = watcher.finish();
            let all = run.stdout.clone() + &run.stderr;
            assert_eq!(all.is_ascii(), is_ascii, "{locale} {options:?}: {all}");
        }
        let tree = ["--view", "tree", "--", text(actor()), "births", "10", "naïve"];
        let tree = command(&tree).output().expect("it starts").stderr;
        let text = String::from_utf8_lossy(&tree);
        assert_eq!(tree.is_ascii(), is_ascii, "{locale}: {text}");
        assert!(
            text.contains(if is_ascii { "|- actor exit 10" } else { "├─ actor exit 10" }),
            "{text}"
        );
    }
}

#[test]
fn ctrl_c_leaves_whole_lines_below_the_greeting() {
    let _machine = share_machine();
    for term in ["xterm", "dumb"] {
        let (terminal, tty) = Terminal::open(80, 24);
        // What is printed of the last read comes behind the key, too.
        let mut command = command(&["-n", "before-the-key", "--period", "3600"]);
        run_on(command.env("TERM", term), &tty);
        let mut watcher = Running::start(&mut command);
        drop((command, tty));
        let begins = wait_until(|| terminal.text().contains("COMMAND"));
        assert!(begins, "{}", terminal.text());
        run_to_end(&mut play(&["exit", "0", "before-the-key"]));
        terminal.press(0x03);
        let status = watcher.child.wait().expect("it is ours");
        assert_eq!(status.code(), Some(0));

        let text = String::from_utf8(terminal.all()).expect("UTF-8");
        let cleared = format!("^C{CLEAR_LINE}");
        assert_eq!(text.contains(&cleared), term != "dumb", "{text:?}");
        let text = text.replace(&cleared, "");
        let mut lines: Vec<_> = text.lines().collect();
        if term == "dumb" {
            let key = lines.iter().position(|line| *line == "^C");
            lines.remove(key.expect("a line of its own"));
        }
        assert!(lines[0].starts_with("kernel_and_user_map: watching"), "{lines:#?}");
        assert!(lines[1].starts_with("TIME "), "{lines:#?}");
        let (events, account) = lines[2..].split_at(2);
        let is_event = |line: &&str| line.as_bytes().get(2) == Some(&b':');
        assert!(events.iter().all(is_event), "{lines:#?}");
        assert!(account[0].starts_with("kernel_and_user_map: "), "{lines:#?}");
        assert!(account[1..].iter().all(|line| line.starts_with("  ")), "{lines:#?}");
    }
}

#[test]
fn dates_have_their_zone() {
    let _machine = share_machine();
    let mut command = command(&["-t", "date", "-n", "dated"]);
    command.env("TZ", "CET-1");
    let watcher = Watcher::spawn(command);
    run_to_end(&mut play(&["exit", "0", "dated"]));
    let run = watcher.finish();
    let lines: Vec<_> = run.stdout.lines().collect();
    assert_eq!(lines[0].find("EVENT"), Some(31), "{lines:?}");
    for line in &lines[1..] {
        let time = line[..29].replacen(' ', "T", 1);
        let time: jiff::Timestamp = time.parse().expect("RFC 3339");
        let age = jiff::Timestamp::now().duration_since(time);
        assert!(line[23..].starts_with("+01:00  ex") && age.as_secs() < 600, "{line}");
    }
    assert_eq!(lines.len(), 3, "{lines:?}");
}
