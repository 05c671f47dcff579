//! The picture that `--save FILE.pftrace` writes, read by Perfetto's own definitions.

#![allow(clippy::expect_used, reason = "a test that can't go on has failed")]

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use kernel_and_user_map::process::event::{Event, EventKind, Names};
use kernel_and_user_map::process::record::{Common, ProcessId, Program, Usage};
use kernel_and_user_map::process::tree::{Tree, TreeBuilder};
use kernel_and_user_map::process::wait_status::Outcome;
use kernel_and_user_map::process::wall_clock::WallClock;
use kernel_and_user_map::report::charset::Charset;
use kernel_and_user_map::report::closing_account::ClosingAccount;
use kernel_and_user_map::report::pftrace::Pftrace;
use kernel_and_user_map::report::{Begin, Output, TreeReport, Watched};
use serde_json::{Value, json};

/// When the watches of these tests begin and end, and what the clock on the wall is ahead.
const BEGIN: u64 = 1_000_000;
const END: u64 = 9_000_000;
const OFFSET: i128 = 1_700_000_000_000_000_000;

/// The Python that knows the definitions.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("perfetto");
        let install = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/install-python");
        // The one holds the definitions; the other is what its generated code was made for.
        let packages = ["perfetto==0.59.1", "protobuf==6.31.1"];
        let mut command = Command::new(install);
        let status = command.arg(&folder).args(packages).status().expect("there is a shell");
        assert!(status.success(), "Perfetto's definitions can't be had, see above");
        folder.join("bin/python")
    })
}

