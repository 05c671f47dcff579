//! Trees for tests, from events alone. Times are in milliseconds of the watch.

use std::collections::HashMap;

use super::charset::Charset;
use super::closing_account::ClosingAccount;
use super::{Begin, Output, TreeReport, Watched, Window};
use crate::process::event::{Event, EventKind, Names};
use crate::process::loss::Loss;
use crate::process::record::{Common, ProcessId, Program, Usage};
use crate::process::tree::{Tree, TreeBuilder};
use crate::process::wait_status::Outcome;
use crate::process::wall_clock::WallClock;

/// When the watch began, in boot-clock nanoseconds.
const BEGIN: u64 = 5_000_000_000;

#[derive(Debug)]
pub struct Sample {
    builder: TreeBuilder,
    /// Of each pid in use: its start time, and who started it.
    alive: HashMap<u32, (u64, u32)>,
    last: u64,
}

impl Sample {
    pub fn new() -> Self {
        let builder = TreeBuilder::new(true, usize::MAX);
        Self { builder, alive: HashMap::new(), last: BEGIN }
    }

    /// An exec; without one before, the process starts by it.
    pub fn exec(&mut self, pid: u32, started_by: u32, ms: u64, command: &str) {
        let argv = command.replace(' ', "\0") + "\0";
        self.exec_bytes(pid, started_by, ms, argv.as_bytes());
    }

    pub fn exec_bytes(&mut self, pid: u32, started_by: u32, ms: u64, argv: &[u8]) {
        let program = Program::new(None, argv.to_vec(), argv.len());
        let comm = argv.split(|&byte| byte == 0).next().unwrap_or_default();
        let event = (pid, started_by, ms, EventKind::Exec);
        self.event(event, &comm[..comm.len().min(15)], Some(&program), false);
    }

    /// A start without an exec.
    pub fn fork(&mut self, pid: u32, started_by: u32, ms: u64) {
        self.alive.insert(pid, (BEGIN + ms * 1_000_000, started_by));
        let process = ProcessId { pid, start_time: self.alive[&pid].0 };
        self.builder.add_fork(process, started_by);
    }

    /// An exit with a wait status. It has used so many milliseconds of CPU time.
    pub fn exit(&mut self, pid: u32, ms: u64, status: i32, cpu_ms: u64) {
        let memory = Some(4_096 + cpu_ms * 64);
        let usage = Usage { cpu_ns: cpu_ms * 1_000_000, max_rss_kib: memory, ..Usage::default() };
        let outcome = Some(Outcome::from_wait_status(status));
        let kind = EventKind::Exit { outcome, duration: None, usage: Some(usage) };
        let started_by = self.alive[&pid].1;
        self.event((pid, started_by, ms, kind), b"make", None, true);
        self.alive.remove(&pid);
    }

    /// An exit that was lost, and noticed now.
    pub fn lose(&mut self, pid: u32, ms: u64) {
        let kind = EventKind::Exit { outcome: None, duration: None, usage: None };
        self.event((pid, 0, ms, kind), b"", None, false);
        self.alive.remove(&pid);
    }

    /// A process that was running 3.6 s before the watch.
    pub fn running(&mut self, pid: u32, command: &str) {
        self.alive.insert(pid, (BEGIN - 3_600_000_000, 0));
        let program = Program::new(None, command.into(), command.len());
        let common = Common { comm: command.as_bytes().into(), ..Common::default() };
        let event = Event {
            kind: EventKind::Exec,
            time: BEGIN,
            process: ProcessId { pid, start_time: self.alive[&pid].0 },
            exec_id: 0,
            common: &common,
            parent: None,
            program: Some(&program),
            forked: false,
            origin: &common,
        };
        self.builder.add_running(&event, &Names::default());
    }

