//! Texts by which a user who is not root tries to forge a line or to drive a terminal.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::Command;

use serde_json::Value;

use crate::support::account::{KINDS, Summary, assert_summary_is_what_was_printed};
use crate::support::nobody::{ATTACKER, by_attacker};
use crate::support::processes::{Running, actor, play};
use crate::support::terminal::{Terminal, assert_cannot_drive};
use crate::support::truth::args_of;
use crate::support::watcher::{
    Tracefs, Watcher, may_be_missed, open_folder, own_machine, run_to_end, watcher_command,
};

/// The column of a table of events where the command begins.
const COMMAND_AT: usize = 67;

/// What users may call a program or an argument. Two of each fit into a record.
fn hostile_texts() -> Vec<Vec<u8>> {
    let line = "12:00:00.000  exec        1       0 root              -  -         /sbin/init";
    let far = " ".repeat(40);
    let texts = [
        "",
        " ",
        "\n",
        "\t",
        "\r",
        "\x08\x08\x08",
        "\x0e",
        "\x7f",
        "exit",
        "-",
        "'",
        "\"",
        "\\",
        "$'\\x1b'",
        "…",
        "cut…",
        "@0123456789ab",
        "[kworker/0:1]",
        "[]",
        "LOSS",
        "kernel_and_user_map",
        &format!("one\n{line}"),
        &format!("one\r\n{line}"),
        &format!("{far}{line}"),
        "\x1b[2J\x1b[1A",
        "\x1b[31mred",
        "\x1b]0;title\x07",
        "\x1b]52;c;aGk=\x1b\\",
        "\x1bc",
        "\x1bP1\x1b\\",
        "\u{9b}2J",
        "\u{9d}0;title\u{9c}",
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "\u{202e}txet",
        "\u{202e}txet\u{202c}",
        "\u{2066}\u{202e}txet\u{2069}",
        "\u{200f}1 2",
        "\u{61c}",
        "א",
        "א 1 2 3",
        "ا",
        "\u{301}",
        "e\u{301}",
        "\u{20dd}",
        &format!("a{}", "\u{301}".repeat(60)),
        "l\u{200b}s",
        &"\u{200b}".repeat(40),
        "\u{feff}",
        "\u{ad}",
        "\u{3164}",
        "\u{e0041}",
        "\u{2800}",
        "日本語",
        &"日本".repeat(20),
        &"1\u{fe0f}\u{20e3}".repeat(18),
        "👩\u{200d}👧",
        r#"{"event":"exit","pid":1,"exit_code":0}"#,
        "\"}\n{\"event\":\"loss\",\"dropped_execs\":9}\n",
    ]; // rows of what belongs together
    let no_text =
        [&b"\xff\xfe"[..], b"a\xc2", b"\xf0\x9f\x92", b"\xed\xa0\x80", b"\xc0\xaf", b"\x9b2J"];
    texts.map(|text| text.as_bytes().to_vec()).into_iter().chain(no_text.map(Into::into)).collect()
}

/// What the attacker has run: pid, and all of argv.
type Ran = (u32, Vec<Vec<u8>>);

