use std::rc::Rc;

use super::messages::{DebugAnnotation, Value};
use super::*;
use crate::process::loss::Loss;
use crate::process::record::{ProcessId, Program, Usage};
use crate::process::tree::{Node, Run};
use crate::process::wait_status::Outcome;
use crate::report::Begin;
use crate::report::charset::Charset;
use crate::report::closing_account::ClosingAccount;

/// When the watches of these tests begin and end.
const BEGIN: u64 = 1_000;
const END: u64 = 2_000;

fn run(begin: u64, argv: &[&str]) -> Run {
    let bytes = argv.iter().flat_map(|arg| [arg.as_bytes(), b"\0"].concat()).collect::<Vec<_>>();
    let size = bytes.len();
    let program = Some(Program::new(None, bytes, size));
    let (comm, user) = (argv[0].as_bytes().into(), Some(Rc::from("alice")));
    Run { begin, forked: false, comm, program: program.map(Into::into), uid: 1000, user }
}

fn node(pid: u32, parent: Option<usize>, runs: Vec<Run>, end: Option<(u64, Outcome)>) -> Node {
    Node {
        process: ProcessId { pid, start_time: runs[0].begin },
        parent,
        children: Vec::new(),
        runs,
        end: end.map(|(time, _)| time),
        outcome: end.map(|(_, outcome)| outcome),
        usage: end.map(|_| Usage { cpu_ns: 5, max_rss_kib: Some(300), ..Usage::default() }),
        cpu_ns: Some(5),
        subtree_cpu_ns: 5,
    }
}

fn tree(mut nodes: Vec<Node>) -> Tree {
    for index in 0..nodes.len() {
        if let Some(parent) = nodes[index].parent {
            nodes[parent].children.push(index);
        }
    }
    Tree { nodes, begin: BEGIN, end: END, forgotten: 0 }
}

/// The packets of a picture, read again.
fn written(tree: &Tree) -> Vec<TracePacket> {
    let account = ClosingAccount {
        begin: BEGIN,
        end: END,
        loss: Loss { dropped_exits: 7, ..Loss::default() },
        ..ClosingAccount::default()
    };
    let begin = Begin { host_name: "alpha".into(), ..Begin::default() };
    let watched = Watched { begin: &begin, account: &account, cpus: 4 };
    let mut bytes = Vec::new();
    let clock = WallClock::new(50_000);
    let mut out = Output { to: &mut bytes, clock, window: None, charset: Charset::Utf8 };
    Pftrace.write(&mut out, tree, &watched).expect("memory");
    Trace::decode(&bytes[..]).expect("a trace").packet
}

fn tracks(packets: &[TracePacket]) -> Vec<&TrackDescriptor> {
    packets.iter().filter_map(|packet| packet.track_descriptor.as_ref()).collect()
}

