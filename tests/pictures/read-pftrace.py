#!/usr/bin/env python3
"""Reads a .pftrace by Perfetto's own definitions, strictly, and prints what is in it as JSON.

usage: read-pftrace.py FILE (with the Python of tests/pictures_perfetto.rs)

Status 1, and a sentence, where a packet has a field that Perfetto does not know, tracks do not
nest, or slices do not pair.
"""

import json
import sys

from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import (
    BUILTIN_CLOCK_BOOTTIME,
    BUILTIN_CLOCK_REALTIME,
    Trace,
    TracePacket,
    TrackDescriptor,
    TrackEvent,
)


def check(holds, *complaint):
    if not holds:
        sys.exit("read-pftrace.py: " + " ".join(map(str, complaint)))


def check_known(message):
    """That Perfetto knows every field and every value of an enumeration."""
    unknown = [field.field_number for field in UnknownFieldSet(message)]
    check(not unknown, message.DESCRIPTOR.full_name, "has no fields", unknown)
    for field, value in message.ListFields():
        if field.message_type:
            for part in value if field.is_repeated else [value]:
                check_known(part)


class Reader:
    """Takes in packets in their order. What is used must have been said before."""

    def __init__(self):
        self.clocks = {}
        self.names = {}
        self.tracks = {}  # by uuid, in the order of the file
        self.interned_by = None

    def add(self, packet):
        check_known(packet)
        check(packet.trusted_packet_sequence_id > 0, "nobody wrote", packet)
        if packet.sequence_flags & TracePacket.SEQ_INCREMENTAL_STATE_CLEARED:
            self.names = {}
            self.interned_by = packet.trusted_packet_sequence_id
        for name in packet.interned_data.debug_annotation_names:
            check(name.iid > 0 and name.iid not in self.names, "a number used twice:", name)
            self.names[name.iid] = name.name
        if packet.HasField("clock_snapshot"):
            check(not self.clocks and not self.tracks, "not the first packet:", packet)
            snapshot = packet.clock_snapshot
            check(snapshot.primary_trace_clock == BUILTIN_CLOCK_BOOTTIME, "another clock:", packet)
            self.clocks = {clock.clock_id: clock.timestamp for clock in snapshot.clocks}
        if packet.HasField("track_descriptor"):
            self.add_track(packet.track_descriptor)
        if packet.HasField("track_event"):
            self.add_event(packet, packet.track_event)

    def add_track(self, descriptor):
        check(descriptor.uuid not in self.tracks, "a track described twice:", descriptor)
        parent = self.tracks.get(descriptor.parent_uuid)
        if parent:
            ordering = parent["descriptor"].child_ordering
            check(ordering == TrackDescriptor.EXPLICIT, "no order:", parent["descriptor"])
            siblings = parent["children"]
            rank = siblings[-1]["descriptor"].sibling_order_rank if siblings else -1
            check(descriptor.sibling_order_rank > rank, "not in the order of starts:", descriptor)
        else:
            check(not self.tracks, "no parent:", descriptor)
        merged = descriptor.sibling_merge_behavior
        check(merged == TrackDescriptor.SIBLING_MERGE_BEHAVIOR_NONE, "merged:", descriptor)
        track = {"descriptor": descriptor, "children": [], "slices": [], "counts": []}
        track |= {"parent": parent, "open": [], "time": 0}
        track["depth"] = parent["depth"] + 1 if parent else 1
        # kMaxAncestors in Perfetto's track_event_tracker.cc: the path must end before it.
        check(track["depth"] < 100, "deeper than Perfetto takes it:", descriptor)
        self.tracks[descriptor.uuid] = track
        if parent:
            parent["children"].append(track)

    def add_event(self, packet, event):
        needs = packet.sequence_flags & TracePacket.SEQ_NEEDS_INCREMENTAL_STATE
        interned = needs and packet.trusted_packet_sequence_id == self.interned_by
        check(interned or not event.debug_annotations, "names are not of this sequence:", packet)
        track = self.tracks.get(event.track_uuid)
        check(track, "a track that is not described:", event)
        check(packet.timestamp >= track["time"], "goes back in time:", packet)
        track["time"] = packet.timestamp
        is_counter = track["descriptor"].HasField("counter")
        check(is_counter == (event.type == TrackEvent.TYPE_COUNTER), "of another kind:", event)
        if is_counter:
            check(event.HasField("counter_value"), "no value:", event)
            track["counts"].append([packet.timestamp, event.counter_value])
        elif event.type == TrackEvent.TYPE_SLICE_BEGIN:
            check(not track["open"], "a program in a program:", event)
            track["open"].append((packet.timestamp, event))
        else:
            check(event.type == TrackEvent.TYPE_SLICE_END, "neither begin nor end:", event)
            check(track["open"], "an end without a begin:", event)
            begin, opened = track["open"].pop()
            arguments = {self.names[a.name_iid]: value_of(a) for a in opened.debug_annotations}
            track["slices"].append(
                {
                    "begin": begin,
                    "end": packet.timestamp,
                    "name": opened.name,
                    "categories": list(opened.categories),
                    "arguments": arguments,
                }
            )

    def finish(self):
        check(self.clocks, "no clocks")
        spans = [track["counts"] for track in self.tracks.values() if track["counts"]]
        begin, end = spans[0][0][0], spans[0][-1][0]
        for track in self.tracks.values():
            check(not track["open"], "a begin without an end:", track["open"])
            for one in track["slices"]:
                check(begin <= one["begin"] <= one["end"] <= end, "out of the watch:", one)
                above = track["parent"]["slices"]
                check(not above or above[0]["begin"] <= one["begin"], "before its parent:", one)
        offset = self.clocks[BUILTIN_CLOCK_REALTIME] - self.clocks[BUILTIN_CLOCK_BOOTTIME]
        return {
            "realtime_minus_boottime": offset,
            "tracks": [
                {
                    "name": track["descriptor"].name,
                    "parent": track["parent"] and track["parent"]["descriptor"].name,
                    "slices": track["slices"],
                    "counts": track["counts"],
                }
                for track in self.tracks.values()
            ],
        }


def value_of(annotation):
    field = annotation.WhichOneof("value")
    check(field, "no value:", annotation)
    return getattr(annotation, field)


def main():
    with open(sys.argv[1], "rb") as file:
        trace = Trace.FromString(file.read())
    check(not list(UnknownFieldSet(trace)), "not all of it is packets")
    reader = Reader()
    for packet in trace.packet:
        reader.add(packet)
    json.dump(reader.finish(), sys.stdout)


main()
