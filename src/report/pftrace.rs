//! `--save FILE.pftrace`: the processes as Perfetto's own format has a trace, which the page
//! ui.perfetto.dev opens. Each process is a row below that of its parent, each program that ran
//! in it a slice.
//!
//! The rows are plain tracks. Perfetto has rows for processes, too, but those do not nest, and
//! know each other by their pid, which is used again.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use prost::Message as _;

use self::arguments::{arguments, command_of, names, slice_name};
use self::messages::{
    BuiltinClock, ChildTracksOrdering, Clock, ClockSnapshot, CounterDescriptor, EventType,
    InternedData, SequenceFlags, SiblingMergeBehavior, Trace, TracePacket, TrackDescriptor,
    TrackEvent,
};
use super::columns::cut;
use super::word::Word;
use super::{Output, TreeReport, Watched};
use crate::process::tree::{Activity, Tree};
use crate::process::wall_clock::WallClock;

mod arguments;
mod messages;

/// The tracks that are no process. Those of the processes follow, in the order of the tree.
const ROOT: u64 = 1;
const ALIVE: u64 = 2;
const BUSY: u64 = 3;
const FIRST_PROCESS: u64 = 4;

/// The most columns that a command takes as the name of its row. The slice has it whole.
const NAME_COLUMNS: usize = 60;

/// The most rows that stand below each other, with the root's. Perfetto 59 leaves out what is
/// deeper than 99 of them.
const MOST_ROWS: usize = 99;

/// Writes a `.pftrace`, process by process.
#[derive(Debug, Default)]
pub struct Pftrace;

impl TreeReport for Pftrace {
    fn write(&self, out: &mut Output<'_>, tree: &Tree, watched: &Watched<'_>) -> io::Result<()> {
        let clock = out.clock;
        write(out, vec![clocks(&clock, tree.begin), argument_names(), track(root(tree, watched))])?;
        let steps = tree.activity();
        for (uuid, name, value) in [
            (ALIVE, "processes alive", (|step| step.alive) as fn(&Activity) -> usize),
            (BUSY, "processes busy (no child alive)", |step| step.busy),
        ] {
            write(out, vec![track(counter(uuid, name))])?;
            write_counts(out, uuid, tree, &steps, value)?;
        }
        for (index, parent) in parents(tree).into_iter().enumerate() {
            write(out, packets_of(tree, index, parent))?;
        }
        Ok(())
    }
}

fn write(out: &mut Output<'_>, packet: Vec<TracePacket>) -> io::Result<()> {
    out.write_all(&Trace { packet }.encode_to_vec())
}

/// What the page needs to show times of day.
fn clocks(clock: &WallClock, boot_ns: u64) -> TracePacket {
    let realtime = u64::try_from(clock.offset + i128::from(boot_ns));
    let of = |id: BuiltinClock, timestamp| Clock { clock_id: id.into(), timestamp };
    let mut clocks = vec![of(BuiltinClock::Boottime, boot_ns)];
    clocks.extend(realtime.map(|realtime| of(BuiltinClock::Realtime, realtime)));
    let primary_trace_clock = BuiltinClock::Boottime.into();
    let snapshot = ClockSnapshot { clocks, primary_trace_clock };
    TracePacket { timestamp: boot_ns, clock_snapshot: Some(snapshot), ..packet() }
}

/// What each argument of a slice is called.
fn argument_names() -> TracePacket {
    TracePacket {
        sequence_flags: SequenceFlags::IncrementalStateCleared as u32,
        interned_data: Some(InternedData { debug_annotation_names: names() }),
        ..packet()
    }
}

fn packet() -> TracePacket {
    TracePacket { trusted_packet_sequence_id: 1, ..TracePacket::default() }
}

fn track(descriptor: TrackDescriptor) -> TracePacket {
    TracePacket { track_descriptor: Some(descriptor), ..packet() }
}

/// The row above all. Without it the page would put the counters and each process that started
/// none into a group of their own.
fn root(tree: &Tree, watched: &Watched<'_>) -> TrackDescriptor {
    let mut name = format!("processes on {}", Word::new(watched.begin.host_name.as_bytes()));
    // Writing to a String does not fail.
    if tree.forgotten > 0 {
        let _ = write!(name, " ({} older ones are left out)", tree.forgotten);
    }
    let description = format!(
        "{} {}; Linux {}; {} CPUs; {}",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        watched.begin.kernel_release,
        watched.cpus,
        watched.account.loss
    );
    TrackDescriptor { description, parent_uuid: 0, ..row(ROOT, name) }
}