/// The slices of a track in short, and whatever an event says beside.
fn slices(packets: &[TracePacket], uuid: u64) -> Vec<String> {
    let mut open: Option<(u64, &TrackEvent)> = None;
    let mut slices = Vec::new();
    for packet in packets {
        let Some(event) = packet.track_event.as_ref().filter(|event| event.track_uuid == uuid)
        else {
            continue;
        };
        match event.r#type() {
            EventType::SliceBegin => {
                assert!(open.replace((packet.timestamp, event)).is_none(), "no end before");
            }
            EventType::SliceEnd => {
                let (begin, event) = open.take().expect("a begin before");
                let said = [std::slice::from_ref(&event.name), &event.categories].concat();
                slices.push(format!("{begin}..{} {}", packet.timestamp, said.join(" ")));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open, None);
    slices
}

/// The arguments of the last slice of a track, as `name=value`.
fn arguments_of(packets: &[TracePacket], uuid: u64) -> Vec<String> {
    let names = &packets[1].interned_data.as_ref().expect("names").debug_annotation_names;
    let mut events = packets.iter().filter_map(|packet| packet.track_event.as_ref());
    let begins =
        |event: &&TrackEvent| event.track_uuid == uuid && event.r#type() == EventType::SliceBegin;
    let told = |DebugAnnotation { name_iid, value }: &DebugAnnotation| {
        let name = names.iter().find(|name| name.iid == *name_iid).expect("a name");
        match value.as_ref().expect("a value") {
            Value::Count(count) => format!("{}={count}", name.name),
            Value::Text(text) => format!("{}={text}", name.name),
        }
    };
    events.rfind(begins).expect("a slice").debug_annotations.iter().map(told).collect()
}

fn argument(packets: &[TracePacket], uuid: u64, name: &str) -> Option<String> {
    let arguments = arguments_of(packets, uuid);
    arguments.iter().find_map(|told| Some(told.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

fn counts(packets: &[TracePacket], uuid: u64) -> Vec<(u64, i64)> {
    let count = |packet: &TracePacket| {
        let event = packet.track_event.as_ref().filter(|event| event.track_uuid == uuid)?;
        assert_eq!(event.r#type(), EventType::Counter);
        Some((packet.timestamp, event.counter_value.expect("a value")))
    };
    packets.iter().filter_map(count).collect()
}

const ENDED: Outcome = Outcome::Exited(0);

#[test]
fn a_process_is_a_row_below_its_parent_in_the_order_of_starts() {
    let packets = written(&tree(vec![
        node(10, None, vec![run(1_100, &["make", "-j2"])], Some((1_900, ENDED))),
        node(11, Some(0), vec![run(1_200, &["cc", "a.c"])], Some((1_300, ENDED))),
        node(12, Some(1), vec![run(1_210, &["as"])], Some((1_290, ENDED))),
        node(13, Some(0), vec![run(1_400, &["cc", "a.c"])], Some((1_500, ENDED))),
    ]));
    let tracks = tracks(&packets);
    let of = |track: &&TrackDescriptor| (track.uuid, track.parent_uuid, track.name.clone());
    let expected = [
        (ROOT, 0, "processes on alpha"),
        (ALIVE, ROOT, "processes alive"),
        (BUSY, ROOT, "processes busy (no child alive)"),
        (4, ROOT, "make -j2 (10)"),
        (5, 4, "cc a.c (11)"),
        (6, 5, "as (12)"),
        (7, 4, "cc a.c (13)"),
    ];
    let expected = expected.map(|(uuid, parent, name)| (uuid, parent, name.to_owned()));
    assert_eq!(tracks.iter().map(of).collect::<Vec<_>>(), expected);
    assert!(tracks.is_sorted_by_key(|track| track.sibling_order_rank));
    for track in tracks {
        assert_eq!(track.child_ordering(), ChildTracksOrdering::Explicit);
        assert_eq!(track.sibling_merge_behavior(), SiblingMergeBehavior::None);
    }
    assert_eq!(slices(&packets, 5), ["1200..1300 cc"]);
}

#[test]
fn rows_are_not_deeper_than_perfetto_takes_them() {
    let chain = (0..200).map(|pid: u32| {
        let parent = pid.checked_sub(1).map(|parent| parent as usize);
        node(pid, parent, vec![run(1_100 + u64::from(pid), &["sh"])], None)
    });
    let packets = written(&tree(chain.collect()));
    let tracks = tracks(&packets);
    let parents: Vec<u64> = tracks[3..].iter().map(|track| track.parent_uuid).collect();
    let deepest = FIRST_PROCESS + MOST_ROWS as u64 - 3; // that has rows below it
    let expected = (0..200).map(|pid| (FIRST_PROCESS + pid - 1).min(deepest));
    assert_eq!(parents[1..], expected.skip(1).collect::<Vec<_>>());
    assert_eq!(argument(&packets, FIRST_PROCESS + 199, "ppid").as_deref(), Some("198"));
}

#[test]
fn each_program_of_a_process_is_a_slice() {
    let runs = vec![run(1_100, &["sh"]), run(1_200, &["env"]), run(1_300, &["make"])];
    let mut node = node(10, None, runs, Some((1_900, Outcome::Exited(2))));
    node.process.start_time = 1_050; // its first exec came later
    let packets = written(&tree(vec![node]));
    assert_eq!(
        slices(&packets, FIRST_PROCESS),
        ["1050..1200 sh", "1200..1300 env", "1300..1900 make ✗ 2 failed"]
    );
}

#[test]
fn what_is_known_of_a_process_is_told() {
    let mut nodes = vec![
        node(10, None, vec![run(1_100, &["make", "a b"])], Some((1_900, ENDED))),
        node(11, Some(0), vec![run(1_200, &["cc"])], None),
    ];
    nodes[0].subtree_cpu_ns = 12;
    let packets = written(&tree(nodes));
    assert_eq!(
        arguments_of(&packets, FIRST_PROCESS),
        [
            "command=make 'a b'",
            "pid=10",
            "user=alice",
            "status=0",
            "cpu_ns=5",
            "subtree_cpu_ns=12",
            "max_rss_kib=300",
            "major_faults=0",
        ]
    );
    assert_eq!(argument(&packets, FIRST_PROCESS + 1, "ppid").as_deref(), Some("10"));
    assert_eq!(argument(&packets, FIRST_PROCESS + 1, "status").as_deref(), Some("running"));
    assert_eq!(slices(&packets, FIRST_PROCESS + 1), ["1200..2000 cc"], "until the watch's end");
}

#[test]
fn ends_that_are_no_success_are_marked() {
    let killed = Outcome::Signaled { signal: 11, core_dumped: true };
    let mut nodes = vec![
        node(10, None, vec![run(1_100, &["crash"])], Some((1_200, killed))),
        node(11, None, vec![run(1_100, &["lost"])], Some((1_200, ENDED))),
    ];
    nodes[1].outcome = None;
    let packets = written(&tree(nodes));
    assert_eq!(slices(&packets, FIRST_PROCESS), ["1100..1200 crash ✗ SIGSEGV failed"]);
    assert!(arguments_of(&packets, FIRST_PROCESS).contains(&"status=SIGSEGV (core dumped)".into()));
    assert_eq!(slices(&packets, FIRST_PROCESS + 1), ["1100..1200 lost"]);
    assert_eq!(argument(&packets, FIRST_PROCESS + 1, "status").as_deref(), Some("?"));
}

#[test]
fn what_was_there_before_begins_with_the_watch() {
    let unknown = Run { program: None, user: None, uid: 0, ..run(0, &["?"]) };
    let mut nodes = vec![
        node(1, None, vec![unknown], None),
        node(10, Some(0), vec![run(900, &["bash"])], None),
        node(11, Some(1), vec![run(950, &["sleep"])], Some((990, ENDED))),
    ];
    nodes[0].cpu_ns = None;
    let packets = written(&tree(nodes));
    assert_eq!(slices(&packets, FIRST_PROCESS), ["1000..2000 '?'"]);
    assert_eq!(
        arguments_of(&packets, FIRST_PROCESS),
        ["command=['?']", "pid=1", "began=unseen", "status=?", "subtree_cpu_ns=5"]
    );
    assert_eq!(slices(&packets, FIRST_PROCESS + 1), ["1000..2000 bash"]);
    let began = "began=0 µs before the watch".to_owned();
    assert!(arguments_of(&packets, FIRST_PROCESS + 1).contains(&began));
    assert_eq!(slices(&packets, FIRST_PROCESS + 2), ["1000..1000 sleep"], "all of it was before");
}

#[test]
fn no_text_is_more_than_text() {
    let hostile = "a\u{1b}[2J\u{202e}b";
    let mut nodes = vec![
        node(10, None, vec![run(1_100, &[hostile, "cut…"])], Some((1_200, ENDED))),
        node(11, None, vec![run(1_100, &["(fork)", "[x]", "✗ 1"])], Some((1_200, ENDED))),
        node(12, None, vec![run(1_100, &["make"])], Some((1_200, ENDED))),
        node(13, None, vec![run(1_100, &["true", &"x".repeat(100)])], Some((1_200, ENDED))),
    ];
    nodes[2].runs[0].forked = true;
    nodes[3].runs[0].comm = b"\xff\xfe".as_slice().into();
    let packets = written(&tree(nodes));
    let escaped = r"$'a\x1B[2J'$'\xE2\x80\xAE''b'";
    assert_eq!(slices(&packets, 4), [format!("1100..1200 {escaped}")]);
    assert_eq!(argument(&packets, 4, "command"), Some(format!("{escaped} 'cut…'")));
    assert_eq!(slices(&packets, 5), ["1100..1200 '(fork)'"]);
    assert_eq!(argument(&packets, 5, "command").as_deref(), Some("'(fork)' '[x]' '✗ 1'"));
    assert_eq!(slices(&packets, 6), ["1100..1200 (fork) make"]);
    assert_eq!(slices(&packets, 7), [r"1100..1200 $'\xFF\xFE'"]);
    let name = &tracks(&packets)[6].name;
    assert_eq!(*name, format!("true {}… (13)", "x".repeat(54)), "the row's name is cut");
    assert_eq!(argument(&packets, 7, "command").map(|command| command.len()), Some(105));
}

#[test]
fn counters_go_from_the_begin_to_the_end() {
    let packets = written(&tree(vec![
        node(10, None, vec![run(1_100, &["make"])], Some((1_900, ENDED))),
        node(11, Some(0), vec![run(1_200, &["cc"])], Some((1_300, ENDED))),
        node(12, Some(0), vec![run(1_300, &["cc"])], Some((1_400, ENDED))),
    ]));
    let alive = [(1_000, 0), (1_100, 1), (1_200, 2), (1_400, 1), (1_900, 0), (2_000, 0)];
    assert_eq!(counts(&packets, ALIVE), alive);
    assert_eq!(counts(&packets, BUSY), [(1_000, 0), (1_100, 1), (1_900, 0), (2_000, 0)]);
    let nothing = written(&tree(Vec::new()));
    assert_eq!(counts(&nothing, ALIVE), [(1_000, 0), (2_000, 0)]);
}

#[test]
fn times_are_those_of_the_boot_clock_which_is_set_to_the_wall() {
    let mut tree = tree(vec![node(10, None, vec![run(1_100, &["make"])], None)]);
    tree.forgotten = 3;
    let packets = written(&tree);
    let snapshot = packets[0].clock_snapshot.as_ref().expect("clocks");
    assert_eq!(snapshot.primary_trace_clock(), BuiltinClock::Boottime);
    let clocks: Vec<_> = snapshot.clocks.iter().map(|c| (c.clock_id(), c.timestamp)).collect();
    assert_eq!(clocks, [(BuiltinClock::Boottime, 1_000), (BuiltinClock::Realtime, 51_000)]);
    // What an event uses has been said before it, and by the same writer.
    assert_eq!(packets[1].sequence_flags, SequenceFlags::IncrementalStateCleared as u32);
    assert!(packets.iter().all(|packet| packet.trusted_packet_sequence_id == 1));
    let root = tracks(&packets)[0];
    assert_eq!(root.name, "processes on alpha (3 older ones are left out)");
    assert!(root.description.contains("4 CPUs; dropped 0 execs, 7 exits"), "{root:?}");
}