/// Runs programs with each of the texts as an argument, as argv[0], and as their name.
fn run_hostile() -> Vec<Ran> {
    let dir = open_folder();
    let mut ran = Vec::new();
    for text in hostile_texts() {
        let text = OsStr::from_bytes(&text);
        let link = dir.path().join("x");
        let named = dir.path().join(text);
        let can_be_named = (1..=255).contains(&text.len()) && !text.as_bytes().contains(&b'/');
        let program = if can_be_named { &named } else { &link };
        symlink(actor(), program).expect("a link");
        let first = [&["exit", "3", "first"].map(OsStr::new)[..], &[text]].concat();
        let last = [&["exit", "0"].map(OsStr::new)[..], &[text, OsStr::new("last")]].concat();
        for (name, args) in [(program.as_os_str(), &first), (text, &last)] {
            let mut command = Command::new(program);
            let (pid, status) = run_to_end(by_attacker(command.arg0(name).args(args)));
            assert_eq!(status.code(), Some(if args[1] == "3" { 3 } else { 0 }));
            let argv = std::iter::once(&name).chain(args).map(|arg| arg.as_bytes().to_vec());
            ran.push((pid, argv.collect()));
        }
        std::fs::remove_file(program).expect("the link");
    }
    // The longest result, before a command that fills the window.
    let mut command = play(&["signal", &libc::SIGRTMAX().to_string(), &"x".repeat(150)]);
    let (pid, status) = run_to_end(by_attacker(&mut command));
    assert_eq!(status.signal(), Some(libc::SIGRTMAX()));
    ran.push((pid, args_of(&command).into_iter().map(String::into_bytes).collect()));
    ran
}

/// The columns of a line of the table up to the user; fails if it is none.
fn columns(line: &str) -> (&str, u32, u32, &str) {
    let mut words = line.split_whitespace();
    let mut next = || words.next().unwrap_or_else(|| panic!("no event: {line}"));
    let (time, kind) = (next(), next());
    let is_digit_or = |at: usize, c: char| match at {
        2 | 5 => c == ':',
        8 => c == '.',
        _ => c.is_ascii_digit(),
    };
    assert!(time.len() == 12 && time.char_indices().all(|(at, c)| is_digit_or(at, c)), "{line}");
    assert!(["exec", "exit"].contains(&kind), "{line}");
    let mut number = || next().parse().unwrap_or_else(|_| panic!("no event: {line}"));
    (kind, number(), number(), words.next().expect("a user"))
}

/// Each line of a table is an event of a process that there was.
fn assert_true(lines: &[String], summary: &Summary, ran: &[Ran]) {
    assert!(lines[0].starts_with("TIME"), "{}", lines[0]);
    let events: Vec<_> = lines[1..].iter().filter(|line| !line.contains("  LOSS  ")).collect();
    assert_eq!(events.len() as u64, summary.reported.iter().sum::<u64>());
    let own = std::process::id();
    let mut unseen: HashSet<_> =
        ran.iter().flat_map(|(pid, _)| [(*pid, "exec"), (*pid, "exit")]).collect();
    for line in events {
        let (kind, pid, ppid, user) = columns(line);
        if unseen.remove(&(pid, kind)) {
            assert_eq!((ppid, user), (own, "4242"), "{line}");
        } else {
            assert_ne!(user, "4242", "twice, or nobody's: {line}");
        }
    }
    assert!(unseen.len() <= may_be_missed(2 * ran.len()), "{unseen:?}");
}

#[test]
fn no_text_forges_an_event_in_json_a_file_or_a_terminal() {
    let _machine = own_machine();
    let json = Watcher::start(&[]);
    let file = Watcher::spawn(watcher_command(Tracefs::Mounted, &[]));
    let (terminal, tty) = Terminal::open(140, 30);
    let on_terminal = ["--color", "never", "--max-entries", "1024"];
    let on_terminal = Watcher::spawn_into(tty, watcher_command(Tracefs::Mounted, &on_terminal));
    let ran = run_hostile();
    let runs = [json, file, on_terminal].map(Watcher::finish);
    let [json, file, on_terminal] = &runs;

    assert_summary_is_what_was_printed(json);
    json.stdout.lines().for_each(assert_cannot_drive);
    let lines: Vec<_> = file.stdout.lines().map(Into::into).collect();
    lines.iter().for_each(|line: &String| assert_cannot_drive(line));
    assert_true(&lines, &Summary::of(file), &ran);
    assert_true(&terminal.lines(&[]), &Summary::of(on_terminal), &ran);
    let lost = KINDS.iter().map(|(.., missed)| json.lost(missed)).sum::<u64>();
    for (pid, argv) in &ran {
        let events = json.of(*pid);
        let lossy: Vec<_> = argv.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
        assert!(events.len() == 2 || lost > 0, "{events:#?}");
        for event in events {
            assert_eq!(
                (&event["uid"], &event["ppid"]),
                (&ATTACKER.into(), &std::process::id().into())
            );
            assert_eq!(event["args"], serde_json::json!(lossy), "{event}");
            let is_text = argv.iter().all(|arg| std::str::from_utf8(arg).is_ok());
            assert_eq!(event["args_raw"].is_null(), is_text, "{event}");
        }
        // Nothing is cut, and nobody is in a container.
        for line in lines.iter().filter(|line| line.contains(&format!(" {pid:>7} "))) {
            let command: String = line.chars().skip(COMMAND_AT).collect();
            assert!(!command.ends_with('…') && !command.starts_with('@'), "{line}");
        }
    }
}

