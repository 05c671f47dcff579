//! Who started a process, and who started those, up to init.

use std::fs;

use serde_json::{Value, json};

use crate::support::processes::{actor, play};
use crate::support::truth::Truth;
use crate::support::watcher::{Tracefs, Watcher, run_to_end, share_machine, text, watcher_command};

/// A process of which `/proc` tells, and its ancestors.
fn chain_from(mut pid: u32) -> Vec<Value> {
    let mut chain = Vec::new();
    while pid != 0 {
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs");
        chain.push(json!({ "pid": pid, "comm": read("comm").trim_end_matches('\n') }));
        let status = read("status");
        let ppid = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        pid = ppid.and_then(|ppid| ppid.trim().parse().ok()).expect("a parent");
    }
    chain
}

fn link(pid: u32) -> Value {
    json!({ "pid": pid, "comm": "actor" })
}

#[test]
fn ancestors_are_told_up_to_init() {
    let _machine = share_machine();
    let watcher = Watcher::start(&["--ancestors"]);
    let (plain, _) = run_to_end(&mut play(&["exit", "0"]));
    let births = Truth::of(&mut play(&["births", "10"]));
    // Its parent calls no exec, and has ended when the record is read.
    let daemon = Truth::of(&mut play(&["daemon", "before", "3"]));
    let run = watcher.finish();

    let ours = chain_from(std::process::id());
    assert_eq!(ours.last().map(|last| &last["pid"]), Some(&json!(1)), "{ours:?}");
    let below = |links: &[u32]| {
        Value::Array(links.iter().map(|&pid| link(pid)).chain(ours.iter().cloned()).collect())
    };
    let assert_all = |pid: u32, expected: &Value| {
        let events = run.of(pid);
        assert!(!events.is_empty(), "of {pid}");
        events.iter().for_each(|event| assert_eq!(&event["ancestors"], expected, "{event}"));
    };
    assert_all(plain, &below(&[]));
    births.ended.iter().for_each(|child| assert_all(child.pid, &below(&[births.pid])));
    let middle = daemon.ended("middle").pid;
    assert_all(daemon.ended("daemon").pid, &below(&[middle, daemon.pid]));
    assert_all(middle, &below(&[daemon.pid]));
}

#[test]
fn of_a_command_they_are_asked_of_proc() {
    let _machine = share_machine();
    // What was running before is not looked at, where only a command is followed.
    let path = text(actor());
    let options = ["--ancestors", "-o", "json", "--", path, "exit", "3"];
    let output = watcher_command(Tracefs::Mounted, &options).output().expect("it starts");
    let stderr = String::from_utf8(output.stderr).expect("text");
    let events = stderr.lines().filter(|line| line.starts_with(r#"{"event":"ex"#));
    let events: Vec<Value> = events.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(events.len(), 2, "{stderr}");
    let ours = chain_from(std::process::id());
    for event in &events {
        let ancestors = event["ancestors"].as_array().expect("an array");
        assert_eq!((&ancestors[0]["pid"], &ancestors[1..]), (&event["ppid"], &ours[..]), "{event}");
    }
}

#[test]
fn a_table_shows_them_in_a_column_and_no_other_run_has_them() {
    let _machine = share_machine();
    let options = ["--ancestors", "-n", "chained", "--event", "exec"];
    let table = Watcher::spawn(watcher_command(Tracefs::Mounted, &options));
    let without = Watcher::start(&["-n", "chained"]);
    let (pid, _) = run_to_end(&mut play(&["exit", "0", "chained"]));
    let (table, without) = (table.finish(), without.finish());
    let header = table.stdout.lines().next().expect("a header");
    assert!(header.ends_with(" ANCESTORS                COMMAND"), "{header}");
    let line = table.stdout.lines().find(|line| line.contains("chained")).expect("a line");
    let names = chain_from(std::process::id());
    let init = names.last().and_then(|init| init["comm"].as_str()).expect("a name");
    let column = line.split_whitespace().nth(7).expect("eight columns");
    let ours = names[0]["comm"].as_str().expect("a name");
    assert!(column.starts_with(init) && column.ends_with(ours), "{line}");
    assert!(without.of(pid).iter().all(|event| event.get("ancestors").is_none()));
}
