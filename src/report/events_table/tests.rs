use super::*;
use crate::process::record::{Common, ProcessId, Program};
use crate::process::wall_clock::WallClock;
use crate::report::{TimeStyle, Window};

const FILE: Option<Window> = None;
const AT_80: Option<Window> = Some(Window { columns: 80, lines: 24 });
const COMMAND_AT: usize = 67;

fn line(window: Option<Window>, kind: EventKind, argv: Option<&[u8]>, truncated: bool) -> String {
    let names = Names { user: Some("root".into()), cgroup: None };
    let table = EventsTable::new(TimeColumn::new(TimeStyle::Local, 0), false);
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
        parent: None,
        program: program.as_ref(),
        forked: false,
        origin: &common,
    };
    let mut bytes = Vec::new();
    let mut out = Output { to: &mut bytes, clock: WallClock::default(), window };
    assert!(table.event(&mut out, &event, names).expect("memory"));
    String::from_utf8(bytes).expect("UTF-8")
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
    let mut out = Output { to: &mut bytes, clock: WallClock::default(), window: FILE };
    let mut table = EventsTable::new(TimeColumn::new(TimeStyle::Local, 0), false);
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
    let fits = line(AT_80, EventKind::Exec, Some(&[b'x'; 13]), false);
    assert!(fits.ends_with("xxx\n"));
}

#[test]
fn a_long_name_of_a_signal_leaves_less_room_for_the_command() {
    let killed = line(AT_80, exit(libc::SIGRTMIN() + 15, 0), Some(&[b'x'; 200]), false);
    assert!(killed.contains("  SIGRTMIN+15 x"), "{killed}");
    assert_eq!(killed.trim_end().chars().count(), 80, "{killed}");
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
    let coloured = EventsTable::new(TimeColumn::new(TimeStyle::Utc, 0), true);
    let line_in_red = line_of(coloured, AT_80, exit(3 << 8, 0), None, false, &Names::default());
    assert!(line_in_red.contains("\x1b[31m"));
    assert!(!line(AT_80, exit(3 << 8, 0), None, false).contains('\x1b'));
}

#[test]
fn a_container_stands_before_its_command() {
    let id = "0123456789abcdef".repeat(4);
    let cgroup = format!("/system.slice/docker-{id}.scope");
    let names = Names { user: None, cgroup: Some(cgroup.into()) };
    let table = EventsTable::new(TimeColumn::new(TimeStyle::Local, 0), false);
    let line = line_of(table, FILE, EventKind::Exec, Some(b"ls\0"), false, &names);
    assert_eq!(&line[COMMAND_AT..], "@0123456789ab ls\n");
}

#[test]
fn without_times_a_line_begins_with_the_event() {
    let table = EventsTable::new(TimeColumn::new(TimeStyle::None, 0), false);
    let line = line_of(table, FILE, EventKind::Exec, Some(b"ls\0"), false, &Names::default());
    assert!(line.starts_with("exec    48213"), "{line}");
}
