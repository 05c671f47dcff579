//! What a picture takes of Perfetto's messages (`protos/perfetto/trace` in its repository): the
//! numbers and types of the fields are theirs. A field that is 0 or empty is left out, so where
//! that would mean something else than 0, it is an `Option`.

use prost::{Enumeration, Message, Oneof};

/// A file. Several, one behind the other, are one: so a trace can be written in pieces.
#[derive(Clone, PartialEq, Message)]
pub struct Trace {
    #[prost(message, repeated, tag = "1")]
    pub packet: Vec<TracePacket>,
}

/// It holds one of the messages that are an `Option` here.
#[derive(Clone, PartialEq, Message)]
pub struct TracePacket {
    #[prost(message, optional, tag = "6")]
    pub clock_snapshot: Option<ClockSnapshot>,
    /// Nanoseconds, on the boot clock where nothing else is said.
    #[prost(uint64, tag = "8")]
    pub timestamp: u64,
    /// Who wrote it. Events are taken only from somebody.
    #[prost(uint32, tag = "10")]
    pub trusted_packet_sequence_id: u32,
    #[prost(message, optional, tag = "11")]
    pub track_event: Option<TrackEvent>,
    #[prost(message, optional, tag = "12")]
    pub interned_data: Option<InternedData>,
    /// See [`SequenceFlags`].
    #[prost(uint32, tag = "13")]
    pub sequence_flags: u32,
    #[prost(message, optional, tag = "60")]
    pub track_descriptor: Option<TrackDescriptor>,
}

/// What a packet has to do with those before it that the same writer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum SequenceFlags {
    /// What was interned before counts no more: it is the first packet.
    IncrementalStateCleared = 1,
    /// It uses what was interned.
    NeedsIncrementalState = 2,
}

/// Times of several clocks at one moment.
#[derive(Clone, PartialEq, Message)]
pub struct ClockSnapshot {
    #[prost(message, repeated, tag = "1")]
    pub clocks: Vec<Clock>,
    /// The one that the timestamps are of.
    #[prost(enumeration = "BuiltinClock", tag = "2")]
    pub primary_trace_clock: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Clock {
    #[prost(enumeration = "BuiltinClock", tag = "1")]
    pub clock_id: i32,
    /// Nanoseconds.
    #[prost(uint64, tag = "2")]
    pub timestamp: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum BuiltinClock {
    Unknown = 0,
    Realtime = 1,
    Boottime = 6,
}

/// A row.
#[derive(Clone, PartialEq, Message)]
pub struct TrackDescriptor {
    #[prost(uint64, tag = "1")]
    pub uuid: u64,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(uint64, tag = "5")]
    pub parent_uuid: u64,
    #[prost(message, optional, tag = "8")]
    pub counter: Option<CounterDescriptor>,
    #[prost(enumeration = "ChildTracksOrdering", tag = "11")]
    pub child_ordering: i32,
    #[prost(int32, tag = "12")]
    pub sibling_order_rank: i32,
    #[prost(string, tag = "14")]
    pub description: String,
    #[prost(enumeration = "SiblingMergeBehavior", tag = "15")]
    pub sibling_merge_behavior: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum ChildTracksOrdering {
    Unknown = 0,
    /// By [`TrackDescriptor::sibling_order_rank`].
    Explicit = 3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum SiblingMergeBehavior {
    /// By name.
    Unspecified = 0,
    None = 2,
}

#[derive(Clone, PartialEq, Message)]
pub struct CounterDescriptor {
    #[prost(string, tag = "6")]
    pub unit_name: String,
    /// Counters that have the same one, and the same parent, are drawn to one scale.
    #[prost(string, tag = "7")]
    pub y_axis_share_key: String,
}

/// Something that happens on a track.
#[derive(Clone, PartialEq, Message)]
pub struct TrackEvent {
    #[prost(message, repeated, tag = "4")]
    pub debug_annotations: Vec<DebugAnnotation>,
    #[prost(enumeration = "EventType", tag = "9")]
    pub r#type: i32,
    #[prost(uint64, tag = "11")]
    pub track_uuid: u64,
    #[prost(string, repeated, tag = "22")]
    pub categories: Vec<String>,
    #[prost(string, tag = "23")]
    pub name: String,
    #[prost(int64, optional, tag = "30")]
    pub counter_value: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub enum EventType {
    Unspecified = 0,
    SliceBegin = 1,
    SliceEnd = 2,
    Counter = 4,
}

/// What the page shows of a slice that is clicked on.
#[derive(Clone, PartialEq, Message)]
pub struct DebugAnnotation {
    /// Of an [`InternedName`].
    #[prost(uint64, tag = "1")]
    pub name_iid: u64,
    #[prost(oneof = "Value", tags = "3, 6")]
    pub value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Value {
    #[prost(uint64, tag = "3")]
    Count(u64),
    #[prost(string, tag = "6")]
    Text(String),
}

/// Names that stand in a file once, since many packets have them.
#[derive(Clone, PartialEq, Message)]
pub struct InternedData {
    #[prost(message, repeated, tag = "3")]
    pub debug_annotation_names: Vec<InternedName>,
}

#[derive(Clone, PartialEq, Message)]
pub struct InternedName {
    /// Not 0.
    #[prost(uint64, tag = "1")]
    pub iid: u64,
    #[prost(string, tag = "2")]
    pub name: String,
}
