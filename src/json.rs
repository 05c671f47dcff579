//! Events as JSON Lines, for programs. The fields are a contract: see README.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD as STANDARD;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};

use crate::clock::{Clock, boot_now};
use crate::join::{Event, EventKind};
use crate::loss::Loss;
use crate::output::{Facts, Row};
use crate::record::Program;
use crate::tally::Command;
use crate::wait_status::{Outcome, signal_name};

#[derive(Serialize)]
struct EventLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    pid: u32,
    ppid: u32,
    parent: Option<Cow<'a, str>>,
    uid: u32,
    gid: u32,
    user: Option<&'a str>,
    comm: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm_raw: Option<Raw<'a>>,
    filename: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename_raw: Option<Raw<'a>>,
    filename_truncated: bool,
    args: Option<Vec<Cow<'a, str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args_raw: Option<Vec<Raw<'a>>>,
    args_truncated: bool,
    start_time: Time,
    exec_id: u32,
    cgroup_id: u64,
    cgroup: Option<&'a str>,
    container_id: Option<&'a str>,
    // Of living processes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ns: Option<u64>,
    // Of exits only (and cpu_ns of living processes); there, an inner None is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ns: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<Option<i32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<Option<Cow<'static, str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    core_dumped: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_ns: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rss_kib: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    major_faults: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_bytes: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_bytes: Option<Option<u64>>,
}

impl<'a> EventLine<'a> {
    fn new(event: &Event<'a>, clock: &Clock, facts: &Facts<'a>) -> Self {
        let program = event.program;
        let filename = program.and_then(|program| program.filename.as_deref());
        Self {
            event: None,
            time: None,
            pid: event.process.pid,
            ppid: event.ppid,
            parent: event.parent.map(String::from_utf8_lossy),
            uid: event.uid,
            gid: event.gid,
            user: facts.user,
            comm: String::from_utf8_lossy(event.comm),
            comm_raw: Raw::if_needed(event.comm),
            filename: filename.map(String::from_utf8_lossy),
            filename_raw: filename.and_then(Raw::if_needed),
            filename_truncated: program.is_some_and(|program| program.filename_truncated),
            args: program.map(|program| program.args().map(String::from_utf8_lossy).collect()),
            args_raw: program
                .filter(|program| program.args().any(|arg| Raw::if_needed(arg).is_some()))
                .map(|program| program.args().map(Raw).collect()),
            args_truncated: program.is_some_and(Program::args_truncated),
            start_time: Time(clock.utc(event.process.start_time)),
            exec_id: event.exec_id,
            cgroup_id: event.cgroup_id,
            cgroup: facts.cgroup,
            container_id: facts.container_id(),
            age_ns: None,
            duration_ns: None,
            exit_code: None,
            signal: None,
            core_dumped: None,
            cpu_ns: None,
            max_rss_kib: None,
            major_faults: None,
            read_bytes: None,
            write_bytes: None,
        }
    }
}

#[derive(Serialize)]
struct LossLine {
    event: &'static str,
    time: Time,
    dropped_execs: u64,
    dropped_exits: u64,
    missed_execs_at_most: u64,
    missed_exits_at_most: u64,
}

#[derive(Serialize)]
struct CommandLine<'a> {
    event: &'static str,
    time: Time,
    comm: Cow<'a, str>,
    count: u64,
    failures: u64,
    total_duration_ns: u64,
    longest_duration_ns: u64,
    cpu_ns: u64,
    max_rss_kib: Option<u64>,
}

/// Prints one exec or exit.
pub fn event(
    out: &mut impl Write,
    event: &Event<'_>,
    clock: &Clock,
    facts: &Facts<'_>,
) -> io::Result<()> {
    let mut line = EventLine::new(event, clock, facts);
    line.event = Some("exec");
    line.time = Some(Time(clock.utc(event.time)));
    if let EventKind::Exit { outcome, duration, usage } = event.kind {
        let (exit_code, signal, core_dumped) = match outcome {
            Some(Outcome::Exited(code)) => (Some(code), None, false),
            Some(Outcome::Signaled { signal, core_dumped }) => {
                (None, Some(signal_name(signal)), core_dumped)
            }
            None => (None, None, false),
        };
        line.event = Some("exit");
        line.duration_ns = Some(duration);
        line.exit_code = Some(exit_code);
        line.signal = Some(signal);
        line.core_dumped = Some(core_dumped);
        line.cpu_ns = Some(usage.map(|usage| usage.cpu_ns));
        line.max_rss_kib = Some(usage.and_then(|usage| usage.max_rss_kib));
        line.major_faults = Some(usage.map(|usage| usage.major_faults));
        line.read_bytes = Some(usage.and_then(|usage| usage.read_bytes));
        line.write_bytes = Some(usage.and_then(|usage| usage.write_bytes));
    }
    write_line(out, &line)
}

