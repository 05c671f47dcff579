//! Builds that never were: processes as `make` starts them, at times that are known.

use std::cell::Cell;

use kernel_and_user_map::process::event::{Event, EventKind, Names};
use kernel_and_user_map::process::record::{Common, ProcessId, Program, Usage};
use kernel_and_user_map::process::tree::{Tree, TreeBuilder};
use kernel_and_user_map::process::wait_status::Outcome;

pub const MS: u64 = 1_000_000;
/// When each build begins: a machine has been up for some time.
pub const BEGIN: u64 = 1_000_000 * MS;

#[derive(Debug, Clone)]
pub struct Process {
    pub pid: u32,
    pub started_by: u32,
    /// Nanoseconds since the beginning of the build.
    pub start: u64,
    pub end: u64,
    /// The programs that ran in it, and when each began.
    pub execs: Vec<(u64, Vec<String>)>,
    pub wait_status: i32,
    pub cpu_ns: u64,
    pub max_rss_kib: u64,
}

#[derive(Debug, Default)]
pub struct Build {
    pub processes: Vec<Process>,
    random: Cell<u64>,
}

impl Build {
    /// Adds a process that runs a command for some time.
    pub fn run(&mut self, started_by: u32, start: u64, ns: u64, argv: &[&str]) -> &mut Process {
        let argv = argv.iter().map(|&arg| arg.into()).collect();
        let pid = 1_000 + u32::try_from(self.processes.len()).expect("few");
        self.processes.push(Process {
            pid,
            started_by,
            start,
            end: start + ns,
            execs: vec![(start + ns / 1_000, argv)],
            wait_status: 0,
            cpu_ns: ns / 10 * 9,
            max_rss_kib: 4_000 + ns / MS * 50,
        });
        self.processes.last_mut().expect("it was added")
    }

    /// A number below another, of which each run of the test has the same.
    pub fn below(&self, end: u64) -> u64 {
        let random = self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.random.set(random);
        (random >> 24) % end
    }

    /// `cc -c`, with what it starts. Returns its pid.
    pub fn compile(&mut self, started_by: u32, start: u64, ns: u64, file: &str) -> u32 {
        let (source, object) = (format!("{file}.c"), format!("{file}.o"));
        let cc = ["cc", "-std=gnu11", "-O2", "-Wall", "-c", &source, "-o", &object];
        let waits = self.run(started_by, start, ns, &cc);
        waits.cpu_ns = MS;
        let pid = waits.pid;
        let cc1 = "/usr/lib/gcc/x86_64-linux-gnu/12/cc1";
        let own = ns / 100 * 85;
        self.run(pid, start + ns / 50, own, &[cc1, "-quiet", &source, "-O2", "-o", "/tmp/ccM3.s"]);
        let rest = ns / 100 * 11;
        self.run(pid, start + ns / 100 * 88, rest, &["as", "--64", "-o", &object, "/tmp/ccM3.s"]);
        pid
    }

    /// Many short processes of a `./configure`, one after the other. Returns when it ends.
    pub fn configure(&mut self, started_by: u32, start: u64, ns: u64, tests: u64) -> u64 {
        let shell = self.run(started_by, start, ns, &["/bin/sh", "./configure", "--prefix=/usr"]);
        shell.cpu_ns = ns / 10;
        let shell = shell.pid;
        for test in 0..tests {
            let (at, long) = (start + ns / tests * test, ns / tests);
            match self.below(6) {
                0 => drop(self.compile(shell, at, long, "conftest")),
                1 => {
                    self.run(shell, at, long / 4, &["grep", "-q", "yes", "confdefs.h"])
                        .wait_status = 1 << 8
                }
                2 => drop(self.run(shell, at, long / 3, &["rm", "-f", "conftest.o"])),
                3 => drop(self.run(shell, at, long / 2, &["expr", "a", ":", r"\(a\)"])),
                _ => drop(self.run(shell, at, long / 2, &["sed", "s/[^a-z]//g", "confdefs.h"])),
            }
        }
        start + ns
    }

    /// What `make` with so many jobs does with so many files. Returns when it is done.
    pub fn make(&mut self, make: u32, start: u64, jobs: usize, files: u64, most: u64) -> u64 {
        let mut free_from = vec![start; jobs];
        for file in 0..files {
            let job = (0..jobs).min_by_key(|&job| free_from[job]).expect("a job");
            // Most files are short.
            let ns = most / 40 + self.below(most) / 100 * self.below(100);
            let name = format!("src/part_{file}");
            self.compile(make, free_from[job], ns, &name);
            free_from[job] += ns + most / 100;
        }
        free_from.into_iter().max().unwrap_or(start)
    }

