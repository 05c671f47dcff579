//! What `kernel_and_user_map -o json` has written.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use crate::process::{Process, Processes, Program};

/// The processes, and the account of the watch.
pub fn read(stream: &str) -> (Processes, Value) {
    let mut by_start = BTreeMap::<(u32, String), Process>::new();
    let mut account = Value::Null;
    for line in stream.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let kind = event["event"].as_str().expect("a kind");
        match kind {
            "end" => account = event,
            "exec" | "exit" => {
                let key = (number(&event["pid"]), text(&event["start_time"]).to_owned());
                let started_by = event.get("started_by").map(number);
                let new = || Process { started_by, ..Process::default() };
                let process = by_start.entry(key).or_insert_with(new);
                assert_eq!(process.started_by, started_by, "{event}");
                if kind == "exec" {
                    process.programs.push(program(&event).expect("an exec tells it"));
                } else {
                    assert!(event["forked"] == false || process.programs.is_empty(), "{event}");
                    process.ended_as = program(&event);
                    process.end = Some(end(&event));
                }
            }
            _ => {}
        }
    }
    let mut processes = Processes::new();
    for ((pid, _), process) in by_start {
        processes.entry(pid).or_default().push(process);
    }
    assert!(account.is_object(), "the stream has no end");
    (processes, account)
}

/// `None` where it is not known: of the child of a process that has not ended yet, and has called
/// no exec.
fn program(event: &Value) -> Option<Program> {
    let args = match event.get("args_raw") {
        Some(args) => args.as_array()?.iter().map(raw).collect(),
        None => event["args"].as_array()?.iter().map(bytes).collect(),
    };
    Some(Program {
        filename: event.get("filename_raw").map_or_else(|| bytes(&event["filename"]), raw),
        args,
        is_filename_cut: event["filename_truncated"] == true,
        are_args_cut: event["args_truncated"] == true,
    })
}

fn bytes(value: &Value) -> Vec<u8> {
    text(value).as_bytes().to_vec()
}

fn raw(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(text(value)).expect("base64")
}

/// As strace says it.
fn end(event: &Value) -> String {
    match event["signal"].as_str() {
        Some(signal) if event["core_dumped"] == true => format!("killed by {signal} (core dumped)"),
        Some(signal) => format!("killed by {signal}"),
        None => format!("exited with {}", event["exit_code"]),
    }
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).expect("a small number")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
