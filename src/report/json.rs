//! What the lines of JSON share. Their fields are a contract: docs/json.md.

use std::io::{self, Write};

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD as STANDARD;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::ser::{CompactFormatter, Formatter};

use super::word::is_unseen;
use crate::process::ancestors::Ancestor;
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
pub fn process_fields<M: SerializeMap>(
    line: &mut M,
    event: &Event<'_>,
    names: &Names,
    clock: &WallClock,
) -> Result<(), M::Error> {
    let (common, program) = (event.common, event.program);
    line.serialize_entry("pid", &event.process.pid)?;
    line.serialize_entry("ppid", &common.ppid)?;
    if common.started_by != 0 {
        line.serialize_entry("started_by", &common.started_by)?;
    }
    line.serialize_entry("parent", &event.parent.map(String::from_utf8_lossy))?;
    if let Some(ancestors) = &common.ancestors {
        line.serialize_entry(
            "ancestors",
            &ancestors.iter().map(AncestorEntry).collect::<Vec<_>>(),
        )?;
    }
    line.serialize_entry("uid", &common.uid)?;
    line.serialize_entry("gid", &common.gid)?;
    line.serialize_entry("user", &names.user.as_deref())?;
    program_fields(line, &common.comm, program)?;
    line.serialize_entry("forked", &event.forked)?;
    let start = clock.utc(event.process.start_time);
    time_fields(line, ["start_time", "start_time_ns"], Some(start))?;
    line.serialize_entry("exec_id", &event.exec_id)?;
    line.serialize_entry("cgroup_id", &common.cgroup_id)?;
    line.serialize_entry("cgroup", &names.cgroup.as_deref())?;
    line.serialize_entry("container_id", &names.container_id())
}

struct AncestorEntry<'a>(&'a Ancestor);

impl Serialize for AncestorEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_map(None)?;
        entry.serialize_entry("pid", &self.0.pid)?;
        text_fields(&mut entry, ["comm", "comm_raw"], Some(&self.0.comm))?;
        entry.end()
    }
}

/// Adds the fields of a program, whatever is known of it.
pub fn program_fields<M: SerializeMap>(
    line: &mut M,
    comm: &[u8],
    program: Option<&Program>,
) -> Result<(), M::Error> {
    text_fields(line, ["comm", "comm_raw"], Some(comm))?;
    let filename = program.and_then(|program| program.filename.as_deref());
    text_fields(line, ["filename", "filename_raw"], filename)?;
    let truncated = program.is_some_and(|program| program.filename_truncated);
    line.serialize_entry("filename_truncated", &truncated)?;
    let args = program.map(|program| program.args().collect::<Vec<_>>());
    let texts = args.as_ref().map(|args| args.iter().map(|arg| String::from_utf8_lossy(arg)));
    line.serialize_entry("args", &texts.map(Iterator::collect::<Vec<_>>))?;
    if let Some(raw) = args.and_then(Raw::of_any) {
        line.serialize_entry("args_raw", &raw)?;
    }
    line.serialize_entry("args_truncated", &program.is_some_and(Program::args_truncated))
}

/// Adds the fields of an exit. `duration` and `cpu_ns` are in nanoseconds.
pub fn exit_fields<M: SerializeMap>(
    line: &mut M,
    duration: Option<u64>,
    outcome: Option<Outcome>,
    cpu_ns: Option<u64>,
    usage: Option<Usage>,
) -> Result<(), M::Error> {
    let (exit_code, signal, core_dumped) = match outcome {
        Some(Outcome::Exited(code)) => (Some(code), None, false),
        Some(Outcome::Signaled { signal, core_dumped }) => {
            (None, Some(signal_name(signal)), core_dumped)
        }
        None => (None, None, false),
    };
    line.serialize_entry("duration_ns", &duration)?;
    line.serialize_entry("exit_code", &exit_code)?;
    line.serialize_entry("signal", &signal)?;
    line.serialize_entry("core_dumped", &core_dumped)?;
    line.serialize_entry("cpu_ns", &cpu_ns)?;
    line.serialize_entry("max_rss_kib", &usage.and_then(|usage| usage.max_rss_kib))?;
    line.serialize_entry("major_faults", &usage.map(|usage| usage.major_faults))?;
    line.serialize_entry("read_bytes", &usage.and_then(|usage| usage.read_bytes))?;
    line.serialize_entry("write_bytes", &usage.and_then(|usage| usage.write_bytes))
}

/// Adds a time, as a text and in nanoseconds.
pub fn time_fields<M: SerializeMap>(
    line: &mut M,
    [name, ns_name]: [&'static str; 2],
    time: Option<Timestamp>,
) -> Result<(), M::Error> {
    line.serialize_entry(name, &time.map(Time))?;
    line.serialize_entry(ns_name, &time.map(unix_ns))
}

/// Adds a text, and its bytes as base64 where the text has lost some.
pub fn text_fields<M: SerializeMap>(
    line: &mut M,
    [name, raw_name]: [&'static str; 2],
    bytes: Option<&[u8]>,
) -> Result<(), M::Error> {
    line.serialize_entry(name, &bytes.map(String::from_utf8_lossy))?;
    match bytes.and_then(Raw::of) {
        Some(raw) => line.serialize_entry(raw_name, &raw),
        None => Ok(()),
    }
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
    pub fn of_any(texts: Vec<&'a [u8]>) -> Option<Vec<Self>> {
        let is_any = texts.iter().any(|text| Self::of(text).is_some());
        is_any.then(|| texts.into_iter().map(Self).collect())
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
        time_fields(&mut fields, ["time", "time_ns"], Some(self.0))?;
        fields.end()
    }
}

/// Nanoseconds since 1970; an `i64` has room for them until the year 2262.
pub fn unix_ns(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
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
