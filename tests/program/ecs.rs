//! `-o ecs`: the same events as those of `-o json`, by the Elastic Common Schema.

use std::os::unix::process::ExitStatusExt as _;

use serde_json::{Value, json};

use crate::support::processes::play;
use crate::support::program::program;
use crate::support::truth::time;
use crate::support::watcher::{
    Run, Tracefs, Watcher, run_to_end, share_machine, text, watcher_command,
};

fn watch(options: &[&str]) -> Watcher {
    Watcher::spawn(watcher_command(Tracefs::Mounted, &[&["-o", "ecs"], options].concat()))
}

/// The lines about one process.
fn of(run: &Run, pid: u32) -> Vec<&Value> {
    run.events.iter().filter(|line| line["process"]["pid"] == pid).collect()
}

#[test]
fn the_same_events_are_told_by_the_elastic_common_schema() {
    let _machine = share_machine();
    let [json, ecs] = [Watcher::start(&[]), watch(&[])];
    let (failed, _) = run_to_end(&mut play(&["exit", "3"]));
    let (killed, status) = run_to_end(&mut play(&["signal", "9"]));
    assert_eq!(status.signal(), Some(9));
    let [json, ecs] = [json.finish(), ecs.finish()];
    assert!(ecs.status.success(), "{}", ecs.stderr);

    for pid in [failed, killed] {
        let (events, lines) = (json.of(pid), of(&ecs, pid));
        assert_eq!((events.len(), lines.len()), (2, 2), "{events:?} {lines:?}");
        for (event, line) in events.iter().zip(&lines) {
            let process = &line["process"];
            assert_eq!(line["event"]["action"], event["event"]);
            // Each program has hooks of its own, which run one after the other.
            let apart = time(&line["@timestamp"]).duration_since(time(&event["time"]));
            assert!(apart.unsigned_abs().as_millis() < 1000, "{line} {event}");
            assert_eq!(process["args"], event["args"]);
            let own = &line["kernel_and_user_map"];
            let is_cut = event["filename_truncated"] == true;
            let path = if is_cut { &own["filename"] } else { &process["executable"] };
            assert_eq!(*path, event["filename"]);
            assert_eq!(process["name"], event["comm"]);
            assert_eq!(process["parent"]["pid"], event["ppid"]);
            assert_eq!(line["user"]["id"], json!(event["uid"].to_string()));
            let of_both = [&line["event"]["duration"], &event["duration_ns"]].map(Value::as_u64);
            assert!(of_both.iter().all(|ns| ns.is_some() == (event["event"] == "exit")), "{line}");
            assert_eq!(process["exit_code"], event["exit_code"]);
            for field in ["signal", "cgroup", "exec_id"] {
                assert_eq!(own[field], event[field], "{field}");
            }
        }
        assert_eq!(lines[0]["process"]["entity_id"], lines[1]["process"]["entity_id"]);
        assert_eq!(lines[1]["event"]["outcome"], "failure");
    }
    let id = |pid| of(&ecs, pid)[0]["process"]["entity_id"].clone();
    assert_ne!(id(failed), id(killed));

    // No line is missing, and the account is whole.
    let numbers = ecs.events.iter().map(|line| line["event"]["sequence"].as_u64());
    assert!(numbers.eq((1..).map(Some).take(ecs.events.len())));
    let (first, last) = (&ecs.events[0], ecs.events.last().expect("lines"));
    assert_eq!(first["event"]["action"], "watch-begin");
    assert_eq!(first["host"]["name"], json.events[0]["host_name"]);
    assert_eq!(first["host"]["boot"]["id"], json.events[0]["boot_id"]);
    assert_eq!(last["event"]["action"], "watch-end");
    let printed =
        |action| ecs.events.iter().filter(|line| line["event"]["action"] == action).count();
    assert_eq!(last["kernel_and_user_map"]["reported_execs"], printed("exec"));
}

#[test]
fn a_parent_has_the_id_that_its_own_events_have() {
    let _machine = share_machine();
    let ecs = watch(&[]);
    let (parent, _) = run_to_end(&mut play(&["storm", "3", "1"]));
    let run = ecs.finish();
    let id = &of(&run, parent)[0]["process"]["entity_id"];
    let children = run.events.iter().filter(|line| line["process"]["parent"]["pid"] == parent);
    let ids: Vec<_> = children.map(|line| &line["process"]["parent"]["entity_id"]).collect();
    assert_eq!(ids, [id; 6]);
}

#[test]
fn the_schema_has_events_alone_and_a_file_keeps_its_own_format() {
    for options in [&["--view", "tree"][..], &["--view", "processes"], &["--summary"]] {
        let mut command = std::process::Command::new(program());
        let output = command.args(["-o", "ecs"]).args(options).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("-o ecs is for events alone"), "{stderr}");
    }
    let _machine = share_machine();
    let folder = tempfile::tempdir().expect("a folder");
    let saved = folder.path().join("log.jsonl");
    let watcher = watch(&["--save", text(&saved)]);
    let (pid, _) = run_to_end(&mut play(&["exit", "0"]));
    let run = watcher.finish();
    assert_eq!(of(&run, pid).len(), 2);
    let saved = crate::support::watcher::parse(&std::fs::read_to_string(&saved).expect("a file"));
    assert_eq!(saved.iter().filter(|event| event["pid"] == pid).count(), 2);
}
