//! Events by the Elastic Common Schema, as JSON Lines. The fields are a contract: docs/json.md.
//!
//! What that schema has no field for stands below `kernel_and_user_map`, under its name of
//! `-o json`. What is not known, and what does not apply, is left out.

use std::borrow::Cow;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::closing_account::ClosingAccount;
use super::json::{Raw, Time, write_line};
use super::watch_json::{AccountFields, FilterFields};
use super::{Begin, Output, Report};
use crate::process::event::{Event, EventKind, Names};
use crate::process::loss::Loss;
use crate::process::record::{ProcessId, Program, Usage};
use crate::process::wait_status::{Outcome, signal_name};
use crate::process::wall_clock::WallClock;

/// The version of the schema that the lines are made for.
const VERSION: &str = "8.17.0";

/// The kernel cuts the name of a process to so many bytes.
const COMM_MAX: usize = 15;

/// Prints an object for each event, for each loss, and for the begin and the end.
#[derive(Debug, Default)]
pub struct EventsEcs {
    host_name: String,
    boot_id: Option<String>,
    kernel_release: String,
    /// How many lines were printed.
    sequence: u64,
    /// A line, kept for its memory.
    line: Vec<u8>,
}

impl Report for EventsEcs {
    fn begin(&mut self, out: &mut Output<'_>, begin: &Begin) -> io::Result<()> {
        self.host_name.clone_from(&begin.host_name);
        self.boot_id.clone_from(&begin.boot_id);
        self.kernel_release.clone_from(&begin.kernel_release);
        let filter = FilterFields(&begin.filter);
        let own = json!({ "version": env!("CARGO_PKG_VERSION"), "filter": filter });
        self.print(out, begin.time, about_watch("begin", "state", &own))
    }

    fn event(
        &mut self,
        out: &mut Output<'_>,
        event: &Event<'_>,
        names: &Names,
    ) -> io::Result<bool> {
        let line = self.about_event(event, names, &out.clock);
        self.print(out, event.time, line)?;
        Ok(true)
    }

    fn loss(&mut self, out: &mut Output<'_>, loss: &Loss, time: u64) -> io::Result<()> {
        self.print(out, time, about_watch("loss", "metric", &json!(loss)))
    }

    fn account(&mut self, out: &mut Output<'_>, account: &ClosingAccount) -> io::Result<()> {
        let own = json!(AccountFields::of(account));
        self.print(out, account.end, about_watch("end", "metric", &own))
    }
}

impl EventsEcs {
    /// Adds what each line has, and prints it.
    fn print(&mut self, out: &mut Output<'_>, time: u64, mut line: Value) -> io::Result<()> {
        self.sequence += 1;
        line["@timestamp"] = json!(Time(out.clock.utc(time)));
        line["ecs"] = json!({ "version": VERSION });
        line["event"]["sequence"] = json!(self.sequence);
        line["event"]["module"] = json!("kernel_and_user_map");
        line["event"]["category"] = json!(["process"]);
        line["host"] = json!({
            "name": self.host_name,
            "boot": { "id": self.boot_id },
            "os": { "kernel": self.kernel_release },
        });
        leave_out_unknown(&mut line);
        self.line.clear();
        write_line(&mut self.line, &line)?;
        out.write_all(&self.line)
    }

