use super::*;
use crate::process::record::{Common, ProcessId, Program};
use crate::process::wall_clock::WallClock;
use crate::report::charset::Charset;
use crate::report::{TimeStyle, Window};

const FILE: Option<Window> = None;
const AT_80: Option<Window> = Some(Window { columns: 80, lines: 24 });
const COMMAND_AT: usize = 67;

fn line(window: Option<Window>, kind: EventKind, argv: Option<&[u8]>, truncated: bool) -> String {
    let names = Names { user: Some("root".into()), cgroup: None };
    let table = EventsTable::new(TimeColumn::new(TimeStyle::Local, 0), false, false);
    line_of(table, window, kind, argv, truncated, &names)
}

fn line_of(
    mut table: EventsTable,
    window: Option<Window>,
    kind: EventKind,
    argv: Option<&[u8]>,
    truncated: bool,
    names: &Names,
) -> String {
    let program =
        argv.map(|argv| Program::new(None, argv.to_vec(), argv.len() + usize::from(truncated)));
    let common = Common { ppid: 48102, comm: (*b"a\x1bz").into(), ..Common::default() };
    let event = Event {
        kind,
        time: 0,
        process: ProcessId { pid: 48213, start_time: 0 },
        exec_id: 1,
        common: &common,
        parent: Some(b"make"),
        program: program.as_ref(),
        forked: false,
        origin: &common,
    };
    let mut bytes = Vec::new();
    let mut out =
        Output { to: &mut bytes, clock: WallClock::default(), window, charset: Charset::Utf8 };
    table.begin(&mut out, &Begin::default()).expect("memory");
    assert!(table.event(&mut out, &event, names).expect("memory"));
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert_eq!(text.matches('\n').count(), 2, "a header and a line: {text}");
    text.split_inclusive('\n').next_back().unwrap_or_default().to_owned()
}

fn exit(status: i32, duration: u64) -> EventKind {
    EventKind::Exit {
        outcome: Some(Outcome::from_wait_status(status)),
        duration: Some(duration),
        usage: None,
    }
}

#[test]
fn columns_stand_under_their_headings() {
    let mut bytes = Vec::new();
    let mut out = Output {
        to: &mut bytes,
        clock: WallClock::default(),
        window: FILE,
        charset: Charset::Utf8,
    };
    let mut table = EventsTable::new(TimeColumn::new(TimeStyle::Local, 0), false, false);
    table.begin(&mut out, &Begin::default()).expect("memory");
    let header = String::from_utf8(bytes).expect("UTF-8");
    let exec = line(FILE, EventKind::Exec, Some(b"ls\0-la\0/\0"), false);
    assert_eq!(&exec[12..], "  exec    48213   48102 root              -  -         ls -la /\n");
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
    let evil = line(FILE, EventKind::Exec, Some(b"a\nb\0\x1b[2J\0\xff\0\xc2\x9b[m\0c d\0"), false);
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
    let cut = line(AT_80, EventKind::Exec, Some(&argv), false);
    assert_eq!(cut.trim_end().chars().count(), 80);
    assert!(cut.ends_with("x…\n"));
    assert!(line(FILE, EventKind::Exec, Some(&argv), false).contains(&"x".repeat(200)));
    let fits = line(AT_80, EventKind::Exec, Some(&[b'x'; 38]), false);
    assert!(fits.ends_with(&format!(" {}\n", "x".repeat(38))), "{fits}");
}

/// The header and the line of a process that a signal with a long name has killed.
fn at(columns: usize) -> [String; 2] {
    let window = Some(Window { columns, lines: 24 });
    let table = || EventsTable::new(TimeColumn::new(TimeStyle::Utc, 0), false, false);
    let argv = Some(&b"/usr/bin/grep\0-r\0needle\0/home/alice/src\0--include=*.rs\0"[..]);
    let names = Names { user: Some("systemd-network".into()), cgroup: None };
    let kind = exit(libc::SIGRTMIN() + 15, 4_000_000);
    let mut bytes = Vec::new();
    let clock = WallClock::default();
    let mut out = Output { to: &mut bytes, clock, window, charset: Charset::Utf8 };
    table().begin(&mut out, &Begin::default()).expect("memory");
    let header = String::from_utf8(bytes).expect("UTF-8");
    [header, line_of(table(), window, kind, argv, false, &names)].map(|it| it.trim_end().to_owned())
}