    /// The last process ends with the first.
    pub fn end_first(&mut self, end: u64, wait_status: i32) {
        self.processes[0].end = end;
        self.processes[0].wait_status = wait_status;
        self.processes[0].cpu_ns = 20 * MS;
    }

    /// What a watch would have made of it.
    pub fn tree(&self) -> Tree {
        let mut times: Vec<(u64, usize, usize)> = Vec::new();
        for (index, process) in self.processes.iter().enumerate() {
            times.extend(process.execs.iter().enumerate().map(|(at, exec)| (exec.0, index, at)));
            times.push((process.end, index, usize::MAX));
        }
        times.sort_unstable();
        let mut builder = TreeBuilder::new(true, usize::MAX);
        let names = Names { user: Some("anna".into()), ..Names::default() };
        for &(time, index, at) in &times {
            let process = &self.processes[index];
            let exec = &process.execs[at.min(process.execs.len().wrapping_sub(1))];
            let argv: Vec<u8> = exec.1.iter().flat_map(|arg| arg.bytes().chain([0])).collect();
            let comm = exec.1[0].rsplit('/').next().unwrap_or_default();
            let comm = comm.bytes().take(15).collect::<Vec<_>>().into();
            let common =
                Common { started_by: process.started_by, comm, uid: 1000, ..Common::default() };
            let size = argv.len();
            let program = Program::new(None, argv, size);
            let kind = if at == usize::MAX {
                EventKind::Exit {
                    outcome: Some(Outcome::from_wait_status(process.wait_status)),
                    duration: Some(process.end - process.start),
                    usage: Some(Usage {
                        cpu_ns: process.cpu_ns,
                        max_rss_kib: Some(process.max_rss_kib),
                        ..Usage::default()
                    }),
                }
            } else {
                EventKind::Exec
            };
            let event = Event {
                kind,
                time: BEGIN + time,
                process: ProcessId { pid: process.pid, start_time: BEGIN + process.start },
                exec_id: 1,
                common: &common,
                parent: None,
                program: Some(&program),
                forked: false,
                origin: &common,
            };
            builder.add(&event, &names);
        }
        let end = times.last().map_or(0, |&(time, ..)| time);
        builder.finish(BEGIN, BEGIN + end, |_| None)
    }
}

/// A small project: some 80 processes, of which one compiler fails.
pub fn small() -> Build {
    let mut build = Build::default();
    let make = build.run(0, 0, 0, &["make", "-j2"]).pid;
    let configured = build.configure(make, 20 * MS, 2_600 * MS, 20);
    let compiled = build.make(make, configured, 2, 10, 900 * MS);
    let link = build.run(make, compiled, 420 * MS, &["sh", "-c", "exec cc -o tool *.o"]);
    link.execs.push((
        compiled + 60 * MS,
        ["cc", "-o", "tool", "part_0.o", "part_1.o"].map(Into::into).into(),
    ));
    let link = link.pid;
    let collect =
        build.run(link, compiled + 90 * MS, 320 * MS, &["/usr/lib/gcc/collect2", "-o", "tool"]).pid;
    build.run(collect, compiled + 110 * MS, 290 * MS, &["/usr/bin/ld", "-o", "tool", "part_0.o"]);
    let test = build.run(make, compiled + 430 * MS, 800 * MS, &["./test", "--all"]);
    test.wait_status = 11 | 0x80;
    let last = test.end + 10 * MS;
    build.end_first(last, 2 << 8);
    build
}

/// A project of eight folders: some 3,000 processes.
pub fn medium() -> Build {
    let mut build = Build::default();
    let make = build.run(0, 0, 0, &["make", "-j8"]).pid;
    let configured = build.configure(make, 20 * MS, 12_000 * MS, 900);
    let mut end = configured;
    for folder in ["base", "net", "core", "ui"] {
        let argv = ["/bin/sh", "-c", &format!("set -e; make -C {folder} all")];
        let at = end;
        let shell = build.run(make, at, 0, &argv).pid;
        let below = build.run(shell, at + MS, 0, &["make", "-C", folder, "all"]).pid;
        end = build.make(below, at + 10 * MS, 8, 120, 700 * MS);
        for pid in [shell, below] {
            let process = &mut build.processes[pid as usize - 1_000];
            process.end = end;
            process.cpu_ns = MS;
        }
    }
    build.end_first(end, 0);
    build
}

/// A large project on a large machine: 100,000 processes.
pub fn large() -> Build {
    let mut build = Build::default();
    let make = build.run(0, 0, 0, &["make", "-j64"]).pid;
    let end = build.make(make, 20 * MS, 64, 33_333, 4_000 * MS);
    for failed in (0..build.processes.len()).step_by(997) {
        build.processes[failed].wait_status = 1 << 8;
    }
    build.end_first(end, 0);
    build
}