/// A row in the order of its number among its siblings. (By their first times would do but for
/// processes that were running before: those all begin with the watch.)
fn row(uuid: u64, name: String) -> TrackDescriptor {
    TrackDescriptor {
        uuid,
        name,
        parent_uuid: ROOT,
        child_ordering: ChildTracksOrdering::Explicit.into(),
        sibling_order_rank: uuid.try_into().unwrap_or(i32::MAX),
        // Else two of the same name share a row.
        sibling_merge_behavior: SiblingMergeBehavior::None.into(),
        ..TrackDescriptor::default()
    }
}

fn counter(uuid: u64, name: &str) -> TrackDescriptor {
    let unit = || "processes".to_owned();
    let counter = CounterDescriptor { unit_name: unit(), y_axis_share_key: unit() };
    TrackDescriptor { counter: Some(counter), ..row(uuid, name.into()) }
}

/// From the watch's begin to its end, so that the picture is as long as the watch.
fn write_counts(
    out: &mut Output<'_>,
    uuid: u64,
    tree: &Tree,
    steps: &[Activity],
    value: impl Fn(&Activity) -> usize,
) -> io::Result<()> {
    let mut write_count = |time, count: usize| {
        let counter_value = i64::try_from(count).ok();
        let of_track = TrackEvent { counter_value, ..TrackEvent::default() };
        write(out, vec![event(uuid, time, EventType::Counter, of_track)])
    };
    let mut last = 0;
    if steps.first().is_none_or(|step| step.since > tree.begin) {
        write_count(tree.begin, last)?;
    }
    for step in steps {
        let count = value(step);
        if count != last {
            write_count(step.since, count)?;
        }
        last = count;
    }
    write_count(tree.end, last)
}

/// The track below which each process stands: that of its parent or, where that is too deep, the
/// one below which its parent stands.
fn parents(tree: &Tree) -> Vec<u64> {
    let mut rows = Vec::with_capacity(tree.nodes.len());
    for node in &tree.nodes {
        let row = match node.parent.map(|parent| (parent, rows[parent])) {
            None => (ROOT, 2),
            Some((parent, (_, rows))) if rows < MOST_ROWS => (uuid_of(parent), rows + 1),
            Some((_, beside)) => beside,
        };
        rows.push(row);
    }
    rows.into_iter().map(|(parent, _)| parent).collect()
}

/// The row of a process, and the slices on it.
fn packets_of(tree: &Tree, index: usize, parent_uuid: u64) -> Vec<TracePacket> {
    let (node, uuid) = (&tree.nodes[index], uuid_of(index));
    let mut name = node.last_run().map(command_of).unwrap_or_default();
    cut(&mut name, NAME_COLUMNS);
    let _ = write!(name, " ({})", node.process.pid);
    let mut packets = vec![track(TrackDescriptor { parent_uuid, ..row(uuid, name) })];
    // The first slice begins with the process, not with its exec: that comes soon after, and the
    // slices together are as long as the process.
    let (mut at, end) = tree.span(node);
    for (i, run) in node.runs.iter().enumerate() {
        let next = node.runs.get(i + 1);
        let until = next.map_or(end, |next| next.begin.clamp(at, end));
        let is_failure = next.is_none() && node.has_failed();
        let slice = TrackEvent {
            name: slice_name(node, run, next.is_none()),
            categories: is_failure.then(|| "failed".into()).into_iter().collect(),
            debug_annotations: arguments(tree, node, run),
            ..TrackEvent::default()
        };
        packets.push(event(uuid, at, EventType::SliceBegin, slice));
        packets.push(event(uuid, until, EventType::SliceEnd, TrackEvent::default()));
        at = until;
    }
    packets
}

fn uuid_of(index: usize) -> u64 {
    FIRST_PROCESS + index as u64
}

fn event(uuid: u64, time: u64, kind: EventType, event: TrackEvent) -> TracePacket {
    let event = TrackEvent { track_uuid: uuid, r#type: kind.into(), ..event };
    TracePacket {
        timestamp: time,
        sequence_flags: SequenceFlags::NeedsIncrementalState as u32,
        track_event: Some(event),
        ..packet()
    }
}

#[cfg(test)]
mod tests;
