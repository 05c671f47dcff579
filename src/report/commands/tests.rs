use super::*;
use crate::process::event::EventKind;
use crate::process::record::Common;
use crate::process::wait_status::Outcome;
use crate::process::wall_clock::WallClock;
use crate::report::TimeStyle;
use crate::report::charset::Charset;

const SECOND: u64 = 1_000_000_000;

/// What two periods print, with one command that starts and fails in the first.
fn printed(as_json: bool, window: Option<Window>) -> String {
    let mut bytes = Vec::new();
    let mut out =
        Output { to: &mut bytes, clock: WallClock::default(), window, charset: Charset::Utf8 };
    let mut report = Commands::new(as_json, TimeColumn::new(TimeStyle::Utc, 0), false);
    let common = Common { comm: b"\x1b[2Jsh"[..].into(), ..Common::default() };
    let event = |kind| Event {
        kind,
        time: SECOND,
        process: ProcessId { pid: 7, start_time: 0 },
        exec_id: 0,
        common: &common,
        parent: None,
        program: None,
        forked: false,
        origin: &common,
    };
    let outcome = Some(Outcome::Exited(1));
    let exit = EventKind::Exit { outcome, duration: Some(SECOND * 3 / 2), usage: None };
    for kind in [EventKind::Exec, exit] {
        report.event(&mut out, &event(kind), &Names::default()).expect("memory");
    }
    for time in [2 * SECOND, 3 * SECOND] {
        report.period(&mut out, &[], time).expect("memory");
    }
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_table_is_a_block_with_a_time() {
    let text = printed(false, None);
    let row = r"      0      0.5      0.5     0.0    1.5 s    1.5 s  $'\x1B[2Jsh'";
    let expected = format!("00:00:02.000\n{HEADER}\n{row}\n\n00:00:03.000\n{HEADER}\n\n");
    assert_eq!(text, expected);
    let narrow = printed(false, Some(Window { columns: 60, lines: 5 }));
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
}

#[test]
fn a_period_is_an_object() {
    let text = printed(true, None);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let first = &lines[0]["commands"][0];
    assert_eq!((lines.len(), lines[0]["span_ns"].as_u64()), (2, Some(2 * SECOND)));
    assert_eq!((&first["comm"], &first["failures"]), (&"\x1b[2Jsh".into(), &1.into()));
    assert_eq!(lines[1]["commands"], serde_json::json!([]), "nothing ran");
}