/// Writes the picture of a tree, and reads it.
fn read(name: &str, tree: &Tree) -> Value {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let account = ClosingAccount {
        begin: tree.begin,
        end: tree.end,
        loss: Default::default(),
        ..ClosingAccount::default()
    };
    let begin = Begin { host_name: "alpha".into(), ..Begin::default() };
    let watched = Watched { begin: &begin, account: &account, cpus: 2 };
    let mut file = BufWriter::new(File::create(&path).expect("a file"));
    let clock = WallClock::new(OFFSET);
    let mut out = Output { to: &mut file, clock, window: None, charset: Charset::Utf8 };
    Pftrace.write(&mut out, tree, &watched).expect("it can be written");
    file.into_inner().expect("it can be written");

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pictures/read-pftrace.py");
    let output = Command::new(python()).arg(script).arg(&path).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(path).expect("it is there");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A tree that grows by events in short.
struct Watch(TreeBuilder);

impl Watch {
    fn new() -> Self {
        Self(TreeBuilder::new(true, usize::MAX))
    }

    fn event(&mut self, ids: Ids, time: u64, kind: EventKind, argv: Option<&[&[u8]]>) {
        let Ids { pid, start_time, started_by } = ids;
        let comm = argv.map_or(&b"make"[..], |argv| argv[0]);
        let common = Common { started_by, comm: comm.into(), uid: 1000, ..Common::default() };
        let bytes = argv.map(|argv| [argv.join(&0), vec![0]].concat());
        let program = bytes.map(|bytes| Program::new(None, bytes.clone(), bytes.len()));
        let event = Event {
            kind,
            time,
            process: ProcessId { pid, start_time },
            exec_id: 0,
            common: &common,
            parent: None,
            program: program.as_ref(),
            forked: false,
            origin: &common,
        };
        let names = Names { user: Some("alice".into()), cgroup: None };
        if time < BEGIN {
            self.0.add_running(&event, &names);
        } else {
            self.0.add(&event, &names);
        }
    }

    fn exec(&mut self, ids: Ids, time: u64, argv: &[&[u8]]) {
        self.event(ids, time, EventKind::Exec, Some(argv));
    }

    fn exit(&mut self, ids: Ids, time: u64, outcome: Option<Outcome>) {
        let usage = outcome.map(|_| Usage {
            cpu_ns: 1_500,
            max_rss_kib: Some(2_048),
            major_faults: 0,
            read_bytes: Some(4_096),
            write_bytes: None,
        });
        self.event(ids, time, EventKind::Exit { outcome, duration: None, usage }, None);
    }

    fn finish(self) -> Tree {
        self.0.finish(BEGIN, END, |process| Some(process.pid.into()))
    }
}

#[derive(Clone, Copy)]
struct Ids {
    pid: u32,
    start_time: u64,
    started_by: u32,
}

fn ids(pid: u32, start_time: u64, started_by: u32) -> Ids {
    Ids { pid, start_time, started_by }
}

/// Each track with its slices: name, that of its parent, and what each slice says.
fn rows(picture: &Value) -> Vec<String> {
    let track = |track: &Value| {
        let mut row = format!("{} < {}", text(&track["name"]), text(&track["parent"]));
        for slice in items(&track["slices"]) {
            let ms = |time: &Value| time.as_u64().expect("a time") / 1_000;
            let (begin, end) = (ms(&slice["begin"]), ms(&slice["end"]));
            row += &format!(" | {begin}..{end} {}", text(&slice["name"]));
            if slice["categories"] != json!([]) {
                row += &format!(" {}", slice["categories"]);
            }
        }
        row
    };
    items(&picture["tracks"])
        .iter()
        .filter(|track| track["counts"] == json!([]))
        .map(track)
        .collect()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

#[test]
fn perfetto_reads_the_tree_that_was_written() {
    let mut watch = Watch::new();
    let (shell, make) = (ids(10, 500_000, 0), ids(11, 1_100_000, 10));
    let (cc, cc1, fork) = (ids(12, 1_200_000, 11), ids(13, 1_300_000, 12), ids(14, 4_000_000, 11));
    let (daemon, hostile) = (ids(15, 4_100_000, 14), ids(16, 5_000_000, 11));
    watch.exec(shell, 600_000, &[b"bash"]);
    watch.exec(make, 1_150_000, &[b"sh", b"-c", b"make -j2"]);
    watch.exec(make, 1_180_000, &[b"make", b"-j2"]);
    watch.exec(cc, 1_250_000, &[b"cc", b"-c", b"a b.c"]);
    watch.exec(cc1, 1_350_000, &[b"cc1"]);
    watch.exit(cc1, 2_000_000, Some(Outcome::Signaled { signal: 9, core_dumped: false }));
    watch.exit(cc, 2_100_000, Some(Outcome::Exited(1)));
    // A daemon, whose parent ends before it.
    watch.exec(daemon, 4_200_000, &[b"daemon"]);
    watch.exit(fork, 4_300_000, Some(Outcome::Exited(0)));
    watch.exec(hostile, 5_000_000, &[b"<script>", b"\xff\n", "\u{202e}".as_bytes(), b""]);
    watch.exit(hostile, 5_000_000, None);
    watch.exit(make, 8_000_000, Some(Outcome::Exited(2)));
    let picture = read("tree.pftrace", &watch.finish());

    assert_eq!(picture["realtime_minus_boottime"], json!(1_700_000_000_000_000_000_u64));
    assert_eq!(
        rows(&picture),
        [
            "processes on alpha < -",
            "bash (10) < processes on alpha | 1000..9000 bash",
            "make -j2 (11) < bash (10) | 1100..1180 sh | 1180..8000 make ✗ 2 [\"failed\"]",
            "cc -c 'a b.c' (12) < make -j2 (11) | 1200..2100 cc ✗ 1 [\"failed\"]",
            "cc1 (13) < cc -c 'a b.c' (12) | 1300..2000 cc1 ✗ SIGKILL [\"failed\"]",
            "(fork) make -j2 (14) < make -j2 (11) | 4000..4300 (fork) make",
            "daemon (15) < (fork) make -j2 (14) | 4100..9000 daemon",
            concat!(
                r"'<script>' $'\xFF\n' $'\xE2\x80\xAE' '' (16) < make -j2 (11)",
                " | 5000..5000 '<script>'"
            ),
        ]
    );
    let tracks = items(&picture["tracks"]);
    let named = |name: &str| {
        let found = tracks.iter().find(|track| track["name"] == name);
        found.unwrap_or_else(|| panic!("no track {name}"))
    };
    let alive: Vec<Value> = items(&named("processes alive")["counts"]).to_vec();
    assert_eq!(alive.first(), Some(&json!([BEGIN, 1])));
    assert_eq!(alive.last(), Some(&json!([END, 2])), "the shell and the daemon");
    assert!(alive.contains(&json!([1_300_000, 4])), "{alive:?}");
    assert!(items(&named("processes busy (no child alive)")["counts"]).len() > 1);
    let arguments = |name: &str, slice: usize| named(name)["slices"][slice]["arguments"].clone();
    assert_eq!(
        arguments("make -j2 (11)", 0),
        json!({
            "command": "sh -c 'make -j2'", "pid": 11, "ppid": 10, "user": "alice",
            "status": "exec",
        })
    );
    assert_eq!(
        arguments("make -j2 (11)", 1),
        json!({
            "command": "make -j2", "pid": 11, "ppid": 10, "user": "alice", "status": "2",
            "cpu_ns": 1_500, "subtree_cpu_ns": 4 * 1_500 + 15, "max_rss_kib": 2_048,
            "major_faults": 0, "read_bytes": 4_096,
        })
    );
    assert_eq!(arguments("daemon (15)", 0)["status"], "running");
    assert_eq!(arguments("daemon (15)", 0)["cpu_ns"], 15);
    assert_eq!(arguments("bash (10)", 0)["began"], "500 µs before the watch");
}

#[test]
fn perfetto_reads_a_crowd() {
    const PARENTS: u32 = 64;
    const PROCESSES: u32 = 6_400;
    let mut watch = Watch::new();
    for pid in 1..=PARENTS {
        watch.exec(ids(pid, BEGIN, 0), BEGIN, &[b"sh"]);
    }
    let child = |pid: u32| ids(pid, BEGIN + u64::from(pid) * 100, pid % PARENTS + 1);
    for pid in PARENTS + 1..=PROCESSES {
        watch.exec(child(pid), child(pid).start_time + 10, &[b"true"]);
        watch.exit(child(pid), child(pid).start_time + 10_000, Some(Outcome::Exited(0)));
    }
    let picture = read("crowd.pftrace", &watch.finish());
    let mut pids = 0..;
    for track in items(&picture["tracks"]).iter().filter(|track| track["slices"] != json!([])) {
        let [slice] = items(&track["slices"]) else { panic!("{track}") };
        let pid = pids.next().map_or(0, |pid: u32| pid + 1);
        assert_eq!(slice["arguments"]["pid"], pid);
        if pid > PARENTS {
            assert_eq!(text(&track["parent"]), format!("sh ({})", child(pid).started_by));
        }
    }
    assert_eq!(pids.start, PROCESSES);
}

#[test]
fn perfetto_reads_a_long_line_of_descent() {
    let mut watch = Watch::new();
    for pid in 1..=300 {
        let start = BEGIN + u64::from(pid) * 10;
        watch.exec(ids(pid, start, pid - 1), start, &[b"sh"]);
        watch.exit(ids(pid, start, pid - 1), start + 15, Some(Outcome::Exited(0)));
    }
    let picture = read("descent.pftrace", &watch.finish());
    assert_eq!(rows(&picture).len(), 1 + 300);
}
