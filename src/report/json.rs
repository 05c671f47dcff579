//! What the lines of JSON share. Their fields are a contract: docs/json.md.

use std::io::{self, Write};

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD as STANDARD;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};

use super::json_object::{Object, key};
use super::word::is_unseen;
use crate::process::event::{Event, Names};
use crate::process::loss::Loss;
use crate::process::record::{Program, Usage};
use crate::process::wait_status::{Outcome, signal_name};
use crate::process::wall_clock::WallClock;

/// Writes a value and the end of its line.
pub fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    write_value(out, line)?;
    out.write_all(b"\n")
}

/// Writes a value.
pub fn write_value(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut serde_json::Serializer::with_formatter(out, NoControls))?)
}

/// Adds the fields that an event and a process that is alive have.
pub fn process_fields(line: &mut Object<'_>, event: &Event<'_>, names: &Names, clock: &WallClock) {
    let common = event.common;
    line.field(key!("pid"), event.process.pid);
    line.field(key!("ppid"), common.ppid);
    if common.started_by != 0 {
        line.field(key!("started_by"), common.started_by);
    }
    line.field(key!("parent"), event.parent);
    if let Some(ancestors) = &common.ancestors {
        line.objects(key!("ancestors"), ancestors.iter(), |entry, ancestor| {
            entry.field(key!("pid"), ancestor.pid);
            entry.text([key!("comm"), key!("comm_raw")], Some(&ancestor.comm));
        });
    }
    line.field(key!("uid"), common.uid);
    line.field(key!("gid"), common.gid);
    line.field(key!("user"), names.user.as_deref());
    program_fields(line, &common.comm, event.program);
    line.field(key!("forked"), event.forked);
    let start = clock.utc(event.process.start_time);
    line.time([key!("start_time"), key!("start_time_ns")], Some(start));
    line.field(key!("exec_id"), event.exec_id);
    line.field(key!("cgroup_id"), common.cgroup_id);
    line.field(key!("cgroup"), names.cgroup.as_deref());
    line.field(key!("container_id"), names.container_id());
}

/// Adds the fields of a program, whatever is known of it.
pub fn program_fields(line: &mut Object<'_>, comm: &[u8], program: Option<&Program>) {
    line.text([key!("comm"), key!("comm_raw")], Some(comm));
    let filename = program.and_then(|program| program.filename.as_deref());
    line.text([key!("filename"), key!("filename_raw")], filename);
    let truncated = program.is_some_and(|program| program.filename_truncated);
    line.field(key!("filename_truncated"), truncated);
    match program {
        Some(program) => line.texts([key!("args"), key!("args_raw")], program.args()),
        None => line.field(key!("args"), None::<bool>),
    }
    line.field(key!("args_truncated"), program.is_some_and(Program::args_truncated));
}

/// Adds the fields of an exit. `duration` and `cpu_ns` are in nanoseconds.
pub fn exit_fields(
    line: &mut Object<'_>,
    duration: Option<u64>,
    outcome: Option<Outcome>,
    cpu_ns: Option<u64>,
    usage: Option<Usage>,
) {
    let (exit_code, signal, core_dumped) = match outcome {
        Some(Outcome::Exited(code)) => (Some(code), None, false),
        Some(Outcome::Signaled { signal, core_dumped }) => {
            (None, Some(signal_name(signal)), core_dumped)
        }
        None => (None, None, false),
    };
    line.field(key!("duration_ns"), duration);
    line.field(key!("exit_code"), exit_code);
    line.field(key!("signal"), signal.as_deref());
    line.field(key!("core_dumped"), core_dumped);
    line.field(key!("cpu_ns"), cpu_ns);
    line.field(key!("max_rss_kib"), usage.and_then(|usage| usage.max_rss_kib));
    line.field(key!("major_faults"), usage.map(|usage| usage.major_faults));
    line.field(key!("read_bytes"), usage.and_then(|usage| usage.read_bytes));
    line.field(key!("write_bytes"), usage.and_then(|usage| usage.write_bytes));
}

/// Writes the line that tells of a loss in any view.
pub fn write_loss(out: &mut impl Write, loss: &Loss, time: Timestamp) -> io::Result<()> {
    #[derive(Serialize)]
    struct LossLine<'a> {
        event: &'static str,
        #[serde(flatten)]
        time: LineTime,
        #[serde(flatten)]
        loss: &'a Loss,
    }
    let line = LossLine { event: "loss", time: LineTime(time), loss };
    write_line(out, &line)
}

/// Bytes that are not UTF-8, as base64.
pub struct Raw<'a>(&'a [u8]);

impl<'a> Raw<'a> {
    /// Where they are not UTF-8, so that the text has lost some.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(bytes).is_err().then_some(Self(bytes))
    }

    /// All of them, where any is not UTF-8.
    pub fn of_any<T: Iterator<Item = &'a [u8]> + Clone>(
        texts: T,
    ) -> Option<impl Iterator<Item = Self>> {
        let is_any = texts.clone().any(|text| Self::of(text).is_some());
        is_any.then(|| texts.map(Self))
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// RFC 3339, UTC, always nine digits of a second.
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Faster than `strftime`: a line has two of them, and a third of its cost would be theirs.
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(9));
        serializer.serialize_str(&PRINTER.timestamp_to_string(&self.0))
    }
}

/// The time of a line: its two fields, for `serde(flatten)`.
pub struct LineTime(pub Timestamp);

impl Serialize for LineTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(Some(2))?;
        fields.serialize_entry("time", &Time(self.0))?;
        fields.serialize_entry("time_ns", &unix_ns(self.0))?;
        fields.end()
    }
}

/// Nanoseconds since 1970; an `i64` has room for them until the year 2262.
pub fn unix_ns(time: Timestamp) -> i64 {
    let second_ns = time.as_second().checked_mul(1_000_000_000);
    let ns = i64::from(time.subsec_nanosecond());
    second_ns.and_then(|second_ns| second_ns.checked_add(ns)).unwrap_or(i64::MAX)
}

/// Escapes more than JSON asks for: DEL and the C1 controls, since U+009B alone can drive a
/// terminal that shows the text; and what the terminal would show nothing of.
struct NoControls;

impl Formatter for NoControls {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly all texts are made of characters below all of these.
        if fragment.bytes().fold(true, |is_plain, byte| is_plain & (byte < 0x7f)) {
            return CompactFormatter.write_string_fragment(out, fragment);
        }
        let is_control = |c: char| {
            c >= '\u{7f}'
                && (matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{2029}') || is_unseen(c))
        };
        let mut rest = fragment;
        while let Some(at) = rest.find(is_control) {
            let (plain, control) = rest.split_at(at);
            let mut chars = control.chars();
            CompactFormatter.write_string_fragment(out, plain)?;
            for unit in chars.next().unwrap_or_default().encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        CompactFormatter.write_string_fragment(out, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nine_digits_and_their_zone() {
        let time = serde_json::to_string(&Time(Timestamp::UNIX_EPOCH)).expect("JSON");
        assert_eq!(time, "\"1970-01-01T00:00:00.000000000Z\"");
    }
}