    fn about_event(&self, event: &Event<'_>, names: &Names, clock: &WallClock) -> Value {
        let Event { common, program, .. } = *event;
        let args = program.map(|program| program.args().collect::<Vec<_>>());
        let texts = args.as_ref().map(|args| args.iter().map(|arg| lossy(arg)).collect::<Vec<_>>());
        let args_raw = program.and_then(|program| Raw::of_any(program.args()));
        let filename = program.and_then(|program| program.filename.as_deref());
        let executable = program.and_then(executable);
        let name = executable.map_or(&*common.comm, |path| whole_name(path, &common.comm));
        let parent =
            common.parent_start.map(|start_time| ProcessId { pid: common.ppid, start_time });
        let is_cut = program.and_then(|program| if_true(program.filename_truncated));
        let mut line = json!({
            "event": {
                "kind": "event",
                "dataset": "kernel_and_user_map.process",
            },
            "process": {
                "pid": event.process.pid,
                "entity_id": self.entity_id(event.process),
                "name": lossy(name),
                "executable": executable.map(lossy),
                "command_line": texts.as_ref().map(|texts| texts.join(" ")),
                "args_count": texts.as_ref().map(Vec::len),
                "args": texts,
                "start": Time(clock.utc(event.process.start_time)),
                "parent": {
                    "pid": if_not_0(common.ppid),
                    "entity_id": parent.map(|parent| self.entity_id(parent)),
                    "name": event.parent.map(lossy),
                },
            },
            "user": { "id": common.uid.to_string(), "name": names.user.as_deref() },
            "group": { "id": common.gid.to_string() },
            "container": { "id": names.container_id() },
            "kernel_and_user_map": {
                "comm": (*name != *common.comm).then(|| lossy(&common.comm)),
                "comm_raw": Raw::of(&common.comm),
                "filename": filename.filter(|_| executable.is_none()).map(lossy),
                "filename_raw": filename.and_then(Raw::of),
                "filename_truncated": is_cut,
                "args_raw": args_raw.map(Iterator::collect::<Vec<_>>),
                "args_truncated": program.and_then(|program| if_true(program.args_truncated())),
                "forked": if_true(event.forked),
                "exec_id": event.exec_id,
                "started_by": if_not_0(common.started_by),
                "cgroup_id": common.cgroup_id,
                "cgroup": names.cgroup.as_deref(),
            },
        });
        match event.kind {
            EventKind::Exec => {
                line["event"]["type"] = json!(["start"]);
                line["event"]["action"] = json!("exec");
                line["event"]["outcome"] = json!("success");
            }
            EventKind::Exit { outcome, duration, usage } => {
                add_exit(&mut line, outcome, usage);
                // The end of one that ended unseen is not known.
                if let Some(duration) = duration {
                    let end = json!(Time(clock.utc(event.time)));
                    line["event"]["start"] = line["process"]["start"].clone();
                    line["event"]["end"] = end.clone();
                    line["event"]["duration"] = json!(duration);
                    line["process"]["end"] = end;
                }
            }
        }
        line
    }

    /// The same for all events of one process, and for no other process of any machine. It does
    /// not change when the wall clock is set, nor from one watch to the next.
    fn entity_id(&self, process: ProcessId) -> String {
        let machine = self.boot_id.as_ref().unwrap_or(&self.host_name);
        format!("{machine}-{}-{}", process.pid, process.start_time)
    }
}

/// A line about the watch itself.
fn about_watch(what: &str, kind: &str, own: &Value) -> Value {
    json!({
        "event": {
            "kind": kind,
            "type": ["info"],
            "action": format!("watch-{what}"),
            "dataset": "kernel_and_user_map.watch",
        },
        "kernel_and_user_map": own,
    })
}

fn add_exit(line: &mut Value, outcome: Option<Outcome>, usage: Option<Usage>) {
    line["event"]["type"] = json!(["end"]);
    line["event"]["action"] = json!("exit");
    line["event"]["outcome"] = match outcome {
        Some(Outcome::Exited(0)) => json!("success"),
        Some(_) => json!("failure"),
        None => json!("unknown"),
    };
    let own = &mut line["kernel_and_user_map"];
    match outcome {
        Some(Outcome::Signaled { signal, core_dumped }) => {
            own["signal"] = json!(signal_name(signal));
            own["core_dumped"] = json!(core_dumped);
        }
        Some(Outcome::Exited(code)) => line["process"]["exit_code"] = json!(code),
        None => {}
    }
    let own = &mut line["kernel_and_user_map"];
    if let Some(usage) = usage {
        own["cpu_ns"] = json!(usage.cpu_ns);
        own["max_rss_kib"] = json!(usage.max_rss_kib);
        own["major_faults"] = json!(usage.major_faults);
        own["read_bytes"] = json!(usage.read_bytes);
        own["write_bytes"] = json!(usage.write_bytes);
    }
}

/// The path of the file, where it is known to be one.
fn executable(program: &Program) -> Option<&[u8]> {
    let filename = program.filename.as_deref()?;
    (filename.starts_with(b"/") && !program.filename_truncated).then_some(filename)
}

/// The name of a process; that of its file where the kernel has cut it.
fn whole_name<'a>(path: &'a [u8], comm: &'a [u8]) -> &'a [u8] {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if comm.len() == COMM_MAX && name.starts_with(comm) { name } else { comm }
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn if_not_0(pid: u32) -> Option<u32> {
    (pid != 0).then_some(pid)
}

fn if_true(fact: bool) -> Option<bool> {
    fact.then_some(true)
}

/// Takes away what is null, and what has nothing in it then.
fn leave_out_unknown(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.values_mut().for_each(leave_out_unknown);
        fields.retain(|_, value| !value.is_null() && *value != json!({}));
    }
}

#[cfg(test)]
mod tests;
