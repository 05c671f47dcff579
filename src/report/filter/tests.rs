use super::*;
use crate::process::record::{Common, ProcessId, Program};

fn passes(filter: &Filter, kind: EventKind) -> bool {
    let program = Program::new(None, b"make\0all\0".to_vec(), 9);
    let common = |uid, comm: &[u8]| Common { ppid: 3, uid, comm: comm.into(), ..Common::default() };
    let event = Event {
        kind,
        time: 0,
        process: ProcessId { pid: 7, start_time: 0 },
        exec_id: 0,
        common: &common(0, b"renamed"),
        parent: None,
        program: Some(&program),
        forked: false,
        origin: &common(1000, b"make"),
    };
    filter.passes(&event, Some("/system.slice"))
}

fn exit(status: i32, duration: u64) -> EventKind {
    let outcome = Some(Outcome::from_wait_status(status));
    EventKind::Exit { outcome, duration: Some(duration), usage: None }
}

#[test]
fn a_process_passes_with_both_its_events_or_with_none() {
    let all = Filter::default;
    let name = |name: &str| vec![Regex::new(name).expect("a regex")];
    for (filter, expected) in [
        (all(), true),
        (Filter { users: vec![1000], ..all() }, true),
        (Filter { users: vec![0], ..all() }, false),
        (Filter { pids: vec![7], ..all() }, true),
        (Filter { pids: vec![8, 7], ..all() }, true),
        (Filter { pids: vec![8], ..all() }, false),
        (Filter { users: vec![0, 1000], ..all() }, true),
        (Filter { ppids: vec![3], ..all() }, true),
        (Filter { ppids: vec![8, 3], ..all() }, true),
        (Filter { ppids: vec![7], ..all() }, false),
        (Filter { names: name("^make$"), ..all() }, true),
        (Filter { names: name("^make all$"), ..all() }, true),
        (Filter { names: name("renamed"), ..all() }, false),
        (Filter { cgroups: vec!["/system.slice".into()], ..all() }, true),
        (Filter { names: [name("no"), name("^make$")].concat(), ..all() }, true),
        (Filter { excluded: name("all"), ..all() }, false),
        (Filter { excluded: [name("no"), name("^make$")].concat(), ..all() }, false),
        (Filter { excluded: name("no"), names: name("make"), ..all() }, true),
        (Filter { cgroups: vec!["/user.slice".into()], ..all() }, false),
        (Filter { cgroups: vec!["/user.slice".into(), "/".into()], ..all() }, true),
        (Filter { containers: vec!["0123".into()], ..all() }, false),
    ] {
        assert_eq!(passes(&filter, EventKind::Exec), expected, "{filter:?}");
        assert_eq!(passes(&filter, exit(0, 5)), expected, "{filter:?}");
    }
}

#[test]
fn questions_about_exits_hide_the_execs() {
    let failed = Filter { failed: true, ..Filter::default() };
    assert!(!passes(&failed, EventKind::Exec));
    assert!(!passes(&failed, exit(0, 5)));
    assert!(passes(&failed, exit(3 << 8, 5)));
    assert!(passes(&failed, exit(9, 5)));
    let lost = EventKind::Exit { outcome: None, duration: None, usage: None };
    assert!(passes(&failed, lost));
    let min_duration = Some(Duration::from_millis(1));
    let long = Filter { min_duration, ..Filter::default() };
    assert!(!passes(&long, EventKind::Exec));
    assert!(!passes(&long, exit(0, 999_999)));
    assert!(passes(&long, exit(0, 1_000_000)));
    for (name, of_exec, of_exit) in [(EventName::Exec, true, false), (EventName::Exit, false, true)]
    {
        let only = Filter { event: Some(name), ..Filter::default() };
        assert_eq!(passes(&only, EventKind::Exec), of_exec);
        assert_eq!(passes(&only, exit(0, 5)), of_exit);
    }
}

#[test]
fn codes_and_signals_are_one_question() {
    let asked = Filter { exit_codes: vec![3..=3, 10..=20], signals: vec![9], ..Filter::default() };
    assert!(!passes(&asked, EventKind::Exec));
    for (status, expected) in
        [(0, false), (3 << 8, true), (9 << 8, false), (10 << 8, true), (9, true), (15, false)]
    {
        assert_eq!(passes(&asked, exit(status, 5)), expected, "{status}");
    }
    let lost = EventKind::Exit { outcome: None, duration: None, usage: None };
    assert!(!passes(&asked, lost));
}
