use serde_json::{Value, json};

use super::*;
use crate::process::record::Common;
use crate::report::charset::Charset;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn report(out: &mut Output<'_>) -> EventsEcs {
    let begin = Begin {
        host_name: "alpha".into(),
        boot_id: Some("b007".into()),
        kernel_release: "6.12.48".into(),
        ..Begin::default()
    };
    let mut report = EventsEcs::default();
    report.begin(out, &begin).expect("memory");
    report
}

/// The lines that a report prints of a watch.
fn printed(print: impl FnOnce(&mut EventsEcs, &mut Output<'_>)) -> Vec<Value> {
    let mut bytes = Vec::new();
    let mut out = Output {
        to: &mut bytes,
        clock: WallClock::default(),
        window: None,
        charset: Charset::Utf8,
    };
    let mut report = report(&mut out);
    print(&mut report, &mut out);
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text:?}");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The line of one event.
fn line_of(kind: EventKind, comm: &[u8], program: Option<&Program>) -> Value {
    let comm = comm.into();
    let common = Common {
        ppid: 1,
        uid: 1000,
        gid: 100,
        cgroup_id: 5,
        comm,
        parent_start: Some(12),
        ..Common::default()
    };
    let event = Event {
        kind,
        time: 1_500_000_001,
        process: ProcessId { pid: 7, start_time: 1_000_000_000 },
        exec_id: 3,
        common: &common,
        parent: Some(b"init"),
        program,
        forked: false,
        origin: &common,
    };
    let cgroup = Some(format!("/docker/{ID}").into());
    let names = Names { user: Some("alice".into()), cgroup };
    let lines = printed(|report, out| {
        assert!(report.event(out, &event, &names).expect("memory"));
    });
    lines.into_iter().next_back().expect("a line")
}

fn program(filename: &[u8], argv: &[u8]) -> Program {
    Program::new(Some(filename.to_vec()), argv.to_vec(), argv.len())
}

#[test]
fn an_exec_has_its_fields_and_no_others() {
    let line = line_of(EventKind::Exec, b"ls", Some(&program(b"/bin/ls", b"ls\0a b\0\0")));
    assert_eq!(
        line,
        json!({
            "@timestamp": "1970-01-01T00:00:01.500000001Z",
            "ecs": { "version": "8.17.0" },
            "event": {
                "kind": "event", "category": ["process"], "type": ["start"], "action": "exec",
                "outcome": "success", "sequence": 2, "module": "kernel_and_user_map",
                "dataset": "kernel_and_user_map.process",
            },
            "process": {
                "pid": 7, "entity_id": "b007-7-1000000000", "name": "ls", "executable": "/bin/ls",
                "args": ["ls", "a b", ""], "args_count": 3, "command_line": "ls a b ",
                "start": "1970-01-01T00:00:01.000000000Z",
                "parent": { "pid": 1, "entity_id": "b007-1-12", "name": "init" },
            },
            "user": { "id": "1000", "name": "alice" },
            "group": { "id": "100" },
            "container": { "id": ID },
            "host": { "name": "alpha", "boot": { "id": "b007" }, "os": { "kernel": "6.12.48" } },
            "kernel_and_user_map":
                { "exec_id": 3, "cgroup_id": 5, "cgroup": format!("/docker/{ID}") },
        })
    );
}

#[test]
fn an_exit_tells_when_and_how() {
    let exit = |status| {
        let outcome = Some(Outcome::from_wait_status(status));
        let usage = Some(Usage { cpu_ns: 4, max_rss_kib: Some(8), ..Usage::default() });
        line_of(EventKind::Exit { outcome, duration: Some(500_000_001), usage }, b"ls", None)
    };
    let failed = exit(3 << 8);
    assert_eq!(failed["event"]["type"], json!(["end"]));
    assert_eq!(
        (&failed["event"]["action"], &failed["event"]["outcome"]),
        (&json!("exit"), &json!("failure"))
    );
    assert_eq!(failed["event"]["duration"], 500_000_001);
    assert_eq!(failed["event"]["start"], failed["process"]["start"]);
    assert_eq!(failed["event"]["end"], failed["process"]["end"]);
    assert_eq!(failed["process"]["end"], failed["@timestamp"]);
    assert_eq!(failed["process"]["exit_code"], 3);
    let own = &failed["kernel_and_user_map"];
    assert_eq!((&own["cpu_ns"], &own["max_rss_kib"]), (&json!(4), &json!(8)));
    assert!(own.get("read_bytes").is_none() && failed["process"].get("args").is_none());

    assert_eq!(exit(0)["event"]["outcome"], "success");
    let killed = exit(11 | 0x80);
    assert_eq!(killed["event"]["outcome"], "failure");
    let own = &killed["kernel_and_user_map"];
    assert_eq!((&own["signal"], &own["core_dumped"]), (&json!("SIGSEGV"), &json!(true)));
    assert!(killed["process"].get("exit_code").is_none());
}

#[test]
fn an_exit_that_was_lost_has_no_end() {
    let lost = line_of(EventKind::Exit { outcome: None, duration: None, usage: None }, b"ls", None);
    assert_eq!(lost["event"]["outcome"], "unknown");
    for field in ["start", "end", "duration"] {
        assert!(lost["event"].get(field).is_none(), "{lost}");
    }
    assert!(lost["process"].get("end").is_none(), "{lost}");
}

#[test]
fn a_name_that_the_kernel_has_cut_is_that_of_the_file() {
    let line =
        |comm: &[u8], path: &[u8]| line_of(EventKind::Exec, comm, Some(&program(path, b"x\0")));
    let whole = line(b"systemd-network", b"/lib/systemd/systemd-networkd");
    assert_eq!(whole["process"]["name"], "systemd-networkd");
    assert_eq!(whole["kernel_and_user_map"]["comm"], "systemd-network");
    let other = line(b"sh", b"/usr/bin/sharp");
    assert_eq!(other["process"]["name"], "sh");
    assert!(other["kernel_and_user_map"].get("comm").is_none());
}

#[test]
fn a_file_is_the_executable_only_where_its_whole_path_is_known() {
    let relative = line_of(EventKind::Exec, b"x", Some(&program(b"./x", b"x\0")));
    assert!(relative["process"].get("executable").is_none(), "{relative}");
    assert_eq!(relative["kernel_and_user_map"]["filename"], "./x");
    let mut cut = program(b"/very/long", b"x\0");
    cut.filename_truncated = true;
    let cut = line_of(EventKind::Exec, b"x", Some(&cut));
    assert!(cut["process"].get("executable").is_none(), "{cut}");
    assert_eq!(cut["kernel_and_user_map"]["filename_truncated"], true);
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let line = line_of(EventKind::Exec, b"\xfe", Some(&program(b"/\xff", b"\n\x1b\xff\0")));
    let own = &line["kernel_and_user_map"];
    assert_eq!((&own["comm_raw"], &own["filename_raw"]), (&json!("/g=="), &json!("L/8=")));
    assert_eq!(own["args_raw"], json!(["Chv/"]));
    assert_eq!(line["process"]["args"], json!(["\n\u{1b}\u{fffd}"]));
}

#[test]
fn the_watch_tells_of_itself() {
    let loss = Loss { dropped_execs: 3, ..Loss::default() };
    let lines = printed(|report, out| {
        report.loss(out, &loss, 5).expect("memory");
        let account = ClosingAccount { end: 9, loss, capacity: 64, ..ClosingAccount::default() };
        report.account(out, &account).expect("memory");
    });
    let told: Vec<_> = lines.iter().map(|line| &line["event"]).collect();
    for (event, (action, kind)) in told.iter().zip([
        ("watch-begin", "state"),
        ("watch-loss", "metric"),
        ("watch-end", "metric"),
    ]) {
        assert_eq!((&event["action"], &event["kind"]), (&json!(action), &json!(kind)));
    }
    assert_eq!(
        told.iter().map(|event| event["sequence"].as_u64()).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3)]
    );
    let own = |index: usize| &lines[index]["kernel_and_user_map"];
    assert_eq!(*own(0), json!({ "version": env!("CARGO_PKG_VERSION") }));
    assert_eq!(own(1)["dropped_execs"], 3);
    assert_eq!((&own(2)["dropped_execs"], &own(2)["capacity"]), (&json!(3), &json!(64)));
}