#[test]
fn no_text_spoils_the_list_of_processes_or_the_summary() {
    let _machine = own_machine();
    let (list, tty) = Terminal::open(80, 100);
    let options = ["--view", "processes", "--period", "0.2", "--color", "never"];
    let mut command = watcher_command(Tracefs::Mounted, &options);
    let lists = Watcher::spawn_into(tty, {
        command.env("TERM", "dumb");
        command
    });
    let (summary, tty) = Terminal::open(80, 100);
    let options = ["--summary", "--color", "never"];
    let sums = Watcher::spawn_into(tty, watcher_command(Tracefs::Mounted, &options));
    let json = Watcher::start(&["--view", "processes", "--period", "0.5", "--summary"]);
    let start = |text: &Vec<u8>| {
        let mut command = play(&["sleep"]);
        by_attacker(command.arg0(OsStr::from_bytes(text)).arg(OsStr::from_bytes(text)));
        Running::start(&mut command)
    };
    let sleepers: Vec<_> = hostile_texts().iter().map(start).collect();
    let is_sleeper = |row: &&Value| row["uid"] == ATTACKER;
    json.wait_for("all of them", |list| {
        let rows = list["processes"].as_array().into_iter().flatten();
        rows.filter(is_sleeper).count() == sleepers.len()
    });
    let pids: Vec<_> = sleepers.iter().map(Running::pid).collect();
    drop(sleepers);
    let names = run_hostile();
    for watcher in [lists, sums] {
        assert!(watcher.finish().status.success());
    }
    let json = json.finish();
    json.stdout.lines().for_each(assert_cannot_drive);

    let mut seen = HashSet::new();
    for line in list.lines(&[]) {
        let words: Vec<_> = line.split_whitespace().take(3).collect();
        let [pid, ppid, user] = words[..] else { continue };
        if user == "4242" {
            assert_eq!(ppid, std::process::id().to_string(), "{line}");
            seen.insert(pid.parse().expect("a pid"));
        }
    }
    let ran: HashSet<_> = pids.into_iter().chain(names.iter().map(|(pid, _)| *pid)).collect();
    assert!(!seen.is_empty() && seen.is_subset(&ran), "{seen:?} of {ran:?}");

    // A name, and seven columns of which two are numbers.
    let lines = summary.lines(&[]);
    let heading = lines.iter().position(|line| line.starts_with("COMMAND ")).expect("a heading");
    let total: u64 = lines[heading + 1..]
        .iter()
        .map(|line| {
            let before = line.char_indices().scan(0, |columns, (at, c)| {
                *columns += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
                Some((*columns, at))
            });
            let (_, at) = before.into_iter().find(|(columns, _)| *columns > 25).expect(line);
            let number = line[at..].split_whitespace().next().expect("a count");
            number.parse::<u64>().unwrap_or_else(|_| panic!("{line}"))
        })
        .sum();
    assert!(total as usize >= ran.len() - may_be_missed(ran.len()), "{total} of {}", ran.len());
}