    fn event(
        &mut self,
        (pid, started_by, ms, kind): (u32, u32, u64, EventKind),
        comm: &[u8],
        program: Option<&Program>,
        forked: bool,
    ) {
        let time = BEGIN + ms * 1_000_000;
        self.last = self.last.max(time);
        let start_time = self.alive.entry(pid).or_insert((time, started_by)).0;
        let common = Common { started_by, comm: comm.into(), uid: 1000, ..Common::default() };
        let event = Event {
            kind,
            time,
            process: ProcessId { pid, start_time },
            exec_id: 0,
            common: &common,
            parent: None,
            program,
            forked,
            origin: &common,
        };
        let names = Names { user: Some("alice".into()), cgroup: None };
        self.builder.add(&event, &names);
    }

    /// The tree, as of the last event.
    pub fn finish(self) -> Tree {
        self.builder.finish(BEGIN, self.last, |_| Some(2_000_000))
    }
}

/// Some sixty processes of a build in which one of the objects fails, and a server goes on.
pub fn build() -> Tree {
    let mut sample = Sample::new();
    sample.exec(100, 0, 0, "make -j4");
    sample.exec(101, 100, 20, "sh -c ./configure\0--prefix=/usr\0--disable-nls");
    sample.exec(101, 100, 25, "/bin/sh ./configure --prefix=/usr --disable-nls");
    for (i, name) in ["uname -m", "sed s/x/y/ config.in", "cat confdefs.h", "rm -f conftest.o"]
        .iter()
        .cycle()
        .take(32)
        .enumerate()
    {
        let (pid, ms) = (110 + i as u32, 40 + 20 * i as u64);
        sample.exec(pid, 101, ms, name);
        sample.exit(pid, ms + 9, 0, 3);
    }
    sample.exit(101, 700, 0, 80);
    for i in 0..14 {
        let (pid, ms) = (200 + 4 * i, 720 + 300 * u64::from(i));
        sample.exec(
            pid,
            100,
            ms,
            &format!("cc -c -O2 -Wall -Iinclude -o obj/file{i}.o src/file{i}.c"),
        );
        let cc1 = format!("/usr/libexec/gcc/cc1 -quiet -O2 -Wall src/file{i}.c -o /tmp/cc{i}.s");
        sample.exec(pid + 1, pid, ms + 4, &cc1);
        if i == 9 {
            sample.exit(pid + 1, ms + 400, 1 << 8, 380);
            sample.exit(pid, ms + 402, 1 << 8, 2);
            continue;
        }
        sample.exit(pid + 1, ms + 1_150, 0, 1_100 + 7 * u64::from(i));
        sample.exec(pid + 2, pid, ms + 1_151, &format!("as -o obj/file{i}.o /tmp/cc{i}.s"));
        sample.exit(pid + 2, ms + 1_190, 0, 30);
        sample.exit(pid, ms + 1_192, 0, 2);
    }
    sample.fork(300, 100, 5_820);
    sample.exec(301, 300, 5_830, "ccache --server --foreground");
    sample.exit(300, 5_840, 0, 0);
    sample.exec(302, 100, 5_850, "ld -o tool obj/file0.o obj/file1.o obj/file2.o -lc");
    sample.exit(302, 7_900, 0, 2_000);
    sample.exit(100, 8_310, 0, 40);
    sample.finish()
}

/// What a report makes of a tree.
pub fn printed(
    report: &impl TreeReport,
    tree: &Tree,
    columns: Option<usize>,
    loss: Loss,
) -> String {
    let account =
        ClosingAccount { begin: tree.begin, end: tree.end, loss, ..ClosingAccount::default() };
    let begin = Begin { time: tree.begin, ..Begin::default() };
    let watched = Watched { begin: &begin, account: &account, cpus: 4 };
    let window = columns.map(|columns| Window { columns, lines: 24 });
    let mut bytes = Vec::new();
    let mut out =
        Output { to: &mut bytes, clock: WallClock::default(), window, charset: Charset::Utf8 };
    report.write(&mut out, tree, &watched).expect("memory");
    String::from_utf8(bytes).expect("UTF-8")
}
