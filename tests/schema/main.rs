//! The schemas of the JSON: they allow what the reports print of any event, and little else, and
//! docs/json.md tells of each field. The kernel tests hold each of their lines against them, too.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

#[path = "../support/schema.rs"]
mod schema;

use std::collections::BTreeSet;

use kernel_and_user_map::process::event::{Event, EventKind, Names};
use kernel_and_user_map::process::loss::Loss;
use kernel_and_user_map::process::record::{Common, ProcessId, Program, Usage};
use kernel_and_user_map::process::wait_status::Outcome;
use kernel_and_user_map::process::wall_clock::WallClock;
use kernel_and_user_map::report::charset::Charset;
use kernel_and_user_map::report::closing_account::ClosingAccount;
use kernel_and_user_map::report::events_ecs::EventsEcs;
use kernel_and_user_map::report::events_json::EventsJson;
use kernel_and_user_map::report::watch_json::WatchJson;
use kernel_and_user_map::report::{Begin, Output, Report};
use proptest::prelude::*;
use schema::assert_allowed;
use serde_json::{Value, json};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// All that a report prints of a watch, as objects.
fn printed(
    report: &mut dyn Report,
    clock: WallClock,
    event: &Event<'_>,
    names: &Names,
    loss: Loss,
) -> Vec<Value> {
    let boot_id = Some("8f9b4f7e-5a0e-4c3e-8d57-3cc1a4f0f0a4".into());
    let begin = Begin { boot_id, kernel_release: "6.12.48".into(), ..Begin::default() };
    let account =
        ClosingAccount { end: event.time, loss, capacity: 64, ..ClosingAccount::default() };
    let mut bytes = Vec::new();
    let mut out = Output { to: &mut bytes, clock, window: None, charset: Charset::Utf8 };
    report.begin(&mut out, &begin).expect("memory");
    report.event(&mut out, event, names).expect("memory");
    report.loss(&mut out, &loss, event.time).expect("memory");
    report.account(&mut out, &account).expect("memory");
    let text = String::from_utf8(bytes).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Texts that a user may choose.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[ -~]{0,20}".prop_map(String::into_bytes)
    ]
}

