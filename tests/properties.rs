//! What holds for any bytes whatever: those of a record, and those of a command line.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

use kernel_and_user_map::kernel::decode::decode;
use kernel_and_user_map::kernel::skel::types;
use kernel_and_user_map::process::event::{Event, EventKind, Names};
use kernel_and_user_map::process::loss::{Loss, LossTotals};
use kernel_and_user_map::process::record::{Common, Kind, ProcessId, Program, Record, Usage};
use kernel_and_user_map::process::tree::{Tree, TreeBuilder};
use kernel_and_user_map::process::wait_status::Outcome;
use kernel_and_user_map::process::wall_clock::WallClock;
use kernel_and_user_map::report::charset::Charset;
use kernel_and_user_map::report::closing_account::ClosingAccount;
use kernel_and_user_map::report::columns::TimeColumn;
use kernel_and_user_map::report::events_json::EventsJson;
use kernel_and_user_map::report::events_table::EventsTable;
use kernel_and_user_map::report::tree_json::TreeJson;
use kernel_and_user_map::report::tree_table::TreeTable;
use kernel_and_user_map::report::watch_json::WatchJson;
use kernel_and_user_map::report::word::is_unseen;
use kernel_and_user_map::report::{Begin, Output, Report, TimeStyle, TreeReport, Watched, Window};
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr as _;

const KEY: usize = size_of::<types::process_key>();
const VALUE: usize = size_of::<types::process_info>();