/// Begins the list of the processes alive at a time (boot-clock nanoseconds).
pub fn processes_begin(out: &mut impl Write, time: u64, clock: &Clock) -> io::Result<()> {
    out.write_all(br#"{"event":"processes","time":"#)?;
    write_json(out, &Time(clock.utc(time)))?;
    out.write_all(br#","processes":["#)
}

/// Prints one process of the list.
pub fn process(
    out: &mut impl Write,
    is_first: bool,
    row: &Row<'_>,
    clock: &Clock,
    facts: &Facts<'_>,
) -> io::Result<()> {
    let mut line = EventLine::new(&row.event, clock, facts);
    line.age_ns = Some(row.age_ns);
    line.cpu_ns = Some(row.cpu_ns);
    out.write_all(if is_first { b"" } else { b"," })?;
    write_json(out, &line)
}

/// Ends the list.
pub fn processes_end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"]}\n")
}

/// Prints what was lost.
pub fn loss(out: &mut impl Write, loss: &Loss, time: u64, clock: &Clock) -> io::Result<()> {
    let line = LossLine {
        event: "loss",
        time: Time(clock.utc(time)),
        dropped_execs: loss.dropped_execs,
        dropped_exits: loss.dropped_exits,
        missed_execs_at_most: loss.missed_execs_at_most,
        missed_exits_at_most: loss.missed_exits_at_most,
    };
    write_line(out, &line)
}

/// Prints the commands that ran, one object each.
pub fn commands(out: &mut impl Write, commands: &[&Command], clock: &Clock) -> io::Result<()> {
    let now = boot_now();
    for command in commands {
        let line = CommandLine {
            event: "command",
            time: Time(clock.utc(now)),
            comm: String::from_utf8_lossy(&command.comm),
            count: command.count,
            failures: command.failures,
            total_duration_ns: command.total_duration,
            longest_duration_ns: command.longest_duration,
            cpu_ns: command.cpu_ns,
            max_rss_kib: command.max_rss_kib,
        };
        write_line(out, &line)?;
    }
    Ok(())
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    write_json(out, line)?;
    out.write_all(b"\n")
}

fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut serde_json::Serializer::with_formatter(out, NoControls))?)
}

/// Bytes that are not UTF-8, as base64: the text beside it has lost something.
struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    fn if_needed(bytes: &'a [u8]) -> Option<Self> {
        str::from_utf8(bytes).is_err().then_some(Self(bytes))
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// RFC 3339, UTC, always nine digits of a second.
struct Time(Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.strftime("%Y-%m-%dT%H:%M:%S.%9fZ"))
    }
}

/// Escapes DEL and the C1 control characters too. JSON allows them, but U+009B alone can
/// drive a terminal that shows the text.
struct NoControls;

impl Formatter for NoControls {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_control = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
        let mut rest = fragment;
        while let Some(at) = rest.find(is_control) {
            let (plain, control) = rest.split_at(at);
            let mut chars = control.chars();
            let code = chars.next().map_or(0, u32::from);
            CompactFormatter.write_string_fragment(out, plain)?;
            write!(out, "\\u{code:04x}")?;
            rest = chars.as_str();
        }
        CompactFormatter.write_string_fragment(out, rest)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::join::Origin;
    use crate::record::{ProcessId, Usage};

    fn print(kind: EventKind, program: Option<&Program>) -> (String, Value) {
        let line = Event {
            kind,
            time: 1_500_000_001,
            process: ProcessId { pid: 7, start_time: 1_000_000_000 },
            ppid: 1,
            parent: Some(b"init"),
            uid: 1000,
            gid: 100,
            cgroup_id: 5,
            exec_id: 3,
            comm: b"ls",
            program,
            origin: Origin { uid: 1000, cgroup_id: 5, comm: b"ls" },
        };
        let facts = Facts { user: None, cgroup: Some("/a") };
        let mut out = Vec::new();
        event(&mut out, &line, &Clock::new(), &facts).expect("memory");
        let text = String::from_utf8(out).expect("UTF-8");
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
                "event": "exec", "time": null, "pid": 7, "ppid": 1, "parent": "init",
                "uid": 1000, "gid": 100, "user": null, "comm": "ls", "filename": "/bin/ls", "filename_truncated": false,
                "args": ["ls", "a b", ""], "args_truncated": false, "start_time": null,
                "exec_id": 3, "cgroup_id": 5, "cgroup": "/a", "container_id": null,
            })
        );
        let parse = |time: &Value| time.as_str().and_then(|time| time.parse::<Timestamp>().ok());
        let (time, start_time) = (parse(&time), parse(&start_time));
        let elapsed = time.zip(start_time).map(|(time, start)| time.duration_since(start));
        assert_eq!(elapsed.map(|elapsed| elapsed.as_nanos()), Some(500_000_001));
    }

    #[test]
    fn times_have_nine_digits_and_their_zone() {
        let time = serde_json::to_string(&Time(Timestamp::UNIX_EPOCH)).expect("JSON");
        assert_eq!(time, "\"1970-01-01T00:00:00.000000000Z\"");
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
}
