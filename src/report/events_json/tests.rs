use std::rc::Rc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::process::ancestors::Ancestor;
use crate::process::record::{Common, ProcessId, Program, Usage};
use crate::process::wait_status::Outcome;
use crate::process::wall_clock::WallClock;
use crate::report::charset::Charset;

fn print(kind: EventKind, program: Option<&Program>) -> (String, Value) {
    print_with(None, kind, program)
}

fn print_with(
    ancestors: Option<Rc<[Ancestor]>>,
    kind: EventKind,
    program: Option<&Program>,
) -> (String, Value) {
    let common = Common {
        ppid: 1,
        uid: 1000,
        gid: 100,
        started_by: 3,
        cgroup_id: 5,
        comm: (*b"ls").into(),
        parent_comm: None,
        parent_start: None,
        ancestors,
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
    let names = Names { user: None, cgroup: Some("/a".into()) };
    let mut bytes = Vec::new();
    let mut out = Output {
        to: &mut bytes,
        clock: WallClock::default(),
        window: None,
        charset: Charset::Utf8,
    };
    assert!(EventsJson::default().event(&mut out, &event, &names).expect("memory"));
    let text = String::from_utf8(bytes).expect("UTF-8");
    let value = serde_json::from_str(&text).expect("JSON");
    (text, value)
}

#[test]
fn an_exec_has_its_fields_and_no_others() {
    let program = Program::new(Some(b"/bin/ls".to_vec()), b"ls\0a b\0\0".to_vec(), 8);
    let (text, mut value) = print(EventKind::Exec, Some(&program));
    assert!(text.ends_with("}\n") && text.matches('\n').count() == 1);
    let time = value["time"].take();
    let start_time = value["start_time"].take();
    assert_eq!(
        value,
        json!({
            "event": "exec", "time": null, "time_ns": 1_500_000_001, "pid": 7, "ppid": 1, "started_by": 3, "parent": "init",
            "uid": 1000, "gid": 100, "user": null, "comm": "ls", "filename": "/bin/ls", "filename_truncated": false,
            "args": ["ls", "a b", ""], "args_truncated": false, "forked": false, "start_time": null,
            "start_time_ns": 1_000_000_000, "exec_id": 3, "cgroup_id": 5, "cgroup": "/a", "container_id": null,
        })
    );
    let parse = |time: &Value| time.as_str().and_then(|time| time.parse::<Timestamp>().ok());
    let (time, start_time) = (parse(&time), parse(&start_time));
    let elapsed = time.zip(start_time).map(|(time, start)| time.duration_since(start));
    assert_eq!(elapsed.map(|elapsed| elapsed.as_nanos()), Some(500_000_001));
}

#[test]
fn ancestors_are_there_where_they_are_asked_for() {
    let chain = [(9, &b"b\xff"[..]), (1, b"init")];
    let ancestors = chain.map(|(pid, comm)| Ancestor { pid, comm: comm.into() });
    let (_, value) = print_with(Some(ancestors.into()), EventKind::Exec, None);
    assert_eq!(
        value["ancestors"],
        json!([{"pid": 9, "comm": "b\u{fffd}", "comm_raw": "Yv8="}, {"pid": 1, "comm": "init"}])
    );
    let (_, value) = print_with(Some([].into()), EventKind::Exec, None);
    assert_eq!(value["ancestors"], json!([]));
}

#[test]
fn an_exit_tells_code_or_signal() {
    let exit = |status| EventKind::Exit {
        outcome: Some(Outcome::from_wait_status(status)),
        duration: Some(9),
        usage: Some(Usage {
            cpu_ns: 4,
            max_rss_kib: Some(8),
            write_bytes: Some(5),
            ..Usage::default()
        }),
    };
    let (_, code) = print(exit(3 << 8), None);
    assert_eq!(code["event"], "exit");
    assert_eq!(code["exit_code"], 3);
    assert_eq!(code["duration_ns"], 9);
    assert_eq!((&code["cpu_ns"], &code["max_rss_kib"]), (&json!(4), &json!(8)));
    assert_eq!((&code["read_bytes"], &code["write_bytes"]), (&Value::Null, &json!(5)));
    assert_eq!((&code["signal"], &code["core_dumped"]), (&Value::Null, &json!(false)));
    assert!(code["args"].is_null() && code["filename"].is_null());

    let (_, killed) = print(exit(11 | 0x80), None);
    assert_eq!(killed["signal"], "SIGSEGV");
    assert_eq!((&killed["exit_code"], &killed["core_dumped"]), (&Value::Null, &json!(true)));
}

#[test]
fn a_lost_exit_has_nulls() {
    let (text, _) = print(EventKind::Exit { outcome: None, duration: None, usage: None }, None);
    assert!(text.contains(r#""duration_ns":null,"exit_code":null,"signal":null"#), "{text}");
}

#[test]
fn no_control_character_gets_through() {
    let program = Program::new(None, b"\n\x1b\x7f\xc2\x9b\xff\0".to_vec(), 7);
    let (text, value) = print(EventKind::Exec, Some(&program));
    assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    assert_eq!(value["args"], json!(["\n\u{1b}\u{7f}\u{9b}\u{fffd}"]));
    // What is lost in the text is in base64 beside it, and only then.
    assert_eq!(value["args_raw"], json!(["Cht/wpv/"]));
    assert!(value.get("comm_raw").is_none());
}