/// Bytes that favour what is dangerous: controls, quotes, broken and unusual UTF-8.
fn text() -> impl Strategy<Value = Vec<u8>> {
    const DANGEROUS: &[&[u8]] = &[
        b"\n",
        b"\r",
        b"\x1b[2J",
        b"\x7f",
        b"\xc2\x9b",
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"\xe2\x80\xae",
        b"\xe2\x80\xac",
        b"\xd8\x9c",
        b"\xcc\x81",
        b"\xef\xb8\x8f",
        b"\xf3\xa0\x81\x81",
        b"\xff",
        b"\xe2\x80",
        b"'",
        b"\"",
        b"\\",
        b"\0",
        b" ",
        "…".as_bytes(),
        "日本".as_bytes(),
    ];
    let piece = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        "[ -~]{1,8}".prop_map(String::into_bytes),
        proptest::sample::select(DANGEROUS).prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// What a report prints of the exit of a process.
fn printed(
    report: &mut impl Report,
    window: Option<Window>,
    charset: Charset,
    program: &Program,
    comm: &[u8],
    status: i32,
) -> String {
    let common = Common { ppid: 1, comm: comm.into(), ..Common::default() };
    let outcome = Some(Outcome::from_wait_status(status));
    let event = Event {
        kind: EventKind::Exit { outcome, duration: Some(1), usage: None },
        time: 2,
        process: ProcessId { pid: 1, start_time: 1 },
        exec_id: 0,
        common: &common,
        parent: Some(comm),
        program: Some(program),
        forked: false,
        origin: &common,
    };
    let mut bytes = Vec::new();
    let mut out = Output { to: &mut bytes, clock: WallClock::default(), window, charset };
    report.event(&mut out, &event, &Names::default()).expect("memory");
    String::from_utf8(bytes).expect("UTF-8")
}

/// A process of a tree: which one started it, its argv, its wait status if it has ended, and
/// nanoseconds that it lived and had a CPU.
type Born = (prop::sample::Index, Vec<u8>, Option<u16>, u64);

fn tree_of(processes: &[Born]) -> Tree {
    let mut builder = TreeBuilder::new(true, usize::MAX);
    let mut add = |pid: usize, started_by: u32, time, kind, argv: &[u8]| {
        let comm = argv[..argv.len().min(15)].into();
        let common = Common { started_by, comm, ..Common::default() };
        let program = Program::new(None, argv.to_vec(), argv.len());
        let start_time = pid as u64;
        let event = Event {
            kind,
            time,
            process: ProcessId { pid: pid as u32, start_time },
            exec_id: 0,
            common: &common,
            parent: None,
            program: Some(&program),
            forked: false,
            origin: &common,
        };
        builder.add(&event, &Names::default());
    };
    let starter = |index: usize, from: &prop::sample::Index| match index {
        0 => 0,
        _ => from.index(index) as u32 + 1,
    };
    for (index, (from, argv, ..)) in processes.iter().enumerate() {
        add(index + 1, starter(index, from), index as u64 + 1, EventKind::Exec, argv);
    }
    let last = processes.len() as u64;
    for (index, (from, argv, status, ns)) in processes.iter().enumerate() {
        let Some(status) = status else { continue };
        let usage = Some(Usage { cpu_ns: *ns, max_rss_kib: Some(*ns >> 20), ..Usage::default() });
        let outcome = Some(Outcome::from_wait_status(i32::from(*status)));
        let kind = EventKind::Exit { outcome, duration: Some(*ns), usage };
        add(index + 1, starter(index, from), last + ns, kind, argv);
    }
    builder.finish(0, last * 2, |_| None)
}

/// What a report prints of a tree.
fn printed_tree(report: &impl TreeReport, tree: &Tree, window: Option<Window>) -> String {
    let account = account_of(Loss::default());
    let watched = Watched { begin: &Begin::default(), account: &account, cpus: 4 };
    let mut bytes = Vec::new();
    let mut out =
        Output { to: &mut bytes, clock: WallClock::default(), window, charset: Charset::Utf8 };
    report.write(&mut out, tree, &watched).expect("memory");
    String::from_utf8(bytes).expect("UTF-8")
}

fn account_of(loss: Loss) -> ClosingAccount {
    ClosingAccount { begin: 0, end: 1, loss, ..ClosingAccount::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_tree_has_a_line_for_each_process_whatever_they_are(
        processes in prop::collection::vec(
            (any::<prop::sample::Index>(), text(), any::<Option<u16>>(), 0..1_u64 << 50), 1..40),
        width in prop::option::of(0_usize..200),
    ) {
        let tree = tree_of(&processes);
        let window = width.map(|columns| Window { columns, lines: 24 });
        let text = printed_tree(&TreeTable::new(false, true), &tree, window);
        let lines: Vec<_> = text.lines().skip(1).take_while(|line| !line.is_empty()).collect();
        prop_assert_eq!(lines.len(), processes.len());
        for line in lines {
            prop_assert!(width.is_none_or(|width| line.width() <= width.max(80)), "{line:?}");
        }
        // The mark that keeps a line in its order is ours.
        let text = text.replace('\u{200e}', "");
        prop_assert!(!text.contains(|c: char| c != '\n' && c.is_control() || is_unseen(c)));

        let json = printed_tree(&TreeJson, &tree, None);
        let lines: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        prop_assert_eq!(lines.len(), processes.len() + 1);
        for (line, (_, argv, ..)) in lines.iter().zip(&processes) {
            let program = Program::new(None, argv.clone(), argv.len());
            let args: Vec<_> = program.args().map(String::from_utf8_lossy).collect();
            prop_assert_eq!(&line["args"], &serde_json::json!(args));
        }
        let failed = text.lines().filter(|line| line.contains("  pid ")).count();
        let all = lines[processes.len()]["failed"].as_u64();
        prop_assert!(all.is_some_and(|all| all <= failed as u64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_bytes_of_the_right_size_decode_or_are_refused(
        key in prop::collection::vec(any::<u8>(), KEY),
        value in prop::collection::vec(any::<u8>(), VALUE),
        event in 0_u32..4,
    ) {
        let mut key = key;
        key[16..20].copy_from_slice(&event.to_ne_bytes());
        match decode(&key, &value) {
            Ok(Record { kind: Kind::Exec(program), .. }) => {
                prop_assert_eq!(event, 0);
                prop_assert!(program.args().map(|arg| arg.len() + 1).sum::<usize>() <= VALUE);
            }
            Ok(Record { kind: Kind::Exit { .. }, .. }) => prop_assert_eq!(event, 1),
            Err(_) => prop_assert!(event > 1),
        }
    }

    #[test]
    fn bytes_of_any_other_size_are_refused(
        key in prop::collection::vec(any::<u8>(), 0..2 * KEY),
        value in prop::collection::vec(any::<u8>(), 0..2 * VALUE),
    ) {
        prop_assume!((key.len(), value.len()) != (KEY, VALUE));
        prop_assert!(decode(&key, &value).is_err());
    }

    #[test]
    fn a_line_of_the_table_is_one_line_without_controls(
        argv in text(), comm in text(), status in any::<i32>(), truncated: bool,
        width in prop::option::of(0_usize..200), ancestors: bool,
        charset in prop::sample::select(&[Charset::Utf8, Charset::Ascii][..]),
        time in prop::sample::select(&[TimeStyle::Local, TimeStyle::Date, TimeStyle::None][..]),
    ) {
        let program = Program::new(None, argv.clone(), argv.len() + usize::from(truncated));
        let window = width.map(|columns| Window { columns, lines: 24 });
        let mut table = EventsTable::new(TimeColumn::new(time, 0), false, ancestors);
        let text = printed(&mut table, window, charset, &program, &comm, status);
        let text = text.strip_suffix('\n').expect("a line");
        let (header, line) = text.split_once('\n').expect("a header before it");
        prop_assert!(!line.contains(char::is_control), "{line:?}");
        prop_assert!(!line.contains(['\u{2028}', '\u{2029}']), "{line:?}");
        prop_assert!(!line.contains(is_unseen), "{line:?}");
        for line in [header, line] {
            prop_assert!(width.is_none_or(|width| line.width() <= width.max(20)), "{line:?}");
            prop_assert!(charset == Charset::Utf8 || line.is_ascii(), "{line:?}");
        }
    }

    #[test]
    fn losses_in_the_stream_add_up_to_the_closing_account(
        counts in prop::collection::vec(any::<[u16; 6]>(), 0..20),
    ) {
        let mut totals = LossTotals::default();
        let mut stream = Vec::new();
        let mut out = Output { to: &mut stream, clock: WallClock::default(), window: None, charset: Charset::Utf8 };
        let mut events = EventsJson::default();
        let mut before = Loss::default();
        for now in &counts {
            let [dropped_execs, dropped_exits, missed_execs_at_most, missed_exits_at_most,
                dropped_forks, missed_forks_at_most] = now.map(u64::from);
            let now = Loss {
                dropped_execs, dropped_exits, missed_execs_at_most, missed_exits_at_most,
                dropped_forks, missed_forks_at_most,
            };
            let since = totals.grow_to(now);
            if !since.is_none() {
                events.loss(&mut out, &since, 1).expect("memory");
            }
            // A total never shrinks, whatever the counts do.
            let total = totals.total();
            prop_assert!(total.dropped_execs >= before.dropped_execs.max(now.dropped_execs));
            prop_assert!(total.missed_exits_at_most >= before.missed_exits_at_most);
            before = total;
        }
        let account = account_of(totals.total());
        WatchJson.account(&mut out, &account).expect("memory");
        let text = String::from_utf8(stream).expect("UTF-8");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let (end, losses) = lines.split_last().expect("the end at least");
        for count in
            ["dropped_execs", "dropped_exits", "missed_execs_at_most", "missed_exits_at_most",
            "dropped_forks", "missed_forks_at_most"]
        {
            let sum = losses.iter().filter_map(|loss| loss[count].as_u64()).sum::<u64>();
            prop_assert_eq!(Some(sum), end[count].as_u64());
        }
    }

    #[test]
    fn a_line_of_json_parses_to_what_was_put_in(
        argv in text(), comm in text(), filename in prop::option::of(text()), status in any::<i32>(),
        truncated: bool,
    ) {
        let size = argv.len() + usize::from(truncated);
        let program = Program::new(filename, argv, size);
        let args: Vec<_> = program.args().map(String::from_utf8_lossy).collect();
        let json = &mut EventsJson::default();
        let line = printed(json, None, Charset::Utf8, &program, &comm, status);
        let printed = line.trim_end_matches('\n');
        prop_assert!(!printed.contains(|c: char| c.is_control() || is_unseen(c)), "{line:?}");
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        prop_assert_eq!(&value["args"], &serde_json::json!(args));
        prop_assert_eq!(&value["comm"], &serde_json::json!(String::from_utf8_lossy(&comm)));
        prop_assert_eq!(value["exit_code"].is_null(), !value["signal"].is_null());
    }
}