fn kinds() -> impl Strategy<Value = EventKind> {
    let usage = (any::<u64>(), any::<Option<u64>>(), any::<u64>(), any::<Option<u64>>()).prop_map(
        |(cpu_ns, max_rss_kib, major_faults, bytes)| Usage {
            cpu_ns,
            max_rss_kib,
            major_faults,
            read_bytes: bytes,
            write_bytes: bytes,
        },
    );
    let exit = (any::<u16>(), any::<u64>(), usage).prop_map(|(status, duration, usage)| {
        let outcome = Some(Outcome::from_wait_status(status.into()));
        EventKind::Exit { outcome, duration: Some(duration), usage: Some(usage) }
    });
    let lost = EventKind::Exit { outcome: None, duration: None, usage: None };
    prop_oneof![Just(EventKind::Exec), exit, Just(lost)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_is_printed_of_any_event_is_allowed(
        kind in kinds(), [time, start_time, cgroup_id] in any::<[u32; 3]>(),
        [uid, gid, exec_id] in any::<[u32; 3]>(),
        [pid, ppid, started_by] in prop::array::uniform3(0_u32..=4_194_304),
        comm in bytes(), parent in prop::option::of(bytes()),
        program in prop::option::of((prop::option::of(bytes()), bytes(), any::<bool>())),
        forked: bool, has_names: bool, lost: u16,
    ) {
        let cgroup_id = cgroup_id.into();
        let parent_start = parent.as_ref().map(|_| 12);
        let comm = comm.into();
        let common = Common {
            ppid, uid, gid, started_by, cgroup_id, comm, parent_start, ..Common::default()
        };
        let program = program.map(|(filename, argv, is_cut)| {
            let size = argv.len() + usize::from(is_cut);
            Program::new(filename, argv, size)
        });
        let event = Event {
            kind,
            time: u64::from(time) << 30,
            process: ProcessId { pid: pid.max(1), start_time: u64::from(start_time) << 30 },
            exec_id,
            common: &common,
            parent: parent.as_deref(),
            program: program.as_ref(),
            forked,
            origin: &common,
        };
        let names = if has_names {
            Names { user: Some("alice".into()), cgroup: Some(format!("/docker/{ID}").into()) }
        } else {
            Names::default()
        };
        let loss = Loss { dropped_execs: lost.into(), ..Loss::default() };
        let clock = WallClock::new(1_700_000_000_000_000_000);
        let watch = printed(&mut WatchJson, clock, &event, &names, loss);
        let events = printed(&mut EventsJson::default(), clock, &event, &names, loss);
        let ecs = printed(&mut EventsEcs::default(), clock, &event, &names, loss);
        prop_assert_eq!([watch.len(), events.len(), ecs.len()], [2, 2, 4]);
        for line in watch.iter().chain(&events).chain(&ecs) {
            assert_allowed(line);
        }
    }
}

/// A line of each format, which its schema allows.
fn examples() -> [Value; 2] {
    let common = Common { ppid: 1, comm: (*b"ls").into(), ..Common::default() };
    let program = Program::new(Some(b"/bin/ls".to_vec()), b"ls\0".to_vec(), 3);
    let kind = EventKind::Exit {
        outcome: Some(Outcome::Exited(0)),
        duration: Some(5),
        usage: Some(Usage::default()),
    };
    let event = Event {
        kind,
        time: 9,
        process: ProcessId { pid: 7, start_time: 4 },
        exec_id: 1,
        common: &common,
        parent: Some(b"sh"),
        program: Some(&program),
        forked: false,
        origin: &common,
    };
    let line = |report: &mut dyn Report, nth| {
        printed(report, WallClock::default(), &event, &Names::default(), Loss::default())
            .swap_remove(nth)
    };
    [line(&mut EventsJson::default(), 0), line(&mut EventsEcs::default(), 1)]
}

#[test]
fn a_line_that_is_not_as_it_should_be_is_refused() {
    let [event, ecs] = examples();
    for (validator, line, wrong) in [
        (
            schema::events(),
            &event,
            vec![
                ("/pid", json!("7")),
                ("/pid", json!(-7)),
                ("/time", json!("2026-11-23 06:46:57")),
                ("/time_ns", json!(1.5)),
                ("/exit_code", json!(256)),
                ("/exit_code", Value::Null),
                ("/signal", json!("SIGKILL")),
                ("/event", json!("exec")),
                ("/event", json!("other")),
                ("/cgroup", json!("a")),
            ],
        ),
        (
            schema::ecs(),
            &ecs,
            vec![
                ("/process/pid", json!("7")),
                ("/process/args", json!("ls")),
                ("/user/id", json!(0)),
                ("/event/kind", json!("state")),
                ("/event/type", json!("end")),
                ("/event/action", json!("watch-end")),
                ("/@timestamp", json!(9)),
                ("/host", json!("alpha")),
            ],
        ),
    ] {
        assert_allowed(line);
        for (pointer, value) in wrong {
            let mut line = line.clone();
            *line.pointer_mut(pointer).expect(pointer) = value;
            assert!(!validator.is_valid(&line), "{pointer}: {line}");
        }
        // Nothing more, and nothing less: at each level.
        let mut paths = vec![String::new()];
        while let Some(path) = paths.pop() {
            let fields = line.pointer(&path).expect("its own").as_object().expect("an object");
            let mut more = line.clone();
            more.pointer_mut(&path).expect("the same")["more"] = json!(1);
            assert!(!validator.is_valid(&more), "a field that nobody knows: {more}");
            for (name, value) in fields {
                if value.is_object() {
                    paths.push(format!("{path}/{name}"));
                }
            }
        }
    }
    for field in event.as_object().expect("an object").keys() {
        let mut less = event.clone();
        less.as_object_mut().expect("an object").remove(field);
        assert!(!schema::events().is_valid(&less), "without {field}");
    }
}

/// The names of all fields below some part of a schema.
fn fields_of(schema: &Value, prefix: &str, fields: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            for (key, part) in parts {
                let Some(properties) = part.as_object().filter(|_| key == "properties") else {
                    fields_of(part, prefix, fields);
                    continue;
                };
                for (name, field) in properties {
                    fields.insert(format!("{prefix}{name}"));
                    fields_of(field, prefix, fields);
                }
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| fields_of(part, prefix, fields)),
        _ => {}
    }
}

/// The fields of the Elastic Common Schema with their types, by their dotted names.
fn typed_fields(schema: &Value, path: &str, fields: &mut Vec<(String, String)>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{name}");
        match field["$comment"].as_str() {
            Some(r#type) => fields.push((path, r#type.to_owned())),
            None => typed_fields(field, &format!("{path}."), fields),
        }
    }
}

const DOCUMENT: &str = include_str!("../../docs/json.md");

#[test]
fn the_lines_in_the_document_are_allowed_and_their_times_agree() {
    let lines: Vec<_> = DOCUMENT.lines().filter(|line| line.starts_with('{')).collect();
    assert!(lines.len() >= 6, "{lines:?}");
    for line in lines {
        let line: Value = serde_json::from_str(line).expect(line);
        assert_allowed(&line);
        for (name, ns) in line.as_object().expect("an object") {
            let Some(time) = name.strip_suffix("_ns").and_then(|name| line[name].as_str()) else {
                continue;
            };
            let time: jiff::Timestamp = time.parse().expect("a time");
            assert_eq!(ns.as_i64().map(i128::from), Some(time.as_nanosecond()), "{name}: {line}");
        }
    }
}

#[test]
fn the_document_tells_of_each_field() {
    let document = DOCUMENT;
    let parse = |text| serde_json::from_str::<Value>(text).expect("JSON");
    let mut fields = BTreeSet::new();
    fields_of(&parse(schema::EVENTS), "", &mut fields);
    assert!(fields.len() > 70, "{fields:?}");
    for field in fields {
        assert!(document.contains(&format!("`{field}`")), "docs/json.md does not name {field}");
    }
    let mut fields = Vec::new();
    typed_fields(&parse(schema::ECS), "", &mut fields);
    assert!(fields.len() > 30, "{fields:?}");
    for (field, r#type) in fields {
        let row = format!("| `{field}` | {type} |");
        assert!(document.contains(&row), "docs/json.md has no row {row}");
    }
}
