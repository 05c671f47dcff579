//! What `kernel_and_user_map --view tree -o json` has written.

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
            "process" => {
                let key = (number(&event["pid"]), text(&event["start_time"]).to_owned());
                let programs = match event["programs"].as_array() {
                    Some(programs) => programs.iter().filter_map(program).collect(),
                    None if event["forked"] == true => Vec::new(),
                    None => Vec::from_iter(program(&event)),
                };
                let started_by = Some(&event["parent_pid"]).filter(|pid| !pid.is_null());
                let process = Process {
                    started_by: started_by.map(number),
                    programs,
                    ended_as: program(&event),
                    end: Some(end(&event)),
                };
                assert!(by_start.insert(key, process).is_none(), "twice: {event}");
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

/// `None` where it is not known.
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