#[test]
fn a_window_has_the_columns_that_there_is_room_for() {
    for (columns, expected) in [
        (20, ["EVENT    COMMAND", "RTMIN+15 /usr/bin/g…"]),
        (
            50,
            [
                "TIME     EVENT        PID COMMAND",
                "00:00:00 RTMIN+15   48213 /usr/bin/grep -r needle…",
            ],
        ),
        (
            80,
            [
                "TIME     EVENT        PID USER   DURATION COMMAND",
                "00:00:00 RTMIN+15   48213 syste+   4.0 ms /usr/bin/grep -r needle /home/alice/s…",
            ],
        ),
        (
            100,
            [
                "TIME          EVENT        PID    PPID USER       DURATION  COMMAND",
                "00:00:00.000  RTMIN+15   48213   48102 systemd-n+   4.0 ms  /usr/bin/grep -r needle /home/alice/src…",
            ],
        ),
        (
            120,
            [
                "TIME          EVENT        PID    PPID USER       DURATION  PARENT          COMMAND",
                "00:00:00.000  RTMIN+15   48213   48102 systemd-n+   4.0 ms  make            /usr/bin/grep -r needle /home/alice/src '--…",
            ],
        ),
        (
            160,
            [
                "TIME          EVENT     PID    PPID USER       DURATION  RESULT    PARENT          COMMAND",
                "00:00:00.000  exit    48213   48102 systemd-n+   4.0 ms  RTMIN+15  make            /usr/bin/grep -r needle /home/alice/src '--include=*.rs'",
            ],
        ),
    ] {
        assert_eq!(at(columns), expected, "{columns}");
    }
}

#[test]
fn a_file_has_the_whole_name_of_a_signal() {
    let killed = line(FILE, exit(libc::SIGRTMIN() + 15, 0), Some(b"ls\0"), false);
    assert!(killed.ends_with("  SIGRTMIN+15 ls\n"), "{killed}");
}

#[test]
fn the_header_comes_again_when_the_window_has_other_columns() {
    let mut table = EventsTable::new(TimeColumn::new(TimeStyle::Local, 0), false, false);
    let common = Common::default();
    let mut printed = |columns| {
        let mut bytes = Vec::new();
        let window = Some(Window { columns, lines: 24 });
        let clock = WallClock::default();
        let mut out = Output { to: &mut bytes, clock, window, charset: Charset::Utf8 };
        let event = Event {
            kind: EventKind::Exec,
            time: 0,
            process: ProcessId { pid: 1, start_time: 0 },
            exec_id: 1,
            common: &common,
            parent: None,
            program: None,
            forked: false,
            origin: &common,
        };
        table.event(&mut out, &event, &Names::default()).expect("memory");
        String::from_utf8(bytes).expect("UTF-8").matches("COMMAND").count()
    };
    assert_eq!([80, 80, 81, 50, 49, 150].map(&mut printed), [1, 0, 0, 1, 0, 1]);
}

#[test]
fn a_command_can_look_like_none_of_our_marks() {
    let argv = "@0123456789ab\0ls\0…\0".as_bytes();
    let whole = line(FILE, EventKind::Exec, Some(argv), false);
    assert_eq!(&whole[COMMAND_AT..], "'@0123456789ab' ls '…'\n");
    let cut = line(FILE, EventKind::Exec, Some("ls\0a…".as_bytes()), true);
    assert_eq!(&cut[COMMAND_AT..], "ls 'a…'…\n");
}

#[test]
fn colours_are_there_if_they_are_wanted() {
    let coloured = EventsTable::new(TimeColumn::new(TimeStyle::Utc, 0), true, false);
    let line_in_red = line_of(coloured, AT_80, exit(3 << 8, 0), None, false, &Names::default());
    assert!(line_in_red.contains("\x1b[31m"));
    assert!(!line(AT_80, exit(3 << 8, 0), None, false).contains('\x1b'));
}

#[test]
fn a_container_stands_before_its_command() {
    let id = "0123456789abcdef".repeat(4);
    let cgroup = format!("/system.slice/docker-{id}.scope");
    let names = Names { user: None, cgroup: Some(cgroup.into()) };
    let table = EventsTable::new(TimeColumn::new(TimeStyle::Local, 0), false, false);
    let line = line_of(table, FILE, EventKind::Exec, Some(b"ls\0"), false, &names);
    assert_eq!(&line[COMMAND_AT..], "@0123456789ab ls\n");
}

#[test]
fn without_times_a_line_begins_with_the_event() {
    let table = EventsTable::new(TimeColumn::new(TimeStyle::None, 0), false, false);
    let line = line_of(table, FILE, EventKind::Exec, Some(b"ls\0"), false, &Names::default());
    assert!(line.starts_with("exec    48213"), "{line}");
}
